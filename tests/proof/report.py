"""The figures of a run, told at its end, so that they can be quoted."""

from __future__ import annotations

from collections import Counter
from typing import Final


class Report:
    """Adds up figures by what they are about."""

    def __init__(self) -> None:
        self._figures: dict[str, Counter[str]] = {}

    @staticmethod
    def name(alias: str, ledger: str) -> str:
        """Return how a ledger on a database is called here."""
        return f"{alias}, {ledger.rpartition('.')[2]}"

    def add(self, what: str, **figures: int) -> None:
        """Add figures, by their names, to what there is."""
        self._figures.setdefault(what, Counter()).update(figures)

    def lines(self) -> list[str]:
        """Return a line for each thing that there are figures about."""
        return [
            f"{what}: {', '.join(f'{number:,} {name}' for name, number in figures.items())}"
            for what, figures in sorted(self._figures.items())
        ]


REPORT: Final = Report()
