"""Acquire, consume, transfer and the reads of balances: each receipt and the journal, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_inventory.exceptions import InsufficientQuantity
from django_inventory.operations import Acquire
from django_inventory.testing.contract.calls import gold
from django_inventory.testing.contract.journal import Line, journal
from django_inventory.testing.contract.refusals import refuses
from django_inventory.values import BalanceSnapshot, Receipt

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from dataclasses import FrozenInstanceError, fields
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from django_inventory.exceptions import InvalidOperation
from django_inventory.operations import Hold, Transfer
from django_inventory.testing.contract.calls import VERBS, call, make, stock
from django_inventory.testing.contract.journal import (
    moves,
)
from django_inventory.values import Shortage

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger


from django_inventory.testing.contract.base import Contract


def shortage(requested: int, available: int, subject: str = "alice") -> tuple[Shortage, ...]:
    return (Shortage(subject, "gold", requested, available),)


class Verbs(Contract):
    def test_acquire_adds_to_what_is_there(self, ledger: Ledger) -> None:
        stock(ledger, quantity=10, held=4)
        assert ledger.acquire("k", "alice", "gold", 5).balances == (gold("alice", 11, 4),)
        assert moves(self)[-1] == ("acquire", "alice", 3, 5, 0, 11, 4)

    def test_consume_debits(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 7)
        receipt = ledger.consume("k2", "alice", "gold", 3)
        assert receipt == Receipt(
            receipt.operation_id, "consume", "k2", (gold("alice", 4),), None, replayed=False
        )
        assert ledger.balance("alice", "gold") == gold("alice", 4)
        assert moves(self) == [
            ("acquire", "alice", 1, 7, 0, 7, 0),
            ("consume", "alice", 2, -3, 0, 4, 0),
        ]

    def test_consume_takes_the_last_one(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 7)
        assert ledger.consume("k2", "alice", "gold", 7).balances == (gold("alice", 0),)

    def test_consume_of_more_than_there_is_is_refused(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 7)
        with refuses(self, InsufficientQuantity, shortages=shortage(8, 7), index=0):
            ledger.consume("k2", "alice", "gold", 8)
        assert ledger.consume("k2", "alice", "gold", 7).balances == (gold("alice", 0),)

    def test_consume_does_not_touch_another_item_or_subject(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "silver", 5)
        ledger.acquire("k2", "bob", "gold", 5)
        with refuses(self, InsufficientQuantity, shortages=shortage(1, 0)):
            ledger.consume("k3", "alice", "gold", 1)

    @pytest.mark.parametrize("verb", ["consume", "transfer", "hold"])
    def test_what_is_on_hold_is_not_free(self, ledger: Ledger, verb: str) -> None:
        stock(ledger, quantity=10, held=4)
        with refuses(self, InsufficientQuantity, shortages=shortage(7, 6), index=0):
            call(ledger, verb, quantity=7)
        assert call(ledger, verb, quantity=6).balances[0].quantity == 0

    @pytest.mark.parametrize(("source", "destination"), [("alice", "bob"), ("bob", "alice")])
    def test_a_receipt_of_a_transfer_has_the_source_first(
        self, ledger: Ledger, source: str, destination: str
    ) -> None:
        ledger.acquire("k1", source, "gold", 7)
        ledger.acquire("k2", destination, "gold", 1)
        receipt = ledger.transfer("k3", source, destination, "gold", 7)
        assert receipt.balances == (gold(source, 0), gold(destination, 8))
        assert ledger.transfer("k3", source, destination, "gold", 7).balances == receipt.balances

    def test_a_transfer_of_too_much_is_refused(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 7)
        with refuses(self, InsufficientQuantity, shortages=shortage(8, 7), index=0):
            ledger.transfer("k2", "alice", "bob", "gold", 8)
        assert ledger.balance("bob", "gold") == gold("bob", 0)

    def test_a_transfer_to_oneself_is_refused(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 7)
        with refuses(self, InvalidOperation, field="destination", index=None):
            ledger.transfer("k2", "alice", "alice", "gold", 1)
        with refuses(self, InvalidOperation, field="destination"):
            Transfer("k2", "alice", "alice", "gold", 1)

    def test_nothing_is_created_or_lost_by_a_transfer(self, ledger: Ledger) -> None:
        ledger.acquire("k", "alice", "gold", 100)
        ring = ["alice", "bob", "carol", "alice"]
        for number in range(6):
            source, destination = ring[number % 3], ring[number % 3 + 1]
            ledger.transfer(f"k{number}", source, destination, "gold", 10)
        owned = [ledger.balance(subject, "gold").quantity for subject in ("alice", "bob", "carol")]
        assert owned == [100, 0, 0]

    def test_what_was_never_owned_is_zero(self, ledger: Ledger) -> None:
        before = self.dump()
        assert ledger.balance("nobody", "gold") == BalanceSnapshot("nobody", "gold", 0, 0)
        assert ledger.balances("nobody") == []
        assert self.dump() == before

    def test_what_is_owned_no_longer_is_zero(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 7)
        ledger.consume("k2", "alice", "gold", 7)
        assert ledger.balance("alice", "gold") == gold("alice", 0)
        assert ledger.balances("alice") == []

    def test_balances_are_all_of_a_subject_but_the_zeros(self, ledger: Ledger) -> None:
        for number, item in enumerate(["gold", "axe", "bow"]):
            ledger.acquire(f"a{number}", "alice", item, 10 + number)
            ledger.acquire(f"b{number}", "bob", item, 1)
        ledger.consume("k1", "alice", "axe", 11)
        ledger.hold("k2", "alice", "bow", 12, 60)
        assert ledger.balances("alice") == [
            BalanceSnapshot("alice", "bow", 0, 12),
            BalanceSnapshot("alice", "gold", 10, 0),
        ]
        assert len(ledger.balances("bob")) == 3

    def test_balances_are_in_code_point_order_of_the_item(self, ledger: Ledger) -> None:
        items = [
            "a",
            "B",
            "A",
            "b",
            "1",
            "10",
            "2",
            "é",
            "e\u0301",
            "z",
            "Z",
            "-",
            "_",
            "a b",
            "aa",
        ]
        items += ["\uffff", "😀", "\u0430", "ß", "ss", "~"]
        ledger.post([Acquire(item, "alice", item, 1) for item in items])
        assert [balance.item for balance in ledger.balances("alice")] == sorted(items)

    def test_sequences_count_each_balance_alone(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 5)
        ledger.acquire("k2", "alice", "silver", 5)
        ledger.transfer("k3", "alice", "bob", "gold", 1)
        ledger.transfer("k4", "alice", "bob", "gold", 1)
        ledger.consume("k5", "alice", "silver", 1)
        assert [(line.subject, line.item, line.sequence) for line in journal(self)] == [
            ("alice", "gold", 1),
            ("alice", "silver", 1),
            ("alice", "gold", 2),
            ("bob", "gold", 1),
            ("alice", "gold", 3),
            ("bob", "gold", 2),
            ("alice", "silver", 2),
        ]

    @pytest.mark.parametrize("verb", VERBS)
    def test_each_operation_has_an_id_of_its_own_that_sorts_by_time(
        self, ledger: Ledger, verb: str
    ) -> None:
        hold_id = stock(ledger)
        receipt = call(ledger, verb, hold_id)
        ids = list(dict.fromkeys(line.operation_id for line in journal(self)))
        assert len(ids) == 3
        assert ids[-1] == receipt.operation_id
        assert ids == sorted(ids)
        assert {type(operation_id) for operation_id in ids} == {UUID}
        assert {operation_id.version for operation_id in ids} == {7}

    @pytest.mark.parametrize("verb", VERBS)
    def test_the_kind_is_the_verb(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        assert call(ledger, verb, hold_id).kind == verb
        assert journal(self)[-1].kind == verb
        assert make(verb, hold_id).kind == verb

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_single_call_is_a_batch_of_one(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        receipt = call(ledger, verb, hold_id)
        (replay,) = ledger.post([make(verb, hold_id)])
        assert replay.replayed
        assert replay.operation_id == receipt.operation_id
        assert replay.balances == receipt.balances
        assert replay.hold == receipt.hold

    def test_arguments_may_be_given_by_name_or_position(self, ledger: Ledger) -> None:
        assert not ledger.acquire("k1", "alice", "gold", 9).replayed
        assert ledger.acquire(quantity=9, item="gold", subject="alice", key="k1").replayed
        assert not ledger.transfer("k2", "alice", "bob", "gold", 2).replayed
        assert ledger.transfer(
            key="k2", source="alice", destination="bob", item="gold", quantity=2
        ).replayed
        assert not ledger.hold("k3", "alice", "gold", 2, 60).replayed
        assert ledger.hold(key="k3", subject="alice", item="gold", quantity=2, ttl=60).replayed

    def test_operations_and_answers_are_frozen(self, ledger: Ledger) -> None:
        operation: Any = Hold("k2", "alice", "gold", 1, 60)
        ledger.acquire("k1", "alice", "gold", 5)
        receipt: Any = ledger.post([operation])[0]
        for value in (operation, receipt, receipt.balances[0], receipt.hold):
            for field in fields(value):
                with pytest.raises(FrozenInstanceError):
                    setattr(value, field.name, None)

    def test_acquire_credits(self, ledger: Ledger, clock: MovableClock) -> None:
        receipt = ledger.acquire("k1", "alice", "gold", 7, reference="order 1", actor="shop")
        assert receipt == Receipt(
            operation_id=receipt.operation_id,
            kind="acquire",
            key="k1",
            balances=(BalanceSnapshot("alice", "gold", quantity=7, on_hold=0),),
            hold=None,
            replayed=False,
        )
        assert journal(self) == [
            Line(
                subject="alice",
                item="gold",
                sequence=1,
                operation_id=receipt.operation_id,
                kind="acquire",
                key="k1",
                quantity_delta=7,
                on_hold_delta=0,
                quantity_after=7,
                on_hold_after=0,
                hold_id=None,
                hold_remaining=None,
                hold_expires_at=None,
                actor="shop",
                reference="order 1",
                metadata=None,
                effective_at=clock.now,
                created_at=clock.now,
            )
        ]
        self.assert_counts(balances=1, holds=0, entries=1, keys=1)

    def test_consume_of_what_was_never_owned_is_refused(self, ledger: Ledger) -> None:
        with refuses(self, InsufficientQuantity, shortages=shortage(1, 0), index=0):
            ledger.consume("k", "alice", "gold", 1)
        self.assert_counts(balances=0, holds=0, entries=0, keys=0)

    def test_transfer_moves_both_or_neither(self, ledger: Ledger, clock: MovableClock) -> None:
        ledger.acquire("k1", "zoe", "gold", 7)
        clock.advance(seconds=5)
        receipt = ledger.transfer(
            "k2", "zoe", "bob", "gold", 3, reference="gift", metadata={"a": 1}
        )
        assert receipt == Receipt(
            receipt.operation_id,
            "transfer",
            "k2",
            (gold("zoe", 4), gold("bob", 3)),
            None,
            replayed=False,
        )
        shared: dict[str, Any] = {
            "item": "gold",
            "operation_id": receipt.operation_id,
            "kind": "transfer",
            "key": "k2",
            "on_hold_delta": 0,
            "on_hold_after": 0,
            "hold_id": None,
            "hold_remaining": None,
            "hold_expires_at": None,
            "actor": "",
            "reference": "gift",
            "metadata": {"a": 1},
            "effective_at": clock.now,
            "created_at": clock.now,
        }
        assert journal(self)[1:] == [
            Line(subject="zoe", sequence=2, quantity_delta=-3, quantity_after=4, **shared),
            Line(subject="bob", sequence=1, quantity_delta=3, quantity_after=3, **shared),
        ]
        self.assert_counts(balances=2, holds=0, entries=3, keys=2)

    def test_a_transfer_from_nothing_is_refused(self, ledger: Ledger) -> None:
        with refuses(self, InsufficientQuantity, shortages=shortage(1, 0), index=0):
            ledger.transfer("k", "alice", "bob", "gold", 1)
        self.assert_counts(balances=0)
