"""Batches with ``atomic=False``: each operation stands alone, its receipt or error in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest

from django_inventory.operations import Acquire, Commit, Consume, Extend, Hold, Transfer
from django_inventory.testing.contract.post_alone import MINUTE, UNKNOWN
from django_inventory.values import MAX_QUANTITY, Receipt
from tests.contract.calls import stock
from tests.contract.journal import journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from tests.contract.engines import Engine


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


def test_a_good_batch_is_as_good_with_and_without_atomic(engine: Engine, ledger: Ledger) -> None:
    def run(*, atomic: bool) -> list[Any]:
        engine.empty()
        fresh = engine.make_ledger()
        hold_id = stock(fresh)
        results = fresh.post([make(hold_id) for make in GOOD], atomic=atomic)
        receipts = [result for result in results if isinstance(result, Receipt)]
        return [[(r.kind, r.key, r.balances) for r in receipts], without_ids(engine)]

    assert run(atomic=True) == run(atomic=False)
