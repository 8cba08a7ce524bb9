"""The forms that move quantities: acquire, consume, transfer and hold.

Each form gets its idempotency key when it is rendered, and sends it along: pressed twice, reloaded
or sent again after a timeout, it counts once. The keys of one user never meet another's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from django_inventory import ledger
from django_inventory.admin import wording
from django_inventory.admin.readonly import ReadOnlyAdmin, all_balances, page_url
from django_inventory.arguments import MAX_IDENTIFIER_LENGTH
from django_inventory.exceptions import IdempotencyConflict, InvalidOperation, InventoryError
from django_inventory.ledgers.choice import configured_alias
from django_inventory.operations import Acquire, Consume, Hold, Operation, Transfer
from django_inventory.values import MAX_QUANTITY, BalanceSnapshot, Receipt

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from django_inventory.ledgers import Ledger

UNITS: Final = [
    ("minutes", gettext_lazy("minutes")),
    ("hours", gettext_lazy("hours")),
    ("days", gettext_lazy("days")),
]
ONE_LINE: Final = {"autocomplete": "off", "spellcheck": "false", "class": "vTextField"}


def ledger_of(user: AbstractBaseUser | AnonymousUser) -> Ledger:
    """Return the configured ledger, with keys that belong to this user of the admin."""
    return ledger.scoped(f"admin:{user.pk}")


class KeyedForm(forms.Form):
    """What all forms share that change something: the key, and a reason that has to be given."""

    required_css_class = "required"

    key = forms.UUIDField(widget=forms.HiddenInput)
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        max_length=MAX_IDENTIFIER_LENGTH,
        help_text=gettext_lazy("Why: an order number, a document, a few words. Kept for ever."),
        widget=forms.TextInput(attrs=ONE_LINE),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].initial = uuid4
        # The reason comes last: one knows it once one knows what one does.
        self.order_fields([*[name for name in self.fields if name != "reference"], "reference"])

    def refuse(self, error: InventoryError) -> None:
        """Show what the ledger refused, at the field that it is about."""
        field = wording.refused_field(error)
        if field == "subject" and "subject" not in self.fields:
            field = "source"
        self.add_error(field if field in self.fields else None, wording.refusal(error))
        if isinstance(error, IdempotencyConflict):
            self.data = {**self.data, "key": str(uuid4())}


def _identifier(label: str | _StrPromise, help_text: str | _StrPromise = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=MAX_IDENTIFIER_LENGTH,
        help_text=help_text,
        widget=forms.TextInput(attrs=ONE_LINE),
    )


def quantity_field(**kwargs: Any) -> forms.IntegerField:
    """Return a field for a quantity."""
    return forms.IntegerField(
        label=gettext_lazy("Quantity"),
        min_value=1,
        max_value=MAX_QUANTITY,
        widget=forms.NumberInput(attrs={"class": "vBigIntegerField"}),
        **kwargs,
    )


class DurationMixin(forms.Form):
    """How long a hold lasts: a number and its unit."""

    duration = forms.IntegerField(
        label=gettext_lazy("Lasts"),
        min_value=1,
        # As many minutes as the ledger allows days, so that no unit overflows a timedelta.
        max_value=52_596_000,
        initial=30,
        widget=forms.NumberInput(attrs={"class": "vIntegerField"}),
    )
    unit = forms.ChoiceField(label=gettext_lazy("Unit"), choices=UNITS)

    @property
    def ttl(self) -> timedelta:
        """How long, from now."""
        return timedelta(**{self.cleaned_data["unit"]: self.cleaned_data["duration"]})


class MovementForm(KeyedForm):
    """One movement, to be filled in."""

    identifiers: ClassVar[tuple[str, ...]] = ("subject", "item")

    def operation(self, actor: Any) -> Operation:
        """Return what the filled-in form asks of the ledger.

        Raises:
            InvalidOperation: an argument has a form that the ledger refuses.
        """
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Return what all movements take."""
        names = (*self.identifiers, "quantity", "reference")
        arguments = {name: self.cleaned_data[name] for name in names}
        return arguments | {"key": str(self.cleaned_data["key"])}


class AcquireForm(MovementForm):
    """Credit somebody."""

    subject = _identifier(gettext_lazy("Subject"), gettext_lazy("Who gets it."))
    item = _identifier(gettext_lazy("Item"))
    quantity = quantity_field(help_text=gettext_lazy("In the item's smallest unit."))

    def operation(self, actor: Any) -> Operation:
        """Return the acquire."""
        return Acquire(**self.arguments(), actor=actor)


class ConsumeForm(MovementForm):
    """Debit somebody."""

    subject = _identifier(gettext_lazy("Subject"), gettext_lazy("Whose it is."))
    item = _identifier(gettext_lazy("Item"))
    quantity = quantity_field(help_text=gettext_lazy("At most what is free."))

    def operation(self, actor: Any) -> Operation:
        """Return the consume."""
        return Consume(**self.arguments(), actor=actor)


class TransferForm(MovementForm):
    """Move something from one to another."""

    identifiers = ("source", "destination", "item")

    source = _identifier(gettext_lazy("Source"), gettext_lazy("Whose it is."))
    destination = _identifier(gettext_lazy("Destination"), gettext_lazy("Who gets it."))
    item = _identifier(gettext_lazy("Item"))
    quantity = quantity_field(help_text=gettext_lazy("At most what the source has free."))

    def operation(self, actor: Any) -> Operation:
        """Return the transfer."""
        return Transfer(**self.arguments(), actor=actor)


