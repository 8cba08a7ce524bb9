"""What every part of the contract stands on: the hooks, and the fixtures made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from django_inventory.testing.clocks import MovableClock

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from django_inventory.testing.contract.journal import Line

STARTS_AT: Final = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
SUBJECTS: Final = ("alice", "bob", "carol", "dave", "nobody", "zoe")


class Contract:
    """The hooks by which a ledger is held against the contract.

    ``make_ledger`` has to be overridden. ``dump``, ``journal`` and ``assert_counts`` can be, for a
    closer look.
    """

    _ledger: Ledger

    def make_ledger(self, clock: MovableClock) -> Ledger:
        """Return an empty ledger that goes by ``clock``."""
        msg = f"{type(self).__name__} must say how its ledger is made."
        raise NotImplementedError(msg)

    def dump(self) -> object:
        """Return all that must not change when a call is refused.

        Here what the ledger tells of itself. A ledger that keeps rows should return all of them.
        """
        return [self._ledger.balances(subject) for subject in SUBJECTS]

    def journal(self) -> list[Line]:
        """Return all entries in the order in which they were written; skip where none are shown.

        The interface of a ledger has no call for it, so what the journal must say is tested only
        where this is overridden.
        """
        pytest.skip("This ledger shows no journal.")

    def assert_counts(self, **expected: int) -> None:
        """Assert how many ``balances``, ``holds``, ``entries`` and ``keys`` there are.

        Here nothing: the interface of a ledger tells no such numbers.
        """

    @pytest.fixture
    def clock(self) -> MovableClock:
        """A clock that stands still, at a fixed time with microseconds, until it is moved."""
        return MovableClock(STARTS_AT)

    @pytest.fixture
    def ledger(self, clock: MovableClock) -> Ledger:
        """The ledger that is held against the contract."""
        self._ledger = self.make_ledger(clock)
        return self._ledger
