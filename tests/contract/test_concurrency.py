"""Many threads at once, each with a connection of its own: DESIGN sections 3, 4 and 5.

Each race has one right outcome, whoever wins it.
"""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError

from django_inventory.exceptions import (
    HoldExpired,
    HoldResolved,
    IdempotencyConflict,
    InsufficientQuantity,
)
from django_inventory.ledgers import DatabaseLedger
from django_inventory.ledgers.rows import BALANCE_COLUMNS, balance_from_row
from django_inventory.models import Balance
from django_inventory.operations import Acquire, Consume, Hold
from django_inventory.values import BalanceSnapshot, HoldSnapshot, HoldStatus, Receipt, Shortage
from tests.contract.calls import hold_of
from tests.contract.engines import Clock
from tests.contract.journal import journal, only_on
from tests.contract.races import (
    LIMIT,
    assert_acted_once,
    assert_sound,
    in_rounds,
    receipts_of,
    refusals_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.db import DatabaseError
    from django.db.models import QuerySet

    from django_inventory.ledgers import Ledger
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Engine

MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)


# Keys that meet -----------------------------------------------------------------------------


def keyed_call(ledger: Ledger, verb: str) -> Callable[[], Receipt]:
    """Return a call of the verb, with the key "k", that succeeds; "a" owns 10 gold."""
    ledger.acquire("stock", "a", "gold", 10)
    placed = hold_of(ledger.hold("hold", "a", "gold", 4, 60))
    calls: dict[str, Callable[[], Receipt]] = {
        "acquire": partial(ledger.acquire, "k", "a", "gold", 3),
        "acquire first-ever": partial(ledger.acquire, "k", "new", "gold", 3),
        "consume": partial(ledger.consume, "k", "a", "gold", 3),
        "transfer": partial(ledger.transfer, "k", "a", "b", "gold", 3),
        "hold": partial(ledger.hold, "k", "a", "gold", 3, 60),
        "commit": partial(ledger.commit, placed, key="k"),
        "commit a part": partial(
            ledger.commit, placed, quantity=1, keep_remainder=True, to="b", key="k"
        ),
        "commit without a key": partial(ledger.commit, placed, to="b"),
        "release": partial(ledger.release, placed, key="k"),
        "release without a key": partial(ledger.release, placed),
        "extend": partial(ledger.extend, placed, 600, key="k"),
    }
    return calls[verb]


