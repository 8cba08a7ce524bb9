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
from django_inventory.values import MAX_QUANTITY, Receipt, Shortage
from tests.contract.calls import HOLD_VERBS, VERBS, call, gold, hold_of, make, stock
from tests.contract.journal import journal
from tests.contract.refusals import assert_is, refuses

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from tests.contract.engines import Clock, Engine

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


@each_form
def test_a_replay_is_the_first_receipt_but_for_replayed(
    engine: Engine, ledger: Ledger, verb: str, changes: dict[str, Any]
) -> None:
    hold_id = stock(ledger)
    receipt = call(ledger, verb, hold_id, **changes)
    assert not receipt.replayed
    before = engine.dump()
    for _ in range(3):
        assert call(ledger, verb, hold_id, **changes) == replay_of(receipt)
    assert engine.dump() == before


@each_form
def test_a_replay_is_the_same_long_after(
    engine: Engine, ledger: Ledger, clock: Clock, verb: str, changes: dict[str, Any]
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
    before = engine.dump()
    assert call(ledger, verb, hold_id, **changes) == replay_of(receipt)
    assert call(engine.make_ledger(), verb, hold_id, **changes) == replay_of(receipt)
    assert ledger.post([make(verb, hold_id, **changes)]) == [replay_of(receipt)]
    assert ledger.post([make(verb, hold_id, **changes)], atomic=False) == [replay_of(receipt)]
    assert engine.dump() == before


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


@pytest.mark.parametrize(("verb", "changes", "error", "mend"), REFUSED_AT_FIRST)
def test_a_refused_call_does_not_use_its_key(  # noqa: PLR0917 - fixtures
    engine: Engine,
    ledger: Ledger,
    verb: str,
    changes: dict[str, Any],
    error: type[InventoryError],
    mend: Operation,
) -> None:
    stock(ledger, quantity=10, held=4)
    for _ in range(2):
        with refuses(engine, error, index=0):
            call(ledger, verb, **changes)
    ledger.post([mend])
    assert not call(ledger, verb, **changes).replayed
    assert call(ledger, verb, **changes).replayed


@each_verb
def test_the_key_of_a_refused_call_is_free_for_anything(
    engine: Engine, ledger: Ledger, verb: str
) -> None:
    hold_id = stock(ledger)
    with refuses(engine, InsufficientQuantity):
        ledger.consume("k", "alice", "gold", 1_000)
    with refuses(engine, HoldUnknown):
        ledger.commit(uuid7(), key="k")
    with refuses(engine, InvalidQuantity):
        ledger.commit(hold_id, quantity=1_000, key="k")
    assert not call(ledger, verb, hold_id).replayed


# Scopes --------------------------------------------------------------------------------------


def test_a_key_of_one_scope_never_meets_anothers(engine: Engine, ledger: Ledger) -> None:
    scopes = ["", "client 1", "client 2", "Client 1"]
    for number, scope in enumerate(scopes, start=1):
        receipt = ledger.scoped(scope).acquire("k", "alice", "gold", number)
        assert (receipt.key, receipt.replayed) == ("k", False)
    assert engine.counts()["keys"] == 4
    assert ledger.balance("alice", "gold") == gold("alice", 10)
    for number, scope in enumerate(scopes, start=1):
        assert engine.make_ledger(scope=scope).acquire("k", "alice", "gold", number).replayed
        with refuses(engine, IdempotencyConflict, fields=("quantity",)):
            ledger.scoped(scope).acquire("k", "alice", "gold", 5)


@each_verb
def test_every_verb_keeps_its_keys_in_its_scope(ledger: Ledger, verb: str) -> None:
    hold_id = stock(ledger)
    scoped = ledger.scoped("client 1")
    call(scoped, verb, hold_id)
    assert call(scoped, verb, hold_id).replayed
    assert not ledger.acquire("k", "bob", "gold", 5).replayed
    assert call(scoped, verb, hold_id).replayed


def test_a_scoped_ledger_is_another_view_of_the_same_data(ledger: Ledger, clock: Clock) -> None:
    scoped = ledger.scoped("client 1")
    assert type(scoped) is type(ledger)
    assert (ledger.scope, scoped.scope) == ("", "client 1")
    hold_id = stock(scoped)
    assert ledger.balance("alice", "gold") == gold("alice", 6, 4)
    assert ledger.get_hold(hold_id) == scoped.get_hold(hold_id)
    clock.advance(seconds=60)
    assert ledger.get_hold(hold_id).status == scoped.get_hold(hold_id).status == "expired"
    assert scoped.expire_holds() == 1


def test_a_hold_is_resolved_for_every_scope(ledger: Ledger) -> None:
    hold_id = stock(ledger)
    receipt = ledger.scoped("client 1").commit(hold_id, key="k")
    replay = ledger.scoped("client 2").commit(hold_id, key="k")
    assert replay == replay_of(receipt)
    assert ledger.scoped("client 2").commit(hold_id, key="k") == replay_of(receipt)


# One key twice in one batch ------------------------------------------------------------------


@pytest.mark.parametrize("atomic", [True, False])
@each_form
def test_the_second_of_a_batch_replays_the_first(
    engine: Engine, ledger: Ledger, verb: str, changes: dict[str, Any], *, atomic: bool
) -> None:
    hold_id = stock(ledger)
    operation = make(verb, hold_id, **changes)
    first, *others = ledger.post(
        [operation, make("acquire", key="k1"), operation, operation], atomic=atomic
    )
    assert isinstance(first, Receipt)
    assert not first.replayed
    assert others[1:] == [replay_of(first)] * 2
    assert {line.operation_id for line in journal(engine) if line.key == "k"} == {
        first.operation_id
    }
    assert call(ledger, verb, hold_id, **changes) == replay_of(first)


def test_the_second_of_a_batch_conflicts_with_the_first(engine: Engine, ledger: Ledger) -> None:
    operations: list[Operation] = [
        Acquire("k", "alice", "gold", 1),
        Acquire("k1", "bob", "gold", 1),
        Acquire("k", "carol", "gold", 2),
        Consume("k", "alice", "gold", 1),
    ]
    with refuses(engine, IdempotencyConflict, key="k", fields=("subject", "quantity"), index=2):
        ledger.post(operations)
    results = ledger.post(operations, atomic=False)
    assert_is(results[2], IdempotencyConflict, fields=("subject", "quantity"), index=2)
    assert_is(results[3], IdempotencyConflict, fields=("kind",), index=3)
    assert engine.counts() == {"balances": 2, "holds": 0, "entries": 2, "keys": 2}


def test_a_batch_can_mix_replays_and_what_is_new(engine: Engine, ledger: Ledger) -> None:
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
    before = engine.dump()
    assert ledger.post(operations) == [replay_of(receipt) for receipt in receipts]
    assert engine.dump() == before


def test_a_replay_in_a_batch_needs_nothing_that_the_first_needed(
    engine: Engine, ledger: Ledger
) -> None:
    ledger.acquire("k1", "alice", "gold", 5)
    spent = ledger.consume("k2", "alice", "gold", 5)
    moved: list[Operation] = [
        Consume("k2", "alice", "gold", 5),
        Acquire("k3", "bob", "gold", 1),
    ]
    assert ledger.post(moved)[0] == replay_of(spent)
    shortages = (Shortage("alice", "gold", requested=1, available=0),)
    with refuses(engine, InsufficientQuantity, shortages=shortages):
        ledger.post([Consume("k2", "alice", "gold", 5), Consume("k4", "alice", "gold", 1)])


# Without a key -------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", HOLD_VERBS)
def test_the_key_of_a_hold_operation_may_be_left_out(
    engine: Engine, ledger: Ledger, verb: str
) -> None:
    hold_id = stock(ledger)
    receipt = call(ledger, verb, hold_id, key=None)
    assert receipt.key is None
    assert journal(engine)[-1].key is None
    assert engine.counts()["keys"] == 2


@pytest.mark.parametrize("changes", [{}, {"to": "bob"}, {"quantity": 1}])
def test_commits_without_a_key_replay_by_the_state_of_the_hold(
    engine: Engine, ledger: Ledger, clock: Clock, changes: dict[str, Any]
) -> None:
    hold_id = stock(ledger)
    receipt = ledger.commit(hold_id, **changes)
    ledger.acquire("more", "alice", "gold", 5)
    clock.advance(timedelta(days=1))
    before = engine.dump()
    assert ledger.commit(hold_id, **changes) == replay_of(receipt)
    assert engine.make_ledger().commit(str(hold_id), **changes) == replay_of(receipt)
    assert engine.dump() == before


def test_releases_without_a_key_replay_by_the_state_of_the_hold(
    engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    hold_id = stock(ledger)
    receipt = ledger.release(hold_id)
    ledger.acquire("more", "alice", "gold", 5)
    clock.advance(timedelta(days=1))
    before = engine.dump()
    assert ledger.release(hold_id) == replay_of(receipt)
    assert engine.dump() == before


def test_extends_without_a_key_act_each_time(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    hold_id = stock(ledger)
    first = ledger.extend(hold_id, 60)
    clock.advance(seconds=1)
    second = ledger.extend(hold_id, 60)
    assert not second.replayed
    assert first.operation_id != second.operation_id
    assert engine.counts()["entries"] == 4


@pytest.mark.parametrize("verb", ["commit", "release"])
def test_a_new_key_on_a_resolved_hold_stands_for_what_resolved_it(
    engine: Engine, ledger: Ledger, verb: str
) -> None:
    hold_id = stock(ledger)
    receipt = call(ledger, verb, hold_id, key="first")
    before = engine.counts()
    for key in ("second", "third", "second"):
        assert call(ledger, verb, hold_id, key=key) == replay_of(receipt)
    assert engine.counts() == {**before, "keys": before["keys"] + 2}
    with refuses(engine, IdempotencyConflict, key="second", fields=("kind",)):
        ledger.acquire("second", "alice", "gold", 1)
    with refuses(engine, IdempotencyConflict, key="second", fields=("reference",)):
        call(ledger, verb, hold_id, key="second", reference="other")


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_key_of_a_release_can_stand_for_the_expiry(
    engine: Engine, ledger: Ledger, clock: Clock, *, is_swept: bool
) -> None:
    hold_id = stock(ledger, ttl=60)
    clock.advance(seconds=60)
    if is_swept:
        ledger.expire_holds()
    receipt = ledger.release(hold_id, key="k")
    assert (receipt.kind, receipt.key, receipt.replayed) == ("expire", None, True)
    ledger.consume("all", "alice", "gold", 10)
    before = engine.dump()
    assert ledger.release(hold_id, key="k") == receipt
    assert ledger.release(hold_id) == receipt
    with refuses(engine, IdempotencyConflict, key="k", fields=("kind",)):
        ledger.acquire("k", "alice", "gold", 1)
    assert engine.dump() == before


def test_a_keyed_extend_replays_after_the_expiry(ledger: Ledger, clock: Clock) -> None:
    hold_id = stock(ledger, ttl=60)
    receipt = ledger.extend(hold_id, 90, key="k")
    clock.advance(seconds=90)
    assert ledger.extend(hold_id, 90, key="k") == replay_of(receipt)
    with pytest.raises(HoldExpired):
        ledger.extend(hold_id, 90, key="k2")


@pytest.mark.parametrize("atomic", [True, False])
def test_every_verb_replays_in_one_batch(engine: Engine, ledger: Ledger, *, atomic: bool) -> None:
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
    before = engine.dump()
    replays = ledger.post(operations, atomic=atomic)
    assert replays == [replay_of(receipt) for receipt in receipts if isinstance(receipt, Receipt)]
    assert engine.dump() == before


@pytest.mark.parametrize("count", [2, 3])
def test_one_operation_object_can_be_posted_again(ledger: Ledger, count: int) -> None:
    operation = Acquire("k", "alice", "gold", 5)
    receipts = [ledger.post([operation])[0] for _ in range(count)]
    assert [receipt.replayed for receipt in receipts] == [False, *[True] * (count - 1)]
