"""Release, commit and extend, for one hold or many at a time.

Every chosen hold stands alone: what is refused changes nothing about the others, and the page that
follows tells of each what came of it. Sent twice, the form counts once for each hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from django_inventory.admin import wording
from django_inventory.admin.movements import (
    ONE_LINE,
    DurationMixin,
    KeyedForm,
    actor_of,
    ledger_of,
    quantity_field,
)
from django_inventory.admin.readonly import ReadOnlyAdmin, all_holds, now_of, page_url
from django_inventory.arguments import MAX_IDENTIFIER_LENGTH, check_hold_id
from django_inventory.exceptions import InvalidIdentifier, InvalidOperation, InventoryError
from django_inventory.ledgers.choice import configured_alias
from django_inventory.operations import Commit, Extend, Operation, Release
from django_inventory.values import Receipt

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MAX_HOLDS: Final = 500
"""How many holds one form may name: they are posted in one transaction."""


class HoldActionForm(KeyedForm):
    """One thing to do to some holds."""

    def operation(self, hold_id: UUID, actor: str) -> Operation:
        """Return what the filled-in form asks for one of the holds.

        Raises:
            InvalidOperation: an argument has a form that the ledger refuses.
        """
        raise NotImplementedError

    def arguments(self, hold_id: UUID, actor: str) -> dict[str, Any]:
        """Return what all three take; each hold has a key of its own."""
        return {
            "key": f"{self.cleaned_data['key']}:{hold_id}",
            "reference": self.cleaned_data["reference"],
            "actor": actor,
        }


class ReleaseForm(HoldActionForm):
    """Give back what is on hold."""

    def operation(self, hold_id: UUID, actor: str) -> Operation:
        """Return the release of one hold."""
        return Release(hold_id, **self.arguments(hold_id, actor))


class CommitForm(HoldActionForm):
    """Let what is on hold leave."""

    to = forms.CharField(
        label=gettext_lazy("To"),
        required=False,
        max_length=MAX_IDENTIFIER_LENGTH,
        help_text=gettext_lazy("The subject who gets it. Empty: it is consumed."),
        widget=forms.TextInput(attrs=ONE_LINE),
    )

    def operation(self, hold_id: UUID, actor: str) -> Operation:
        """Return the commit of all that one hold holds."""
        arguments = self.arguments(hold_id, actor)
        return Commit(hold_id, to=self.cleaned_data["to"] or None, **arguments)


class CommitPartForm(CommitForm):
    """Let what one hold holds leave, or a part of it."""

    quantity = quantity_field(required=False, help_text=gettext_lazy("Empty: all that is on hold."))
    keep_remainder = forms.BooleanField(
        label=gettext_lazy("Keep the rest on hold"),
        required=False,
        help_text=gettext_lazy("Else the rest is free again."),
    )

    def operation(self, hold_id: UUID, actor: str) -> Operation:
        """Return the commit."""
        return Commit(
            hold_id,
            to=self.cleaned_data["to"] or None,
            quantity=self.cleaned_data["quantity"],
            keep_remainder=self.cleaned_data["keep_remainder"],
            **self.arguments(hold_id, actor),
        )


class ExtendForm(DurationMixin, HoldActionForm):
    """Let holds expire at another time."""

    field_order = ["duration", "unit"]

    def operation(self, hold_id: UUID, actor: str) -> Operation:
        """Return the extension of one hold."""
        return Extend(hold_id, self.ttl, **self.arguments(hold_id, actor))


@dataclass(frozen=True, slots=True)
class HoldAction:
    """One of the verbs: who may do it, what it is called, and its form."""

    verb: str
    permission: str
    name: _StrPromise
    explanation: _StrPromise
    form: type[HoldActionForm]
    form_of_one: type[HoldActionForm]


HOLD_ACTIONS: Final = {
    action.verb: action
    for action in (
        HoldAction(
            "release",
            "django_inventory.release_hold",
            gettext_lazy("Release"),
            gettext_lazy("What is on hold is free again."),
            ReleaseForm,
            ReleaseForm,
        ),
        HoldAction(
            "commit",
            "django_inventory.commit_hold",
            gettext_lazy("Commit"),
            gettext_lazy("What is on hold leaves: consumed, or credited to somebody."),
            CommitForm,
            CommitPartForm,
        ),
        HoldAction(
            "extend",
            "django_inventory.extend_hold",
            gettext_lazy("Extend"),
            gettext_lazy("The holds expire that long from now, be it later or sooner than before."),
            ExtendForm,
            ExtendForm,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one hold."""

    row: dict[str, Any]
    text: str
    css_class: str


@require_http_methods(["GET", "HEAD", "POST"])
def hold_action_view(request: HttpRequest, *, verb: str, holds: ReadOnlyAdmin) -> HttpResponse:
    """Show the form for the holds that the request names, or post it."""
    given = request.POST if request.method == "POST" else request.GET
    try:
        hold_ids = list(dict.fromkeys(check_hold_id(text) for text in given.getlist("hold")))
    except InvalidIdentifier as error:
        raise Http404(_("There is no such hold.")) from error
    if not hold_ids or len(hold_ids) > MAX_HOLDS:
        raise Http404(_("There is no such hold."))
    return hold_action_page(request, verb, hold_ids, holds, is_filled_in=request.method == "POST")


