"""Balances: the list, and a page for each that tells how it came to be what it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, DateTimeField, F, OuterRef, QuerySet, Subquery, When
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_inventory.admin import wording
from django_inventory.admin.charts import step_chart
from django_inventory.admin.dashboard import dashboard_view
from django_inventory.admin.filters import (
    EmptyFilter,
    HasHoldsFilter,
    ItemFilter,
    SubjectFilter,
    starting_with,
)
from django_inventory.admin.history import (
    SHOWN_STEPS,
    Changes,
    changes_since,
    end_of_picture,
    last_steps,
    points_of,
)
from django_inventory.admin.journal import journal_rows
from django_inventory.admin.movements import MOVEMENTS, movement_urls, movement_view
from django_inventory.admin.readonly import (
    InventoryChangeList,
    ReadOnlyAdmin,
    Tool,
    all_entries,
    all_holds,
    now_of,
    page_url,
)
from django_inventory.models import Balance
from django_inventory.querysets import BalanceQuerySet

SHOWN_ENTRIES: Final = 25
SHOWN_HOLDS: Final = 50
WINDOWS_IN_DAYS: Final = (1, 7, 30)


class BalanceChangeList(InventoryChangeList):
    """The list, in the order of one of the two indexes on subject and item.

    Django completes an order by the primary key, for which no index is there: with a million
    subjects of one item that would be a sort of a million rows for each page.
    """

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Return the whole order that the first field stands for."""
        first = str(super().get_ordering(request, queryset)[0])
        sign = "-" if first.startswith("-") else ""
        names = ("item", "subject") if first.endswith("item") else ("subject", "item")
        return [f"{sign}{name}" for name in names]


def with_standing(balances: BalanceQuerySet, now: datetime) -> QuerySet[Balance]:
    """Annotate what a balance is worth as of ``now``: free, on hold, and the next expiry."""
    upcoming = (
        all_holds()
        .active_at(now)
        .filter(balance=OuterRef("pk"))
        .order_by("expires_at")
        .values("expires_at")[:1]
    )
    return balances.at(now).annotate(
        upcoming_expiry=Case(
            When(next_expiry_at__lte=now, then=Subquery(upcoming)),
            default=F("next_expiry_at"),
            output_field=DateTimeField(),
        ),
    )


