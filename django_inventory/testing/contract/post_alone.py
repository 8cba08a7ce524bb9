"""Batches with ``atomic=False``: each operation stands alone, its receipt or error in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from django_inventory.exceptions import (
    HoldExpired,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientQuantity,
    InvalidOperation,
    InvalidQuantity,
    QuantityOverflow,
)
from django_inventory.operations import Acquire, Commit, Consume, Extend, Release, Transfer
from django_inventory.testing.contract.calls import gold, stock
from django_inventory.testing.contract.journal import journal, moves
from django_inventory.testing.contract.refusals import assert_is
from django_inventory.values import MAX_QUANTITY, Receipt, Shortage

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from django_inventory.testing.clocks import MovableClock


from datetime import timedelta
from typing import TYPE_CHECKING

from django_inventory.exceptions import (
    HoldResolved,
)

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger


from django_inventory.testing.contract.base import Contract

MINUTE: Final = timedelta(minutes=1)


UNKNOWN: Final = UUID(int=7)


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

    def test_results_stand_in_their_places(self, ledger: Ledger) -> None:
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
        assert moves(self)[2:] == [
            ("consume", "alice", 3, -2, 0, 4, 4),
            ("transfer", "alice", 4, -4, 0, 0, 4),
            ("transfer", "bob", 1, 4, 0, 4, 0),
        ]
        self.assert_counts(balances=2, holds=1, entries=5, keys=4)

    def test_the_key_of_what_was_refused_can_be_used_later_in_the_batch(
        self, ledger: Ledger
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
        self.assert_counts(balances=2, holds=0, entries=3, keys=3)
        # What the keys stand for now is what was done, in later calls too.
        assert ledger.consume("k", "alice", "gold", 3).operation_id == receipts[1].operation_id
        assert ledger.acquire("k2", "bob", "gold", 7).operation_id == receipts[3].operation_id

    def test_a_key_that_failed_throughout_the_batch_stays_free(self, ledger: Ledger) -> None:
        results = ledger.post(
            [Consume("k", "alice", "gold", 3), Consume("k", "alice", "gold", 2)], atomic=False
        )
        for index, requested in enumerate((3, 2)):
            shortages = (Shortage("alice", "gold", requested, 0),)
            assert_is(results[index], InsufficientQuantity, index=index, shortages=shortages)
        self.assert_counts(balances=0, holds=0, entries=0, keys=0)
        assert not ledger.acquire("k", "alice", "gold", 3).replayed

    def test_an_overdue_hold_in_a_batch(self, ledger: Ledger, clock: MovableClock) -> None:
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
        assert (expiry.kind, expiry.replayed, expiry.balances) == (
            "expire",
            True,
            (gold("alice", 10),),
        )
        assert again == expiry
        assert consumed.balances == (gold("alice", 0),)
        assert [line.kind for line in journal(self)[2:]] == ["expire", "consume"]
        self.assert_counts(balances=1)
