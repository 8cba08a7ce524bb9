"""Batches with ``atomic=False``: each operation stands alone, its receipt or error in its place."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django_inventory.exceptions import (
    HoldResolved,
    InsufficientQuantity,
    InvalidQuantity,
)
from django_inventory.operations import Commit, Consume, Extend, Release
from django_inventory.testing.contract.calls import gold, stock
from django_inventory.testing.contract.journal import moves
from django_inventory.testing.contract.refusals import assert_is
from django_inventory.values import Receipt, Shortage

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger


from django_inventory.testing.contract.base import Contract

MINUTE: Final = timedelta(minutes=1)


class PostAlone(Contract):
    def test_demand_of_refused_operations_does_not_add_up(self, ledger: Ledger) -> None:
        ledger.acquire("k", "alice", "gold", 10)
        results = ledger.post(
            [
                Consume("k1", "alice", "gold", 11),
                Consume("k2", "alice", "gold", 6),
                Consume("k3", "alice", "gold", 5),
                Consume("k4", "alice", "gold", 4),
            ],
            atomic=False,
        )
        shortages = (Shortage("alice", "gold", requested=11, available=10),)
        assert_is(results[0], InsufficientQuantity, shortages=shortages)
        shortages = (Shortage("alice", "gold", requested=5, available=4),)
        assert_is(results[2], InsufficientQuantity, shortages=shortages)
        assert isinstance(results[3], Receipt)
        assert results[3].balances == (gold("alice", 0),)

    def test_several_operations_on_one_hold_that_stand_alone(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        results = ledger.post(
            [
                Commit(hold_id, quantity=5),
                Commit(hold_id, quantity=1, keep_remainder=True, key="k1"),
                Extend(hold_id, MINUTE * 5),
                Commit(hold_id, quantity=4, key="k2"),
                Release(hold_id),
                Release(hold_id, reference="again"),
                Commit(hold_id),
                Extend(hold_id, MINUTE),
                Commit(hold_id, quantity=1, keep_remainder=True, key="k1"),
            ],
            atomic=False,
        )
        for index in (0, 3):
            assert_is(results[index], InvalidQuantity, index=index, field="quantity")
        for index in (6, 7):
            assert_is(results[index], HoldResolved, index=index, status="released", hold_id=hold_id)
        receipts = [result for result in results if isinstance(result, Receipt)]
        assert [(r.kind, r.replayed) for r in receipts] == [
            ("commit", False),
            ("extend", False),
            ("release", False),
            ("release", True),
            ("commit", True),
        ]
        assert receipts[3].operation_id == receipts[2].operation_id
        assert receipts[4].operation_id == receipts[0].operation_id
        assert [move[:1] + move[3:] for move in moves(self)[2:]] == [
            ("commit", 0, -1, 6, 3),
            ("extend", 0, 0, 6, 3),
            ("release", 3, -3, 9, 0),
        ]
        assert ledger.get_hold(hold_id).status == "released"
