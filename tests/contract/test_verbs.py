"""Acquire, consume, transfer and the reads of balances: each receipt and the journal, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_inventory.operations import Acquire
from tests.contract.journal import on_databases, read_balance

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock, Engine


@on_databases
def test_the_balance_row_tells_when_it_was_made_and_changed(
    engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    made_at = clock.now
    ledger.acquire("k1", "alice", "gold", 5)
    clock.advance(seconds=5)
    ledger.consume("k2", "alice", "gold", 1)
    row = read_balance(engine)
    assert (row.quantity, row.on_hold, row.version) == (4, 0, 2)
    assert (row.created_at, row.updated_at, row.next_expiry_at) == (made_at, clock.now, None)
    clock.advance(seconds=5)
    ledger.post([Acquire("k3", "alice", "gold", 1), Acquire("k4", "bob", "gold", 1)])
    row = read_balance(engine)
    assert (row.quantity, row.version) == (5, 3)
    assert (row.created_at, row.updated_at) == (made_at, clock.now)
    assert read_balance(engine, "bob").created_at == clock.now
