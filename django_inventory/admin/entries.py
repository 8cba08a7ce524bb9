"""Entries: the journal, to be looked at, followed and exported."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_inventory.admin import wording
from django_inventory.admin.export import export_view
from django_inventory.admin.filters import (
    HoldFilter,
    OperationFilter,
    OwnedItemFilter,
    OwnerFilter,
    ReferenceFilter,
    starting_with,
)
from django_inventory.admin.journal import actor_names, other_ends
from django_inventory.admin.periods import PeriodFilter
from django_inventory.admin.readonly import InventoryChangeList, ReadOnlyAdmin, Tool, page_url
from django_inventory.arguments import check_hold_id
from django_inventory.exceptions import InvalidIdentifier
from django_inventory.models import Entry


def add_names(entries: Sequence[Any]) -> None:
    """Give each entry the name of its actor and of the other end, in two queries for all."""
    names = actor_names(entry.actor for entry in entries)
    others = other_ends(entries)
    for entry in entries:
        entry.actor_name = names.get(entry.actor, entry.actor)
        entry.other_end = others.get(entry.pk)


class EntryChangeList(InventoryChangeList):
    """The list, with the people in it by name."""

    def prepare(self, rows: list[Any]) -> None:
        """Look up users and other ends."""
        add_names(rows)


def _change_to(change: int, after: int) -> SafeString:
    return format_html(
        '{} <span class="inventory-quiet">\N{RIGHTWARDS ARROW}\N{NO-BREAK SPACE}{}</span>',
        wording.change(change),
        wording.number(after),
    )


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """Every change there ever was."""

    intro = _(
        "The journal: every change there ever was, newest first. Entries are never changed. Behind "
        "the arrow stands what was free or on hold afterwards."
    )
    list_display = (
        "effective",
        "kind_name",
        "owner",
        "free",
        "held",
        "note",
        "who",
        "hold_link",
    )
    list_filter = (
        PeriodFilter,
        "kind",
        OwnerFilter,
        OwnedItemFilter,
        ReferenceFilter,
        HoldFilter,
        OperationFilter,
    )
    list_select_related = ("balance",)
    ordering = ("-created_at", "-id")
    sortable_by = ()
    search_fields = ("balance__subject", "balance__item")
    search_hint = _("An operation's id, or what the subject or the item begins with.")
    change_form_template = "django_inventory/admin/row.html"
    fields = (
        "owner",
        "sequence",
        "kind_name",
        "free",
        "held",
        "hold_link",
        "hold_remaining",
        "hold_expires",
        "note",
        "who",
        "metadata",
        "operation",
        "key",
        "effective",
        "recorded",
    )
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list with names in it."""
        return EntryChangeList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return an entry with the people in it by name."""
        entry = super().get_object(request, object_id, from_field)
        if entry is not None:
            add_names([entry])
        return entry

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look for an operation's id, or for a prefix of subject or item, by their indexes."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(operation_id=check_hold_id(term)), False
        except InvalidIdentifier:
            subject = starting_with("balance__subject", term)
            return queryset.filter(subject | starting_with("balance__item", term)), False

    def get_urls(self) -> list[URLPattern]:
        """Add the export to Django's own pages."""
        export = path(
            "export/",
            self.admin_site.admin_view(partial(export_view, entries=self)),
            name="django_inventory_entry_export",
        )
        return [export, *super().get_urls()]

    def tools(self, request: HttpRequest) -> list[Tool]:
        """Return the export of what the list shows, and the way to the dashboard."""
        query = request.GET.copy()
        query.pop("p", None)
        export = page_url(self.admin_site, "entry_export")
        return [
            Tool(_("Export as CSV"), f"{export}?{query.urlencode()}" if query else export),
            Tool(_("Dashboard"), page_url(self.admin_site, "dashboard")),
        ]

    # Columns --------------------------------------------------------------------------------

    @admin.display(description=_("time"))
    def effective(self, entry: Any) -> str:
        """Return when it took effect."""
        return wording.moment(entry.effective_at)

    @admin.display(description=_("recorded"))
    def recorded(self, entry: Any) -> str:
        """Return when it was recorded, which for an expiry may be later."""
        return wording.moment(entry.created_at)

    @admin.display(description=_("kind"))
    def kind_name(self, entry: Any) -> str:
        """Return the verb, and to or from whom."""
        return wording.kind(entry, entry.other_end)

    @admin.display(description=_("balance"))
    def owner(self, entry: Any) -> SafeString:
        """Return a link to the balance."""
        url = page_url(self.admin_site, "balance_change", entry.balance_id)
        return format_html(
            '<a href="{}">{}: {}</a>', url, entry.balance.subject, entry.balance.item
        )

    @admin.display(description=_("free"))
    def free(self, entry: Any) -> SafeString:
        """Return the change of what is free, and what was free afterwards."""
        return _change_to(entry.quantity_delta, entry.quantity_after)

    @admin.display(description=_("on hold"))
    def held(self, entry: Any) -> SafeString:
        """Return the change of what is on hold, and what was on hold afterwards."""
        return _change_to(entry.on_hold_delta, entry.on_hold_after)

    @admin.display(description=_("reference"))
    def note(self, entry: Any) -> Any:
        """Return why."""
        return entry.reference or wording.NOTHING

    @admin.display(description=_("actor"))
    def who(self, entry: Any) -> Any:
        """Return who, by name where it is a user of this site."""
        return entry.actor_name or wording.NOTHING

    @admin.display(description=_("hold's expiry"))
    def hold_expires(self, entry: Any) -> str:
        """Return when the hold expires or would have, after this entry."""
        return wording.moment(entry.hold_expires_at) or wording.NOTHING

    @admin.display(description=_("hold"))
    def hold_link(self, entry: Any) -> str:
        """Return a link to the hold, where there is one."""
        if entry.hold_id is None:
            return wording.NOTHING
        url = page_url(self.admin_site, "hold_change", entry.hold_id)
        return format_html(
            '<a href="{}" title="{}">\N{HORIZONTAL ELLIPSIS}{}</a>',
            url,
            entry.hold_id,
            entry.hold_id.hex[-8:],
        )

    @admin.display(description=_("operation"))
    def operation(self, entry: Any) -> SafeString:
        """Return a link to all that the operation did."""
        url = page_url(self.admin_site, "entry_changelist", operation=entry.operation_id)
        return format_html('<a href="{}">{}</a>', url, entry.operation_id)
