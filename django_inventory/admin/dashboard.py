"""The dashboard: how the ledger is doing, on one page.

Reads what indexes can answer, and counts up to a bound. What a user may not see is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, F, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from django_inventory.admin import wording
from django_inventory.admin.charts import BarChart, bar_chart
from django_inventory.admin.filters import active_holds
from django_inventory.admin.readonly import (
    ReadOnlyAdmin,
    all_balances,
    all_entries,
    all_holds,
    count_up_to,
    now_of,
    page_url,
)
from django_inventory.admin.verification import is_cache_shared, last_verification
from django_inventory.arguments import check_identifier
from django_inventory.exceptions import InvalidIdentifier
from django_inventory.health import overdue_holds

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite

HOURS: Final = 24
MOST_COUNTED: Final = 100_001
SHOWN_HOLDERS: Final = 10
RECENT_ENTRIES: Final = 200


@require_safe
def dashboard_view(request: HttpRequest, *, balances: ReadOnlyAdmin) -> HttpResponse:
    """Show the dashboard."""
    if not balances.has_view_permission(request):
        raise PermissionDenied
    site = balances.admin_site
    now = now_of(request)
    may_see_holds = request.user.has_perm("django_inventory.view_hold")
    may_see_entries = request.user.has_perm("django_inventory.view_entry")
    context = balances.page_context(
        request,
        title=_("Inventory dashboard"),
        figures=[
            *_balance_figures(site),
            *(_hold_figures(site, now) if may_see_holds else []),
        ],
        **(_operations(now) if may_see_entries else {}),
        **_holders(request, site, now),
        **_verification(now),
    )
    return TemplateResponse(request, "django_inventory/admin/dashboard.html", context)


def _balance_figures(site: AdminSite) -> list[dict[str, Any]]:
    counted = count_up_to(all_balances(), MOST_COUNTED)
    return [
        {
            "name": _("Balances"),
            "value": wording.count(counted, MOST_COUNTED),
            "url": page_url(site, "balance_changelist"),
        }
    ]


def _hold_figures(site: AdminSite, now: datetime) -> list[dict[str, Any]]:
    active = count_up_to(active_holds(all_holds(), now), MOST_COUNTED)
    overdue = overdue_holds(now=now, count_limit=MOST_COUNTED - 1)
    return [
        {
            "name": _("Active holds"),
            "value": wording.count(active, MOST_COUNTED),
            "url": page_url(site, "hold_changelist", state="active"),
        },
        {
            "name": _("Overdue holds"),
            "value": wording.count(overdue.number + overdue.has_more, MOST_COUNTED),
            "url": page_url(site, "hold_changelist", state="overdue"),
            "note": (
                _("Free again already; the expiry of the oldest is %(time)s old and not recorded.")
                % {"time": timesince(overdue.oldest_expires_at, now)}
                if overdue.oldest_expires_at
                else _("Every expiry is recorded.")
            ),
            "is_alarming": overdue.number > 0,
        },
    ]


def _operations(now: datetime) -> dict[str, Any]:
    """Return the operations of the last day by the hour."""
    starts = _hours_until(now)
    counted = dict(
        all_entries()
        .filter(created_at__gte=starts[0], created_at__lte=now)
        .once_an_operation()
        .order_by()
        # Compared with instants that Python has computed: a database's own hours would need its
        # time zone tables, which on MariaDB and MySQL are often empty.
        .values(
            hour=Case(
                *(
                    When(created_at__gte=start, then=Value(position))
                    for position, start in reversed(list(enumerate(starts)))
                ),
                output_field=IntegerField(),
            )
        )
        .annotate(operations=Count("pk"))
        .values_list("hour", "operations")
    )
    counts = [counted.get(position, 0) for position in range(HOURS)]
    total = sum(counts)
    return {
        "operations_total": ngettext(
            "%(count)s operation in the last %(hours)s hours.",
            "%(count)s operations in the last %(hours)s hours.",
            total,
        )
        % {"count": wording.number(total), "hours": HOURS},
        "operations_chart": _operations_chart(starts, counts),
        "operations_rows": [
            (f"{localtime(start):%H:%M}", wording.number(number))
            for start, number in zip(starts, counts, strict=True)
        ],
    }


def _hours_until(now: datetime) -> list[datetime]:
    """Return the starts of the last hours, the current one last."""
    # In UTC from there on: a day with a change of the clocks has 23 or 25 hours.
    this_hour = localtime(now).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    return [this_hour - timedelta(hours=HOURS - 1 - position) for position in range(HOURS)]


def _operations_chart(starts: Sequence[datetime], counts: Sequence[int]) -> BarChart:
    bars = [
        (f"{localtime(start):%H}", number, f"{localtime(start):%H:%M}: {wording.number(number)}")
        for start, number in zip(starts, counts, strict=True)
    ]
    return bar_chart(bars, label_each=3)


def _holders(request: HttpRequest, site: AdminSite, now: datetime) -> dict[str, Any]:
    """Return who has most of the item that was asked for, or of the one that moved last."""
    recent = all_entries().order_by("-pk").values_list("balance__item", flat=True)
    items = list(dict.fromkeys(recent[:RECENT_ENTRIES]))
    item = request.GET.get("item", "").strip() or (items[0] if items else "")
    context: dict[str, Any] = {"item": item, "items": items, "holders": []}
    try:
        check_identifier("item", item)
    except InvalidIdentifier:
        return context
    owners = all_balances().filter(item=item).non_zero().at(now)
    most = owners.order_by((F("quantity") + F("on_hold")).desc(), "subject")[:SHOWN_HOLDERS]
    return context | {
        "holders": [
            {
                "subject": balance.subject,
                "url": page_url(site, "balance_change", balance.pk),
                "free": wording.number(balance.free_quantity),
                "held": wording.number(balance.held_quantity),
                "total": wording.number(balance.quantity + balance.on_hold),
            }
            for balance in cast("Iterable[Any]", most)
        ]
    }


def _verification(now: datetime) -> dict[str, Any]:
    last = last_verification()
    if last is None:
        return {"verification": None, "is_cache_shared": is_cache_shared()}
    text = _("%(entries)s entries were verified %(time)s ago, at %(at)s.") % {
        "entries": wording.number(last.entries),
        "time": timesince(last.finished_at, now),
        "at": wording.moment(last.finished_at),
    }
    if not last.mismatches:
        found = _("The books balance: nothing differs from the journal.")
    else:
        found = ngettext(
            "%(count)s thing differed from the journal, %(repaired)s of which were repaired.",
            "%(count)s things differed from the journal, %(repaired)s of which were repaired.",
            last.mismatches,
        ) % {
            "count": wording.number(last.mismatches),
            "repaired": wording.number(last.repaired),
        }
    return {"verification": {"text": text, "found": found, "is_clean": last.is_clean}}