class HoldForm(DurationMixin, MovementForm):
    """Reserve something for a while."""

    subject = _identifier(gettext_lazy("Subject"), gettext_lazy("Whose it is."))
    item = _identifier(gettext_lazy("Item"))
    quantity = quantity_field(help_text=gettext_lazy("At most what is free."))

    field_order = ["subject", "item", "quantity", "duration", "unit"]

    def operation(self, actor: Any) -> Operation:
        """Return the hold."""
        return Hold(**self.arguments(), ttl=self.ttl, actor=actor)


@dataclass(frozen=True, slots=True)
class Movement:
    """One of the verbs: who may do it, what it is called, and its form."""

    verb: str
    permission: str
    name: _StrPromise
    explanation: _StrPromise
    form: type[MovementForm]


MOVEMENTS: Final = {
    movement.verb: movement
    for movement in (
        Movement(
            "acquire",
            "django_inventory.acquire_balance",
            gettext_lazy("Acquire"),
            gettext_lazy("Credit a quantity to a subject: it comes in from outside."),
            AcquireForm,
        ),
        Movement(
            "consume",
            "django_inventory.consume_balance",
            gettext_lazy("Consume"),
            gettext_lazy("Debit what a subject has free: it leaves for good."),
            ConsumeForm,
        ),
        Movement(
            "transfer",
            "django_inventory.transfer_balance",
            gettext_lazy("Transfer"),
            gettext_lazy("Move what one subject has free to another, both or neither."),
            TransferForm,
        ),
        Movement(
            "hold",
            "django_inventory.place_hold",
            gettext_lazy("Hold"),
            gettext_lazy(
                "Reserve what a subject has free. It is free again when the time is over, unless "
                "the hold is committed before."
            ),
            HoldForm,
        ),
    )
}


@require_http_methods(["GET", "HEAD", "POST"])
def movement_view(request: HttpRequest, *, verb: str, balances: ReadOnlyAdmin) -> HttpResponse:
    """Show the form of a verb, and post what it is filled in with."""
    movement = MOVEMENTS[verb]
    if not request.user.has_perm(movement.permission):
        raise PermissionDenied
    if request.method == "POST":
        form = movement.form(request.POST)
        if form.is_valid() and (receipt := _move(request, form, balances)):
            return HttpResponseRedirect(_page_after(request, receipt, movement, balances))
    else:
        form = movement.form(initial=_prefilled(request))
    context = balances.page_context(
        request,
        title=movement.name,
        movement=movement,
        explanation=movement.explanation,
        form=form,
        standing=_standing(request, form, balances),
        back_url=page_url(balances.admin_site, "balance_changelist"),
    )
    return TemplateResponse(request, "django_inventory/admin/movement.html", context)


def _move(request: HttpRequest, form: MovementForm, balances: ReadOnlyAdmin) -> Receipt | None:
    """Post the movement and tell what came of it; None with the refusal in the form.

    Together with Django's log entry, so that neither is there without the other.
    """
    try:
        with transaction.atomic(using=configured_alias()):
            operation = form.operation(actor_of(request))
            receipt = ledger_of(request.user).post([operation])[0]
            told = wording.told(receipt, form.cleaned_data["quantity"])
            if not receipt.replayed:
                _log(request, receipt, f"{told} {form.cleaned_data['reference']}", balances)
    except InventoryError as error:
        form.refuse(error)
        return None
    if receipt.replayed:
        sent_before = _("This form had been sent before, and it counts once.")
        messages.warning(request, f"{sent_before} {told}")
    else:
        messages.success(request, f"{told} {wording.standing(receipt.balances[0])}")
    return receipt


def actor_of(request: HttpRequest) -> str:
    """Return the user as the actor of entries."""
    user = request.user
    return f"{user._meta.concrete_model._meta.label_lower}:{user.pk}"  # type: ignore[union-attr]  # nobody anonymous gets here


def _log(request: HttpRequest, receipt: Receipt, message: str, balances: ReadOnlyAdmin) -> None:
    first = receipt.balances[0]
    balance = all_balances().get(subject=first.subject, item=first.item)
    balances.log_change(request, balance, message)


def _prefilled(request: HttpRequest) -> dict[str, str]:
    """Return what the address brings along: the balance from whose page the form was opened."""
    subject = request.GET.get("subject", "")
    return {"subject": subject, "source": subject, "item": request.GET.get("item", "")}


def _standing(request: HttpRequest, form: MovementForm, balances: ReadOnlyAdmin) -> str:
    """Return a sentence on the balance that the form names, for those who may see it."""
    if not balances.has_view_permission(request):
        return ""
    owner = "source" if "source" in form.fields else "subject"
    subject, item = form[owner].value(), form["item"].value()
    try:
        snapshot: BalanceSnapshot = ledger.balance(subject or "", item or "")
    except InvalidOperation:
        return ""
    return wording.standing(snapshot)


def _page_after(
    request: HttpRequest, receipt: Receipt, movement: Movement, balances: ReadOnlyAdmin
) -> str:
    """Return where to go on: the balance, or for those who may not see it a new form."""
    if not balances.has_view_permission(request):
        return page_url(balances.admin_site, f"balance_{movement.verb}")
    first = receipt.balances[0]
    balance = all_balances().get(subject=first.subject, item=first.item)
    return page_url(balances.admin_site, "balance_change", balance.pk)


def movement_urls(
    request: HttpRequest, admin_site: admin.AdminSite, **query: str
) -> list[tuple[Movement, str]]:
    """Return the movements that this user may make, with the addresses of their forms."""
    return [
        (movement, page_url(admin_site, f"balance_{movement.verb}", **query))
        for movement in MOVEMENTS.values()
        if request.user.has_perm(movement.permission)
    ]
