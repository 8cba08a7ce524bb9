"""Whether overdue holds pile up, which means that nothing sweeps them.

Owns that one question, for monitoring. Must not lock or write. No answer of the ledger depends on
it: what an overdue hold reserved is free from the instant of its expiry, recorded or not. What does
depend on the sweep is how soon the journal and the signal ``hold_expired`` tell of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import DatabaseError
from django.db.models import Min
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_inventory.ledgers.choice import configured_alias, configured_now
from django_inventory.models import Balance, Hold

COUNT_LIMIT: Final = 1_000
"""Where counting stops: beyond it the number makes no difference, but costs."""

MAX_AGE: Final = timedelta(minutes=10)
"""How long a hold may be overdue in a healthy system, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class OverdueHolds:
    """The holds whose time is over although nothing has recorded that yet.

    Attributes:
        number: how many there are, as far as they were counted.
        has_more: whether there are more than ``number``.
        oldest_expires_at: when the one that waits longest expired; None where there is none.
        oldest_age: how long it has been waiting; zero where there is none.
    """

    number: int = 0
    has_more: bool = False
    oldest_expires_at: datetime | None = None
    oldest_age: timedelta = timedelta()

    def is_healthy(self, max_age: timedelta = MAX_AGE) -> bool:
        """Tell whether none has been waiting for longer than ``max_age``."""
        return self.oldest_age <= max_age


def overdue_holds(
    *,
    using: str | None = None,
    now: datetime | None = None,
    count_limit: int | None = COUNT_LIMIT,
) -> OverdueHolds:
    """Return how many holds are overdue, and for how long.

    Two statements at most, both by an index. A ledger that uses no database has no overdue holds.

    Args:
        using: the alias of a database; by default the configured ledger's.
        now: by default the time of the configured ledger's clock.
        count_limit: where to stop counting; None for never.
    """
    alias = using or configured_alias()
    if alias is None:
        return OverdueHolds()
    now = now or configured_now()
    balances = Balance.objects.using(alias).filter(next_expiry_at__lte=now)
    oldest = balances.aggregate(oldest=Min("next_expiry_at"))["oldest"]
    if oldest is None:
        return OverdueHolds()
    holds = Hold.objects.using(alias).overdue_at(now).filter(balance__next_expiry_at__lte=now)
    if count_limit is None:
        return OverdueHolds(holds.count(), False, oldest, now - oldest)  # noqa: FBT003 - a field
    number = holds[: count_limit + 1].count()
    return OverdueHolds(min(number, count_limit), number > count_limit, oldest, now - oldest)


@never_cache
@require_safe
def overdue_holds_view(_request: HttpRequest, max_age: timedelta = MAX_AGE) -> JsonResponse:
    """Answer 200 while no hold has been overdue for longer than ``max_age``, else 503, as JSON.

    Also 503 where the database does not answer. It is open to everybody who can reach it and
    tells numbers and ages alone; wrap it where even that is too much.
    """
    try:
        overdue = overdue_holds()
    except DatabaseError:
        return JsonResponse({"status": "error"}, status=503)
    is_healthy = overdue.is_healthy(max_age)
    answer: dict[str, Any] = {
        "status": "ok" if is_healthy else "overdue",
        "overdue_holds": overdue.number,
        "has_more": overdue.has_more,
        "oldest_age_seconds": overdue.oldest_age.total_seconds(),
        "max_age_seconds": max_age.total_seconds(),
    }
    return JsonResponse(answer, status=200 if is_healthy else 503)
