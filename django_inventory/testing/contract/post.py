"""Atomic batches: in order, all or none, and every short balance named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_inventory.exceptions import (
    InsufficientQuantity,
)
from django_inventory.operations import Acquire, Commit, Consume, Hold, Transfer
from django_inventory.testing.contract.calls import gold, hold_of
from django_inventory.testing.contract.refusals import refuses

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from django_inventory.testing.clocks import MovableClock


from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest

from django_inventory.exceptions import (
    HoldExpired,
    HoldResolved,
    HoldUnknown,
    IdempotencyConflict,
    InvalidOperation,
    InvalidQuantity,
    InventoryError,
    QuantityOverflow,
)
from django_inventory.operations import Extend, Release
from django_inventory.testing.contract.calls import make, stock
from django_inventory.testing.contract.journal import journal, moves
from django_inventory.values import MAX_QUANTITY, Receipt, Shortage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from django_inventory.testing.clocks import MovableClock


from django_inventory.testing.contract.base import Contract

MINUTE: Final = timedelta(minutes=1)

UNKNOWN: Final = UUID(int=7)

SHORT: Final = Consume("short", "alice", "gold", 7)

FIRST_ERRORS: Final[list[tuple[Operation, type[InventoryError]]]] = [
    (SHORT, InsufficientQuantity),
    (Acquire("over", "alice", "gold", MAX_QUANTITY), QuantityOverflow),
    (Commit(UNKNOWN), HoldUnknown),
    (Acquire("stock", "alice", "gold", 11), IdempotencyConflict),
    (Consume("stock", "alice", "gold", 10), IdempotencyConflict),
]


class Post(Contract):
    def test_a_batch_is_done_in_order(self, ledger: Ledger, clock: MovableClock) -> None:
        receipts = ledger.post(
            [
                Acquire("k1", "alice", "gold", 10),
                Transfer("k2", "alice", "bob", "gold", 4),
                Consume("k3", "bob", "gold", 3),
                Transfer("k4", "bob", "alice", "gold", 1),
            ]
        )
        assert [receipt.balances for receipt in receipts] == [
            (gold("alice", 10),),
            (gold("alice", 6), gold("bob", 4)),
            (gold("bob", 1),),
            (gold("bob", 0), gold("alice", 7)),
        ]
        assert [(r.kind, r.key, r.replayed) for r in receipts] == [
            ("acquire", "k1", False),
            ("transfer", "k2", False),
            ("consume", "k3", False),
            ("transfer", "k4", False),
        ]
        assert moves(self) == [
            ("acquire", "alice", 1, 10, 0, 10, 0),
            ("transfer", "alice", 2, -4, 0, 6, 0),
            ("transfer", "bob", 1, 4, 0, 4, 0),
            ("consume", "bob", 2, -3, 0, 1, 0),
            ("transfer", "bob", 3, -1, 0, 0, 0),
            ("transfer", "alice", 3, 1, 0, 7, 0),
        ]
        ids = [receipt.operation_id for receipt in receipts]
        assert [line.operation_id for line in journal(self)] == [ids[n] for n in (0, 1, 1, 2, 3, 3)]
        assert {line.created_at for line in journal(self)} == {clock.now}
        assert len(set(ids)) == 4

    def test_each_operation_sees_the_effects_of_those_before_it(self, ledger: Ledger) -> None:
        with refuses(self, InsufficientQuantity, index=0):
            ledger.post([Consume("k2", "alice", "gold", 5), Acquire("k1", "alice", "gold", 5)])
        receipts = ledger.post(
            [Acquire("k1", "alice", "gold", 5), Consume("k2", "alice", "gold", 5)]
        )
        assert receipts[1].balances == (gold("alice", 0),)

    def test_a_hold_of_a_batch_reserves_from_those_after_it(self, ledger: Ledger) -> None:
        shortages = (Shortage("alice", "gold", requested=11, available=10),)
        with refuses(self, InsufficientQuantity, shortages=shortages, index=2):
            ledger.post(
                [
                    Acquire("k1", "alice", "gold", 10),
                    Hold("k2", "alice", "gold", 6, MINUTE),
                    Consume("k3", "alice", "gold", 5),
                ]
            )

    def test_several_operations_on_one_hold(self, ledger: Ledger, clock: MovableClock) -> None:
        hold_id = stock(ledger, quantity=10, held=10)
        receipts = ledger.post(
            [
                Commit(hold_id, quantity=2, keep_remainder=True, key="k1"),
                Extend(hold_id, timedelta(minutes=5)),
                Commit(hold_id, quantity=2, keep_remainder=True, to="bob", key="k2"),
                Commit(hold_id, quantity=1, to="bob"),
                Commit(hold_id, quantity=1, to="bob"),
                Acquire("k3", "alice", "gold", 1),
            ]
        )
        states = [(r.hold.remaining, r.hold.status) for r in receipts if r.hold is not None]
        assert states == [
            (8, "active"),
            (8, "active"),
            (6, "active"),
            (0, "committed"),
            (0, "committed"),
        ]
        assert [receipt.replayed for receipt in receipts] == [False] * 4 + [True, False]
        assert receipts[4].operation_id == receipts[3].operation_id
        assert [move[:1] + move[3:] for move in moves(self)[2:]] == [
            ("commit", 0, -2, 0, 8),
            ("extend", 0, 0, 0, 8),
            ("commit", 0, -2, 0, 6),
            ("commit", 2, 0, 2, 0),
            ("commit", 5, -6, 5, 0),
            ("commit", 1, 0, 3, 0),
            ("acquire", 1, 0, 6, 0),
        ]
        hold = ledger.get_hold(hold_id)
        assert (hold.remaining, hold.status) == (0, "committed")
        assert hold.expires_at == clock.now + timedelta(minutes=5)
        assert receipts[4].hold == hold

    def test_many_holds_are_resolved_in_one_batch(self, ledger: Ledger) -> None:
        ledger.acquire("k", "alice", "gold", 100)
        placed = ledger.post([Hold(f"k{n}", "alice", "gold", n, MINUTE) for n in range(1, 10)])
        holds = [hold_of(receipt) for receipt in placed]
        assert ledger.balance("alice", "gold") == gold("alice", 55, 45)
        ledger.post(
            [
                *[Commit(hold_id, to="bob") for hold_id in holds[:3]],
                *[Release(hold_id) for hold_id in holds[3:6]],
                *[Extend(hold_id, timedelta(minutes=n)) for n, hold_id in enumerate(holds[6:], 2)],
            ]
        )
        assert ledger.balance("alice", "gold") == gold("alice", 70, 24)
        assert ledger.balance("bob", "gold") == gold("bob", 6)
        statuses = [ledger.get_hold(hold_id).status for hold_id in holds]
        assert statuses == ["committed"] * 3 + ["released"] * 3 + ["active"] * 3
        times = [ledger.get_hold(hold_id).expires_at for hold_id in holds[6:]]
        assert [time - times[0] for time in times] == [MINUTE * n for n in range(3)]

    def test_a_baskets_holds_are_committed_in_one_batch(self, ledger: Ledger) -> None:
        items = ["apple", "bread", "cheese"]
        ledger.post([Acquire(item, "shop", item, 5) for item in items])
        placed = ledger.post([Hold(f"h {item}", "shop", item, 2, MINUTE) for item in items])
        receipts = ledger.post([Commit(hold_of(receipt), to="customer") for receipt in placed])
        assert [receipt.balances[1].quantity for receipt in receipts] == [2, 2, 2]
        assert [(b.item, b.quantity) for b in ledger.balances("customer")] == [
            (item, 2) for item in items
        ]

    @pytest.mark.parametrize("atomic", [True, False])
    def test_an_empty_batch_does_nothing(self, ledger: Ledger, *, atomic: bool) -> None:
        before = self.dump()
        assert ledger.post([], atomic=atomic) == []
        assert ledger.post(iter(()), atomic=atomic) == []
        assert self.dump() == before

    @pytest.mark.parametrize("atomic", [True, False])
    def test_a_batch_may_be_any_iterable(self, ledger: Ledger, *, atomic: bool) -> None:
        operations = [Acquire(f"k{number}", "alice", "gold", 1) for number in range(5)]

        def generate() -> Iterator[Operation]:
            yield from operations

        for batch in (
            generate(),
            tuple(operations),
            iter(operations),
            dict.fromkeys(operations, 0),
        ):
            assert len(ledger.post(batch, atomic=atomic)) == 5
        assert ledger.balance("alice", "gold") == gold("alice", 5)

    @pytest.mark.parametrize("atomic", [True, False])
    @pytest.mark.parametrize(
        "wrong",
        [None, "acquire", {"kind": "acquire"}, ("acquire", "k", "alice", "gold", 1), Acquire, 7],
        ids=str,
    )
    def test_what_is_no_operation_is_refused(
        self, ledger: Ledger, wrong: Any, *, atomic: bool
    ) -> None:
        with refuses(self, InvalidOperation, field="operations", index=1):
            ledger.post([make("acquire"), wrong, make("acquire", key="k2")], atomic=atomic)

    @pytest.mark.parametrize("wrong", [None, 7, make("acquire")], ids=["None", "int", "operation"])
    def test_what_is_no_iterable_is_refused(self, ledger: Ledger, wrong: Any) -> None:
        with refuses(self, InvalidOperation, field="operations", index=None):
            ledger.post(wrong)

    def test_a_receipt_is_no_operation(self, ledger: Ledger) -> None:
        receipt: Any = ledger.acquire("k", "alice", "gold", 1)
        with refuses(self, InvalidOperation, field="operations", index=0):
            ledger.post([receipt])

    def test_a_failing_generator_changes_nothing(self, ledger: Ledger) -> None:
        def generate() -> Iterator[Operation]:
            yield Acquire("k1", "alice", "gold", 1)
            yield Acquire("k2", "alice", "gold", 0)

        with refuses(self, InvalidQuantity, field="quantity"):
            ledger.post(generate())

    def test_a_batch_that_is_short_only_in_sum_is_refused(self, ledger: Ledger) -> None:
        ledger.acquire("k", "alice", "gold", 10)
        shortages = (Shortage("alice", "gold", requested=12, available=10),)
        with refuses(self, InsufficientQuantity, shortages=shortages, index=1):
            ledger.post([Consume("k1", "alice", "gold", 6), Consume("k2", "alice", "gold", 6)])

    @pytest.mark.parametrize("last", ["consume", "transfer", "hold"])
    def test_all_verbs_that_debit_add_up(self, ledger: Ledger, last: str) -> None:
        ledger.acquire("k0", "alice", "gold", 10)
        shortages = (Shortage("alice", "gold", requested=11, available=10),)
        with refuses(self, InsufficientQuantity, shortages=shortages, index=3):
            ledger.post(
                [
                    Consume("k1", "alice", "gold", 3),
                    Transfer("k2", "alice", "bob", "gold", 3),
                    Hold("k3", "alice", "gold", 3, MINUTE),
                    make(last, quantity=2),
                ]
            )

    def test_credits_of_the_batch_count_as_available(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        shortages = (Shortage("alice", "gold", requested=16, available=15),)
        with refuses(self, InsufficientQuantity, shortages=shortages, index=4):
            ledger.post(
                [
                    Consume("k1", "alice", "gold", 6),
                    Acquire("k2", "alice", "gold", 5),
                    Consume("k3", "alice", "gold", 5),
                    Release(hold_id),
                    Consume("k4", "alice", "gold", 5),
                ]
            )

    def test_every_short_balance_is_named_once_in_order(self, ledger: Ledger) -> None:
        ledger.post(
            [
                Acquire("k1", "zoe", "gold", 5),
                Acquire("k2", "alice", "gold", 5),
                Acquire("k3", "alice", "silver", 5),
                Acquire("k4", "bob", "gold", 100),
            ]
        )
        shortages = (
            Shortage("zoe", "gold", requested=8, available=5),
            Shortage("alice", "silver", requested=6, available=5),
            Shortage("nobody", "gold", requested=1, available=0),
            Shortage("alice", "gold", requested=7, available=5),
        )
        with refuses(self, InsufficientQuantity, shortages=shortages, index=2):
            ledger.post(
                [
                    Consume("d1", "bob", "gold", 100),
                    Consume("d2", "zoe", "gold", 4),
                    Transfer("d3", "zoe", "bob", "gold", 4),
                    Hold("d4", "alice", "silver", 6, MINUTE),
                    Consume("d5", "nobody", "gold", 1),
                    Consume("d6", "alice", "gold", 3),
                    Consume("d7", "alice", "gold", 4),
                ]
            )

    def test_demand_after_the_shortage_still_adds_up(self, ledger: Ledger) -> None:
        ledger.acquire("k", "alice", "gold", 10)
        shortages = (Shortage("alice", "gold", requested=18, available=10),)
        with refuses(self, InsufficientQuantity, shortages=shortages, index=1):
            ledger.post([Consume(f"k{n}", "alice", "gold", 6) for n in range(3)])

    @pytest.mark.parametrize(
        ("keys", "quantity", "requested", "index"),
        [(["k1", "k1"], 11, 11, 0), (["k1", "k1", "k2"], 6, 12, 2), (["k1", "k2", "k2"], 6, 12, 1)],
    )
    def test_a_key_that_comes_twice_asks_once(
        self, ledger: Ledger, keys: list[str], quantity: int, requested: int, index: int
    ) -> None:
        ledger.acquire("k", "alice", "gold", 10)
        shortages = (Shortage("alice", "gold", requested, available=10),)
        with refuses(self, InsufficientQuantity, shortages=shortages, index=index):
            ledger.post([Consume(key, "alice", "gold", quantity) for key in keys])

    @pytest.mark.parametrize(("operation", "error"), FIRST_ERRORS)
    @pytest.mark.parametrize("position", [0, 1, 3])
    def test_one_refusal_refuses_all(
        self,
        ledger: Ledger,
        operation: Operation,
        error: type[InventoryError],
        position: int,
    ) -> None:
        stock(ledger, quantity=10, held=4)
        batch: list[Operation] = [Acquire(f"k{n}", "bob", "silver", 1) for n in range(3)]
        batch.insert(position, operation)
        with refuses(self, error, index=position):
            ledger.post(batch)
        batch.remove(operation)
        assert [receipt.replayed for receipt in ledger.post(batch)] == [False] * 3

    @pytest.mark.parametrize(("second", "error"), FIRST_ERRORS[1:])
    def test_the_first_error_is_the_one_that_is_raised(
        self, ledger: Ledger, second: Operation, error: type[InventoryError]
    ) -> None:
        stock(ledger, quantity=10, held=4)
        shortages = (Shortage("alice", "gold", requested=7, available=6),)
        with refuses(self, InsufficientQuantity, shortages=shortages, index=0):
            ledger.post([SHORT, second])
        with refuses(self, error, index=0):
            ledger.post([second, SHORT])

    def test_after_a_shortage_only_other_shortages_are_looked_for(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        shortages = (
            Shortage("alice", "gold", requested=7, available=6),
            Shortage("bob", "silver", requested=1, available=0),
        )
        with refuses(self, InsufficientQuantity, shortages=shortages, index=0):
            ledger.post(
                [
                    SHORT,
                    Commit(UNKNOWN),
                    Commit(hold_id, quantity=5),
                    Acquire("stock", "alice", "gold", 11),
                    Acquire("over", "carol", "gold", MAX_QUANTITY),
                    Acquire("over 2", "carol", "gold", MAX_QUANTITY),
                    Consume("k", "bob", "silver", 1),
                ]
            )

    def test_states_of_holds_refuse_a_batch(self, ledger: Ledger, clock: MovableClock) -> None:
        hold_id = stock(ledger, quantity=10, held=4, ttl=60)
        with refuses(self, HoldResolved, hold_id=hold_id, status="released", index=1):
            ledger.post([Release(hold_id), Commit(hold_id)])
        with refuses(self, HoldResolved, hold_id=hold_id, status="committed", index=2):
            ledger.post([Commit(hold_id), Acquire("k", "bob", "gold", 1), Extend(hold_id, MINUTE)])
        with refuses(self, InvalidQuantity, field="quantity", index=1):
            ledger.post(
                [
                    Commit(hold_id, quantity=2, keep_remainder=True, key="k1"),
                    Commit(hold_id, quantity=3, keep_remainder=True, key="k2"),
                ]
            )
        clock.advance(seconds=60)
        with refuses(self, HoldExpired, hold_id=hold_id, index=1):
            ledger.post([Release(hold_id), Commit(hold_id)])
        (receipt,) = ledger.post([Release(hold_id)])
        assert isinstance(receipt, Receipt)
        assert receipt.kind == "expire"

    def test_twelve_hundred_operations_are_one_batch(self, ledger: Ledger) -> None:
        count = 1_200
        receipts = ledger.post(
            [Acquire(f"a{n}", f"s{n}", "gold", n + 1) for n in range(count // 2)]
            + [Acquire(f"b{n}", "alice", f"item {n}", 1) for n in range(count // 2)]
        )
        assert len(receipts) == len({receipt.operation_id for receipt in receipts}) == count
        self.assert_counts(balances=count, holds=0, entries=count, keys=count)
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
        with refuses(self, InsufficientQuantity) as caught:
            ledger.post([Consume(f"c{n}", f"s{n}", "gold", n + 2) for n in range(600)])
        assert len(caught.value.shortages) == 600
