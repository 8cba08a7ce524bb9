"""The owned-item ledger for Django: *subject owns N of item*.

``ledger`` is a lazy stand-in for the ledger that ``settings.INVENTORY`` chooses, in the way that
``django.core.cache.cache`` stands in for the configured cache. Importing it touches neither the
settings nor the models, so it is safe at module level anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger

__all__ = ["__version__", "ledger"]

__version__ = "0.1.0.dev0"


class _ConfiguredLedger:
    """Hand every attribute access on to the ledger that is configured at that moment."""

    def __getattr__(self, name: str) -> Any:
        from django_inventory.ledgers import get_ledger

        return getattr(get_ledger(), name)

    def __repr__(self) -> str:
        return "<the configured ledger of django_inventory>"


ledger = cast("Ledger", _ConfiguredLedger())
