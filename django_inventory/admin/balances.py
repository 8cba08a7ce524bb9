"""Balances: the list, and the way to the page of each and to the movements."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, DateTimeField, F, OuterRef, QuerySet, Subquery, When
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from django_inventory.admin import wording
from django_inventory.admin.balance_page import balance_page
from django_inventory.admin.dashboard import dashboard_view
from django_inventory.admin.filters import (
    EmptyFilter,
    HasHoldsFilter,
    ItemFilter,
    SubjectFilter,
    starting_with,
)
from django_inventory.admin.movements import MOVEMENTS, movement_urls, movement_view
from django_inventory.admin.readonly import (
    InventoryChangeList,
    ReadOnlyAdmin,
    Tool,
    all_holds,
    now_of,
    page_url,
)
from django_inventory.models import Balance
from django_inventory.querysets import BalanceQuerySet


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

    intro = _(
        "Who owns how much of what, as of now. The page of a balance tells why it is what it is."
    )
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

    @admin.display(description=_("next expiry"), empty_value=wording.NOTHING)
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
            names = {"subject": balance.subject, "item": balance.item}
            movements = movement_urls(request, self.admin_site, **names)
            context |= balance_page(request, self.admin_site, balance)
            context["tools"] = [
                Tool(movement.name, url, is_primary=True) for movement, url in movements
            ]
        return super().change_view(request, object_id, form_url, context)
