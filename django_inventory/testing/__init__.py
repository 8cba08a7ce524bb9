"""For the tests of projects that use the ledger.

Owns how a ledger in memory takes the configured one's place, and what can be asserted of any
ledger in a line. ``factories`` (needs factory-boy) and ``contract`` (needs pytest) are imported by
their own names. The pytest fixtures are in ``django_inventory.pytest_plugin``, which pytest finds.
"""

from __future__ import annotations

from django_inventory.testing.assertions import assert_balances, assert_books_balance
from django_inventory.testing.clocks import MovableClock
from django_inventory.testing.swap import MemoryLedgerMixin, use_memory_ledger

__all__ = [
    "MemoryLedgerMixin",
    "MovableClock",
    "assert_balances",
    "assert_books_balance",
    "use_memory_ledger",
]
