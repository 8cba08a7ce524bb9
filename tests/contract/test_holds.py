"""Holds: placing, committing whole and in parts, releasing, extending, reading."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django_inventory.values import HoldSnapshot, HoldStatus, Receipt
from tests.contract.calls import gold, hold_of
from tests.contract.journal import Line, journal

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock, Engine


def test_hold_reserves(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    ledger.acquire("k1", "alice", "gold", 10)
    clock.advance(seconds=5)
    receipt = ledger.hold("k2", "alice", "gold", 4, 60)
    hold_id = hold_of(receipt)
    expires_at = clock.now + timedelta(seconds=60)
    assert receipt == Receipt(
        receipt.operation_id,
        "hold",
        "k2",
        (gold("alice", 6, 4),),
        HoldSnapshot(hold_id, "alice", "gold", 4, 4, HoldStatus.ACTIVE, expires_at),
        replayed=False,
    )
    assert ledger.get_hold(hold_id) == receipt.hold
    assert ledger.balance("alice", "gold") == gold("alice", 6, 4)
    assert journal(engine)[-1] == Line(
        subject="alice",
        item="gold",
        sequence=2,
        operation_id=receipt.operation_id,
        kind="hold",
        key="k2",
        quantity_delta=-4,
        on_hold_delta=4,
        quantity_after=6,
        on_hold_after=4,
        hold_id=hold_id,
        hold_remaining=4,
        hold_expires_at=expires_at,
        actor="",
        reference="",
        metadata=None,
        effective_at=clock.now,
        created_at=clock.now,
    )
    assert engine.counts() == {"balances": 1, "holds": 1, "entries": 2, "keys": 2}
    assert hold_id.version == 7
