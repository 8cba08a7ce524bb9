"""What all four pages share: nothing can be edited, and a million rows do no harm.

Owns the bounds of lists, and the one reading of the clock that a request gets.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.utils.text import capfirst

from django_inventory.admin.wording import number
from django_inventory.ledgers.choice import configured_alias, configured_now
from django_inventory.models import Balance, Entry, Hold
from django_inventory.querysets import BalanceQuerySet, EntryQuerySet, HoldQuerySet

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    # Generic in their stubs only.
    _ModelAdmin = admin.ModelAdmin[Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin = admin.ModelAdmin
    _Paginator = Paginator

MAX_COUNTED: Final = 10_000
"""How many rows a list counts, from the page that it shows on. So there is always a way on."""

MAX_PAGE: Final = 1_000_000_000
"""Beyond it a page's place is no number that a database takes."""

ROWS_PER_PAGE: Final = 50
_NOW: Final = "django_inventory.now"


def now_of(request: HttpRequest) -> datetime:
    """Return the time at which the request counts: read once, then the same for all of it."""
    if _NOW not in request.META:
        request.META[_NOW] = configured_now()
    now: datetime = request.META[_NOW]
    return now


def all_balances() -> BalanceQuerySet:
    """Return the balances of the configured ledger, from its database."""
    return Balance.objects.using(configured_alias())


def all_holds() -> HoldQuerySet:
    """Return the holds of the configured ledger, from its database."""
    return Hold.objects.using(configured_alias())


def all_entries() -> EntryQuerySet:
    """Return the entries of the configured ledger, from its database."""
    return Entry.objects.using(configured_alias())


def page_url(admin_site: admin.AdminSite, name: str, *args: object, **query: str | int) -> str:
    """Return the address of one of our pages, such as ``"balance_changelist"``, on that site."""
    url = reverse(f"admin:django_inventory_{name}", args=args, current_app=admin_site.name)
    return f"{url}?{urlencode(query)}" if query else url


def count_up_to(rows: QuerySet[Any], limit: int) -> int:
    """Count rows, but look at ``limit`` of them at most."""
    return rows.order_by().values("pk")[:limit].count()


class Tool(NamedTuple):
    """A button above a list or page."""

    label: str | _StrPromise
    url: str
    is_primary: bool = False


class BoundedPaginator(_Paginator):
    """Count ``MAX_COUNTED`` rows from the shown page on, and say whether there are more.

    So a list of a million rows is not counted, and yet each of its pages can be reached.
    """

    shown_page = 1

    @cached_property
    def _limit(self) -> int:
        return (self.shown_page - 1) * self.per_page + MAX_COUNTED

    @cached_property
    def _counted(self) -> int:
        return count_up_to(self.object_list, self._limit + 1)  # type: ignore[arg-type]

    @cached_property
    def count(self) -> int:
        """How many rows there are pages for."""
        return min(self._counted, self._limit)

    @property
    def more_than(self) -> str:
        """The number of rows that were counted, where there are more; else nothing."""
        return number(self.count) if self._counted > self._limit else ""


class InventoryChangeList(ChangeList):
    """A list whose rows know, as ``as_of``, the time that the request counts at."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and prepare its rows."""
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            # Else Django tells a number of results, and a way to all, where nothing was sought.
            self.full_result_count = self.result_count
        rows: list[Any] = list(self.result_list)
        for row in rows:
            row.as_of = now_of(request)
        self.prepare(rows)
        self.result_list = rows

    def prepare(self, rows: list[Any]) -> None:
        """Look up, for all rows at once, what their columns need."""


class ReadOnlyAdmin(_ModelAdmin):
    """Show, and never add, change or delete.

    The tables change through the ledger alone, whatever permissions a user has.
    """

    list_per_page = ROWS_PER_PAGE
    show_full_result_count = False
    # Facets count every filter's every choice over the whole table.
    show_facets = admin.ShowFacets.NEVER
    actions: Any = None
    intro: str | _StrPromise
    """What the list is, in a sentence for those who have never read the documentation."""

    # In the place of search_help_text, which Django ties to a field whose label is a picture: a
    # screen reader would then say the hint for the name.
    search_hint: str | _StrPromise = ""

    class Media:
        css = {"all": ["django_inventory/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the configured ledger."""
        return super().get_queryset(request).using(configured_alias())

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return our list."""
        return InventoryChangeList

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> BoundedPaginator:
        """Return a paginator that counts on from the page that is asked for."""
        paginator = BoundedPaginator(*args, **kwargs)
        try:
            page = int(request.GET.get(PAGE_VAR, 1))
        except ValueError:
            page = 1  # as Django has it
        paginator.shown_page = max(1, min(page, MAX_PAGE))
        return paginator

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return a row, which knows the time that the request counts at."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.as_of = now_of(request)
        return row

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: rows are made by the ledger."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: rows are changed by the ledger."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: nothing is deleted."""
        return False

    def tools(self, request: HttpRequest) -> list[Tool]:
        """Return the buttons above the list that this user may press."""
        return []

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list under its own name, with its buttons."""
        context = {
            "title": capfirst(str(self.opts.verbose_name_plural)),
            "tools": self.tools(request),
            "intro": self.intro,
            "search_hint": self.search_hint,
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def page_context(
        self, request: HttpRequest, title: str | _StrPromise, **context: object
    ) -> dict[str, Any]:
        """Return what a page of ours beside Django's own needs in its template."""
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "has_view_permission": self.has_view_permission(request),
            "opts": self.opts,
            "media": self.media,
            **context,
        }
