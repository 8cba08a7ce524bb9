"""The pytest fixtures, for whoever has the package installed. They do nothing unless asked for.

Imports nothing of Django's before a fixture runs: pytest loads this before any settings are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_inventory.ledgers import MemoryLedger
    from django_inventory.testing import MovableClock


@pytest.fixture
def inventory_clock() -> MovableClock:
    """The clock of ``memory_ledger``. It goes with Django's time, and on by ``advance``."""
    from django_inventory.testing import MovableClock

    return MovableClock()


@pytest.fixture
def memory_ledger(inventory_clock: MovableClock) -> Iterator[MemoryLedger]:
    """A new, empty ``MemoryLedger``, for which ``django_inventory.ledger`` stands in the test."""
    from django_inventory.testing import use_memory_ledger

    with use_memory_ledger(clock=inventory_clock) as ledger:
        yield ledger
