"""Idempotency records: which key was used for what."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_inventory.admin import wording
from django_inventory.admin.filters import KeyFilter, OperationFilter, ScopeFilter
from django_inventory.admin.periods import PeriodFilter
from django_inventory.admin.readonly import (
    InventoryChangeList,
    ReadOnlyAdmin,
    all_entries,
    page_url,
)
from django_inventory.models import Entry, IdempotencyRecord


def entries_of(records: list[Any]) -> None:
    """Give each record the entries that its operation made, all in one query."""
    by_operation: dict[Any, list[Entry]] = {record.operation_id: [] for record in records}
    entries = all_entries().filter(operation_id__in=list(by_operation)).select_related("balance")
    for entry in entries.order_by("pk"):
        by_operation[entry.operation_id].append(entry)
    for record in records:
        record.operation_entries = by_operation[record.operation_id]


class RecordChangeList(InventoryChangeList):
    """The list, with what each key has done."""

    def prepare(self, rows: list[Any]) -> None:
        """Look up the entries of the operations."""
        entries_of(rows)


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    """Which key was used, in which scope, for which operation."""

    intro = _(
        "Which key was used for what. A request that is sent again with its key counts once: it "
        "gets the first answer again."
    )
    list_display = ("key", "scope", "kind_name", "balances", "hold", "made")
    list_filter = (PeriodFilter, "kind", ScopeFilter, KeyFilter, OperationFilter)
    ordering = ("-created_at", "-id")
    sortable_by = ()
    change_form_template = "django_inventory/admin/row.html"
    fields = ("scope", "key", "kind_name", "operation", "balances", "hold", "fingerprint", "made")
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list with entries in it."""
        return RecordChangeList

    @admin.display(description=_("kind"))
    def kind_name(self, record: Any) -> str:
        """Return the verb."""
        return str(wording.KIND_NAMES.get(record.kind, record.kind))

    @admin.display(description=_("made"))
    def made(self, record: Any) -> str:
        """Return when the key was first used."""
        return wording.moment(record.created_at)

    def _entries(self, record: Any) -> list[Entry]:
        if not hasattr(record, "operation_entries"):
            entries_of([record])
        entries: list[Entry] = record.operation_entries
        return entries

    @admin.display(description=_("balances"))
    def balances(self, record: Any) -> str:
        """Return links to the balances that the operation touched."""
        links = format_html_join(
            ", ",
            '<a href="{}">{}: {}</a>',
            (
                (
                    page_url(self.admin_site, "balance_change", entry.balance_id),
                    entry.balance.subject,
                    entry.balance.item,
                )
                for entry in self._entries(record)
            ),
        )
        return links or wording.NOTHING

    @admin.display(description=_("hold"))
    def hold(self, record: Any) -> str:
        """Return a link to the hold that it was about."""
        for entry in self._entries(record):
            if entry.hold_id is not None:
                url = page_url(self.admin_site, "hold_change", entry.hold_id)
                return format_html(
                    '<a href="{}" title="{}">\N{HORIZONTAL ELLIPSIS}{}</a>',
                    url,
                    entry.hold_id,
                    entry.hold_id.hex[-8:],
                )
        return wording.NOTHING

    @admin.display(description=_("operation"))
    def operation(self, record: Any) -> SafeString:
        """Return a link to all that the operation did."""
        url = page_url(self.admin_site, "entry_changelist", operation=record.operation_id)
        return format_html('<a href="{}">{}</a>', url, record.operation_id)
