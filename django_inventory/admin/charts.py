"""Pictures of numbers as SVG: where every line goes, computed here and drawn by a template.

Owns the geometry. Coordinates are text, since a template would write them as the reader's language
writes numbers. Colours come from the style sheet, so that they follow the admin's dark mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from django.utils.formats import date_format
from django.utils.timezone import localtime

from django_inventory.admin.wording import number

WIDTH: Final = 760
HEIGHT: Final = 220
TOP: Final = 12
BOTTOM: Final = 28
RIGHT: Final = 14
DIGIT_WIDTH: Final = 7
TICKS: Final = 4
TIME_TICKS: Final = 5


@dataclass(frozen=True, slots=True)
class Point:
    """What a balance stood at from an instant on."""

    at: datetime
    quantity: int
    on_hold: int

    @property
    def total(self) -> int:
        """All that is owned."""
        return self.quantity + self.on_hold


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid, or a mark below it, with what it stands for."""

    place: str
    label: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of a picture that has the axes around it."""

    left: int
    top: int = TOP
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM
    width: int = WIDTH
    height: int = HEIGHT

    def as_text(self) -> dict[str, str]:
        """Return the numbers for the template."""
        names = ("left", "top", "right", "bottom", "width", "height")
        return {name: str(getattr(self, name)) for name in names} | {
            "tick_right": str(self.left - 6),
            "label_y": str(self.bottom + 18),
        }


@dataclass(frozen=True, slots=True)
class StepChart:
    """Free quantity, and on top of it what is on hold, as areas with steps."""

    frame: dict[str, str]
    free: str
    held: str
    edge: str
    values: list[Tick]
    times: list[Tick]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, with the text that says what it stands for."""

    x: str
    y: str
    width: str
    height: str
    text: str


@dataclass(frozen=True, slots=True)
class BarChart:
    """Numbers side by side."""

    frame: dict[str, str]
    bars: list[Bar]
    values: list[Tick]
    labels: list[Tick]


def step_chart(points: Sequence[Point], end: datetime) -> StepChart:
    """Draw how a balance went, from its first point until ``end``.

    Args:
        points: at least one, in the order of their times.
    """
    steps = [*points, Point(end, points[-1].quantity, points[-1].on_hold)]
    top = _top(max(point.total for point in steps))
    frame = Frame(left=_left(top))
    start = steps[0].at
    seconds = max((end - start).total_seconds(), 1.0)

    def x(at: datetime) -> float:
        share = min(max((at - start).total_seconds() / seconds, 0.0), 1.0)
        return frame.left + share * (frame.right - frame.left)

    def y(value: int) -> float:
        return frame.bottom - value / top * (frame.bottom - frame.top)

    def line(values: Iterable[int]) -> list[str]:
        places = [(x(step.at), y(value)) for step, value in zip(steps, values, strict=True)]
        corners = [places[0]]
        for (_, y1), (x2, y2) in pairwise(places):
            corners += [(x2, y1), (x2, y2)]
        return [f"{px:.1f},{py:.1f}" for px, py in corners]

    free = line(step.quantity for step in steps)
    total = line(step.total for step in steps)
    floor = [f"{frame.right},{frame.bottom}", f"{frame.left},{frame.bottom}"]
    return StepChart(
        frame=frame.as_text(),
        free="M" + " L".join([*free, *floor]) + "Z",
        held="M" + " L".join([*total, *reversed(free)]) + "Z",
        edge="M" + " L".join(total),
        values=_value_ticks(top, frame),
        times=_time_ticks(start, end, frame),
    )


def bar_chart(bars: Sequence[tuple[str, int, str]], *, label_each: int) -> BarChart:
    """Draw numbers side by side.

    Args:
        bars: for each the label, the number, and the text that tells it in full.
        label_each: every how manyeth bar gets its label.
    """
    top = _top(max((value for _, value, _ in bars), default=0))
    frame = Frame(left=_left(top))
    step = (frame.right - frame.left) / max(len(bars), 1)
    drawn = []
    labels = []
    for position, (label, value, text) in enumerate(bars):
        height = value / top * (frame.bottom - frame.top)
        x = frame.left + position * step
        drawn.append(
            Bar(
                f"{x + 1:.1f}",
                f"{frame.bottom - height:.1f}",
                f"{step - 2:.1f}",
                f"{height:.1f}",
                text,
            )
        )
        if position % label_each == 0:
            labels.append(Tick(f"{x + step / 2:.1f}", label))
    return BarChart(frame.as_text(), drawn, _value_ticks(top, frame), labels)


def _top(highest: int) -> int:
    """Return the least height that divides into ticks of 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for leading in (1, 2, 5):
            if leading * power * TICKS >= highest:
                return leading * power * TICKS
        power *= 10


def _left(top: int) -> int:
    return 16 + DIGIT_WIDTH * len(number(top))


def _value_ticks(top: int, frame: Frame) -> list[Tick]:
    height = frame.bottom - frame.top
    return [
        Tick(f"{frame.bottom - position / TICKS * height:.1f}", number(top // TICKS * position))
        for position in range(TICKS + 1)
    ]


def _time_ticks(start: datetime, end: datetime, frame: Frame) -> list[Tick]:
    span = end - start
    if span < timedelta(minutes=10):
        style = "H:i:s"
    elif span < timedelta(days=2):
        style = "D H:i"
    else:
        style = "j M H:i" if span < timedelta(days=10) else "Y-m-d"
    ticks = []
    for position in range(TIME_TICKS):
        share = position / (TIME_TICKS - 1)
        anchor = "start" if position == 0 else "end" if position == TIME_TICKS - 1 else "middle"
        place = f"{frame.left + share * (frame.right - frame.left):.1f}"
        ticks.append(Tick(place, date_format(localtime(start + span * share), style), anchor))
    return ticks
