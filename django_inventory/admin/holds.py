"""Holds: the list with its actions, and a page for each with its journal."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_inventory.admin import wording
from django_inventory.admin.filters import (
    HoldStateFilter,
    OwnedItemFilter,
    OwnerFilter,
    starting_with,
)
from django_inventory.admin.hold_actions import (
    HOLD_ACTIONS,
    MAX_HOLDS,
    hold_action_page,
    hold_action_view,
)
from django_inventory.admin.journal import journal_rows
from django_inventory.admin.readonly import (
    ReadOnlyAdmin,
    Tool,
    all_entries,
    page_url,
)
from django_inventory.arguments import check_hold_id
from django_inventory.exceptions import InvalidIdentifier
from django_inventory.models import Hold

SHOWN_ENTRIES: Final = 100


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """What is reserved, for whom and how long."""

    intro = _(
        "What is reserved, and for how long. Unless a hold is committed in time, what it reserves "
        "is free again by itself."
    )
    list_display = ("short_id", "owner", "on_hold", "state", "left", "expires", "note")
    list_filter = (HoldStateFilter, OwnerFilter, OwnedItemFilter)
    list_select_related = ("balance",)
    # Newest first: ids are in the order of time, and indexed.
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id",)
    search_hint = _("A hold's id, or what the subject or the item begins with.")
    actions = ("release_holds", "commit_holds", "extend_holds")
    change_form_template = "django_inventory/admin/hold.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look for an id, or for a prefix of subject or item, by their indexes."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(pk=check_hold_id(term)), False
        except InvalidIdentifier:
            subject = starting_with("balance__subject", term)
            return queryset.filter(subject | starting_with("balance__item", term)), False

    def get_urls(self) -> list[URLPattern]:
        """Add the forms to Django's own pages."""
        forms = [
            path(
                f"{verb}/",
                self.admin_site.admin_view(partial(hold_action_view, verb=verb, holds=self)),
                name=f"django_inventory_hold_{verb}",
            )
            for verb in HOLD_ACTIONS
        ]
        return [*forms, *super().get_urls()]

    def tools(self, request: HttpRequest) -> list[Tool]:
        """Return the way to a new hold, for those who may make one, and to the dashboard."""
        dashboard = Tool(_("Dashboard"), page_url(self.admin_site, "dashboard"))
        if not request.user.has_perm("django_inventory.place_hold"):
            return [dashboard]
        return [
            Tool(_("Hold"), page_url(self.admin_site, "balance_hold"), is_primary=True),
            dashboard,
        ]

    # Columns --------------------------------------------------------------------------------

    @admin.display(description=_("hold"))
    def short_id(self, hold: Any) -> SafeString:
        """Return the end of the id, by which holds made at the same time differ."""
        return format_html(
            '<span title="{}">\N{HORIZONTAL ELLIPSIS}{}</span>', hold.pk, hold.pk.hex[-8:]
        )

    @admin.display(description=_("balance"))
    def owner(self, hold: Any) -> SafeString:
        """Return a link to the balance."""
        url = page_url(self.admin_site, "balance_change", hold.balance_id)
        return format_html('<a href="{}">{}: {}</a>', url, hold.balance.subject, hold.balance.item)

    @admin.display(description=_("on hold"))
    def on_hold(self, hold: Any) -> str:
        """Return what it reserves as of now, of what it reserved at first."""
        return gettext("%(remaining)s of %(quantity)s") % {
            "remaining": wording.number(hold.remaining_at(hold.as_of)),
            "quantity": wording.number(hold.quantity),
        }

    @admin.display(description=_("status"))
    def state(self, hold: Any) -> SafeString:
        """Return the status as of now."""
        return wording.hold_state(hold.status, hold.expires_at, hold.as_of)

    @admin.display(description=_("time left"), empty_value=wording.NOTHING)
    def left(self, hold: Any) -> str | None:
        """Return how long it still holds, or how long its expiry has not been recorded."""
        if hold.status != "active":
            return None
        return wording.time_left(hold.expires_at, hold.as_of)

    @admin.display(description=_("expires"))
    def expires(self, hold: Any) -> str:
        """Return when it expires or would have expired."""
        return wording.moment(hold.expires_at)

    @admin.display(description=_("reference"), empty_value=wording.NOTHING)
    def note(self, hold: Any) -> str:
        """Return why it was made."""
        return str(hold.reference)

    # Actions --------------------------------------------------------------------------------

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may release holds."""
        return request.user.has_perm("django_inventory.release_hold")

    def has_commit_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may commit holds."""
        return request.user.has_perm("django_inventory.commit_hold")

    def has_extend_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may extend holds."""
        return request.user.has_perm("django_inventory.extend_hold")

    @admin.action(description=_("Release selected holds"), permissions=["release"])
    def release_holds(self, request: HttpRequest, queryset: QuerySet[Hold]) -> HttpResponse | None:
        """Ask for the reason, then release."""
        return self._choose(request, queryset, "release")

    @admin.action(description=_("Commit selected holds"), permissions=["commit"])
    def commit_holds(self, request: HttpRequest, queryset: QuerySet[Hold]) -> HttpResponse | None:
        """Ask who gets it and why, then commit."""
        return self._choose(request, queryset, "commit")

    @admin.action(description=_("Extend selected holds"), permissions=["extend"])
    def extend_holds(self, request: HttpRequest, queryset: QuerySet[Hold]) -> HttpResponse | None:
        """Ask how long and why, then extend."""
        return self._choose(request, queryset, "extend")

    def _choose(
        self, request: HttpRequest, queryset: QuerySet[Hold], verb: str
    ) -> HttpResponse | None:
        hold_ids = list(queryset.values_list("pk", flat=True)[: MAX_HOLDS + 1])
        if len(hold_ids) > MAX_HOLDS:
            text = gettext("Choose at most %(limit)s holds at a time.")
            self.message_user(
                request, text % {"limit": wording.number(MAX_HOLDS)}, level=messages.ERROR
            )
            return None
        return hold_action_page(request, verb, hold_ids, self)

    # The page -------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one hold."""
        hold = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if hold is not None and self.has_view_permission(request, hold):
            context |= self._page(request, hold)
        return super().change_view(request, object_id, form_url, context)

    def _page(self, request: HttpRequest, hold: Any) -> dict[str, Any]:
        site = self.admin_site
        facts: list[tuple[Any, Any]] = [
            (_("On hold"), self.on_hold(hold)),
            (_("Status"), self.state(hold)),
            (_("Expires"), wording.moment(hold.expires_at)),
            (_("Time left"), self.left(hold) or wording.NOTHING),
        ]
        notes = [
            (_("Reference"), hold.reference),
            (_("Key"), hold.key),
            (_("Made"), wording.moment(hold.created_at)),
            (_("Resolved"), wording.moment(hold.resolved_at)),
            (_("Metadata"), json.dumps(hold.metadata, ensure_ascii=False) if hold.metadata else ""),
        ]
        tools = [
            Tool(action.name, page_url(site, f"hold_{verb}", hold=hold.pk), is_primary=True)
            for verb, action in HOLD_ACTIONS.items()
            if request.user.has_perm(action.permission)
        ]
        names = {"item": hold.balance.item, "subject": hold.balance.subject}
        title = _("Hold on %(item)s of %(subject)s") % names
        return {
            "title": title,
            "subtitle": None,
            "hold": hold,
            "balance_url": page_url(site, "balance_change", hold.balance_id),
            "figures": facts,
            "notes": [(name, text) for name, text in notes if text],
            "tools": tools if hold.remaining_at(hold.as_of) else [],
            **(self._entries(hold) if request.user.has_perm("django_inventory.view_entry") else {}),
        }

    def _entries(self, hold: Any) -> dict[str, Any]:
        site = self.admin_site
        entries = all_entries().filter(hold_id=hold.pk).select_related("balance", "hold")
        return {
            "may_see_entries": True,
            "entries": journal_rows(site, entries.order_by("-pk")[:SHOWN_ENTRIES]),
            "entries_url": page_url(site, "entry_changelist", hold=hold.pk),
        }
