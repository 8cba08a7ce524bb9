"""Keys: the first receipt again, however late; one key, one effect; scopes apart."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.exceptions import (
    IdempotencyConflict,
)
from django_inventory.operations import Acquire, Consume
from django_inventory.testing.contract.idempotency import each_form, replay_of
from tests.contract.calls import HOLD_VERBS, call, gold, hold_of, make, stock
from tests.contract.journal import journal
from tests.contract.refusals import assert_is, refuses

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from tests.contract.engines import Clock, Engine


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
