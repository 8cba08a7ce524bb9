"""Calls that find a balance absent while they wait for the lock on another one.

A lock can only be had on what is there. So whoever makes the balance meanwhile, and fills it from
the other one, must not be half seen: what is asked for is somewhere at every moment.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from django.db import connections, transaction

from django_inventory.exceptions import InsufficientQuantity, LedgerBusy
from django_inventory.ledgers import PostgresLedger, retry
from django_inventory.operations import Acquire, Consume, Hold, Transfer
from django_inventory.values import Receipt, Shortage
from tests.contract.calls import hold_of
from tests.contract.conftest import FUNCTIONS
from tests.contract.engines import Clock
from tests.contract.journal import only_on
from tests.contract.races import (
    LIMIT,
    Rivals,
    Stop,
    assert_sound,
    call_with_stops,
    isolated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db import DatabaseError

    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Engine

SECOND = timedelta(seconds=1)
on_servers = only_on("postgresql", FUNCTIONS, "mariadb")
BATCH: list[Operation] = [Consume("ann", "ann", "gold", 3), Consume("bob", "bob", "gold", 3)]
MAKING: list[Operation] = [*BATCH, Acquire("zoe", "zoe", "gold", 1)]
"""Also makes a balance, where MariaDB is led in another way."""
each_way = pytest.mark.parametrize("batch", [BATCH, MAKING], ids=["plain", "making"])


def lock_table(engine: Engine, name: str) -> None:
    """Let nobody else write to the table until the end of the transaction."""
    with connections[str(engine.alias)].cursor() as cursor:
        cursor.execute(f"LOCK TABLE django_inventory_{name} IN SHARE ROW EXCLUSIVE MODE")


def waiting_for(
    engine: Engine,
    run_threads: RunThreads,
    before: Callable[[], object],
    call: Callable[[], object],
    *,
    meanwhile: Callable[[], object] | None = None,
) -> object:
    """Return what comes of a call that waits for a transaction to end, or raise it.

    Args:
        before: what the transaction does before the call begins.
        meanwhile: what it does when the call waits.
    """
    is_done = threading.Event()
    rivals = Rivals(engine, begin=is_done)

    def hold_up() -> object:
        with transaction.atomic(using=engine.alias):
            before()
            is_done.set()
            rivals.wait_until_stuck(1)
            if meanwhile is not None:
                meanwhile()
        return None

    calls: list[Callable[[], object]] = [hold_up, partial(rivals.call, call)]
    held_up, outcome = run_threads(calls)
    for one in (held_up, outcome):
        if isinstance(one, BaseException):
            raise one
    return outcome


@on_servers
@each_way
def test_what_was_moved_while_a_batch_waited_is_found(
    batch: list[Operation], engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    ledger.acquire("stock", "bob", "gold", 3)
    outcomes = waiting_for(
        engine,
        run_threads,
        partial(ledger.transfer, "move", "bob", "ann", "gold", 3),
        partial(ledger.post, batch, atomic=False),
    )
    assert isinstance(outcomes, list)
    at_ann, at_bob = outcomes[:2]
    assert isinstance(at_ann, Receipt)
    assert isinstance(at_bob, InsufficientQuantity)
    assert at_bob.shortages == (Shortage("bob", "gold", 3, 0),)
    assert ledger.balances("ann") == ledger.balances("bob") == []
    assert_sound(engine)


@on_servers
@each_way
def test_a_refusal_names_no_balance_that_was_filled_while_it_waited(
    batch: list[Operation], engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    ledger.acquire("stock", "bob", "gold", 3)
    with pytest.raises(InsufficientQuantity) as refusal:
        waiting_for(
            engine,
            run_threads,
            partial(ledger.transfer, "move", "bob", "ann", "gold", 3),
            partial(ledger.post, batch),
        )
    assert refusal.value.shortages == (Shortage("bob", "gold", 3, 0),)
    assert [ledger.balance(name, "gold").quantity for name in ("ann", "bob")] == [3, 0]
    assert_sound(engine)


@on_servers
def test_inside_a_transaction_of_the_callers_it_starts_over_itself(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    """As after a deadlock: what the caller read before may be untrue by now."""
    ledger.acquire("stock", "bob", "gold", 3)

    def consume() -> object:
        with transaction.atomic(using=engine.alias):
            return ledger.post(MAKING)

    with pytest.raises(LedgerBusy):
        waiting_for(
            engine,
            run_threads,
            partial(ledger.transfer, "move", "bob", "ann", "gold", 3),
            consume,
        )
    assert [ledger.balance(name, "gold").quantity for name in ("ann", "bob")] == [3, 0]
    assert engine.counts()["keys"] == 2
    assert_sound(engine)


@on_servers
def test_a_balance_that_stays_absent_costs_no_second_try(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.acquire("stock", "bob", "gold", 3)
    monkeypatch.setattr(retry, "MAX_ATTEMPTS", 1)
    # At others it has to start over because of "bob".
    with isolated(engine, "READ COMMITTED"):
        outcomes = waiting_for(
            engine,
            run_threads,
            partial(ledger.transfer, "move", "bob", "carl", "gold", 3),
            partial(ledger.post, [*BATCH, Transfer("t", "ann", "bob", "gold", 1)], atomic=False),
        )
    assert isinstance(outcomes, list)
    assert [type(outcome) for outcome in outcomes] == [InsufficientQuantity] * 3
    assert engine.counts()["keys"] == 2
    assert_sound(engine)


@only_on("postgresql", FUNCTIONS)
def test_a_batch_does_not_act_on_a_balance_that_it_could_not_lock(
    engine: Engine, ledger: Ledger, run_threads: RunThreads, conflicts: list[DatabaseError]
) -> None:
    """The batch has its locks, and waits for the journal, when somebody else makes "ann"."""
    batch = [Acquire("bob", "bob", "gold", 1), Transfer("to bob", "ann", "bob", "gold", 1)]
    post = partial(
        waiting_for,
        engine,
        run_threads,
        partial(lock_table, engine, "entry"),
        partial(ledger.post, batch),
        meanwhile=partial(ledger.acquire, "new", "ann", "gold", 5),
    )
    if isinstance(ledger, PostgresLedger):
        # Which has a second look at what is short, by a call that comes after.
        assert isinstance(post(), list)
        owned = [4, 2]
    else:
        with pytest.raises(InsufficientQuantity) as refusal:
            post()
        assert refusal.value.shortages == (Shortage("ann", "gold", 1, 0),)
        owned = [5, 0]
    assert [ledger.balance(name, "gold").quantity for name in ("ann", "bob")] == owned
    assert_sound(engine)
    assert conflicts == []


ALONE: list[Operation] = [
    Consume("ann", "ann", "gold", 1),
    Hold("bob", "bob", "gold", 1, SECOND),
]


def assert_refused_and_held(engine: Engine, ledger: Ledger, outcomes: object) -> None:
    assert isinstance(outcomes, list)
    assert [type(outcome) for outcome in outcomes] == [InsufficientQuantity, Receipt]
    assert ledger.balance("ann", "gold").quantity == 5
    assert ledger.balance("bob", "gold").on_hold == 1
    assert_sound(engine)


@only_on("postgresql", "mariadb")
def test_what_stands_alone_is_refused_as_long_as_the_others_are_not_seen(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    """Else a reader could see "ann" filled, which was after the batch, and "bob" not held yet."""
    ledger.acquire("stock", "bob", "gold", 3)
    before_writing = Stop("^INSERT INTO .django_inventory_hold")
    rivals = Rivals(engine, begin=before_writing.is_reached)

    def direct() -> list[int]:
        assert before_writing.is_reached.wait(LIMIT)
        rivals.wait_until_stuck(1)
        owned = ledger.balance("ann", "gold").quantity
        before_writing.may_go_on.set()
        return [owned]

    alone = partial(ledger.post, ALONE, atomic=False)
    calls: list[Callable[[], object]] = [
        partial(call_with_stops, engine, [before_writing], alone),
        partial(rivals.call, partial(ledger.acquire, "new", "ann", "gold", 5)),
        direct,
    ]
    outcomes, acquired, seen = run_threads(calls)
    assert isinstance(acquired, Receipt)
    assert seen == [0]
    assert_refused_and_held(engine, ledger, outcomes)


@only_on(FUNCTIONS)
def test_inside_the_database_too_it_is_refused_as_long_as_the_others_are_not_seen(
    engine: Engine, ledger: Ledger, run_threads: RunThreads
) -> None:
    ledger.acquire("stock", "bob", "gold", 3)
    has_table, may_make = threading.Event(), threading.Event()
    holders, makers = Rivals(engine, begin=has_table), Rivals(engine, begin=may_make)

    def direct() -> list[int]:
        with transaction.atomic(using=engine.alias):
            lock_table(engine, "hold")
            has_table.set()
            holders.wait_until_stuck(1)
            may_make.set()
            makers.wait_until_stuck(1)
            return [ledger.balance("ann", "gold").quantity]

    calls: list[Callable[[], object]] = [
        partial(holders.call, partial(ledger.post, ALONE, atomic=False)),
        partial(makers.call, partial(ledger.acquire, "new", "ann", "gold", 5)),
        direct,
    ]
    outcomes, acquired, seen = run_threads(calls)
    assert isinstance(acquired, Receipt)
    assert seen == [0]
    assert_refused_and_held(engine, ledger, outcomes)


@on_servers
@pytest.mark.parametrize("receiver", [None, "carl"])
def test_a_commit_that_is_a_replay_after_its_wait_records_no_expiry(
    receiver: str | None, engine: Engine, ledger: Ledger, clock: Clock, run_threads: RunThreads
) -> None:
    """It changes nothing, so nor does it record what is overdue by its own clock."""
    ledger.post([Acquire(f"stock {name}", name, "gold", 5) for name in ("bob", "carl")])
    hold_id = hold_of(ledger.hold("h", "bob", "gold", 1, 60 * SECOND))
    ledger.hold("short", "bob", "gold", 1, SECOND)
    later = Clock()
    later.set(clock.now + 2 * SECOND)
    receipt = waiting_for(
        engine,
        run_threads,
        partial(ledger.commit, hold_id, to=receiver),
        partial(engine.make_ledger(clock=later).commit, hold_id, to=receiver),
    )
    assert isinstance(receipt, Receipt)
    assert receipt.replayed
    kinds = [entry["kind"] for entry in engine.dump()["entries"]]
    assert "expire" not in kinds
    assert_sound(engine)
