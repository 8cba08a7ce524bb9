"""Quantities: which numbers are any, and the limit of what one balance can hold."""

from __future__ import annotations

import enum
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from django_inventory.exceptions import InsufficientQuantity, InvalidQuantity, QuantityOverflow
from django_inventory.operations import Acquire, Commit, Consume, Transfer
from django_inventory.testing.contract.calls import call, gold, hold_of, make, stock
from django_inventory.testing.contract.journal import moves
from django_inventory.testing.contract.refusals import assert_all_refused, assert_is, refuses
from django_inventory.values import MAX_QUANTITY, BalanceSnapshot, Shortage

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from django_inventory.testing.contract.base import Contract

MOST: Final = 2**63 - 1

VERBS: Final = ("acquire", "consume", "transfer", "hold", "commit")

NO_QUANTITIES: Final[dict[str, Any]] = {
    "zero": 0,
    "minus one": -1,
    "one over": 2**63,
    "least bigint": -(2**63),
    "huge": 10**30,
    "false": False,
    "true": True,
    "whole float": 1.0,
    "float": 0.5,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "Decimal": Decimal(1),
    "Fraction": Fraction(1),
    "complex": 1 + 0j,
    "str": "1",
    "bytes": b"1",
    "list": [1],
}


class Dozen(enum.IntEnum):
    ONE = 12


