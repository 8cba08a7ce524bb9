"""The shopping that the demo replays, and the totals that must come out of it.

Owns the format of ``data/shopping.csv`` and the rule which baskets are abandoned. Must not know the
ledger: these totals are what the ledger is held against.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ABANDONED_EVERY = 10


@dataclass(frozen=True)
class Line:
    """So much of one product in a basket."""

    product: str
    quantity: int


@dataclass(frozen=True)
class Basket:
    """What one household put together at one time."""

    id: str
    household: str
    filled_at: datetime
    lines: tuple[Line, ...]
    is_abandoned: bool


@dataclass
class Totals:
    """What a replay has to lead to, counted from the file alone.

    ``owned`` has a household for everyone who filled a basket, also where nothing was bought.
    """

    baskets: int = 0
    abandoned_baskets: int = 0
    lines: int = 0
    abandoned_lines: int = 0
    stock: Counter[str] = field(default_factory=Counter)
    sold: Counter[str] = field(default_factory=Counter)
    owned: dict[str, Counter[str]] = field(default_factory=dict)
    first_at: str = ""
    last_at: str = ""

    @property
    def left(self) -> Counter[str]:
        """What stays in the store, without the products that are sold out."""
        return self.stock - self.sold


def read_baskets(path: Path, limit: int | None = None) -> list[Basket]:
    """Return the first ``limit`` baskets of the file, or all, in the order of time."""
    return [
        Basket(
            id=rows[0]["basket"],
            household=rows[0]["household"],
            filled_at=datetime.fromisoformat(rows[0]["time"]),
            lines=tuple(Line(row["product"], int(row["quantity"])) for row in rows),
            is_abandoned=number % ABANDONED_EVERY == 0,
        )
        for number, rows in _numbered(path, limit)
    ]


def count_totals(path: Path, limit: int | None = None) -> Totals:
    """Return the totals of the first ``limit`` baskets of the file, or of all."""
    totals = Totals()
    for number, rows in _numbered(path, limit):
        is_abandoned = number % ABANDONED_EVERY == 0
        totals.baskets += 1
        totals.lines += len(rows)
        totals.abandoned_baskets += is_abandoned
        totals.abandoned_lines += len(rows) * is_abandoned
        totals.first_at = totals.first_at or rows[0]["time"]
        totals.last_at = rows[0]["time"]
        owned = totals.owned.setdefault(rows[0]["household"], Counter())
        for row in rows:
            totals.stock[row["product"]] += int(row["quantity"])
            if not is_abandoned:
                totals.sold[row["product"]] += int(row["quantity"])
                owned[row["product"]] += int(row["quantity"])
    return totals


def _numbered(path: Path, limit: int | None) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """Yield each basket's number, from 1, and rows; a basket's rows stand together in the file."""
    with path.open(newline="", encoding="ascii") as file:
        baskets = groupby(csv.DictReader(file), key=lambda row: row["basket"])
        for number, (_, rows) in enumerate(baskets, start=1):
            if limit is not None and number > limit:
                return
            yield number, list(rows)
