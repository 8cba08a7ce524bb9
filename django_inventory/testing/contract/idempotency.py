"""Keys: the first receipt again, however late; one key, one effect; scopes apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from django_inventory.exceptions import (
    HoldExpired,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientQuantity,
    InvalidQuantity,
    InventoryError,
    QuantityOverflow,
)
from django_inventory.ids import uuid7
from django_inventory.operations import Acquire, Commit, Consume, Extend, Hold, Release, Transfer
from django_inventory.testing.contract.calls import (
    VERBS,
    call,
    gold,
    hold_of,
    make,
    stock,
)
from django_inventory.testing.contract.journal import journal
from django_inventory.testing.contract.refusals import refuses
from django_inventory.values import MAX_QUANTITY, Receipt, Shortage

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from django_inventory.testing.clocks import MovableClock


from django_inventory.testing.contract.base import Contract

FORMS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("acquire", {}),
    ("consume", {}),
    ("transfer", {}),
    ("hold", {}),
    ("commit", {}),
    ("commit", {"to": "bob"}),
    ("commit", {"quantity": 1}),
    ("commit", {"quantity": 1, "to": "bob"}),
    ("commit", {"quantity": 1, "keep_remainder": True}),
    ("commit", {"quantity": 1, "keep_remainder": True, "to": "bob"}),
    ("release", {}),
    ("extend", {}),
]

each_form = pytest.mark.parametrize(("verb", "changes"), FORMS)

each_verb = pytest.mark.parametrize("verb", VERBS)


def replay_of(receipt: Receipt) -> Receipt:
    return replace(receipt, replayed=True)


# What makes a call fail at first, and what makes the same call good afterwards.
REFUSED_AT_FIRST: Final[list[tuple[str, dict[str, Any], type[InventoryError], Operation]]] = [
    (
        "consume",
        {"quantity": 7},
        InsufficientQuantity,
        Acquire("mend", "alice", "gold", 1),
    ),
    (
        "transfer",
        {"quantity": 7},
        InsufficientQuantity,
        Acquire("mend", "alice", "gold", 1),
    ),
    ("hold", {"quantity": 7}, InsufficientQuantity, Acquire("mend", "alice", "gold", 1)),
    (
        "acquire",
        {"quantity": MAX_QUANTITY - 9},
        QuantityOverflow,
        Consume("mend", "alice", "gold", 1),
    ),
]


class Idempotency(Contract):
    @each_form
    def test_a_replay_is_the_first_receipt_but_for_replayed(
        self, ledger: Ledger, verb: str, changes: dict[str, Any]
    ) -> None:
        hold_id = stock(ledger)
        receipt = call(ledger, verb, hold_id, **changes)
        assert not receipt.replayed
        before = self.dump()
        for _ in range(3):
            assert call(ledger, verb, hold_id, **changes) == replay_of(receipt)
        assert self.dump() == before

    @pytest.mark.parametrize(("verb", "changes", "error", "mend"), REFUSED_AT_FIRST)
    def test_a_refused_call_does_not_use_its_key(
        self,
        ledger: Ledger,
        verb: str,
        changes: dict[str, Any],
        error: type[InventoryError],
        mend: Operation,
    ) -> None:
        stock(ledger, quantity=10, held=4)
        for _ in range(2):
            with refuses(self, error, index=0):
                call(ledger, verb, **changes)
        ledger.post([mend])
        assert not call(ledger, verb, **changes).replayed
        assert call(ledger, verb, **changes).replayed

    @each_verb
    def test_the_key_of_a_refused_call_is_free_for_anything(
        self, ledger: Ledger, verb: str
    ) -> None:
        hold_id = stock(ledger)
        with refuses(self, InsufficientQuantity):
            ledger.consume("k", "alice", "gold", 1_000)
        with refuses(self, HoldUnknown):
            ledger.commit(uuid7(), key="k")
        with refuses(self, InvalidQuantity):
            ledger.commit(hold_id, quantity=1_000, key="k")
        assert not call(ledger, verb, hold_id).replayed

    @each_verb
    def test_every_verb_keeps_its_keys_in_its_scope(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        scoped = ledger.scoped("client 1")
        call(scoped, verb, hold_id)
        assert call(scoped, verb, hold_id).replayed
        assert not ledger.acquire("k", "bob", "gold", 5).replayed
        assert call(scoped, verb, hold_id).replayed

    def test_a_scoped_ledger_is_another_view_of_the_same_data(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        scoped = ledger.scoped("client 1")
        assert type(scoped) is type(ledger)
        assert (ledger.scope, scoped.scope) == ("", "client 1")
        hold_id = stock(scoped)
        assert ledger.balance("alice", "gold") == gold("alice", 6, 4)
        assert ledger.get_hold(hold_id) == scoped.get_hold(hold_id)
        clock.advance(seconds=60)
        assert ledger.get_hold(hold_id).status == scoped.get_hold(hold_id).status == "expired"
        assert scoped.expire_holds() == 1

    def test_a_hold_is_resolved_for_every_scope(self, ledger: Ledger) -> None:
        hold_id = stock(ledger)
        receipt = ledger.scoped("client 1").commit(hold_id, key="k")
        replay = ledger.scoped("client 2").commit(hold_id, key="k")
        assert replay == replay_of(receipt)
        assert ledger.scoped("client 2").commit(hold_id, key="k") == replay_of(receipt)

    @pytest.mark.parametrize("atomic", [True, False])
    @each_form
    def test_the_second_of_a_batch_replays_the_first(
        self, ledger: Ledger, verb: str, changes: dict[str, Any], *, atomic: bool
    ) -> None:
        hold_id = stock(ledger)
        operation = make(verb, hold_id, **changes)
        first, *others = ledger.post(
            [operation, make("acquire", key="k1"), operation, operation], atomic=atomic
        )
        assert isinstance(first, Receipt)
        assert not first.replayed
        assert others[1:] == [replay_of(first)] * 2
        assert {line.operation_id for line in journal(self) if line.key == "k"} == {
            first.operation_id
        }
        assert call(ledger, verb, hold_id, **changes) == replay_of(first)

    def test_a_batch_can_mix_replays_and_what_is_new(self, ledger: Ledger) -> None:
        first = ledger.acquire("k1", "alice", "gold", 5)
        operations: list[Operation] = [
            Acquire("k1", "alice", "gold", 5),
            Acquire("k2", "alice", "gold", 2),
            Acquire("k1", "alice", "gold", 5),
            Consume("k3", "alice", "gold", 7),
        ]
        receipts = ledger.post(operations)
        assert [receipt.replayed for receipt in receipts] == [True, False, True, False]
        assert receipts[0] == receipts[2] == replay_of(first)
        assert receipts[3].balances == (gold("alice", 0),)
        before = self.dump()
        assert ledger.post(operations) == [replay_of(receipt) for receipt in receipts]
        assert self.dump() == before

    def test_a_replay_in_a_batch_needs_nothing_that_the_first_needed(self, ledger: Ledger) -> None:
        ledger.acquire("k1", "alice", "gold", 5)
        spent = ledger.consume("k2", "alice", "gold", 5)
        moved: list[Operation] = [
            Consume("k2", "alice", "gold", 5),
            Acquire("k3", "bob", "gold", 1),
        ]
        assert ledger.post(moved)[0] == replay_of(spent)
        shortages = (Shortage("alice", "gold", requested=1, available=0),)
        with refuses(self, InsufficientQuantity, shortages=shortages):
            ledger.post([Consume("k2", "alice", "gold", 5), Consume("k4", "alice", "gold", 1)])

    def test_releases_without_a_key_replay_by_the_state_of_the_hold(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        hold_id = stock(ledger)
        receipt = ledger.release(hold_id)
        ledger.acquire("more", "alice", "gold", 5)
        clock.advance(timedelta(days=1))
        before = self.dump()
        assert ledger.release(hold_id) == replay_of(receipt)
        assert self.dump() == before

    @pytest.mark.parametrize("is_swept", [False, True])
    def test_a_key_of_a_release_can_stand_for_the_expiry(
        self, ledger: Ledger, clock: MovableClock, *, is_swept: bool
    ) -> None:
        hold_id = stock(ledger, ttl=60)
        clock.advance(seconds=60)
        if is_swept:
            ledger.expire_holds()
        receipt = ledger.release(hold_id, key="k")
        assert (receipt.kind, receipt.key, receipt.replayed) == ("expire", None, True)
        ledger.consume("all", "alice", "gold", 10)
        before = self.dump()
        assert ledger.release(hold_id, key="k") == receipt
        assert ledger.release(hold_id) == receipt
        with refuses(self, IdempotencyConflict, key="k", fields=("kind",)):
            ledger.acquire("k", "alice", "gold", 1)
        assert self.dump() == before

    def test_a_keyed_extend_replays_after_the_expiry(
        self, ledger: Ledger, clock: MovableClock
    ) -> None:
        hold_id = stock(ledger, ttl=60)
        receipt = ledger.extend(hold_id, 90, key="k")
        clock.advance(seconds=90)
        assert ledger.extend(hold_id, 90, key="k") == replay_of(receipt)
        with pytest.raises(HoldExpired):
            ledger.extend(hold_id, 90, key="k2")

    @pytest.mark.parametrize("atomic", [True, False])
    def test_every_verb_replays_in_one_batch(self, ledger: Ledger, *, atomic: bool) -> None:
        hold_id = stock(ledger, quantity=20, held=4)
        other = hold_of(ledger.hold("other", "alice", "gold", 4, 60))
        operations: list[Operation] = [
            Acquire("k1", "alice", "gold", 1),
            Consume("k2", "alice", "gold", 1),
            Transfer("k3", "alice", "bob", "gold", 1),
            Hold("k4", "alice", "gold", 1, timedelta(seconds=60)),
            Commit(hold_id, quantity=1, keep_remainder=True, to="bob", key="k5"),
            Extend(hold_id, timedelta(seconds=90), key="k6"),
            Commit(hold_id, to="carol"),
            Release(other),
        ]
        receipts = ledger.post(operations, atomic=atomic)
        assert [r.replayed for r in receipts if isinstance(r, Receipt)] == [False] * 8
        before = self.dump()
        replays = ledger.post(operations, atomic=atomic)
        assert replays == [
            replay_of(receipt) for receipt in receipts if isinstance(receipt, Receipt)
        ]
        assert self.dump() == before

    @pytest.mark.parametrize("count", [2, 3])
    def test_one_operation_object_can_be_posted_again(self, ledger: Ledger, count: int) -> None:
        operation = Acquire("k", "alice", "gold", 5)
        receipts = [ledger.post([operation])[0] for _ in range(count)]
        assert [receipt.replayed for receipt in receipts] == [False, *[True] * (count - 1)]
