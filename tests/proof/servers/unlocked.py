"""The negative control: a ledger without its lock. For the tests' own children alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_inventory.ledgers.database import DatabaseLedger
from django_inventory.ledgers.rows import BALANCE_COLUMNS
from django_inventory.models import Balance

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import QuerySet

    from django_inventory.rules import Place


class UnlockedLedger(DatabaseLedger):
    """Reads the balances as everybody can, and believes that they stay so."""

    def _lock_rows(
        self,
        rows: QuerySet[Balance],
        books: Any,
        *,
        skip_locked: bool = False,  # noqa: ARG002 - nothing is locked
    ) -> None:
        self._enter(rows.values_list(*BALANCE_COLUMNS), books)

    def _lock_balance(self, place: Place, books: Any) -> None:
        self._lock_pair([place], books)

    def _lock_pair(self, places: Collection[Place], books: Any) -> None:
        for subject, item in places:
            rows = Balance.objects.using(self._using).filter(subject=subject, item=item)
            self._lock_rows(rows, books)
