"""A filter by year, month and day that asks the database for nothing but a range.

In the place of Django's ``date_hierarchy``, which reads the whole table to learn which days have
rows, and fails on MariaDB and MySQL where their time zone tables are empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from django_inventory.admin.readonly import now_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

WRITTEN: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
# Within what every database and every time zone can express.
FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 9998


@dataclass(frozen=True, slots=True)
class Period:
    """A year, a month or a day: from ``start`` to the day before ``end``."""

    text: str
    start: date
    end: date

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Return the period that ``2026``, ``2026-03`` or ``2026-03-14`` names; None for others."""
        written = WRITTEN.fullmatch(text or "")
        if written is None:
            return None
        year, month, day = (None if part is None else int(part) for part in written.groups())
        if year is None or not FIRST_YEAR <= year <= LAST_YEAR:
            return None
        try:
            start = date(year, month or 1, day or 1)
        except ValueError:
            return None
        if month is None:
            end = date(year + 1, 1, 1)
        elif day is None:
            # The first of a month and 31 days is always in the next one.
            end = (start + timedelta(days=31)).replace(day=1)
        else:
            end = start + timedelta(days=1)
        return cls(written.group(), start, end)

    @classmethod
    def years(cls, first: date, last: date) -> Iterator[Self]:
        """Yield the years in which the days from ``first`` to ``last`` are, latest first."""
        for year in range(last.year, first.year - 1, -1):
            if period := cls.read(f"{year:04}"):
                yield period

    @property
    def ways_up(self) -> list[Period]:
        """What it is a part of, and itself: the year, the month, the day."""
        parts = self.text.split("-")
        texts = ["-".join(parts[: depth + 1]) for depth in range(len(parts))]
        return [period for period in map(Period.read, texts) if period]

    def parts(self, first: date, last: date) -> Iterator[Period]:
        """Yield its months or days that have a day from ``first`` to ``last``, latest first."""
        numbers = {4: range(12, 0, -1), 7: range(31, 0, -1)}.get(len(self.text), ())
        for number in numbers:
            part = Period.read(f"{self.text}-{number:02}")
            if part and part.end > first and part.start <= last:
                yield part

    @property
    def label(self) -> str:
        """The period, indented by its depth, as the reader's language writes it."""
        depth = self.text.count("-")
        style = ("Y", "YEAR_MONTH_FORMAT", "DATE_FORMAT")[depth]
        return "\N{NO-BREAK SPACE}" * 3 * depth + date_format(self.start, style)


class PeriodFilter(admin.SimpleListFilter):
    """Rows made in one year, month or day of the current time zone."""

    title = _("time")
    parameter_name = "created"
    _first = _last = date.max

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, str | _StrPromise]]:
        """Learn from the oldest row how far back there can be any."""
        rows = model_admin.get_queryset(request).order_by("created_at")
        first_at = rows.values_list("created_at", flat=True).first()
        self._last = timezone.localdate(now_of(request))
        self._first = self._last if first_at is None else timezone.localdate(first_at)
        # What is offered depends on what is chosen, see choices(); one makes the filter show.
        return [("", _("Any time"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the way back up, the chosen period, and what that consists of."""
        chosen = Period.read(self.value())
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": _("Any time"),
        }
        offered = [*chosen.ways_up, *chosen.parts(self._first, self._last)] if chosen else []
        for period in offered or Period.years(self._first, self._last):
            yield {
                "selected": period == chosen,
                "query_string": changelist.get_query_string({self.parameter_name: period.text}),
                "display": period.label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows made within the period; none for what is no period."""
        if self.value() is None:
            return queryset
        period = Period.read(self.value())
        if period is None:
            return queryset.none()
        return queryset.filter(
            created_at__gte=_midnight(period.start), created_at__lt=_midnight(period.end)
        )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())