def hold_action_page(
    request: HttpRequest,
    verb: str,
    hold_ids: Sequence[UUID],
    holds: ReadOnlyAdmin,
    *,
    is_filled_in: bool = False,
) -> HttpResponse:
    """Show the form of a verb for these holds, and once it is filled in what came of each.

    Raises:
        PermissionDenied: the user may not do that to holds.
    """
    action = HOLD_ACTIONS[verb]
    if not request.user.has_perm(action.permission) or not holds.has_view_permission(request):
        raise PermissionDenied
    rows = _rows(request, hold_ids, holds)
    form_class = action.form_of_one if len(hold_ids) == 1 else action.form
    form = form_class(request.POST) if is_filled_in else form_class()
    context = holds.page_context(
        request,
        title=action.name,
        action=action,
        explanation=action.explanation,
        action_url=page_url(holds.admin_site, f"hold_{verb}"),
        back_url=page_url(holds.admin_site, "hold_changelist"),
        form=form,
        rows=rows,
    )
    if is_filled_in and form.is_valid():
        outcomes = _post(request, action, form, rows)
        if outcomes:
            _tell(request, outcomes)
            context |= {"outcomes": outcomes}
            template = "django_inventory/admin/hold_outcomes.html"
            return TemplateResponse(request, template, context)
    return TemplateResponse(request, "django_inventory/admin/hold_action.html", context)


def _rows(
    request: HttpRequest, hold_ids: Sequence[UUID], holds: ReadOnlyAdmin
) -> list[dict[str, Any]]:
    """Return the chosen holds as the table shows them; an unknown one by its id alone."""
    now = now_of(request)
    found = all_holds().select_related("balance").in_bulk(list(hold_ids))
    rows: list[dict[str, Any]] = []
    for hold_id in hold_ids:
        hold = found.get(hold_id)
        row: dict[str, Any] = {"id": hold_id, "hold": hold}
        if hold is not None:
            row |= {
                "url": page_url(holds.admin_site, "hold_change", hold.pk),
                "subject": hold.balance.subject,
                "item": hold.balance.item,
                "remaining": wording.number(hold.remaining_at(now)),
                "state": wording.hold_state(hold.status, hold.expires_at, now),
            }
        rows.append(row)
    return rows


def _post(
    request: HttpRequest, action: HoldAction, form: HoldActionForm, rows: Sequence[dict[str, Any]]
) -> list[Outcome]:
    """Post one operation for each hold, each alone; nothing with a refusal in the form.

    Together with Django's log entries, so that neither is there without the other.
    """
    actor = actor_of(request)
    try:
        operations = [form.operation(row["id"], actor) for row in rows]
        with transaction.atomic(using=configured_alias()):
            results = ledger_of(request.user).post(operations, atomic=False)
            _log(request, action, form, rows, results)
    except InventoryError as error:
        form.refuse(error)
        return []
    if len(results) == 1 and isinstance(results[0], InvalidOperation):
        # Such as more than is on hold: the form of a single hold can still be mended.
        form.refuse(results[0])
        return []
    return [_outcome(row, result) for row, result in zip(rows, results, strict=True)]


def _outcome(row: dict[str, Any], result: Receipt | InventoryError) -> Outcome:
    if isinstance(result, InventoryError):
        return Outcome(row, wording.refusal(result), "inventory-refused")
    if result.replayed:
        text = _("Nothing to do: %(before)s") % {"before": wording.told(result)}
        return Outcome(row, text, "inventory-replayed")
    return Outcome(row, wording.told(result), "inventory-done")


def _log(
    request: HttpRequest,
    action: HoldAction,
    form: HoldActionForm,
    rows: Sequence[dict[str, Any]],
    results: Sequence[Receipt | InventoryError],
) -> None:
    acted = [
        row["hold"]
        for row, result in zip(rows, results, strict=True)
        if isinstance(result, Receipt) and not result.replayed
    ]
    if acted:
        LogEntry.objects.log_actions(
            user_id=cast("int", request.user.pk),
            queryset=acted,
            action_flag=CHANGE,
            change_message=f"{action.name}: {form.cleaned_data['reference']}",
        )


def _tell(request: HttpRequest, outcomes: Sequence[Outcome]) -> None:
    done = sum(outcome.css_class == "inventory-done" for outcome in outcomes)
    refused = sum(outcome.css_class == "inventory-refused" for outcome in outcomes)
    if done:
        text = ngettext("Done for %(count)s hold.", "Done for %(count)s holds.", done)
        messages.success(request, text % {"count": wording.number(done)})
    if replayed := len(outcomes) - done - refused:
        text = ngettext(
            "Nothing was to be done for %(count)s hold.",
            "Nothing was to be done for %(count)s holds.",
            replayed,
        )
        messages.warning(request, text % {"count": wording.number(replayed)})
    if refused:
        text = ngettext("Refused for %(count)s hold.", "Refused for %(count)s holds.", refused)
        messages.error(request, text % {"count": wording.number(refused)})
