"""The page of a balance: what stands now, how it came to be so, and what will change by itself.

Owns what the page tells. What a user may not see elsewhere is left out here too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_inventory.admin import wording
from django_inventory.admin.charts import step_chart
from django_inventory.admin.history import (
    SHOWN_STEPS,
    Changes,
    changes_since,
    end_of_picture,
    last_steps,
    points_of,
)
from django_inventory.admin.journal import journal_rows
from django_inventory.admin.readonly import (
    all_entries,
    all_holds,
    count_up_to,
    now_of,
    page_url,
)

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite

SHOWN_ENTRIES: Final = 25
SHOWN_HOLDS: Final = 50
MOST_OVERDUE: Final = 1_001
WINDOWS_IN_DAYS: Final = (1, 7, 30)


def balance_page(request: HttpRequest, site: AdminSite, balance: Any) -> dict[str, Any]:
    """Return what the template tells of a balance that has been read as of now."""
    names = {"subject": balance.subject, "item": balance.item}
    context = {
        "title": _("%(item)s of %(subject)s") % names,
        "subtitle": None,
        "balance": balance,
        "figures": _figures(balance),
        "subject_url": page_url(site, "balance_changelist", subject=balance.subject),
        "item_url": page_url(site, "balance_changelist", item=balance.item),
    }
    if request.user.has_perm("django_inventory.view_entry"):
        context |= _changes(request, site, balance) | _picture(request, balance)
        context |= _last_entries(site, balance)
    if request.user.has_perm("django_inventory.view_hold"):
        context |= _active_holds(request, site, balance)
    return context


def _figures(balance: Any) -> list[tuple[Any, str]]:
    expiry = balance.upcoming_expiry
    left = wording.NOTHING if expiry is None else wording.time_left(expiry, balance.as_of)
    return [
        (_("Free"), wording.number(balance.free_quantity)),
        (_("On hold"), wording.number(balance.held_quantity)),
        (_("Total"), wording.number(balance.quantity + balance.on_hold)),
        (_("Next expiry in"), left),
    ]


def _last_entries(site: AdminSite, balance: Any) -> dict[str, Any]:
    entries = all_entries().filter(balance=balance).select_related("balance", "hold")
    return {
        "may_see_entries": True,
        "entries": journal_rows(site, entries.order_by("-sequence")[:SHOWN_ENTRIES]),
        "entries_url": page_url(
            site, "entry_changelist", subject=balance.subject, item=balance.item
        ),
    }


def _active_holds(request: HttpRequest, site: AdminSite, balance: Any) -> dict[str, Any]:
    now = now_of(request)
    holds = all_holds().filter(balance=balance).active_at(now).order_by("expires_at")
    names = {"subject": balance.subject, "item": balance.item}
    return {
        "may_see_holds": True,
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
        "overdue": _overdue(balance, now),
        "overdue_url": page_url(site, "hold_changelist", **names, state="overdue"),
    }


def _overdue(balance: Any, now: datetime) -> str:
    """Return a sentence on the holds whose expiry is not in the entries yet, if there are any."""
    if balance.next_expiry_at is None or balance.next_expiry_at > now:
        return ""
    counted = count_up_to(all_holds().filter(balance=balance).overdue_at(now), MOST_OVERDUE)
    return ngettext(
        "%(count)s hold has expired, and what it reserved is free again. The next movement or "
        "sweep records that.",
        "%(count)s holds have expired, and what they reserved is free again. The next movement or "
        "sweep records that.",
        counted,
    ) % {"count": wording.count(counted, MOST_OVERDUE)}


# Over time --------------------------------------------------------------------------------------


def _picture(request: HttpRequest, balance: Any) -> dict[str, Any]:
    now = now_of(request)
    steps = last_steps(balance, now, SHOWN_STEPS)
    points = points_of(steps)
    return {
        "chart": step_chart(points, end_of_picture(points, now)) if points else None,
        "chart_rows": [
            (wording.moment(p.at), wording.number(p.quantity), wording.number(p.on_hold))
            for p in points
        ],
        "chart_is_cut": len(steps) >= SHOWN_STEPS,
    }


# What changed -----------------------------------------------------------------------------------


def _changes(request: HttpRequest, site: AdminSite, balance: Any) -> dict[str, Any]:
    days = _window(request)
    now = now_of(request)
    changes = changes_since(balance, now - timedelta(days=days), now)
    names = {"subject": balance.subject, "item": balance.item}

    def url(kind: str) -> str:
        if kind == "expire" and request.user.has_perm("django_inventory.view_hold"):
            # Not the entries, where those that are not recorded yet are missing.
            return page_url(site, "hold_changelist", **names, state="expired")
        return page_url(site, "entry_changelist", **names, kind=kind)

    return {
        "change_sentence": _sentence(changes, days),
        "change_rows": _change_rows(changes, url),
        "change_start": (
            wording.moment(changes.since),
            *_standing(changes.quantity_then, changes.held_then),
        ),
        "change_end": (wording.moment(now), *_standing(changes.quantity_now, changes.held_now)),
        "windows": [(each, _days(each), each == days) for each in WINDOWS_IN_DAYS],
    }


def _window(request: HttpRequest) -> int:
    """Return over how many days the user wants to see the changes."""
    days = request.GET.get("days", "")
    return int(days) if days in map(str, WINDOWS_IN_DAYS) else WINDOWS_IN_DAYS[0]


def _days(days: int) -> str:
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": days}


def _standing(free: int, held: int) -> tuple[str, str, str]:
    return wording.number(free), wording.number(held), wording.number(free + held)


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


def _change_rows(changes: Changes, url: Callable[[str], str]) -> list[dict[str, Any]]:
    return [
        {
            "explanation": EXPLANATIONS[change.kind, change.is_credit],
            "url": url(change.kind),
            "operations": wording.number(change.operations),
            "quantity": wording.change(change.quantity_delta),
            "on_hold": wording.change(change.on_hold_delta),
            "total": wording.change(change.quantity_delta + change.on_hold_delta),
        }
        for change in sorted(changes.changes, key=lambda change: change.quantity_delta)
    ]