class Quantities(Contract):
    def test_the_limit_is_that_of_bigint(self) -> None:
        assert MAX_QUANTITY == MOST == 9_223_372_036_854_775_807

    @pytest.mark.parametrize("quantity", NO_QUANTITIES.values(), ids=NO_QUANTITIES.keys())
    def test_what_is_no_quantity_is_refused(self, ledger: Ledger, quantity: Any) -> None:
        hold_id = stock(ledger)
        changes = {"quantity": quantity}
        attempts: list[Callable[[], object]] = [
            *[partial(call, ledger, verb, hold_id, **changes) for verb in VERBS],
            *[partial(make, verb, hold_id, **changes) for verb in VERBS],
        ]
        assert_all_refused(self, InvalidQuantity, [("quantity", attempt) for attempt in attempts])

    @pytest.mark.parametrize("verb", ["acquire", "consume", "transfer", "hold"])
    def test_none_is_no_quantity(self, ledger: Ledger, verb: str) -> None:
        stock(ledger)
        with refuses(self, InvalidQuantity, field="quantity", index=None):
            call(ledger, verb, quantity=None)

    def test_an_int_by_another_name_is_a_quantity(self, ledger: Ledger) -> None:
        (balance,) = ledger.acquire("k", "alice", "gold", Dozen.ONE).balances
        assert balance == gold("alice", 12)
        assert type(balance.quantity) is int
        assert ledger.acquire("k", "alice", "gold", 12).replayed

    @pytest.mark.parametrize("quantity", [1, MOST])
    def test_the_smallest_and_the_largest_quantity_go_through_every_verb(
        self, ledger: Ledger, clock: MovableClock, quantity: int
    ) -> None:
        def held_by(subject: str, key: str) -> Any:
            receipt = ledger.hold(key, subject, "gold", quantity, 60)
            assert receipt.balances == (gold(subject, 0, quantity),)
            return hold_of(receipt)

        assert ledger.acquire("k1", "alice", "gold", quantity).balances == (
            gold("alice", quantity),
        )
        moved = ledger.transfer("k2", "alice", "bob", "gold", quantity)
        assert moved.balances == (gold("alice", 0), gold("bob", quantity))
        assert ledger.release(held_by("bob", "k3")).balances == (gold("bob", quantity),)
        committed = ledger.commit(held_by("bob", "k4"), quantity=quantity, to="carol")
        assert committed.balances == (gold("bob", 0), gold("carol", quantity))
        ledger.extend(held_by("carol", "k5"), 30)
        clock.advance(seconds=30)
        assert ledger.balance("carol", "gold") == gold("carol", quantity)
        assert ledger.balances("carol") == [gold("carol", quantity)]
        assert ledger.expire_holds() == 1
        assert ledger.commit(held_by("carol", "k6")).balances == (gold("carol", 0),)
        ledger.acquire("k7", "carol", "gold", quantity)
        assert ledger.consume("k8", "carol", "gold", quantity).balances == (gold("carol", 0),)
        assert moves(self)[-1] == ("consume", "carol", 8, -quantity, 0, 0, 0)

    def test_answers_are_ints_whatever_the_database_sums(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        stock(ledger)
        clock.advance(seconds=60)
        for balance in (ledger.balance("alice", "gold"), *ledger.balances("alice")):
            assert balance == gold("alice", 10)
            assert (type(balance.quantity), type(balance.on_hold)) == (int, int)

    def test_the_total_is_the_free_part_and_the_part_on_hold(self, ledger: Ledger) -> None:
        stock(ledger, quantity=10, held=4)
        balance = ledger.balance("alice", "gold")
        assert (balance.quantity, balance.on_hold, balance.total) == (6, 4, 10)
        assert BalanceSnapshot("alice", "gold", MOST, 0).total == MOST

    def test_a_full_balance_refuses_one_more(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", MOST)
        with refuses(
            self,
            QuantityOverflow,
            subject="alice",
            item="gold",
            requested=1,
            available=0,
            index=0,
        ):
            ledger.acquire("k2", "alice", "gold", 1)
        assert ledger.acquire("k2", "alice", "silver", 1).balances[0].quantity == 1

    def test_the_largest_credit_does_not_fit_on_one(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 1)
        with refuses(self, QuantityOverflow, requested=MOST, available=MOST - 1):
            ledger.acquire("k2", "alice", "gold", MOST)
        assert ledger.acquire("k2", "alice", "gold", MOST - 1).balances == (gold("alice", MOST),)

    def test_what_is_on_hold_counts_towards_the_limit(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=MOST - 5, held=MOST - 5)
        with refuses(self, QuantityOverflow, subject="alice", requested=6, available=5):
            ledger.acquire("k", "alice", "gold", 6)
        assert ledger.acquire("k", "alice", "gold", 5).balances == (gold("alice", 5, MOST - 5),)
        assert ledger.release(hold_id).balances == (gold("alice", MOST),)

    def test_an_expired_hold_still_counts_towards_the_limit(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        stock(ledger, quantity=MOST - 5, held=MOST - 5)
        clock.advance(seconds=60)
        with refuses(self, QuantityOverflow, subject="alice", requested=6, available=5):
            ledger.acquire("k", "alice", "gold", 6)
        assert ledger.acquire("k", "alice", "gold", 5).balances == (gold("alice", MOST),)

    def test_a_transfer_to_a_full_balance_is_refused(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 10)
        ledger.acquire("k2", "bob", "gold", MOST - 3)
        with refuses(
            self, QuantityOverflow, subject="bob", item="gold", requested=4, available=3, index=0
        ):
            ledger.transfer("k3", "alice", "bob", "gold", 4)
        moved = ledger.transfer("k3", "alice", "bob", "gold", 3)
        assert moved.balances == (gold("alice", 7), gold("bob", MOST))

    def test_a_transfer_of_more_than_either_balance_allows_is_told_as_short(
        self, ledger: Ledger
    ) -> None:
        ledger.acquire("k1", "alice", "gold", 10)
        ledger.acquire("k2", "bob", "gold", MOST - 3)
        shortages = (Shortage("alice", "gold", requested=11, available=10),)
        transfer = Transfer("k3", "alice", "bob", "gold", 11)
        with refuses(self, InsufficientQuantity, shortages=shortages, index=0):
            ledger.post([transfer])
        with refuses(self, InsufficientQuantity, shortages=shortages, index=0):
            ledger.post([transfer, Acquire("k4", "carol", "gold", 1)])
        before = self.dump()
        [refusal] = ledger.post([transfer], atomic=False)
        assert_is(refusal, InsufficientQuantity, shortages=shortages, index=0)
        assert self.dump() == before

    @pytest.mark.parametrize("quantity", [None, 4])
    def test_a_commit_to_a_full_balance_is_refused(
        self, ledger: Ledger, quantity: int | None
    ) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        ledger.acquire("k2", "bob", "gold", MOST - 3)
        with refuses(
            self, QuantityOverflow, subject="bob", item="gold", requested=4, available=3, index=0
        ):
            ledger.commit(hold_id, quantity=quantity, to="bob")
        committed = ledger.commit(hold_id, quantity=3, to="bob")
        assert committed.balances == (gold("alice", 7), gold("bob", MOST))

    def test_credits_of_one_batch_are_summed_before_the_limit(self, ledger: Ledger) -> None:
        hold_id = stock(ledger)
        with refuses(self, QuantityOverflow, subject="bob", requested=1, available=0, index=3):
            ledger.post(
                [
                    Acquire("k1", "bob", "gold", MOST - 5),
                    Transfer("k2", "alice", "bob", "gold", 1),
                    Commit(hold_id, to="bob"),
                    Acquire("k3", "bob", "gold", 1),
                ]
            )
        ledger.post(
            [
                Acquire("k1", "bob", "gold", MOST),
                Consume("k2", "bob", "gold", 1),
                Acquire("k3", "bob", "gold", 1),
            ]
        )
        assert ledger.balance("bob", "gold") == gold("bob", MOST)

    def test_a_shortage_of_the_largest_quantity_is_told_exactly(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", MOST - 1)
        shortage = Shortage("alice", "gold", requested=MOST, available=MOST - 1)
        with refuses(self, InsufficientQuantity, shortages=(shortage,)):
            ledger.consume("k2", "alice", "gold", MOST)
        # The sum of two demands is above what any database column holds.
        shortage = Shortage("alice", "gold", requested=2 * MOST, available=MOST - 1)
        with refuses(self, InsufficientQuantity, shortages=(shortage,)):
            ledger.post([Consume(key, "alice", "gold", MOST) for key in ("k2", "k3")])
