"""A ledger in memory in the place of the configured one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from django.test.utils import override_settings

from django_inventory import conf
from django_inventory.ledgers import MemoryLedger, get_ledger
from django_inventory.testing.clocks import MovableClock

if TYPE_CHECKING:
    from unittest import TestCase as _TestCase
else:
    _TestCase = object

T = TypeVar("T")


@contextmanager
def use_memory_ledger(*, clock: Callable[[], datetime] | None = None) -> Iterator[MemoryLedger]:
    """Let ``django_inventory.ledger`` stand for a new, empty ``MemoryLedger`` within the block.

    It needs no database, and keeps what it has done when a transaction around it is rolled back.
    The admin and the HTTP API read tables, so they need the database's ledger.

    Args:
        clock: tells the time; None for the one in the settings, or Django's.
    """
    options = {name: value for name, value in conf.options().items() if name in {"clock", "scope"}}
    if clock is not None:
        options["clock"] = clock
    inventory = conf.with_ledger("django_inventory.ledgers.MemoryLedger", options)
    with override_settings(INVENTORY=inventory):
        ledger = get_ledger()
        assert isinstance(ledger, MemoryLedger)  # noqa: S101 - for the type; it was just named
        yield ledger


class MemoryLedgerMixin(_TestCase):
    """Give each test of a ``TestCase`` a new ``MemoryLedger`` in the configured one's place.

    Goes before the test case among the base classes, Django's or unittest's.

    Attributes:
        memory_ledger: that ledger; ``django_inventory.ledger`` stands for it too.
        inventory_clock: its clock. It goes with Django's time, and on by ``advance``.
    """

    memory_ledger: MemoryLedger
    inventory_clock: MovableClock

    def setUp(self) -> None:
        """Put the ledger in place, before the test case's own ``setUp`` goes on."""
        self.inventory_clock = MovableClock()
        self.memory_ledger = self.enterContext(use_memory_ledger(clock=self.inventory_clock))
        super().setUp()