@pytest.mark.parametrize(
    ("verb", "threads"),
    [
        ("acquire", 2),
        ("acquire", 8),
        ("acquire first-ever", 2),
        ("acquire first-ever", 8),
        ("consume", 8),
        ("transfer", 8),
        ("hold", 8),
        ("commit", 8),
        ("commit a part", 8),
        ("commit without a key", 8),
        ("release", 8),
        ("release without a key", 8),
        ("extend", 8),
    ],
)
def test_of_equal_calls_at_once_one_acts_and_the_others_replay(
    verb: str, threads: int, engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    call = keyed_call(ledger, verb)
    before = engine.counts()
    acted = assert_acted_once(run_threads([call] * threads))
    after = engine.counts()
    assert after["entries"] == before["entries"] + len(acted.balances)
    assert after["keys"] == before["keys"] + (acted.key is not None)
    assert after["holds"] == before["holds"] + (verb == "hold")
    assert_sound(engine)


def test_of_equal_batches_at_once_one_acts_and_the_others_replay(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    operations = [Acquire(f"k{number}", f"s{number}", "gold", 1) for number in range(20)]
    outcomes = run_threads([partial(ledger.post, operations)] * 8)
    batches = [outcome for outcome in outcomes if isinstance(outcome, list)]
    assert len(batches) == 8, outcomes
    for same_key in zip(*batches, strict=True):
        assert_acted_once(same_key)
    assert engine.counts() == {"balances": 20, "holds": 0, "entries": 20, "keys": 20}


def test_calls_that_differ_under_one_key_at_once_conflict(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    outcomes = run_threads([partial(ledger.acquire, "k", "a", "gold", n) for n in range(1, 9)])
    [acted] = receipts_of(outcomes)
    conflicts = [e for e in refusals_of(outcomes) if isinstance(e, IdempotencyConflict)]
    assert len(conflicts) == 7
    assert {(error.key, error.fields) for error in conflicts} == {("k", ("quantity",))}
    assert ledger.balance("a", "gold") == acted.balances[0]
    assert engine.counts() == {"balances": 1, "holds": 0, "entries": 1, "keys": 1}


def test_one_key_in_two_scopes_at_once_acts_in_each(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    scoped = [ledger.scoped(f"caller {number % 4}") for number in range(8)]
    outcomes = run_threads([partial(one.acquire, "k", "a", "gold", 1) for one in scoped])
    for number in range(4):
        assert_acted_once(outcomes[number::4])
    assert ledger.balance("a", "gold").quantity == 4


def test_a_key_that_meets_while_it_is_refused_stays_free(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    ledger.acquire("stock", "a", "gold", 2)
    before = engine.dump()
    consume = partial(ledger.consume, "k", "a", "gold", 3)
    outcomes = run_threads([consume] * 8)
    assert [type(outcome) for outcome in outcomes] == [InsufficientQuantity] * 8
    assert engine.dump() == before
    ledger.acquire("more", "a", "gold", 1)
    acted = assert_acted_once(run_threads([consume] * 8))
    assert acted.balances == (BalanceSnapshot("a", "gold", 0, 0),)


def test_a_key_that_is_refused_in_one_thread_acts_in_another_once_there_is_enough(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    ledger.acquire("stock", "a", "gold", 2)
    consume = partial(ledger.consume, "k", "a", "gold", 3)
    outcomes = run_threads([consume] * 7 + [partial(ledger.acquire, "more", "a", "gold", 1)])
    receipts_of(outcomes)
    first = [outcome for outcome in outcomes[:7] if isinstance(outcome, Receipt)]
    assert_acted_once([*first, consume()])
    assert ledger.balance("a", "gold") == BalanceSnapshot("a", "gold", 0, 0)
    assert engine.counts() == {"balances": 1, "holds": 0, "entries": 3, "keys": 3}


# First-ever credits -------------------------------------------------------------------------


def test_the_first_ever_credit_by_many_threads_counts_every_one(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    outcomes = run_threads(
        [partial(ledger.acquire, f"k{number}", "a", "gold", number) for number in range(1, 17)]
    )
    receipts = receipts_of(outcomes)
    assert len(receipts) == 16
    assert ledger.balance("a", "gold") == BalanceSnapshot("a", "gold", 136, 0)
    assert engine.counts() == {"balances": 1, "holds": 0, "entries": 16, "keys": 16}
    assert_sound(engine)
    assert conflicts == []


def test_the_first_ever_credit_by_transfers_and_commits_counts_every_one(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    ledger.post([Acquire(f"stock {number}", f"s{number}", "gold", 5) for number in range(8)])
    holds = [
        hold_of(ledger.hold(f"hold {number}", f"s{number}", "gold", 3, 60)) for number in range(8)
    ]
    transfers = [
        partial(ledger.transfer, f"k{number}", f"s{number}", "new", "gold", 2)
        for number in range(8)
    ]
    commits = [partial(ledger.commit, hold, to="new") for hold in holds]
    outcomes = run_threads([*transfers, *commits])
    assert len(receipts_of(outcomes)) == 16, outcomes
    assert ledger.balance("new", "gold").quantity == 8 * 5
    assert_sound(engine)
    assert conflicts == []


# Never more than there is -------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["consume", "hold", "transfer", "batch"])
def test_many_threads_never_take_more_than_there_is(
    verb: str, engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    ledger.acquire("stock", "a", "gold", 10)

    def take(number: int) -> Receipt:
        key = f"k{number}"
        if verb == "batch":
            return ledger.post([Acquire(f"+{key}", "b", "gold", 1), Consume(key, "a", "gold", 1)])[
                -1
            ]
        if verb == "transfer":
            return ledger.transfer(key, "a", "b", "gold", 1)
        if verb == "hold":
            return ledger.hold(key, "a", "gold", 1, 60)
        return ledger.consume(key, "a", "gold", 1)

    outcomes = run_threads([partial(take, number) for number in range(16)])
    receipts = receipts_of(outcomes)
    assert sorted(receipt.balances[0].quantity for receipt in receipts) == list(range(10))
    shortages = [e.shortages for e in refusals_of(outcomes) if isinstance(e, InsufficientQuantity)]
    assert shortages == [(Shortage("a", "gold", requested=1, available=0),)] * 6
    assert ledger.balance("a", "gold") == BalanceSnapshot(
        "a", "gold", 0, 10 if verb == "hold" else 0
    )
    assert ledger.balance("b", "gold").quantity == (10 if verb in {"transfer", "batch"} else 0)
    assert_sound(engine)


class UnlockedLedger(DatabaseLedger):
    """A ledger that reads balances without locking them, and writes when all have read."""

    barrier: threading.Barrier

    def _lock_balance(self, place: tuple[str, str], books: Any) -> None:
        subject, item = place
        self._lock_rows(Balance.objects.using(self.using).filter(subject=subject, item=item), books)

    def _lock_rows(self, rows: QuerySet[Balance], books: Any, **_: bool) -> None:
        for row in rows.values_list(*BALANCE_COLUMNS):
            locked = balance_from_row(row)
            books.balances[locked.state.place] = locked
        self.barrier.wait(LIMIT)


@only_on("postgresql", "mariadb")
def test_without_the_row_lock_two_takers_of_the_last_one_meet_the_constraint(
    engine: Engine, ledger: Ledger, clock: Clock, run_threads: RunThreads
) -> None:
    assert engine.alias is not None
    ledger.acquire("stock", "a", "gold", 1)
    unlocked = UnlockedLedger(using=engine.alias, clock=clock)
    unlocked.barrier = threading.Barrier(2)
    outcomes = run_threads([partial(unlocked.consume, key, "a", "gold", 1) for key in ("k1", "k2")])
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IntegrityError", "Receipt"]
    [refused] = [outcome for outcome in outcomes if isinstance(outcome, IntegrityError)]
    assert "inventory_entry_balance_sequence_unique" in str(refused)
    assert_sound(engine)
    assert engine.counts()["entries"] == 2


# Holds that several calls want to end -------------------------------------------------------


def place_holds(ledger: Ledger, rounds: int) -> list[HoldSnapshot]:
    """Hold 1 of 1 for each round, each on a balance of its own, for one more minute each."""
    subjects = [f"s{number}" for number in range(rounds)]
    ledger.post([Acquire(f"stock {subject}", subject, "gold", 1) for subject in subjects])
    receipts = ledger.post(
        [
            Hold(f"hold {subject}", subject, "gold", 1, (number + 1) * MINUTE)
            for number, subject in enumerate(subjects)
        ]
    )
    return [receipt.hold for receipt in receipts if receipt.hold]


def ledger_at(engine: Engine, now: datetime) -> Ledger:
    clock = Clock()
    clock.set(now)
    return engine.make_ledger(clock=clock)


def test_commit_and_release_at_once_have_one_winner(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    holds = place_holds(ledger, rounds=25)
    outcomes = in_rounds(
        run_threads,
        len(holds),
        lambda number: ledger.commit(holds[number].id),
        lambda number: ledger.release(holds[number].id),
        lambda number: ledger.commit(holds[number].id, to="receiver"),
    )
    received = 0
    for hold, outcome in zip(holds, outcomes, strict=True):
        [won] = receipts_of(outcome)
        assert won.hold is not None
        assert won.hold.status == {"commit": "committed", "release": "released"}[won.kind]
        lost = refusals_of(outcome)
        assert [type(error) for error in lost] == [HoldResolved] * 2
        assert {getattr(error, "status", None) for error in lost} == {won.hold.status}
        free = ledger.balance(hold.subject, "gold").quantity
        assert free == (1 if won.kind == "release" else 0)
        received += won is outcome[2]
    assert ledger.balance("receiver", "gold").quantity == received
    assert_sound(engine)


@pytest.mark.parametrize("verb", ["commit", "extend", "release"])
def test_a_call_in_time_and_the_expiry_at_once_have_one_winner(
    verb: str, engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    holds = place_holds(ledger, rounds=25)

    def act(number: int) -> Receipt | int:
        hold = holds[number]
        in_time = ledger_at(engine, hold.expires_at - TICK)
        if verb == "commit":
            return in_time.commit(hold.id)
        if verb == "extend":
            return in_time.extend(hold.id, timedelta(days=1))
        return in_time.release(hold.id)

    def sweep(number: int) -> Receipt | int:
        return ledger_at(engine, holds[number].expires_at).expire_holds()

    outcomes = in_rounds(run_threads, len(holds), act, sweep)
    for hold, (acted, swept) in zip(holds, outcomes, strict=True):
        kept = ledger.get_hold(hold.id)
        if swept == 1:
            assert kept.status == "expired"
            if verb == "release":
                # A release of what has expired succeeds, as the expiry.
                assert isinstance(acted, Receipt)
                assert (acted.kind, acted.replayed) == ("expire", True)
            else:
                assert isinstance(acted, HoldExpired)
        else:
            assert swept == 0
            assert isinstance(acted, Receipt)
            assert (acted.kind, acted.replayed) == (verb, False)
            assert (
                kept.status
                == {
                    "commit": HoldStatus.COMMITTED,
                    "extend": HoldStatus.ACTIVE,
                    "release": HoldStatus.RELEASED,
                }[verb]
            )
    assert_sound(engine)


def test_commit_in_time_and_a_taker_after_expiry_have_one_winner(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    holds = place_holds(ledger, rounds=25)

    def commit(number: int) -> Receipt:
        return ledger_at(engine, holds[number].expires_at - TICK).commit(holds[number].id)

    def take(number: int) -> Receipt:
        hold = holds[number]
        return ledger_at(engine, hold.expires_at).consume(f"take {number}", hold.subject, "gold", 1)

    for committed, taken in in_rounds(run_threads, len(holds), commit, take):
        if isinstance(committed, Receipt):
            assert isinstance(taken, InsufficientQuantity)
        else:
            assert isinstance(committed, HoldExpired)
            assert isinstance(taken, Receipt)
    assert {ledger.balance(hold.subject, "gold").total for hold in holds} == {0}
    assert_sound(engine)


def test_part_commits_at_once_never_take_more_than_is_held(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    ledger.acquire("stock", "a", "gold", 7)
    placed = hold_of(ledger.hold("hold", "a", "gold", 5, 60))
    outcomes = run_threads(
        [
            partial(
                ledger.commit, placed, quantity=1, keep_remainder=True, to="b", key=f"k{number}"
            )
            for number in range(8)
        ]
    )
    assert len(receipts_of(outcomes)) == 5
    assert [type(error) for error in refusals_of(outcomes)] == [HoldResolved] * 3
    assert ledger.balance("a", "gold") == BalanceSnapshot("a", "gold", 2, 0)
    assert ledger.balance("b", "gold") == BalanceSnapshot("b", "gold", 5, 0)
    assert_sound(engine)


# The sweep ----------------------------------------------------------------------------------


def test_sweeps_at_once_record_each_expiry_once(
    engine: Engine,
    ledger: Ledger,
    clock: Clock,
    run_threads: RunThreads,
    conflicts: list[DatabaseError],
) -> None:
    ledger.post([Acquire(f"stock {number}", f"s{number}", "gold", 5) for number in range(250)])
    ledger.post(
        [
            Hold(f"hold {number} {part}", f"s{number}", "gold", 1, (part + 1) * MINUTE)
            for number in range(250)
            for part in range(2)
        ]
    )
    clock.advance(2 * MINUTE)
    counts = run_threads([ledger.expire_holds] * 4)
    # On PostgreSQL and MariaDB each leaves to the others what these have locked.
    assert sum(count for count in counts if isinstance(count, int)) == 500, counts
    assert ledger.expire_holds() == 0
    assert engine.counts()["entries"] == 250 + 500 + 500
    assert_sound(engine)
    assert conflicts == []


def test_the_sweep_among_mutations_records_each_expiry_once(
    engine: Engine,
    ledger: Ledger,
    clock: Clock,
    run_threads: RunThreads,
    conflicts: list[DatabaseError],
) -> None:
    rounds = 25
    ledger.post([Acquire(f"stock {number}", f"s{number}", "gold", 4) for number in range(rounds)])
    ledger.post(
        [Hold(f"hold {number}", f"s{number}", "gold", 4, MINUTE) for number in range(rounds)]
    )
    clock.advance(MINUTE)
    in_rounds(
        run_threads,
        rounds,
        lambda _: ledger.expire_holds(limit=1),
        lambda number: ledger.consume(f"forth {number}", f"s{number}", "gold", 1),
        lambda number: ledger.consume(f"back {number}", f"s{rounds - 1 - number}", "gold", 1),
    )
    assert ledger.expire_holds() >= 0
    kinds = Counter(line.kind for line in journal(engine))
    assert kinds == {"acquire": rounds, "hold": rounds, "expire": rounds, "consume": 2 * rounds}
    assert {ledger.balance(f"s{number}", "gold").quantity for number in range(rounds)} == {2}
    assert_sound(engine)
    assert conflicts == []
