"""Keys: the first receipt again, however late; one key, one effect; scopes apart."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.exceptions import (
    IdempotencyConflict,
)
from django_inventory.operations import Acquire, Consume
from django_inventory.testing.contract.calls import HOLD_VERBS, call, gold, hold_of, make, stock
from django_inventory.testing.contract.journal import journal
from django_inventory.testing.contract.refusals import assert_is, refuses

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from django_inventory.testing.clocks import MovableClock


from dataclasses import replace
from typing import TYPE_CHECKING, Final

from django_inventory.exceptions import (
    HoldExpired,
    HoldUnknown,
    InsufficientQuantity,
    InvalidQuantity,
    InventoryError,
    QuantityOverflow,
)
from django_inventory.ids import uuid7
from django_inventory.operations import Commit, Extend, Hold, Release, Transfer
from django_inventory.testing.contract.calls import (
    VERBS,
)
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

    @each_form
    def test_a_replay_is_the_same_long_after(
        self, ledger: Ledger, clock: MovableClock, verb: str, changes: dict[str, Any]
    ) -> None:
        hold_id = stock(ledger)
        receipt = call(ledger, verb, hold_id, **changes)
        # The holds move on, the balances move on, and time passes.
        for active in [hold_id, *([hold_of(receipt)] if verb == "hold" else [])]:
            if ledger.get_hold(active).status == "active":
                ledger.commit(active, quantity=1, keep_remainder=True, key=f"part {active}")
            if ledger.get_hold(active).status == "active":
                ledger.extend(active, 5)
        ledger.acquire("more", "alice", "gold", 1_000)
        ledger.acquire("more for bob", "bob", "gold", 1_000)
        clock.advance(timedelta(days=400))
        ledger.expire_holds()
        ledger.consume("all", "alice", "gold", ledger.balance("alice", "gold").quantity)
        before = self.dump()
        assert call(ledger, verb, hold_id, **changes) == replay_of(receipt)
        assert call(ledger.scoped(""), verb, hold_id, **changes) == replay_of(receipt)
        assert ledger.post([make(verb, hold_id, **changes)]) == [replay_of(receipt)]
        assert ledger.post([make(verb, hold_id, **changes)], atomic=False) == [replay_of(receipt)]
        assert self.dump() == before

    def test_a_key_of_one_scope_never_meets_anothers(self, ledger: Ledger) -> None:
        scopes = ["", "client 1", "client 2", "Client 1"]
        for number, scope in enumerate(scopes, start=1):
            receipt = ledger.scoped(scope).acquire("k", "alice", "gold", number)
            assert (receipt.key, receipt.replayed) == ("k", False)
        self.assert_counts(keys=4)
        assert ledger.balance("alice", "gold") == gold("alice", 10)
        for number, scope in enumerate(scopes, start=1):
            assert ledger.scoped(scope).acquire("k", "alice", "gold", number).replayed
            with refuses(self, IdempotencyConflict, fields=("quantity",)):
                ledger.scoped(scope).acquire("k", "alice", "gold", 5)

    def test_the_second_of_a_batch_conflicts_with_the_first(self, ledger: Ledger) -> None:
        operations: list[Operation] = [
            Acquire("k", "alice", "gold", 1),
            Acquire("k1", "bob", "gold", 1),
            Acquire("k", "carol", "gold", 2),
            Consume("k", "alice", "gold", 1),
        ]
        with refuses(self, IdempotencyConflict, key="k", fields=("subject", "quantity"), index=2):
            ledger.post(operations)
        results = ledger.post(operations, atomic=False)
        assert_is(results[2], IdempotencyConflict, fields=("subject", "quantity"), index=2)
        assert_is(results[3], IdempotencyConflict, fields=("kind",), index=3)
        self.assert_counts(balances=2, holds=0, entries=2, keys=2)

    @pytest.mark.parametrize("verb", HOLD_VERBS)
    def test_the_key_of_a_hold_operation_may_be_left_out(self, ledger: Ledger, verb: str) -> None:
        hold_id = stock(ledger)
        receipt = call(ledger, verb, hold_id, key=None)
        assert receipt.key is None
        assert journal(self)[-1].key is None
        self.assert_counts(keys=2)

    @pytest.mark.parametrize("changes", [{}, {"to": "bob"}, {"quantity": 1}])
    def test_commits_without_a_key_replay_by_the_state_of_the_hold(
        self, ledger: Ledger, clock: MovableClock, changes: dict[str, Any]
    ) -> None:
        hold_id = stock(ledger)
        receipt = ledger.commit(hold_id, **changes)
        ledger.acquire("more", "alice", "gold", 5)
        clock.advance(timedelta(days=1))
        before = self.dump()
        assert ledger.commit(hold_id, **changes) == replay_of(receipt)
        assert ledger.scoped("").commit(str(hold_id), **changes) == replay_of(receipt)
        assert self.dump() == before

    def test_extends_without_a_key_act_each_time(self, ledger: Ledger, clock: MovableClock) -> None:
        hold_id = stock(ledger)
        first = ledger.extend(hold_id, 60)
        clock.advance(seconds=1)
        second = ledger.extend(hold_id, 60)
        assert not second.replayed
        assert first.operation_id != second.operation_id
        self.assert_counts(entries=4)

    @pytest.mark.parametrize("verb", ["commit", "release"])
    def test_a_new_key_on_a_resolved_hold_stands_for_what_resolved_it(
        self, ledger: Ledger, verb: str
    ) -> None:
        hold_id = stock(ledger)
        receipt = call(ledger, verb, hold_id, key="first")
        for key in ("second", "third", "second"):
            assert call(ledger, verb, hold_id, key=key) == replay_of(receipt)
        self.assert_counts(keys=5)
        with refuses(self, IdempotencyConflict, key="second", fields=("kind",)):
            ledger.acquire("second", "alice", "gold", 1)
        with refuses(self, IdempotencyConflict, key="second", fields=("reference",)):
            call(ledger, verb, hold_id, key="second", reference="other")
