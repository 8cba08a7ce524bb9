"""Expiry: recorded once, at its own time, in order, by whoever comes first; and found by index."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from django_inventory.exceptions import HoldUnknown, InvalidQuantity
from django_inventory.operations import Acquire, Commit, Consume, Extend, Hold, Release
from django_inventory.testing.contract.calls import gold, hold_of
from django_inventory.testing.contract.journal import (
    Line,
    journal,
    moves,
)
from django_inventory.testing.contract.refusals import refuses

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.clocks import MovableClock


from django_inventory.testing.contract.base import Contract


def place(ledger: Ledger, *ttls: float, subject: str = "alice", item: str = "gold") -> list[UUID]:
    """Give a subject 100 and hold 1, 2, 3, ... of it for these times."""
    prefix = f"{subject} {item}"
    ledger.acquire(prefix, subject, item, 100)
    return [
        hold_of(ledger.hold(f"{prefix} {number}", subject, item, number, ttl))
        for number, ttl in enumerate(ttls, start=1)
    ]


def expiries(contract: Contract) -> list[Line]:
    return [line for line in journal(contract) if line.kind == "expire"]


class Expiry(Contract):
    def test_an_expiry_is_journalled_as_an_operation_of_its_own(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        (hold_id,) = place(ledger, 60)
        expired_at = clock.now + timedelta(seconds=60)
        clock.advance(timedelta(days=3, microseconds=1))
        receipt = ledger.acquire("k", "alice", "gold", 1, actor="clerk", reference="order 7")
        (line,) = expiries(self)
        assert line == Line(
            subject="alice",
            item="gold",
            sequence=3,
            operation_id=line.operation_id,
            kind="expire",
            key=None,
            quantity_delta=1,
            on_hold_delta=-1,
            quantity_after=100,
            on_hold_after=0,
            hold_id=hold_id,
            hold_remaining=0,
            hold_expires_at=expired_at,
            actor="",
            reference="",
            metadata=None,
            effective_at=expired_at,
            created_at=clock.now,
        )
        ids = [line.operation_id for line in journal(self)]
        assert len(set(ids)) == 4
        assert receipt.operation_id == ids[3]
        assert line.operation_id.version == 7

    @pytest.mark.parametrize("by", ["mutation", "sweep", "release"])
    def test_several_are_recorded_each_in_the_order_of_their_times(
        self, ledger: Ledger, clock: MovableClock, by: str
    ) -> None:
        holds = place(ledger, 50, 30, 90, 40)
        placed_at = clock.now
        clock.advance(seconds=60)
        if by == "mutation":
            ledger.consume("k", "alice", "gold", 1)
        elif by == "sweep":
            assert ledger.expire_holds() == 3
        else:
            # Of the one in the middle; its receipt is of the moment of its own expiry.
            assert ledger.release(holds[3]).balances == (gold("alice", 96, 4),)
        lines = expiries(self)
        assert [line.hold_id for line in lines] == [holds[1], holds[3], holds[0]]
        assert [line.effective_at - placed_at for line in lines] == [
            timedelta(seconds=30),
            timedelta(seconds=40),
            timedelta(seconds=50),
        ]
        assert {line.created_at for line in lines} == {clock.now}
        assert len({line.operation_id for line in lines}) == 3
        assert [move[2:] for move in moves(self) if move.kind == "expire"] == [
            (6, 2, -2, 92, 8),
            (7, 4, -4, 96, 4),
            (8, 1, -1, 97, 3),
        ]
        assert [ledger.get_hold(hold).status for hold in holds] == [
            "expired",
            "expired",
            "active",
            "expired",
        ]

    def test_those_of_one_instant_are_recorded_in_the_order_of_their_ids(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        holds = place(ledger, *[60] * 12)
        clock.advance(seconds=60)
        assert ledger.expire_holds() == 12
        assert [line.hold_id for line in expiries(self)] == holds
        assert holds == sorted(holds)

    def test_only_what_is_overdue_expires(self, ledger: Ledger, clock: MovableClock) -> None:
        holds = place(ledger, 60, 61, 60)
        clock.advance(seconds=60)
        assert ledger.balance("alice", "gold") == gold("alice", 98, 2)
        assert ledger.expire_holds() == 2
        assert ledger.balance("alice", "gold") == gold("alice", 98, 2)
        assert [ledger.get_hold(hold).remaining for hold in holds] == [0, 2, 0]
        assert ledger.commit(holds[1]).balances == (gold("alice", 98),)

    def test_what_has_expired_can_be_held_again_and_again(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        ledger.acquire("k", "alice", "gold", 5)
        for number in range(4):
            receipt = ledger.hold(f"k{number}", "alice", "gold", 5, 60)
            assert receipt.balances == (gold("alice", 0, 5),)
            clock.advance(seconds=60)
        assert ledger.balance("alice", "gold") == gold("alice", 5)

    def test_a_new_hold_does_not_revive_an_old_one(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        (first,) = place(ledger, 60)
        clock.advance(seconds=60)
        second = hold_of(ledger.hold("k", "alice", "gold", 100, 60))
        assert ledger.release(first).kind == "expire"
        assert ledger.balance("alice", "gold") == gold("alice", 0, 100)
        assert ledger.commit(second).balances == (gold("alice", 0),)
        assert len(expiries(self)) == 1

    def test_the_sweep_finds_nothing_where_nothing_is(self, ledger: Ledger) -> None:
        assert ledger.expire_holds() == 0
        place(ledger, 60)
        before = self.dump()
        assert ledger.expire_holds() == 0
        assert self.dump() == before

    def test_the_sweep_counts_the_holds_of_all_balances(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        place(ledger, 10, 20, 99, subject="alice")
        place(ledger, 10, 99, subject="bob")
        place(ledger, 10, subject="bob", item="silver")
        place(ledger, 99, subject="carol")
        clock.advance(seconds=20)
        assert ledger.expire_holds() == 4
        assert ledger.expire_holds() == 0
        clock.advance(seconds=79)
        assert ledger.expire_holds() == 3

    def test_a_sweep_with_a_limit_goes_on_where_it_stopped(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        place(ledger, 10, 20, 30, 40, 50, 999)
        clock.advance(seconds=60)
        assert [ledger.expire_holds(limit=2) for _ in range(4)] == [2, 2, 1, 0]
        assert [line.quantity_delta for line in expiries(self)] == [1, 2, 3, 4, 5]
        assert [move[5:] for move in moves(self)[-5:]] == [
            (80, 20),
            (82, 18),
            (85, 15),
            (89, 11),
            (94, 6),
        ]

    def test_a_sweep_with_a_limit_takes_the_longest_overdue_first(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        alices = place(ledger, 40, 20, subject="alice")
        bobs = place(ledger, 30, 10, subject="bob")
        clock.advance(seconds=60)
        for expected in (bobs[1], alices[1], bobs[0], alices[0]):
            assert ledger.expire_holds(limit=1) == 1
            assert expiries(self)[-1].hold_id == expected
        assert ledger.expire_holds(limit=1) == 0

    def test_between_two_limited_sweeps_reads_are_right(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        place(ledger, 10, 20, 30, 999)
        clock.advance(seconds=60)
        for _ in range(4):
            assert ledger.balance("alice", "gold") == gold("alice", 96, 4)
            assert ledger.balances("alice") == [gold("alice", 96, 4)]
            ledger.expire_holds(limit=1)
        ledger.consume("k", "alice", "gold", 96)

    def test_a_limit_above_what_is_there_is_no_limit(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        place(ledger, 10, 20)
        clock.advance(seconds=60)
        assert ledger.expire_holds(limit=2**63 - 1) == 2

    def test_a_sweep_of_many(self, ledger: Ledger, clock: MovableClock) -> None:
        """More balances and holds than the sweep takes at a time."""
        subjects = [f"s{number}" for number in range(210)]
        ledger.post([Acquire(subject, subject, "gold", 10) for subject in subjects])
        ledger.post(
            [
                Hold(f"{subject} {part}", subject, "gold", 1, timedelta(seconds=60))
                for subject in subjects
                for part in range(6)
            ]
        )
        clock.advance(seconds=60)
        assert ledger.expire_holds(limit=1_100) == 1_100
        assert ledger.expire_holds() == 160
        assert ledger.expire_holds() == 0
        assert all(ledger.balance(subject, "gold").quantity == 10 for subject in subjects[::50])

    @pytest.mark.parametrize("limit", [0, -1, True, False, 1.0, "1", 2**63])
    def test_a_limit_is_a_whole_number_from_one(
        self, ledger: Ledger, clock: MovableClock, limit: Any
    ) -> None:
        place(ledger, 10)
        clock.advance(seconds=60)
        with refuses(self, InvalidQuantity, field="limit", index=None):
            ledger.expire_holds(limit=limit)

    def test_in_a_refused_batch_no_expiry_is_recorded(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        place(ledger, 60)
        clock.advance(seconds=60)
        with refuses(self, HoldUnknown, index=1):
            ledger.post([Consume("k", "alice", "gold", 100), Commit(UUID(int=7))])
        assert ledger.consume("k", "alice", "gold", 100).balances == (gold("alice", 0),)
        assert len(expiries(self)) == 1

    def test_where_each_stands_alone_the_first_that_succeeds_records_it(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        (hold_id,) = place(ledger, 60)
        clock.advance(seconds=60)
        results = ledger.post(
            [
                Commit(hold_id),
                Consume("k1", "alice", "gold", 101),
                Consume("k2", "alice", "gold", 99),
                Extend(hold_id, timedelta(seconds=60)),
                Release(hold_id),
                Consume("k3", "alice", "gold", 1),
            ],
            atomic=False,
        )
        assert [
            getattr(result, "code", None) or getattr(result, "kind", None) for result in results
        ] == [
            "hold_expired",
            "insufficient_quantity",
            "consume",
            "hold_expired",
            "expire",
            "consume",
        ]
        assert [move[:1] + move[2:] for move in moves(self)[2:]] == [
            ("expire", 3, 1, -1, 100, 0),
            ("consume", 4, -99, 0, 1, 0),
            ("consume", 5, -1, 0, 0, 0),
        ]

    def test_where_each_stands_alone_and_all_are_refused_nothing_is_recorded(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        (hold_id,) = place(ledger, 60)
        clock.advance(seconds=60)
        before = self.dump()
        results = ledger.post([Commit(hold_id), Consume("k", "alice", "gold", 101)], atomic=False)
        assert [getattr(result, "code", None) for result in results] == [
            "hold_expired",
            "insufficient_quantity",
        ]
        assert self.dump() == before
        assert ledger.balance("alice", "gold") == gold("alice", 100)
