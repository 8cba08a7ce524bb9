"""The figures as one SVG of horizontal bars, for the documentation."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from benchmarks.contestants import (
    DATABASE,
    FLOOR,
    FLOOR_IN_DJANGO,
    POSTGRES,
    POSTGRES_PREPARED,
    TEXTBOOK,
)
from benchmarks.measuring import Figures, Series

WIDTH: Final = 890
LABEL_WIDTH: Final = 230
VALUE_WIDTH: Final = 180
BAR: Final = 16
GAP: Final = 5
TITLE: Final = 34

GROUPS: Final = {
    "acquire, 1,000 balances, 8 clients": ("single acquire", 8),
    "consume, 1,000 balances, 8 clients": ("single consume", 8),
    "transfer, 1,000 balances, 8 clients": ("single transfer", 8),
    "hold and commit, 1,000 balances, 8 clients": ("single hold+commit", 8),
    "acquire, one hot balance, 8 clients": ("hot balance", 8),
    "acquire, one hot balance, 32 clients": ("hot balance", 32),
    "consume, beside packages on PyPI, 8 clients": ("peers, consume", 8),
    "transfer, beside packages on PyPI, 8 clients": ("peers, transfer", 8),
    "hold and commit, beside packages on PyPI, 8 clients": ("peers, hold+commit", 8),
}
COLOURS: Final = {
    POSTGRES: "#1f5fa8",
    POSTGRES_PREPARED: "#4f8fd8",
    DATABASE: "#2f8f5b",
    FLOOR: "#8a8a8a",
    FLOOR_IN_DJANGO: "#8a8a8a",
    TEXTBOOK: "#b8860b",
}
OTHER_COLOUR: Final = "#b0506a"


def draw(figures: Figures, facts: dict[str, str]) -> str:
    """Return the chart: operations a second, a group of bars for each scenario."""
    parts: list[str] = []
    y = 30
    for title, (scenario, clients) in GROUPS.items():
        group = [
            series
            for (name, _, count), series in figures.series.items()
            if name == scenario and count == clients
        ]
        if not group:
            continue
        parts.append(_text(16, y + 18, title, weight="bold"))
        y += TITLE - 8
        most = max(series.value for series in group)
        for series in sorted(group, key=lambda series: -series.value):
            parts.extend(_bar(series, y, most, figures.get(scenario, TEXTBOOK, clients)))
            y += BAR + GAP
        y += 8
    footer = (
        "Durable (fsync on), clients and server on one machine: "
        f"{facts['CPU']}, {facts['cores']} cores, PostgreSQL {facts['PostgreSQL']}, "
        f"Python {facts['Python']}, Django {facts['Django']}"
    )
    parts.append(_text(16, y + 16, footer, size=11))
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 30}" '
                f'width="{WIDTH}" height="{y + 30}" font-family="sans-serif" role="img" '
                'aria-label="Operations a second">'
            ),
            f'<rect width="{WIDTH}" height="{y + 30}" fill="#ffffff"/>',
            _text(16, 22, "Operations a second", size=16, weight="bold"),
            *parts,
            "</svg>\n",
        ]
    )


def _bar(series: Series, y: int, most: float, textbook: Series | None) -> list[str]:
    length = max(1.0, (WIDTH - LABEL_WIDTH - VALUE_WIDTH) * series.value / most)
    colour = COLOURS.get(series.contestant, OTHER_COLOUR)
    value = f"{series.value:,.0f}"
    if textbook is not None and textbook is not series:
        value += f"  ({series.ratio_to(textbook):.1f}x textbook)"
    return [
        _text(LABEL_WIDTH - 8, y + 13, series.contestant, anchor="end"),
        f'<rect x="{LABEL_WIDTH}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
        _text(LABEL_WIDTH + length + 6, y + 13, value),
    ]


def _text(
    x: float, y: float, text: str, *, size: int = 13, weight: str = "normal", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="#202020">{escape(text)}</text>'
    )
