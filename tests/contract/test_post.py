"""Atomic batches: in order, all or none, and every short balance named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_inventory.exceptions import (
    InsufficientQuantity,
)
from django_inventory.operations import Acquire, Commit, Consume, Hold, Transfer
from django_inventory.testing.contract.post import MINUTE
from tests.contract.calls import gold, hold_of
from tests.contract.refusals import refuses

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from tests.contract.engines import Engine


def test_twelve_hundred_operations_are_one_batch(engine: Engine, ledger: Ledger) -> None:
    count = 1_200
    receipts = ledger.post(
        [Acquire(f"a{n}", f"s{n}", "gold", n + 1) for n in range(count // 2)]
        + [Acquire(f"b{n}", "alice", f"item {n}", 1) for n in range(count // 2)]
    )
    assert len(receipts) == len({receipt.operation_id for receipt in receipts}) == count
    assert engine.counts() == {"balances": count, "holds": 0, "entries": count, "keys": count}
    operations: list[Operation] = [
        Transfer(f"t{n}", f"s{n}", f"s{(n + 1) % 600}", "gold", 1) for n in range(600)
    ]
    operations += [Hold(f"h{n}", "alice", f"item {n}", 1, MINUTE) for n in range(600)]
    receipts = ledger.post(operations)
    assert receipts[599].balances == (gold("s599", 600), gold("s0", 1))
    assert [receipt.replayed for receipt in ledger.post(operations)] == [True] * count
    ledger.post([Commit(hold_of(receipt), to="bob") for receipt in receipts[600:]])
    assert len(ledger.balances("bob")) == 600
    assert ledger.balances("alice") == []
    with refuses(engine, InsufficientQuantity) as caught:
        ledger.post([Consume(f"c{n}", f"s{n}", "gold", n + 2) for n in range(600)])
    assert len(caught.value.shortages) == 600
