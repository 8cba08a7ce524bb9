"""Committing a hold: whole, in part, in parts one after the other, to somebody, and once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.testing.contract.calls import stock
from django_inventory.values import Receipt

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django_inventory.exceptions import HoldResolved, InvalidOperation, InvalidQuantity
from django_inventory.testing.contract.calls import gold
from django_inventory.testing.contract.journal import journal, moves
from django_inventory.testing.contract.refusals import refuses
from django_inventory.values import HoldSnapshot, HoldStatus

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from django_inventory.testing.contract.base import Contract

COMMITTED_ONCE: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    ({}, {"quantity": 3}),
    ({}, {"to": "bob"}),
    ({}, {"reference": "other"}),
    ({}, {"metadata": {}}),
    ({}, {"keep_remainder": True, "key": "k", "quantity": 4}),
    ({"quantity": 3}, {}),
    ({"quantity": 3}, {"quantity": 4}),
    ({"quantity": 3}, {"quantity": 2}),
    ({"to": "bob"}, {}),
    ({"to": "bob"}, {"to": "carol"}),
    ({"to": "bob"}, {"to": "Bob"}),
    ({"reference": "a"}, {"reference": "A"}),
    ({"metadata": {"a": 1}}, {"metadata": {"a": 2}}),
    ({"metadata": {"a": 1}}, {"metadata": {"a": True}}),
    ({"metadata": {"a": 0}}, {"metadata": {"a": False}}),
    ({"metadata": {"a": [1]}}, {"metadata": {"a": 1}}),
]


class Commits(Contract):
    @pytest.mark.parametrize("quantity", [None, 4])
    def test_a_whole_commit_consumes(
        self, ledger: Ledger, clock: MovableClock, quantity: int | None
    ) -> None:
        hold_id = stock(ledger, quantity=10, held=4, ttl=60)
        expires_at = clock.now + timedelta(seconds=60)
        clock.advance(seconds=5)
        receipt = ledger.commit(hold_id, quantity=quantity)
        assert receipt == Receipt(
            receipt.operation_id,
            "commit",
            None,
            (gold("alice", 6),),
            HoldSnapshot(hold_id, "alice", "gold", 4, 0, HoldStatus.COMMITTED, expires_at),
            replayed=False,
        )
        line = journal(self)[-1]
        assert (line.hold_id, line.hold_remaining, line.hold_expires_at) == (hold_id, 0, expires_at)
        assert moves(self)[2:] == [("commit", "alice", 3, 0, -4, 6, 0)]
        assert ledger.get_hold(hold_id) == receipt.hold
        assert ledger.balance("alice", "gold") == gold("alice", 6)

    def test_a_commit_to_somebody_credits(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        receipt = ledger.commit(hold_id, to="bob", key="k")
        assert (receipt.key, receipt.balances) == ("k", (gold("alice", 6), gold("bob", 4)))
        assert moves(self)[2:] == [
            ("commit", "alice", 3, 0, -4, 6, 0),
            ("commit", "bob", 1, 4, 0, 4, 0),
        ]
        assert [line[10:12] for line in journal(self)[2:]] == [(hold_id, 0), (hold_id, 0)]
        assert receipt.hold == ledger.get_hold(hold_id)
        assert receipt.hold.subject == "alice"
        assert ledger.commit(hold_id, to="bob", key="k").balances == receipt.balances

    def test_a_part_commit_releases_the_rest(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        receipt = ledger.commit(hold_id, quantity=1)
        assert receipt.balances == (gold("alice", 9),)
        assert receipt.hold is not None
        assert (receipt.hold.quantity, receipt.hold.remaining) == (4, 0)
        assert receipt.hold.status == "committed"
        assert moves(self)[2:] == [("commit", "alice", 3, 3, -4, 9, 0)]

    def test_a_part_commit_to_somebody_releases_the_rest(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        receipt = ledger.commit(hold_id, quantity=1, to="bob")
        assert receipt.balances == (gold("alice", 9), gold("bob", 1))
        assert moves(self)[2:] == [
            ("commit", "alice", 3, 3, -4, 9, 0),
            ("commit", "bob", 1, 1, 0, 1, 0),
        ]
        assert ledger.commit(hold_id, quantity=1, to="bob").balances == receipt.balances

    def test_a_part_commit_can_keep_the_rest_on_hold(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        before = ledger.get_hold(hold_id)
        receipt = ledger.commit(hold_id, quantity=1, keep_remainder=True, key="k")
        assert receipt.balances == (gold("alice", 6, 3),)
        assert receipt.hold is not None
        assert (receipt.hold.quantity, receipt.hold.remaining) == (4, 3)
        assert (receipt.hold.status, receipt.hold.expires_at) == ("active", before.expires_at)
        assert ledger.get_hold(hold_id) == receipt.hold
        assert moves(self)[2:] == [("commit", "alice", 3, 0, -1, 6, 3)]

    def test_a_part_commit_to_somebody_can_keep_the_rest_on_hold(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        receipt = ledger.commit(hold_id, quantity=1, keep_remainder=True, to="bob", key="k")
        assert receipt.balances == (gold("alice", 6, 3), gold("bob", 1))
        assert moves(self)[2:] == [
            ("commit", "alice", 3, 0, -1, 6, 3),
            ("commit", "bob", 1, 1, 0, 1, 0),
        ]
        assert [line.hold_remaining for line in journal(self)[2:]] == [3, 3]

    def test_equal_part_commits_are_all_meant(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        receipts = [
            ledger.commit(hold_id, quantity=1, keep_remainder=True, to="bob", key=f"k{number}")
            for number in range(4)
        ]
        states = [(r.hold.remaining, r.hold.status) for r in receipts if r.hold is not None]
        assert states == [(3, "active"), (2, "active"), (1, "active"), (0, "committed")]
        assert [r.balances for r in receipts] == [
            (gold("alice", 6, 3 - number), gold("bob", 1 + number)) for number in range(4)
        ]
        with refuses(self, HoldResolved, hold_id=hold_id, status="committed"):
            ledger.commit(hold_id, quantity=1, keep_remainder=True, to="bob", key="k4")

    @pytest.mark.parametrize("last", [{}, {"quantity": 2}])
    def test_a_chain_of_part_commits_can_end_in_a_whole_one(
        self, ledger: Ledger, last: dict[str, Any]
    ) -> None:
        hold_id = stock(ledger, quantity=10, held=9)
        ledger.commit(hold_id, quantity=4, keep_remainder=True, key="k1")
        ledger.commit(hold_id, quantity=3, keep_remainder=True, to="bob", key="k2")
        receipt = ledger.commit(hold_id, **last)
        assert receipt.balances == (gold("alice", 1),)
        assert [move[3:] for move in moves(self)[2:]] == [
            (0, -4, 1, 5),
            (0, -3, 1, 2),
            (3, 0, 3, 0),
            (0, -2, 1, 0),
        ]

    def test_a_chain_of_part_commits_can_end_in_a_release(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=9)
        ledger.commit(hold_id, quantity=4, keep_remainder=True, key="k1")
        receipt = ledger.release(hold_id)
        assert receipt.balances == (gold("alice", 6),)
        assert moves(self)[-1] == ("release", "alice", 4, 5, -5, 6, 0)

    def test_a_chain_of_part_commits_can_end_in_the_expiry(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        hold_id = stock(ledger, quantity=10, held=9)
        ledger.commit(hold_id, quantity=4, keep_remainder=True, key="k1")
        clock.advance(seconds=60)
        assert ledger.balance("alice", "gold") == gold("alice", 6)
        assert ledger.expire_holds() == 1
        assert moves(self)[-1] == ("expire", "alice", 4, 5, -5, 6, 0)
        assert ledger.get_hold(hold_id).quantity == 9

    def test_keep_remainder_of_all_leaves_nothing_on_hold(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        receipt = ledger.commit(hold_id, keep_remainder=True, key="k")
        assert receipt.balances == (gold("alice", 6),)
        assert receipt.hold is not None
        assert (receipt.hold.remaining, receipt.hold.status) == (0, "committed")

    def test_keep_remainder_needs_a_key(self, ledger: Ledger) -> None:
        hold_id = stock(ledger)
        with refuses(self, InvalidOperation, field="key", index=None):
            ledger.commit(hold_id, quantity=1, keep_remainder=True)

    @pytest.mark.parametrize("value", [None, 0, 1, "yes"])
    def test_keep_remainder_is_a_bool(self, ledger: Ledger, value: Any) -> None:
        hold_id = stock(ledger)
        with refuses(self, InvalidOperation, field="keep_remainder"):
            ledger.commit(hold_id, quantity=1, keep_remainder=value, key="k")

    def test_more_than_is_held_cannot_be_committed(self, ledger: Ledger) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        with refuses(self, InvalidQuantity, field="quantity", index=0):
            ledger.commit(hold_id, quantity=5)
        ledger.commit(hold_id, quantity=1, keep_remainder=True, key="k1")
        with refuses(self, InvalidQuantity, field="quantity", index=0):
            ledger.commit(hold_id, quantity=4, keep_remainder=True, key="k2")
        assert ledger.commit(hold_id, quantity=3, key="k2").balances == (gold("alice", 6),)

    def test_a_commit_to_the_holder_is_refused(self, ledger: Ledger) -> None:
        hold_id = stock(ledger)
        with refuses(self, InvalidOperation, field="to", index=0):
            ledger.commit(hold_id, to="alice")

    @pytest.mark.parametrize(("first", "second"), COMMITTED_ONCE)
    def test_a_commit_in_another_way_is_refused(
        self, ledger: Ledger, first: dict[str, Any], second: dict[str, Any]
    ) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        ledger.commit(hold_id, **first)
        with refuses(self, HoldResolved, hold_id=hold_id, status="committed", index=0):
            ledger.commit(hold_id, **second)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({}, {}),
            ({}, {"quantity": 4}),
            ({"quantity": 4}, {}),
            ({"quantity": 3}, {"quantity": 3}),
            ({"to": "bob"}, {"to": "bob", "quantity": 4}),
            ({"actor": "clerk"}, {"actor": "boss"}),
            ({"metadata": {"a": 1, "b": 2}}, {"metadata": {"b": 2, "a": 1}}),
            ({"key": "k1"}, {}),
            ({"key": "k1"}, {"key": "k2"}),
        ],
    )
    def test_a_commit_in_the_same_way_replays(
        self, ledger: Ledger, first: dict[str, Any], second: dict[str, Any]
    ) -> None:
        hold_id = stock(ledger, quantity=10, held=4)
        receipt = ledger.commit(hold_id, **first)
        lines = journal(self)
        replay = ledger.commit(hold_id, **second)
        assert replay == Receipt(
            receipt.operation_id,
            "commit",
            first.get("key"),
            receipt.balances,
            receipt.hold,
            replayed=True,
        )
        assert journal(self) == lines
