"""The factories make what they say, through the configured ledger."""

# factory-boy says that it is typed, but most of it is not.
# mypy: disable-error-code="comparison-overlap,no-untyped-call,unreachable"

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_inventory import ledger
from django_inventory.testing import assert_balances, assert_books_balance
from django_inventory.testing.factories import BalanceFactory, HoldFactory
from django_inventory.values import BalanceSnapshot, HoldSnapshot

if TYPE_CHECKING:
    from django_inventory.ledgers import MemoryLedger
    from django_inventory.testing import MovableClock


def test_a_balance(memory_ledger: MemoryLedger) -> None:
    made = BalanceFactory(subject="alice", item="gold", quantity=7)
    assert made == BalanceSnapshot("alice", "gold", 7, 0)
    assert_balances({"alice": {"gold": 7}})


def test_a_balance_with_a_part_on_hold(
    memory_ledger: MemoryLedger, inventory_clock: MovableClock
) -> None:
    BalanceFactory(subject="alice", item="gold", quantity=7, on_hold=3, ttl=60)
    assert_balances({"alice": {"gold": (7, 3)}})
    inventory_clock.advance(seconds=60)
    assert_balances({"alice": {"gold": 10}})


def test_a_balance_with_nothing_free(memory_ledger: MemoryLedger) -> None:
    BalanceFactory(subject="alice", item="gold", quantity=0, on_hold=3)
    BalanceFactory(subject="bob", item="gold", quantity=0)
    assert_balances({"alice": {"gold": (0, 3)}, "bob": {}})


def test_balances_are_distinct_unless_told_otherwise(memory_ledger: MemoryLedger) -> None:
    made = BalanceFactory.create_batch(3)
    assert len({(balance.subject, balance.item) for balance in made}) == 3
    assert {balance.quantity for balance in made} == {10}
    for _ in range(2):
        BalanceFactory(subject="alice", item="gold", quantity=1)
    assert_balances({"alice": {"gold": 2}})


def test_a_hold(memory_ledger: MemoryLedger, inventory_clock: MovableClock) -> None:
    inventory_clock.set(inventory_clock.now)
    hold = HoldFactory(subject="alice", item="gold", quantity=4, ttl=60)
    assert isinstance(hold, HoldSnapshot)
    assert (hold.quantity, hold.remaining, hold.status) == (4, 4, "active")
    assert (hold.expires_at - inventory_clock.now).total_seconds() == 60
    assert_balances({"alice": {"gold": (0, 4)}})
    assert ledger.commit(hold.id, to="bob").balances[1].quantity == 4


@pytest.mark.django_db
def test_what_they_make_in_a_database_balances() -> None:
    BalanceFactory(on_hold=2)
    HoldFactory.create_batch(2)
    assert_books_balance()
