"""What a project with strict types writes, and what it may rely on. Checked by mypy, never run.

CI checks it against the installed wheel, too, where it is on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import assert_type
from uuid import UUID

from django.contrib.auth.models import User

from django_inventory import ledger
from django_inventory.exceptions import HoldExpired, InsufficientQuantity, InventoryError
from django_inventory.ledgers import DatabaseLedger, Ledger, MemoryLedger, get_ledger
from django_inventory.operations import (
    Acquire,
    Commit,
    Consume,
    Extend,
    Hold,
    Operation,
    Release,
    Transfer,
)
from django_inventory.testing import MemoryLedgerMixin, MovableClock, assert_balances
from django_inventory.values import BalanceSnapshot, HoldSnapshot, Receipt, Shortage


def call_every_verb(user: User, hold_id: UUID) -> None:
    assert_type(ledger.acquire("k", user, "gold", 5, actor=user), Receipt)
    assert_type(ledger.consume("k", "alice", "gold", 5, reference="order 1"), Receipt)
    assert_type(ledger.transfer("k", user, "alice", "gold", 5, metadata={"a": [1]}), Receipt)
    assert_type(ledger.hold("k", "alice", "gold", 5, 60), Receipt)
    assert_type(ledger.hold("k", "alice", "gold", 5, timedelta(minutes=1)), Receipt)
    assert_type(ledger.commit(hold_id, quantity=1, keep_remainder=True, to=user, key="k"), Receipt)
    assert_type(ledger.release(str(hold_id)), Receipt)
    assert_type(ledger.extend(hold_id, 0.5), Receipt)
    assert_type(ledger.expire_holds(limit=10), int)
    assert_type(ledger.balance(user, "gold"), BalanceSnapshot)
    assert_type(ledger.balances("alice"), list[BalanceSnapshot])
    assert_type(ledger.get_hold(hold_id), HoldSnapshot)


def make_every_operation(user: User, hold_id: UUID) -> Iterator[Operation]:
    yield Acquire("k", user, "gold", 5)
    yield Consume("k", "alice", "gold", quantity=5, actor=user)
    yield Transfer("k", user, destination="bob", item="gold", quantity=5)
    yield Hold("k", user, "gold", 5, 60)
    yield Hold("k", "alice", "gold", 5, ttl=timedelta(minutes=1), reference="order 1")
    yield Commit(str(hold_id), to=user, quantity=None, metadata={"a": 1})
    yield Release(hold_id, key="k")
    yield Extend(hold_id, ttl=1.5)


def read_what_comes_back(user: User, hold_id: UUID) -> None:
    operation = Hold("k", user, "gold", 5, 60)
    assert_type(operation.ttl, timedelta)
    assert_type(operation.subject, str)
    operations = list(make_every_operation(user, hold_id))
    assert_type(ledger.post(operations), list[Receipt])
    assert_type(ledger.post(operations, atomic=False), list[Receipt | InventoryError])
    receipt = ledger.post([operation])[0]
    assert_type(receipt.balances, tuple[BalanceSnapshot, ...])
    if receipt.hold is not None:
        assert_type(receipt.hold.expires_at, datetime)
    try:
        ledger.consume("k", "alice", "gold", 5)
    except InsufficientQuantity as error:
        assert_type(error.shortages, tuple[Shortage, ...])
        assert_type(error.index, int | None)
    except HoldExpired as error:
        assert_type(error.expires_at, datetime)


async def await_the_twins(user: User, hold_id: UUID) -> None:
    assert_type(await ledger.aacquire("k", user, "gold", 5), Receipt)
    assert_type(await ledger.acommit(hold_id, to="bob"), Receipt)
    assert_type(await ledger.apost([Release(hold_id)]), list[Receipt])
    assert_type(await ledger.abalance(user, "gold"), BalanceSnapshot)


def choose_ledgers() -> list[Ledger]:
    clock = MovableClock(datetime(2026, 3, 1, tzinfo=UTC))
    memory = MemoryLedger(clock=clock)
    assert_type(memory.scoped("client"), MemoryLedger)
    assert_balances({"alice": {"gold": (1, 2), "axe": 1}}, ledger=memory)
    expected: dict[str, dict[str, int]] = {"alice": {"gold": 1}}
    assert_balances(expected, ledger=memory)
    return [memory, DatabaseLedger(using="default", scope="client"), get_ledger()]


class Mixed(MemoryLedgerMixin):
    def read(self) -> MemoryLedger:
        return self.memory_ledger
