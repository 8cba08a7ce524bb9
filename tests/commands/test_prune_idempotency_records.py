"""``manage.py prune_idempotency_records``."""

from __future__ import annotations

import argparse
import signal
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError
from django.db import connections, transaction

from django_inventory.ledgers.pruning import prune_records
from django_inventory.ledgers.verification import Verification
from django_inventory.management.arguments import duration, instant, positive_number, seconds
from django_inventory.models import IdempotencyRecord
from django_inventory.operations import Acquire
from tests.contract.journal import journal, on_databases, only_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger
    from tests.commands.conftest import Said
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Clock, Engine

    Run = Callable[..., Said]


def acquire(ledger: Ledger, *keys: str) -> None:
    ledger.post([Acquire(key, "alice", "gold", 1) for key in keys])


def keys(engine: Engine) -> list[str]:
    return sorted(IdempotencyRecord.objects.using(engine.alias).values_list("key", flat=True))


@on_databases
def test_it_deletes_what_is_older_than_that(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    acquire(ledger, "a", "b")
    clock.advance(timedelta(days=30))
    acquire(ledger, "c")
    acquire(ledger.scoped("caller"), "a")
    # Exactly 30 days are not older than 30 days.
    assert run("prune_idempotency_records", "--older-than=30d").out == "0 records deleted.\n"
    clock.advance(timedelta(microseconds=1))
    (answer,) = run("prune_idempotency_records", "--older-than=30d", "--json").json_lines
    assert (answer["pruned"], answer["stopped"]) == (2, False)
    assert answer["before"] == (clock() - timedelta(days=30)).isoformat()
    assert keys(engine) == ["a", "c"]


@on_databases
def test_a_dry_run_counts_and_changes_nothing(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    acquire(ledger, "a", "b")
    clock.advance(timedelta(days=2))
    before = engine.dump()
    (answer,) = run(
        "prune_idempotency_records", "--older-than=1d", "--dry-run", "--json"
    ).json_lines
    assert (answer["prunable"], answer["dry_run"]) == (2, True)
    said = run("prune_idempotency_records", "--older-than=1d", "--dry-run")
    assert said.out == "2 records are older than that; nothing was deleted.\n"
    assert engine.dump() == before


@on_databases
def test_a_pruned_key_acts_afresh_and_the_books_still_balance(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    ledger.acquire("stock", "alice", "gold", 10)
    receipt = ledger.hold("reserve", "alice", "gold", 4, 60 * 60 * 24 * 90)
    assert receipt.hold
    committed = ledger.commit(receipt.hold.id, key="pay")
    lines = journal(engine)
    clock.advance(timedelta(days=31))
    run("prune_idempotency_records", "--older-than=30d")
    assert keys(engine) == []
    assert journal(engine) == lines
    # By its own state, the hold replays as before; the key of an acquire means nothing any more.
    again = ledger.commit(receipt.hold.id, key="pay")
    assert (again.operation_id, again.replayed) == (committed.operation_id, True)
    assert not ledger.acquire("stock", "alice", "gold", 10).replayed
    assert ledger.balance("alice", "gold").quantity == 16
    assert list(Verification(using=str(engine.alias)).mismatches()) == []


@on_databases
@pytest.mark.parametrize("batch_size", [1, 2, 3, 10])
def test_records_of_one_instant_are_all_found(
    batch_size: int, engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    acquire(ledger, *"abcde")
    clock.advance(seconds=1)
    acquire(ledger, *"fg")
    clock.advance(seconds=1)
    deleted = list(prune_records(clock(), using=str(engine.alias), batch_size=batch_size))
    assert sum(deleted) == 7
    assert max(deleted) <= batch_size
    assert keys(engine) == []


@only_on("postgresql", "mariadb")
def test_a_record_that_is_locked_is_left_for_the_next_run(
    engine: Engine, ledger: Ledger, clock: Clock, run_threads: RunThreads
) -> None:
    alias = str(engine.alias)
    acquire(ledger, *"abcde")
    clock.advance(seconds=1)
    with transaction.atomic(using=alias):
        IdempotencyRecord.objects.using(alias).select_for_update().get(key="b")
        (deleted,) = run_threads([lambda: sum(prune_records(clock(), using=alias, batch_size=2))])
    assert deleted == 4
    assert keys(engine) == ["b"]
    assert sum(prune_records(clock(), using=alias)) == 1


@on_databases
def test_pruning_and_posting_the_same_keys_at_once_loses_nothing(
    engine: Engine, ledger: Ledger, clock: Clock, run_threads: RunThreads
) -> None:
    """A key meets its own pruning: it replays or acts afresh, and nobody is told to give up."""
    names = [f"key {number:03}" for number in range(60)]
    acquire(ledger, *names)
    clock.advance(seconds=1)
    alias = str(engine.alias)

    def post_again(in_order: list[str]) -> int:
        receipts = [ledger.acquire(name, "alice", "gold", 1) for name in in_order]
        return sum(not receipt.replayed for receipt in receipts)

    outcomes = run_threads(
        [
            lambda: sum(prune_records(clock(), using=alias, batch_size=7)),
            lambda: sum(prune_records(clock(), using=alias, batch_size=5)),
            lambda: post_again(names),
            lambda: post_again(names[::-1]),
        ]
    )
    numbers = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(numbers) == 4, outcomes
    afresh = numbers[2] + numbers[3]
    assert ledger.balance("alice", "gold").quantity == 60 + afresh
    assert list(Verification(using=alias).mismatches()) == []


@only_on("sqlite")
def test_a_signal_ends_it_after_the_batch_in_hand(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    acquire(ledger, *"abcdefgh")
    clock.advance(timedelta(days=2))

    def interrupt(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("DELETE"):
            signal.raise_signal(signal.SIGTERM)
        return execute(sql, *arguments)

    with connections[str(engine.alias)].execute_wrapper(interrupt):
        (answer,) = run(
            "prune_idempotency_records", "--older-than=1d", "--batch-size=3", "--json"
        ).json_lines
    assert (answer["pruned"], answer["stopped"]) == (3, True)
    assert keys(engine) == list("defgh")


@only_on("sqlite")
def test_the_age_is_required(engine: Engine, run: Run) -> None:
    assert "--older-than" in run("prune_idempotency_records").failure
    assert "no duration" in run("prune_idempotency_records", "--older-than=30").failure


# What the commands have in common -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert duration(text) == length
    assert seconds(text) == length.total_seconds()
    assert seconds("2.5") == 2.5


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-1d", "0d", "1.5h", "1y", "٣d", "1d2h", "999999999w"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "1_000", "x", "٣", "9" * 30])
def test_no_positive_numbers(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        positive_number(text)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "2026-03-01T25:00", "0d"])
def test_no_instants(text: str) -> None:
    with pytest.raises((argparse.ArgumentTypeError, CommandError)):
        instant(text)
