"""A clock for tests, which moves when it is told to."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone


class MovableClock:
    """Tells the time, and is moved on by ``advance``. To be handed to a ledger as its ``clock``.

    Args:
        now: the time at which it stands still; None to go with Django's own time.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self._moved_by = timedelta(0)
        self._stands_at: datetime | None = None
        if now is not None:
            self.set(now)

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now

    @property
    def now(self) -> datetime:
        """The time that it tells."""
        return (self._stands_at or timezone.now()) + self._moved_by

    def advance(self, delta: timedelta | None = None, *, seconds: float = 0) -> datetime:
        """Move on by ``delta`` or by ``seconds``, and return the new time."""
        self._moved_by += (delta or timedelta(0)) + timedelta(seconds=seconds)
        return self.now

    def set(self, now: datetime) -> None:
        """Stand still at ``now``."""
        self._stands_at = now
        self._moved_by = timedelta(0)
