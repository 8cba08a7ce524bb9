"""How things are told to people: numbers, times, receipts and refusals, in the reader's language.

Owns the sentences. Must not decide anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_inventory.exceptions import (
    HoldExpired,
    HoldResolved,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientQuantity,
    InvalidOperation,
    InvalidQuantity,
    InvalidTTL,
    InventoryError,
    LedgerBusy,
    QuantityOverflow,
)
from django_inventory.models import HOLD_STATUSES, KINDS, Entry
from django_inventory.values import BalanceSnapshot, Receipt

NOTHING: Final = "\N{EN DASH}"
"""What stands where there is nothing to show."""

KIND_NAMES: Final = dict(KINDS)
STATUS_NAMES: Final = dict(HOLD_STATUSES)


def number(value: int) -> str:
    """Return a number with its digits in groups."""
    return number_format(value, force_grouping=True)


def change(value: int) -> str:
    """Return a change with its sign; nothing for no change."""
    if value == 0:
        return "0"
    # A real minus sign, which is as wide as the plus.
    sign = "+" if value > 0 else "\N{MINUS SIGN}"
    return sign + number(abs(value))


def count(value: int, limit: int) -> str:
    """Return a count that stopped at ``limit``."""
    if value >= limit:
        return _("more than %(limit)s") % {"limit": number(limit - 1)}
    return number(value)


def kind(entry: Entry, other: str | None = None) -> str:
    """Return the verb of an entry, with the subject at the other end of what changed hands."""
    names = {"kind": KIND_NAMES.get(entry.kind, entry.kind), "subject": other}
    if other is None:
        return str(names["kind"])
    if entry.quantity_delta + entry.on_hold_delta < 0:
        return _("%(kind)s to %(subject)s") % names
    return _("%(kind)s from %(subject)s") % names


def moment(at: datetime | None) -> str:
    """Return a time, in the current time zone, to the second.

    As numbers in a fixed order: what is compared line by line should not change with the language.
    """
    return "" if at is None else date_format(localtime(at), "Y-m-d H:i:s")


def time_left(expires_at: datetime, now: datetime) -> str:
    """Return how long it is until ``expires_at``, or for how long it has passed."""
    if expires_at <= now:
        return _("overdue for %(time)s") % {"time": timesince(expires_at, now)}
    if (expires_at - now).total_seconds() < 60:  # noqa: PLR2004 - seconds in a minute
        return _("%(seconds)s seconds") % {"seconds": int((expires_at - now).total_seconds())}
    return timeuntil(expires_at, now)


def hold_state(status: str, expires_at: datetime, now: datetime) -> SafeString:
    """Return a hold's status as of ``now``; one that is overdue counts as expired."""
    if status == "active" and expires_at <= now:
        return format_html(
            '<span class="inventory-overdue" title="{}">{}</span>',
            _("Its quantity is free again. The expiry is recorded by the next sweep or movement."),
            _("expired, not recorded yet"),
        )
    return format_html(
        '<span class="inventory-state-{}">{}</span>', status, STATUS_NAMES.get(status, status)
    )


# What was done ----------------------------------------------------------------------------------


def told(receipt: Receipt, quantity: int | None = None) -> str:
    """Return one sentence on what an operation did, and what stands after it."""
    names = {
        "quantity": "" if quantity is None else number(quantity),
        "item": receipt.balances[0].item,
        "subject": receipt.balances[0].subject,
        "other": receipt.balances[-1].subject,
    }
    sentences = {
        "acquire": _("Acquired %(quantity)s of %(item)s for %(subject)s."),
        "consume": _("Consumed %(quantity)s of %(item)s from %(subject)s."),
        "transfer": _("Transferred %(quantity)s of %(item)s from %(subject)s to %(other)s."),
        "hold": _("Put %(quantity)s of %(item)s on hold for %(subject)s."),
        "release": _("Released: the quantity is free again."),
        "extend": _("Extended."),
        "expire": _("It had expired: the quantity was free already."),
    }
    if receipt.kind == "commit":
        is_credited = len(receipt.balances) > 1
        sentence = _("Committed to %(other)s.") if is_credited else _("Committed: consumed.")
    else:
        sentence = sentences[receipt.kind]
    if receipt.hold is not None and receipt.kind in {"hold", "extend"}:
        until = _("Until %(time)s.") % {"time": moment(receipt.hold.expires_at)}
        return f"{sentence % names} {until}"
    if receipt.hold is not None and receipt.hold.remaining:
        rest = _("Still on hold: %(quantity)s.") % {"quantity": number(receipt.hold.remaining)}
        return f"{sentence % names} {rest}"
    return sentence % names


