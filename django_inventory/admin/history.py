"""How a balance came to be what it is: its last steps, and what changed since an instant.

Reads the journal's end, never more than a bounded part of it. An expiry that nobody has recorded
yet is told as if it had been, since its quantity is free already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Max, Sum

from django_inventory.admin.charts import Point
from django_inventory.admin.readonly import all_entries, all_holds
from django_inventory.models import Balance

SHOWN_STEPS: Final = 200
MOST_CHANGES: Final = 1_000
MOST_OVERDUE: Final = 200
LEAST_SPAN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a balance, as a row of the journal tells it or as an expiry will.

    More than one operation are taken together where there are too many to be told one by one.
    """

    kind: str
    at: datetime
    quantity_delta: int
    on_hold_delta: int
    quantity: int
    on_hold: int
    operations: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """What all operations of one kind did together; credits and debits are told apart."""

    kind: str
    is_credit: bool
    operations: int
    quantity_delta: int
    on_hold_delta: int


@dataclass(frozen=True, slots=True)
class Changes:
    """Why what is free now differs from what was free at ``since``.

    ``is_cut`` means that the journal was not read back to where it was asked for.
    """

    since: datetime
    quantity_then: int
    held_then: int
    quantity_now: int
    held_now: int
    changes: list[Change]
    is_cut: bool

    @property
    def difference(self) -> int:
        """How much more is free now; below zero for less."""
        return self.quantity_now - self.quantity_then


def last_steps(balance: Balance, now: datetime, limit: int) -> list[Step]:
    """Return the last changes of a balance in the order of time, expiries not recorded included."""
    rows = all_entries().filter(balance=balance).order_by("-sequence")[:limit]
    columns = (
        "kind",
        "effective_at",
        "quantity_delta",
        "on_hold_delta",
        "quantity_after",
        "on_hold_after",
    )
    steps = [Step(*row) for row in rows.values_list(*columns)][::-1]
    if balance.next_expiry_at is not None and balance.next_expiry_at <= now:
        steps += _unrecorded_expiries(balance, now)
    return steps


def _unrecorded_expiries(balance: Balance, now: datetime) -> list[Step]:
    """Return the expiries that nobody has recorded; those beyond a bound as one."""
    overdue = all_holds().filter(balance=balance).overdue_at(now).order_by("expires_at", "pk")
    expiries = [
        (at, remaining, 1)
        for at, remaining in overdue.values_list("expires_at", "remaining")[:MOST_OVERDUE]
    ]
    if len(expiries) == MOST_OVERDUE:
        rest = overdue[MOST_OVERDUE:].aggregate(
            last_at=Max("expires_at"), remaining=Sum("remaining"), holds=Count("pk")
        )
        if rest["holds"]:
            expiries.append((rest["last_at"], rest["remaining"], rest["holds"]))
    steps = []
    quantity, on_hold = balance.quantity, balance.on_hold
    for at, remaining, operations in expiries:
        quantity, on_hold = quantity + remaining, on_hold - remaining
        steps.append(Step("expire", at, remaining, -remaining, quantity, on_hold, operations))
    return steps


def points_of(steps: Sequence[Step]) -> list[Point]:
    """Return what the picture shows: where the balance stood before the steps and after each.

    Never back in time, though the clocks of two machines may differ.
    """
    if not steps:
        return []
    first = steps[0]
    points = [
        Point(first.at, first.quantity - first.quantity_delta, first.on_hold - first.on_hold_delta)
    ]
    for step in steps:
        points.append(Point(max(step.at, points[-1].at), step.quantity, step.on_hold))
    return points


def end_of_picture(points: Sequence[Point], now: datetime) -> datetime:
    """Return where the picture ends: now, or soon after the last change if that is long ago."""
    last_at = points[-1].at
    span = max(last_at - points[0].at, LEAST_SPAN)
    return min(now, last_at + span) if now > last_at else last_at


def changes_since(balance: Balance, since: datetime, now: datetime) -> Changes:
    """Sum up what happened to a balance from ``since`` to ``now``."""
    steps = last_steps(balance, now, MOST_CHANGES)
    is_cut = len(steps) >= MOST_CHANGES and steps[0].at > since
    recent = [step for step in steps if step.at > since]
    sums: dict[tuple[str, bool], list[int]] = {}
    for step in recent:
        total = sums.setdefault((step.kind, step.quantity_delta > 0), [0, 0, 0])
        total[0] += step.operations
        total[1] += step.quantity_delta
        total[2] += step.on_hold_delta
    last = steps[-1] if steps else None
    quantity_now = last.quantity if last else balance.quantity
    held_now = last.on_hold if last else balance.on_hold
    return Changes(
        since=recent[0].at if is_cut else since,
        quantity_then=quantity_now - sum(step.quantity_delta for step in recent),
        held_then=held_now - sum(step.on_hold_delta for step in recent),
        quantity_now=quantity_now,
        held_now=held_now,
        changes=[Change(kind, is_credit, *numbers) for (kind, is_credit), numbers in sums.items()],
        is_cut=is_cut,
    )
