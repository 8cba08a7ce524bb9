"""The window after a hold's expiry and before any sweep: what every verb and every read does in it.

Alice has 10 gold, 4 of it on a hold that lasts 60 seconds, and 3 on one that lasts 600.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
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
from django_inventory.operations import Acquire, Commit, Consume, Release
from django_inventory.testing.contract.calls import gold, hold_of
from django_inventory.testing.contract.journal import journal, moves
from django_inventory.testing.contract.refusals import refuses
from django_inventory.values import MAX_QUANTITY, HoldSnapshot, HoldStatus, Shortage

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.exceptions import InventoryError
    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from django_inventory.testing.clocks import MovableClock
    from django_inventory.values import Receipt


from django_inventory.testing.contract.base import Contract

EXPIRY: Final = ("expire", "alice", 4, 4, -4, 7, 3)


@dataclass
class Scene:
    """Two holds of alice's; the first one's time is just over."""

    overdue: UUID
    lasting: UUID
    placed_at: datetime
    expired_at: datetime


def acquire(ledger: Ledger, scene: Scene) -> Receipt:
    return ledger.acquire("k", "alice", "gold", 5)


def consume(ledger: Ledger, scene: Scene) -> Receipt:
    return ledger.consume("k", "alice", "gold", 7)


def transfer_from(ledger: Ledger, scene: Scene) -> Receipt:
    return ledger.transfer("k", "alice", "bob", "gold", 7)


def transfer_to(ledger: Ledger, scene: Scene) -> Receipt:
    return ledger.transfer("k", "bob", "alice", "gold", 2)


def hold(ledger: Ledger, scene: Scene) -> Receipt:
    return ledger.hold("k", "alice", "gold", 7, 60)


def commit_of_another_hold(ledger: Ledger, scene: Scene) -> Receipt:
    return ledger.commit(scene.lasting, key="k")


def part_commit_of_another_hold(ledger: Ledger, scene: Scene) -> Receipt:
    return ledger.commit(scene.lasting, quantity=1, keep_remainder=True, key="k")


def commit_to_its_owner(ledger: Ledger, scene: Scene) -> Receipt:
    hold_id = hold_of(ledger.hold("h3", "bob", "gold", 2, 60))
    return ledger.commit(hold_id, to="alice", key="k")


def release_of_another_hold(ledger: Ledger, scene: Scene) -> Receipt:
    return ledger.release(scene.lasting, key="k")


def extend_of_another_hold(ledger: Ledger, scene: Scene) -> Receipt:
    return ledger.extend(scene.lasting, 900, key="k")


def post(ledger: Ledger, scene: Scene) -> Receipt:
    operations: list[Operation] = [
        Acquire("k", "alice", "gold", 2),
        Consume("k2", "alice", "gold", 9),
    ]
    return ledger.post(operations)[1]


def post_not_atomic(ledger: Ledger, scene: Scene) -> Receipt:
    operations: list[Operation] = [
        Consume("refused", "alice", "gold", 8),
        Acquire("k", "alice", "gold", 2),
        Consume("k2", "alice", "gold", 9),
    ]
    return [r for r in ledger.post(operations, atomic=False) if not isinstance(r, Exception)][1]


# After the expiry: what is left of alice's balance, and the rows that the call has written for her.
OUTCOMES: Final[list[tuple[Any, tuple[int, int], list[tuple[Any, ...]]]]] = [
    (acquire, (12, 3), [("acquire", "alice", 5, 5, 0, 12, 3)]),
    (consume, (0, 3), [("consume", "alice", 5, -7, 0, 0, 3)]),
    (transfer_from, (0, 3), [("transfer", "alice", 5, -7, 0, 0, 3)]),
    (transfer_to, (9, 3), [("transfer", "alice", 5, 2, 0, 9, 3)]),
    (hold, (0, 10), [("hold", "alice", 5, -7, 7, 0, 10)]),
    (commit_of_another_hold, (7, 0), [("commit", "alice", 5, 0, -3, 7, 0)]),
    (part_commit_of_another_hold, (7, 2), [("commit", "alice", 5, 0, -1, 7, 2)]),
    (commit_to_its_owner, (9, 3), [("commit", "alice", 5, 2, 0, 9, 3)]),
    (release_of_another_hold, (10, 0), [("release", "alice", 5, 3, -3, 10, 0)]),
    (extend_of_another_hold, (7, 3), [("extend", "alice", 5, 0, 0, 7, 3)]),
    (
        post,
        (0, 3),
        [("acquire", "alice", 5, 2, 0, 9, 3), ("consume", "alice", 6, -9, 0, 0, 3)],
    ),
    (
        post_not_atomic,
        (0, 3),
        [("acquire", "alice", 5, 2, 0, 9, 3), ("consume", "alice", 6, -9, 0, 0, 3)],
    ),
]

each_mutation = pytest.mark.parametrize(
    ("act", "after", "rows"), OUTCOMES, ids=[row[0].__name__ for row in OUTCOMES]
)


def refused_consume(ledger: Ledger, scene: Scene) -> object:
    return ledger.consume("k", "alice", "gold", 8)


def refused_transfer(ledger: Ledger, scene: Scene) -> object:
    return ledger.transfer("k", "alice", "bob", "gold", 8)


def refused_transfer_to(ledger: Ledger, scene: Scene) -> object:
    return ledger.transfer("k", "carol", "alice", "gold", 1)


def refused_hold(ledger: Ledger, scene: Scene) -> object:
    return ledger.hold("k", "alice", "gold", 8, 60)


def refused_acquire(ledger: Ledger, scene: Scene) -> object:
    return ledger.acquire("k", "alice", "gold", MAX_QUANTITY)


def refused_commit(ledger: Ledger, scene: Scene) -> object:
    return ledger.commit(scene.overdue, key="k")


def refused_commit_to(ledger: Ledger, scene: Scene) -> object:
    return ledger.commit(scene.overdue, to="bob")


def refused_part_commit(ledger: Ledger, scene: Scene) -> object:
    return ledger.commit(scene.overdue, quantity=1, keep_remainder=True, key="k")


def refused_extend(ledger: Ledger, scene: Scene) -> object:
    return ledger.extend(scene.overdue, 60)


def refused_commit_of_another_hold(ledger: Ledger, scene: Scene) -> object:
    return ledger.commit(scene.lasting, quantity=4)


def refused_commit_to_its_owner(ledger: Ledger, scene: Scene) -> object:
    return ledger.commit(scene.lasting, to="alice")


def refused_key(ledger: Ledger, scene: Scene) -> object:
    return ledger.acquire("stock", "alice", "gold", 11)


def refused_batch(ledger: Ledger, scene: Scene) -> object:
    return ledger.post([Consume("k", "alice", "gold", 7), Consume("k2", "alice", "gold", 1)])


def refused_batch_after_a_release(ledger: Ledger, scene: Scene) -> object:
    return ledger.post([Release(scene.overdue), Commit(UUID(int=7))])


REFUSALS: Final[dict[Any, type[InventoryError]]] = {
    refused_consume: InsufficientQuantity,
    refused_transfer: InsufficientQuantity,
    refused_transfer_to: InsufficientQuantity,
    refused_hold: InsufficientQuantity,
    refused_acquire: QuantityOverflow,
    refused_commit: HoldExpired,
    refused_commit_to: HoldExpired,
    refused_part_commit: HoldExpired,
    refused_extend: HoldExpired,
    refused_commit_of_another_hold: InvalidQuantity,
    refused_commit_to_its_owner: InvalidOperation,
    refused_key: IdempotencyConflict,
    refused_batch: InsufficientQuantity,
    refused_batch_after_a_release: HoldUnknown,
}


class ExpiryWindow(Contract):
    @pytest.fixture
    def scene(self, ledger: Ledger, clock: MovableClock) -> Scene:
        placed_at = clock.now
        ledger.acquire("stock", "alice", "gold", 10)
        overdue = hold_of(ledger.hold("h1", "alice", "gold", 4, 60))
        lasting = hold_of(ledger.hold("h2", "alice", "gold", 3, 600))
        return Scene(overdue, lasting, placed_at, clock.advance(seconds=60))

    @each_mutation
    def test_every_mutation_can_spend_what_has_expired(
        self,
        ledger: Ledger,
        clock: MovableClock,
        scene: Scene,
        act: Callable[[Ledger, Scene], Receipt],
        after: tuple[int, int],
        rows: list[tuple[Any, ...]],
    ) -> None:
        ledger.acquire("for bob", "bob", "gold", 2)
        clock.advance(seconds=7)
        receipt = act(ledger, scene)
        assert gold("alice", *after) in receipt.balances
        assert ledger.balance("alice", "gold") == gold("alice", *after)
        assert [move for move in moves(self)[3:] if move.subject == "alice"] == [EXPIRY, *rows]
        (expiry,) = [line for line in journal(self) if line.kind == "expire"]
        assert (expiry.effective_at, expiry.created_at) == (scene.expired_at, clock.now)
        assert ledger.expire_holds() == 0

    def test_releasing_it_records_no_more_than_the_expiry(
        self, ledger: Ledger, clock: MovableClock, scene: Scene
    ) -> None:
        clock.advance(seconds=7)
        receipt = ledger.release(scene.overdue)
        assert (receipt.kind, receipt.key, receipt.replayed) == ("expire", None, True)
        assert receipt.balances == (gold("alice", 7, 3),)
        assert moves(self)[3:] == [EXPIRY]
        assert journal(self)[3].operation_id == receipt.operation_id
        assert ledger.expire_holds() == 0

    def test_the_sweep_records_it(self, ledger: Ledger, clock: MovableClock, scene: Scene) -> None:
        clock.advance(seconds=7)
        assert ledger.expire_holds() == 1
        assert moves(self)[3:] == [EXPIRY]
        line = journal(self)[3]
        assert (line.key, line.hold_id, line.hold_remaining) == (None, scene.overdue, 0)
        assert line.hold_expires_at == line.effective_at == scene.expired_at
        assert line.created_at == clock.now
        assert ledger.expire_holds() == 0

    def test_every_read_counts_it_as_free_and_changes_nothing(
        self, ledger: Ledger, scene: Scene
    ) -> None:
        before = self.dump()
        assert ledger.balance("alice", "gold") == gold("alice", 7, 3)
        assert ledger.balances("alice") == [gold("alice", 7, 3)]
        assert ledger.get_hold(scene.overdue) == HoldSnapshot(
            scene.overdue, "alice", "gold", 4, 0, HoldStatus.EXPIRED, scene.expired_at
        )
        assert ledger.get_hold(scene.lasting).status == "active"
        assert self.dump() == before

    def test_reads_are_the_same_before_and_after_the_sweep(
        self, ledger: Ledger, scene: Scene
    ) -> None:
        def answers() -> list[Any]:
            return [
                ledger.balance("alice", "gold"),
                ledger.balances("alice"),
                ledger.get_hold(scene.overdue),
                ledger.get_hold(scene.lasting),
            ]

        before = answers()
        assert ledger.expire_holds() == 1
        assert answers() == before

    def test_a_balance_of_nothing_but_overdue_holds_is_listed(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        ledger.acquire("k1", "alice", "gold", 4)
        ledger.hold("k2", "alice", "gold", 4, 60)
        clock.advance(seconds=60)
        assert ledger.balances("alice") == [gold("alice", 4)]

    def test_one_microsecond_before_it_still_counts(
        self, ledger: Ledger, clock: MovableClock, scene: Scene
    ) -> None:
        clock.advance(timedelta(microseconds=-1))
        assert ledger.balance("alice", "gold") == gold("alice", 3, 7)
        assert ledger.balances("alice") == [gold("alice", 3, 7)]
        assert ledger.get_hold(scene.overdue).status == "active"
        assert ledger.expire_holds() == 0
        with refuses(self, InsufficientQuantity, shortages=(Shortage("alice", "gold", 4, 3),)):
            ledger.consume("k", "alice", "gold", 4)
        assert ledger.commit(scene.overdue).balances == (gold("alice", 3, 3),)
        assert "expire" not in [line.kind for line in journal(self)]

    @pytest.mark.parametrize(
        ("act", "error"), REFUSALS.items(), ids=[act.__name__ for act in REFUSALS]
    )
    def test_a_refused_call_records_no_expiry_and_undoes_none(
        self,
        ledger: Ledger,
        scene: Scene,
        act: Callable[[Ledger, Scene], object],
        error: type[InventoryError],
    ) -> None:
        with refuses(self, error):
            act(ledger, scene)
        assert "expire" not in [line.kind for line in journal(self)]
        assert ledger.balance("alice", "gold") == gold("alice", 7, 3)
        assert ledger.get_hold(scene.overdue).status == "expired"
        assert ledger.consume("k", "alice", "gold", 7).balances == (gold("alice", 0, 3),)

    @pytest.mark.parametrize("act", [refused_commit, refused_commit_to, refused_extend])
    def test_it_can_be_used_no_more(
        self, ledger: Ledger, scene: Scene, act: Callable[[Ledger, Scene], object]
    ) -> None:
        for _ in range(2):
            with refuses(
                self, HoldExpired, hold_id=scene.overdue, expires_at=scene.expired_at, index=0
            ):
                act(ledger, scene)
            ledger.expire_holds()

    def test_a_replay_records_no_expiry(self, ledger: Ledger, scene: Scene) -> None:
        before = self.dump()
        replay = ledger.acquire("stock", "alice", "gold", 10)
        assert replay.replayed
        assert replay.balances == (gold("alice", 10),)
        assert ledger.hold("h1", "alice", "gold", 4, 60).replayed
        assert self.dump() == before
