"""Acquire, consume, transfer and the reads of balances: each receipt and the journal, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_inventory.exceptions import InsufficientQuantity
from django_inventory.operations import Acquire
from django_inventory.testing.contract.verbs import shortage
from django_inventory.values import BalanceSnapshot, Receipt
from tests.contract.calls import gold
from tests.contract.journal import Line, journal, on_databases, read_balance
from tests.contract.refusals import refuses

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock, Engine


def test_acquire_credits(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    receipt = ledger.acquire("k1", "alice", "gold", 7, reference="order 1", actor="shop")
    assert receipt == Receipt(
        operation_id=receipt.operation_id,
        kind="acquire",
        key="k1",
        balances=(BalanceSnapshot("alice", "gold", quantity=7, on_hold=0),),
        hold=None,
        replayed=False,
    )
    assert journal(engine) == [
        Line(
            subject="alice",
            item="gold",
            sequence=1,
            operation_id=receipt.operation_id,
            kind="acquire",
            key="k1",
            quantity_delta=7,
            on_hold_delta=0,
            quantity_after=7,
            on_hold_after=0,
            hold_id=None,
            hold_remaining=None,
            hold_expires_at=None,
            actor="shop",
            reference="order 1",
            metadata=None,
            effective_at=clock.now,
            created_at=clock.now,
        )
    ]
    assert engine.counts() == {"balances": 1, "holds": 0, "entries": 1, "keys": 1}


def test_consume_of_what_was_never_owned_is_refused(engine: Engine, ledger: Ledger) -> None:
    with refuses(engine, InsufficientQuantity, shortages=shortage(1, 0), index=0):
        ledger.consume("k", "alice", "gold", 1)
    assert engine.counts() == {"balances": 0, "holds": 0, "entries": 0, "keys": 0}


def test_transfer_moves_both_or_neither(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    ledger.acquire("k1", "zoe", "gold", 7)
    clock.advance(seconds=5)
    receipt = ledger.transfer("k2", "zoe", "bob", "gold", 3, reference="gift", metadata={"a": 1})
    assert receipt == Receipt(
        receipt.operation_id,
        "transfer",
        "k2",
        (gold("zoe", 4), gold("bob", 3)),
        None,
        replayed=False,
    )
    shared: dict[str, Any] = {
        "item": "gold",
        "operation_id": receipt.operation_id,
        "kind": "transfer",
        "key": "k2",
        "on_hold_delta": 0,
        "on_hold_after": 0,
        "hold_id": None,
        "hold_remaining": None,
        "hold_expires_at": None,
        "actor": "",
        "reference": "gift",
        "metadata": {"a": 1},
        "effective_at": clock.now,
        "created_at": clock.now,
    }
    assert journal(engine)[1:] == [
        Line(subject="zoe", sequence=2, quantity_delta=-3, quantity_after=4, **shared),
        Line(subject="bob", sequence=1, quantity_delta=3, quantity_after=3, **shared),
    ]
    assert engine.counts() == {"balances": 2, "holds": 0, "entries": 3, "keys": 2}


def test_a_transfer_from_nothing_is_refused(engine: Engine, ledger: Ledger) -> None:
    with refuses(engine, InsufficientQuantity, shortages=shortage(1, 0), index=0):
        ledger.transfer("k", "alice", "bob", "gold", 1)
    assert engine.counts()["balances"] == 0


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
