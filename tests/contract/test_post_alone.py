"""Batches with ``atomic=False``: each operation stands alone, its receipt or error in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest

from django_inventory.exceptions import (
    HoldExpired,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientQuantity,
    InvalidOperation,
    InvalidQuantity,
    QuantityOverflow,
)
from django_inventory.operations import Acquire, Commit, Consume, Extend, Hold, Release, Transfer
from django_inventory.testing.contract.post_alone import MINUTE
from django_inventory.values import MAX_QUANTITY, Receipt, Shortage
from tests.contract.calls import gold, stock
from tests.contract.journal import journal, moves
from tests.contract.refusals import assert_is

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from tests.contract.engines import Clock, Engine

UNKNOWN: Final = UUID(int=7)


def stock_for_both(ledger: Ledger) -> UUID:
    """Do what the good and the bad operations start from."""
    ledger.acquire("full", "full", "gold", MAX_QUANTITY)
    return stock(ledger, quantity=10, held=4)


def without_ids(engine: Engine) -> list[Any]:
    """Return what the journal and the balances say, but for what differs from run to run."""
    lines = [line._replace(operation_id=UNKNOWN, hold_id=None) for line in journal(engine)]
    counts = engine.counts()
    subjects = sorted({line.subject for line in lines})
    return [lines, counts, [engine.make_ledger().balances(subject) for subject in subjects]]


def test_results_stand_in_their_places(engine: Engine, ledger: Ledger) -> None:
    hold_id = stock(ledger, quantity=10, held=4)
    results = ledger.post(
        [
            Consume("k1", "alice", "gold", 7),
            Consume("k2", "alice", "gold", 2),
            Commit(UNKNOWN),
            Acquire("stock", "alice", "gold", 11),
            Acquire("k3", "alice", "gold", MAX_QUANTITY),
            Commit(hold_id, quantity=5),
            Commit(hold_id, to="alice"),
            Transfer("k4", "alice", "bob", "gold", 5),
            Transfer("k5", "alice", "bob", "gold", 4),
            Acquire("stock", "alice", "gold", 10),
        ],
        atomic=False,
    )
    assert_is(
        results[0],
        InsufficientQuantity,
        index=0,
        shortages=(Shortage("alice", "gold", requested=7, available=6),),
    )
    assert_is(results[2], HoldUnknown, index=2, hold_id=UNKNOWN)
    assert_is(results[3], IdempotencyConflict, index=3, key="stock", fields=("quantity",))
    assert_is(
        results[4],
        QuantityOverflow,
        index=4,
        subject="alice",
        requested=MAX_QUANTITY,
        available=MAX_QUANTITY - 8,
    )
    assert_is(results[5], InvalidQuantity, index=5, field="quantity")
    assert_is(results[6], InvalidOperation, index=6, field="to")
    assert_is(
        results[7],
        InsufficientQuantity,
        index=7,
        shortages=(Shortage("alice", "gold", requested=5, available=4),),
    )
    receipts = {n: result for n, result in enumerate(results) if isinstance(result, Receipt)}
    assert list(receipts) == [1, 8, 9]
    assert receipts[1].balances == (gold("alice", 4, 4),)
    assert receipts[8].balances == (gold("alice", 0, 4), gold("bob", 4))
    assert receipts[9].balances == (gold("alice", 10),)
    assert receipts[9].replayed
    assert moves(engine)[2:] == [
        ("consume", "alice", 3, -2, 0, 4, 4),
        ("transfer", "alice", 4, -4, 0, 0, 4),
        ("transfer", "bob", 1, 4, 0, 4, 0),
    ]
    assert engine.counts() == {"balances": 2, "holds": 1, "entries": 5, "keys": 4}


GOOD: Final[list[Callable[[UUID], Operation]]] = [
    lambda _: Consume("g1", "alice", "gold", 2),
    lambda hold_id: Commit(hold_id, quantity=1, keep_remainder=True, to="bob", key="g2"),
    lambda hold_id: Extend(hold_id, MINUTE * 3),
    lambda _: Hold("g3", "alice", "gold", 2, MINUTE),
    lambda _: Acquire("g4", "dave", "gold", 2),
    lambda hold_id: Commit(hold_id, to="bob"),
    lambda _: Transfer("g5", "alice", "bob", "gold", 2),
]

BAD: Final[list[Callable[[UUID], Operation]]] = [
    lambda _: Consume("b1", "alice", "gold", 1_000),
    lambda _: Transfer("b2", "alice", "erin", "gold", 1_000),
    lambda _: Transfer("b3", "frank", "gina", "gold", 1),
    lambda _: Hold("b4", "alice", "gold", 1_000, MINUTE),
    lambda hold_id: Commit(hold_id, quantity=1_000, to="henry", key="b5"),
    lambda _: Commit(UNKNOWN, to="iris", key="b6"),
    lambda _: Acquire("stock", "jack", "gold", 1),
    lambda _: Acquire("g1", "kate", "gold", 1),
    lambda _: Transfer("b7", "alice", "full", "gold", 1),
]


@pytest.mark.parametrize("order", ["bad first", "good first", "interleaved"])
def test_what_is_refused_leaves_nothing_behind(engine: Engine, ledger: Ledger, order: str) -> None:
    hold_id = stock_for_both(ledger)
    for make in GOOD:
        ledger.post([make(hold_id)])
    expected = without_ids(engine)

    engine.empty()
    ledger = engine.make_ledger()
    hold_id = stock_for_both(ledger)
    good = [make(hold_id) for make in GOOD]
    # The key "g1" is refused for its other arguments only once it has been used.
    bad = [make(hold_id) for make in (BAD if order == "good first" else BAD[:7] + BAD[8:])]
    if order == "bad first":
        batch = bad + good
    elif order == "good first":
        batch = good + bad
    else:
        batch = [operation for pair in zip(bad, good, strict=False) for operation in pair]
    results = ledger.post(batch, atomic=False)
    done = [op for op, result in zip(batch, results, strict=True) if isinstance(result, Receipt)]
    assert done == good
    assert without_ids(engine) == expected


def test_the_key_of_what_was_refused_can_be_used_later_in_the_batch(
    engine: Engine, ledger: Ledger
) -> None:
    operations: list[Operation] = [
        Consume("k", "alice", "gold", 3),
        Acquire("k1", "alice", "gold", 5),
        Consume("k", "alice", "gold", 3),
        Consume("k", "alice", "gold", 3),
        Consume("k2", "bob", "gold", 1),
        Acquire("k2", "bob", "gold", 7),
        Consume("k2", "bob", "gold", 1),
    ]
    results = ledger.post(operations, atomic=False)
    assert_is(
        results[0], InsufficientQuantity, index=0, shortages=(Shortage("alice", "gold", 3, 0),)
    )
    assert_is(results[4], InsufficientQuantity, index=4)
    assert_is(results[6], IdempotencyConflict, index=6, key="k2", fields=("kind",))
    receipts = [result for result in results if isinstance(result, Receipt)]
    assert [(r.key, r.kind, r.replayed) for r in receipts] == [
        ("k1", "acquire", False),
        ("k", "consume", False),
        ("k", "consume", True),
        ("k2", "acquire", False),
    ]
    assert engine.counts() == {"balances": 2, "holds": 0, "entries": 3, "keys": 3}
    # What the keys stand for now is what was done, in later calls too.
    assert ledger.consume("k", "alice", "gold", 3).operation_id == receipts[1].operation_id
    assert ledger.acquire("k2", "bob", "gold", 7).operation_id == receipts[3].operation_id


def test_a_key_that_failed_throughout_the_batch_stays_free(engine: Engine, ledger: Ledger) -> None:
    results = ledger.post(
        [Consume("k", "alice", "gold", 3), Consume("k", "alice", "gold", 2)], atomic=False
    )
    for index, requested in enumerate((3, 2)):
        shortages = (Shortage("alice", "gold", requested, 0),)
        assert_is(results[index], InsufficientQuantity, index=index, shortages=shortages)
    assert engine.counts() == {"balances": 0, "holds": 0, "entries": 0, "keys": 0}
    assert not ledger.acquire("k", "alice", "gold", 3).replayed


def test_an_overdue_hold_in_a_batch(ledger: Ledger, engine: Engine, clock: Clock) -> None:
    hold_id = stock(ledger, quantity=10, held=4, ttl=60)
    clock.advance(seconds=60)
    results = ledger.post(
        [
            Commit(hold_id, to="bob"),
            Release(hold_id, key="k1"),
            Consume("k2", "alice", "gold", 10),
            Release(hold_id),
            Extend(hold_id, MINUTE),
        ],
        atomic=False,
    )
    for index in (0, 4):
        assert_is(results[index], HoldExpired, index=index, hold_id=hold_id)
    expiry, consumed, again = [result for result in results if isinstance(result, Receipt)]
    assert (expiry.kind, expiry.replayed, expiry.balances) == ("expire", True, (gold("alice", 10),))
    assert again == expiry
    assert consumed.balances == (gold("alice", 0),)
    assert [line.kind for line in journal(engine)[2:]] == ["expire", "consume"]
    assert engine.counts()["balances"] == 1


def test_a_good_batch_is_as_good_with_and_without_atomic(engine: Engine, ledger: Ledger) -> None:
    def run(*, atomic: bool) -> list[Any]:
        engine.empty()
        fresh = engine.make_ledger()
        hold_id = stock(fresh)
        results = fresh.post([make(hold_id) for make in GOOD], atomic=atomic)
        receipts = [result for result in results if isinstance(result, Receipt)]
        return [[(r.kind, r.key, r.balances) for r in receipts], without_ids(engine)]

    assert run(atomic=True) == run(atomic=False)
