"""A ledger in memory in the configured one's place: by block, by fixture, by mixin."""

from __future__ import annotations

import io
import unittest
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import SimpleTestCase, TestCase, override_settings
from django.utils import timezone

from django_inventory import ledger
from django_inventory.ledgers import DatabaseLedger, MemoryLedger, get_ledger
from django_inventory.testing import MemoryLedgerMixin, MovableClock, use_memory_ledger
from django_inventory.values import BalanceSnapshot

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def fixed_time() -> datetime:
    return NOW


def test_within_the_block_the_ledger_is_one_in_memory() -> None:
    configured = get_ledger()
    with use_memory_ledger() as memory:
        assert get_ledger() is memory
        assert type(memory) is MemoryLedger
        ledger.acquire("k", "alice", "gold", 5)
        assert memory.balance("alice", "gold") == BalanceSnapshot("alice", "gold", 5, 0)
    assert isinstance(get_ledger(), type(configured))
    assert isinstance(get_ledger(), DatabaseLedger)


def test_each_block_has_an_empty_one() -> None:
    for _ in range(2):
        with use_memory_ledger():
            assert not ledger.acquire("k", "alice", "gold", 5).replayed


def test_an_error_in_the_block_ends_it_too() -> None:
    with pytest.raises(ZeroDivisionError), use_memory_ledger():
        _ = 1 / 0
    assert isinstance(get_ledger(), DatabaseLedger)


def test_what_the_settings_say_of_scope_and_clock_goes_on() -> None:
    options: dict[str, Any] = {"scope": "shop", "clock": fixed_time, "using": "default"}
    with override_settings(INVENTORY={"OPTIONS": options}), use_memory_ledger() as memory:
        assert memory.scope == "shop"
        ledger.acquire("k", "alice", "gold", 5)
        hold = ledger.hold("h", "alice", "gold", 5, 60).hold
        assert hold is not None
        assert hold.expires_at == NOW + timedelta(seconds=60)


@pytest.mark.django_db
def test_it_keeps_what_a_transaction_rolls_back() -> None:
    with use_memory_ledger():
        with transaction.atomic():
            ledger.acquire("k", "alice", "gold", 5)
            transaction.set_rollback(True)
        assert ledger.balance("alice", "gold").quantity == 5


def test_the_fixture_needs_no_database(memory_ledger: MemoryLedger) -> None:
    assert get_ledger() is memory_ledger
    ledger.acquire("k", "alice", "gold", 5)
    assert memory_ledger.entries[0].quantity_after == 5


def test_the_fixtures_clock_can_be_moved(
    memory_ledger: MemoryLedger, inventory_clock: MovableClock
) -> None:
    ledger.acquire("k", "alice", "gold", 5)
    ledger.hold("h", "alice", "gold", 5, ttl=900)
    assert ledger.balance("alice", "gold").quantity == 0
    inventory_clock.advance(seconds=900)
    assert ledger.balance("alice", "gold").quantity == 5


@pytest.fixture
def told_time(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    told = [NOW]
    monkeypatch.setattr(timezone, "now", lambda: told[0])
    return told


def test_a_clock_goes_with_djangos_time_until_it_is_set(told_time: list[datetime]) -> None:
    clock = MovableClock()
    assert clock() == NOW
    assert clock.advance(seconds=5) == NOW + timedelta(seconds=5)
    told_time[0] += timedelta(hours=1)
    assert clock() == NOW + timedelta(hours=1, seconds=5)
    clock.set(NOW)
    told_time[0] += timedelta(hours=1)
    assert clock() == clock.now == NOW
    assert clock.advance(timedelta(days=1)) == NOW + timedelta(days=1)


def test_a_clock_that_is_made_with_a_time_stands_still(told_time: list[datetime]) -> None:
    clock = MovableClock(NOW - timedelta(days=1))
    told_time[0] += timedelta(hours=1)
    assert clock() == NOW - timedelta(days=1)


seen: list[MemoryLedger] = []


class WithoutDatabase(MemoryLedgerMixin, SimpleTestCase):
    def setUp(self) -> None:
        super().setUp()
        ledger.acquire("k", "alice", "gold", 5)
        ledger.hold("h", "alice", "gold", 2, 60)

    def test_it_stands_for_the_ledger(self) -> None:
        seen.append(self.memory_ledger)
        assert get_ledger() is self.memory_ledger
        assert ledger.balance("alice", "gold").quantity == 3

    def test_its_clock_can_be_moved(self) -> None:
        seen.append(self.memory_ledger)
        self.inventory_clock.advance(seconds=60)
        assert ledger.balance("alice", "gold").quantity == 5

    def test_it_ends_with_a_test_that_fails(self) -> None:
        seen.append(self.memory_ledger)
        self.fail("as it should")


class WithDatabase(MemoryLedgerMixin, TestCase):
    def test_it_stands_for_the_ledger(self) -> None:
        assert get_ledger() is self.memory_ledger


# As unittest's own runner would; pytest would count the failure as its own.
WithoutDatabase.__test__ = WithDatabase.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.django_db
@pytest.mark.parametrize(("case", "failures"), [(WithoutDatabase, 1), (WithDatabase, 0)])
def test_the_mixin_gives_each_test_a_ledger_of_its_own(
    case: type[unittest.TestCase], failures: int
) -> None:
    seen.clear()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    assert (len(result.failures), result.errors) == (failures, [])
    assert len(set(map(id, seen))) == len(seen)
    assert isinstance(get_ledger(), DatabaseLedger)
