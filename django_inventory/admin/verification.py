"""What the last verification of the books found, as far as this process can know.

Reads what ``verify_inventory`` has left in the cache. A result is not worth a
table: the journal can be verified again at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache, caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.dateparse import parse_datetime

from django_inventory.ledgers.verification import RESULT_CACHE_KEY


@dataclass(frozen=True, slots=True)
class LastVerification:
    """What a run of ``verify_inventory`` has found."""

    finished_at: datetime
    entries: int
    mismatches: int
    repaired: int

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing was wrong that still is."""
        return self.mismatches == self.repaired


def last_verification() -> LastVerification | None:
    """Return the result that is in the cache; None without one, or with one of another form."""
    found: Any = cache.get(RESULT_CACHE_KEY)
    if not isinstance(found, Mapping):
        return None
    try:
        finished_at = parse_datetime(str(found["finished_at"]))
        numbers = [int(found[name]) for name in ("entries", "mismatches", "repaired")]
    except (KeyError, TypeError, ValueError):
        return None
    if finished_at is None or finished_at.tzinfo is None:
        return None
    return LastVerification(finished_at, *numbers)


def is_cache_shared() -> bool:
    """Tell whether what a command puts into the cache can be read here at all."""
    return not isinstance(caches["default"], LocMemCache | DummyCache)