@admin.register(Balance)
class BalanceAdmin(ReadOnlyAdmin):
    """Who owns how much of what, as of now."""

    list_display = ("subject", "item", "free", "held", "total", "next_expiry")
    list_filter = (SubjectFilter, ItemFilter, HasHoldsFilter, EmptyFilter)
    ordering = ("subject", "item")
    sortable_by = ("subject", "item")
    search_fields = ("subject", "item")
    search_hint = _("What the subject or the item begins with.")
    change_form_template = "django_inventory/admin/balance.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that is sorted as its indexes are."""
        return BalanceChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Balance]:
        """Return balances as of now."""
        return with_standing(
            cast("BalanceQuerySet", super().get_queryset(request)), now_of(request)
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look for a prefix, by the indexes."""
        prefix = search_term.strip()
        if prefix:
            queryset = queryset.filter(
                starting_with("subject", prefix) | starting_with("item", prefix)
            )
        return queryset, False

    def get_urls(self) -> list[URLPattern]:
        """Add the forms and the dashboard to Django's own pages."""
        pages = [
            path(
                f"{verb}/",
                self.admin_site.admin_view(partial(movement_view, verb=verb, balances=self)),
                name=f"django_inventory_balance_{verb}",
            )
            for verb in MOVEMENTS
        ]
        dashboard = path(
            "dashboard/",
            self.admin_site.admin_view(partial(dashboard_view, balances=self)),
            name="django_inventory_dashboard",
        )
        return [*pages, dashboard, *super().get_urls()]

    def tools(self, request: HttpRequest) -> list[Tool]:
        """Return the movements that the user may make, and the way to the dashboard."""
        movements = movement_urls(request, self.admin_site)
        return [
            *(Tool(movement.name, url, is_primary=True) for movement, url in movements),
            Tool(_("Dashboard"), page_url(self.admin_site, "dashboard")),
        ]

    # Columns --------------------------------------------------------------------------------

    @admin.display(description=_("free"))
    def free(self, balance: Any) -> str:
        """Return what is free as of now."""
        return wording.number(balance.free_quantity)

    @admin.display(description=_("on hold"))
    def held(self, balance: Any) -> str:
        """Return what is on hold as of now."""
        return wording.number(balance.held_quantity)

    @admin.display(description=_("total"))
    def total(self, balance: Any) -> str:
        """Return all that is owned."""
        return wording.number(balance.quantity + balance.on_hold)

    @admin.display(description=_("next expiry"), empty_value="\N{EN DASH}")
    def next_expiry(self, balance: Any) -> str | None:
        """Return how long it is until something is free again."""
        if balance.upcoming_expiry is None:
            return None
        left = wording.time_left(balance.upcoming_expiry, balance.as_of)
        return _("in %(time)s") % {"time": left}

    # The page -------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one balance."""
        balance = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if balance is not None and self.has_view_permission(request, balance):
            context |= self._page(request, balance)
        return super().change_view(request, object_id, form_url, context)

    def _page(self, request: HttpRequest, balance: Any) -> dict[str, Any]:
        now = now_of(request)
        site = self.admin_site
        names = {"subject": balance.subject, "item": balance.item}
        steps = last_steps(balance, now, SHOWN_STEPS)
        points = points_of(steps)
        holds = all_holds().filter(balance=balance).active_at(now).order_by("expires_at")
        entries = all_entries().filter(balance=balance).order_by("-sequence")
        days = _window(request)
        changes = changes_since(balance, now - timedelta(days=days), now)
        movements = movement_urls(request, site, **names)
        title = _("%(item)s of %(subject)s") % names
        return {
            "title": title,
            "subtitle": None,
            "balance": balance,
            "figures": _figures(balance),
            "tools": [Tool(movement.name, url, is_primary=True) for movement, url in movements],
            "changes": changes,
            "change_rows": _change_rows(
                changes, partial(page_url, site, "entry_changelist", **names)
            ),
            "change_sentence": _sentence(changes, days),
            "windows": [(each, _days(each), each == days) for each in WINDOWS_IN_DAYS],
            "chart": step_chart(points, end_of_picture(points, now)) if points else None,
            "chart_rows": [
                (wording.moment(p.at), wording.number(p.quantity), wording.number(p.on_hold))
                for p in points
            ],
            "chart_is_cut": len(steps) >= SHOWN_STEPS,
            "holds": [
                {
                    "id": hold.pk,
                    "url": page_url(site, "hold_change", hold.pk),
                    "remaining": wording.number(hold.remaining),
                    "left": wording.time_left(hold.expires_at, now),
                    "expires_at": wording.moment(hold.expires_at),
                    "reference": hold.reference,
                }
                for hold in holds[:SHOWN_HOLDS]
            ],
            "holds_url": page_url(site, "hold_changelist", **names, state="active"),
            "entries": journal_rows(site, entries[:SHOWN_ENTRIES]),
            "entries_url": page_url(site, "entry_changelist", **names),
        }


def _window(request: HttpRequest) -> int:
    """Return over how many days the user wants to see the changes."""
    days = request.GET.get("days", "")
    return int(days) if days in map(str, WINDOWS_IN_DAYS) else WINDOWS_IN_DAYS[0]


def _days(days: int) -> str:
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": days}


def _figures(balance: Any) -> list[tuple[Any, str]]:
    expiry = balance.upcoming_expiry
    left = "\N{EN DASH}" if expiry is None else wording.time_left(expiry, balance.as_of)
    return [
        (_("Free"), wording.number(balance.free_quantity)),
        (_("On hold"), wording.number(balance.held_quantity)),
        (_("Total"), wording.number(balance.quantity + balance.on_hold)),
        (_("Next expiry in"), left),
    ]


def _sentence(changes: Changes, days: int) -> str:
    """Return in one sentence how what is free now compares with what was free then."""
    names = {
        "now": wording.number(changes.quantity_now),
        "then": wording.number(changes.quantity_then),
        "less": wording.number(abs(changes.difference)),
        "time": wording.moment(changes.since),
        "days": _days(days),
    }
    if changes.is_cut:
        return (
            _("Free now: %(now)s. At %(time)s, as far back as is counted here: %(then)s.") % names
        )
    if changes.difference < 0:
        return _("%(less)s fewer are free than %(days)s ago: %(now)s now, %(then)s then.") % names
    if changes.difference > 0:
        return _("%(less)s more are free than %(days)s ago: %(now)s now, %(then)s then.") % names
    return _("As many are free as %(days)s ago: %(now)s.") % names


EXPLANATIONS: Final = {
    ("acquire", True): _("Acquired: came in from outside"),
    ("consume", False): _("Consumed: left for good"),
    ("transfer", True): _("Transferred in, from another subject"),
    ("transfer", False): _("Transferred out, to another subject"),
    ("hold", False): _("Put on hold: reserved, and free again unless committed in time"),
    ("commit", True): _("Committed holds: received, or a rest that was given back"),
    ("commit", False): _("Committed holds: what was on hold has left"),
    ("release", True): _("Released holds: free again"),
    ("expire", True): _("Expired holds: free again"),
    ("extend", False): _("Extended holds: no change of quantity"),
}


def _change_rows(changes: Changes, url: Any) -> list[dict[str, Any]]:
    return [
        {
            "explanation": EXPLANATIONS[change.kind, change.is_credit],
            "url": url(kind=change.kind),
            "operations": wording.number(change.operations),
            "quantity": wording.change(change.quantity_delta),
            "on_hold": wording.change(change.on_hold_delta),
        }
        for change in sorted(changes.changes, key=lambda change: change.quantity_delta)
    ]
