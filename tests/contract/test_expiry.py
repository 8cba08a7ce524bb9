"""Expiry: recorded once, at its own time, in order, by whoever comes first; and found by index."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django_inventory.exceptions import HoldResolved
from django_inventory.operations import Commit, Extend, Release
from django_inventory.testing.contract.expiry import place
from tests.contract.calls import hold_of
from tests.contract.journal import on_databases, read_balance
from tests.contract.refusals import assert_is

if TYPE_CHECKING:
    from datetime import datetime

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock, Engine


@on_databases
def test_next_expiry_at_follows_every_step(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    start = clock.now

    def next_expiry() -> float | None:
        at: datetime | None = read_balance(engine).next_expiry_at
        return None if at is None else (at - start).total_seconds()

    ledger.acquire("k", "alice", "gold", 100)
    assert next_expiry() is None
    a = hold_of(ledger.hold("a", "alice", "gold", 5, 60))
    assert next_expiry() == 60
    b = hold_of(ledger.hold("b", "alice", "gold", 5, 90))
    assert next_expiry() == 60
    c = hold_of(ledger.hold("c", "alice", "gold", 5, 30))
    assert next_expiry() == 30
    ledger.release(c)
    assert next_expiry() == 60
    ledger.extend(a, 120)
    assert next_expiry() == 90
    ledger.extend(b, 10)
    assert next_expiry() == 10
    ledger.commit(b, quantity=1, keep_remainder=True, key="part")
    assert next_expiry() == 10
    ledger.commit(b)
    assert next_expiry() == 120
    d = hold_of(ledger.hold("d", "alice", "gold", 5, 120))
    ledger.commit(a, quantity=1)
    assert next_expiry() == 120
    ledger.release(d)
    assert next_expiry() is None
    ledger.hold("e", "alice", "gold", 5, 20)
    ledger.hold("f", "alice", "gold", 5, 40)
    ledger.hold("g", "alice", "gold", 5, 40)
    clock.advance(seconds=20)
    ledger.acquire("k2", "bob", "gold", 1)
    assert next_expiry() == 20
    ledger.consume("k3", "alice", "gold", 1)
    assert next_expiry() == 40
    clock.advance(seconds=20)
    assert ledger.expire_holds(limit=1) == 1
    assert next_expiry() == 40
    ledger.hold("h", "alice", "gold", 5, 500)
    assert next_expiry() == 540
    clock.advance(seconds=500)
    assert ledger.expire_holds() == 1
    assert next_expiry() is None


@on_databases
def test_next_expiry_at_is_right_after_a_batch_of_many_steps(
    engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    a, b, c = place(ledger, 10, 60, 90)
    clock.advance(seconds=10)
    ledger.post(
        [
            Release(a),
            Extend(b, timedelta(seconds=300)),
            Commit(c, quantity=1, keep_remainder=True, key="part"),
            Extend(c, timedelta(seconds=200)),
        ]
    )
    assert read_balance(engine).next_expiry_at == clock.now + timedelta(seconds=200)
    results = ledger.post([Release(c), Extend(c, timedelta(seconds=1))], atomic=False)
    assert_is(results[1], HoldResolved, hold_id=c, status="released")
    assert read_balance(engine).next_expiry_at == clock.now + timedelta(seconds=300)