def standing(balance: BalanceSnapshot) -> str:
    """Return one sentence on what a balance stood at."""
    return _("%(subject)s has %(free)s of %(item)s free and %(held)s on hold.") % {
        "subject": balance.subject,
        "item": balance.item,
        "free": number(balance.quantity),
        "held": number(balance.on_hold),
    }


# What was refused -------------------------------------------------------------------------------


def refusal(error: InventoryError) -> str:
    """Return why the ledger refused, with the numbers that matter."""
    if isinstance(error, InsufficientQuantity):
        return " ".join(
            _("Only %(free)s of %(item)s are free for %(subject)s.")
            % {"free": number(short.available), "item": short.item, "subject": short.subject}
            for short in error.shortages
        )
    if isinstance(error, QuantityOverflow):
        return _("%(subject)s has room for %(room)s more of %(item)s.") % {
            "subject": error.subject,
            "item": error.item,
            "room": number(error.available),
        }
    if isinstance(error, HoldExpired):
        return _("It expired at %(time)s; its quantity is free again.") % {
            "time": moment(error.expires_at)
        }
    if isinstance(error, HoldResolved):
        return _("It is %(status)s already.") % {
            "status": STATUS_NAMES.get(error.status, error.status)
        }
    return _plain_refusal(error)


def _plain_refusal(error: InventoryError) -> str:
    if isinstance(error, IdempotencyConflict):
        return _(
            "This form was sent before with another %(fields)s, and that counted. If you want "
            "what stands here as well, send it again."
        ) % {"fields": ", ".join(str(FIELD_NAMES.get(name, name)) for name in error.fields)}
    if isinstance(error, InvalidOperation) and error.field in _RECEIVERS:
        return _("This must be another subject than the one that gives it.")
    for error_class, text in _REFUSALS.items():
        if isinstance(error, error_class):
            return str(text)
    return str(error)


FIELD_NAMES: Final = {
    "kind": gettext_lazy("kind"),
    "subject": gettext_lazy("subject"),
    "source": gettext_lazy("source"),
    "destination": gettext_lazy("destination"),
    "to": gettext_lazy("receiver"),
    "item": gettext_lazy("item"),
    "quantity": gettext_lazy("quantity"),
    "keep_remainder": gettext_lazy("rest"),
    "ttl": gettext_lazy("time"),
    "hold_id": gettext_lazy("hold"),
    "reference": gettext_lazy("reference"),
}
"""What the arguments of a call are called, for those that a form can send."""

_RECEIVERS: Final = frozenset({"destination", "to"})

# The first that fits.
_REFUSALS: Final = {
    HoldUnknown: gettext_lazy("There is no such hold."),
    LedgerBusy: gettext_lazy("The database is busy. Nothing was counted; send the form again."),
    InvalidQuantity: gettext_lazy("This is no quantity, or more than is on hold."),
    InvalidTTL: gettext_lazy("This is no time that a hold can last."),
    # All else that is wrong with a text the forms themselves refuse.
    InvalidOperation: gettext_lazy(
        "This has characters that are not allowed, such as line breaks."
    ),
}


def refused_field(error: InventoryError) -> str | None:
    """Return the argument that is at fault; None where it is the call as a whole."""
    if isinstance(error, InvalidOperation):
        return error.field
    if isinstance(error, InsufficientQuantity | QuantityOverflow):
        return "quantity"
    return None
