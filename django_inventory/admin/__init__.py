"""The admin site's pages on the ledger: look at everything, move quantities, never edit a number.

Thin by rule: a module here reads a request, calls the ledger, and presents what comes back. Nothing
in this package writes to the app's tables.
"""

from __future__ import annotations

from django_inventory.admin.balances import BalanceAdmin
from django_inventory.admin.entries import EntryAdmin
from django_inventory.admin.holds import HoldAdmin
from django_inventory.admin.records import IdempotencyRecordAdmin

__all__ = ["BalanceAdmin", "EntryAdmin", "HoldAdmin", "IdempotencyRecordAdmin"]
