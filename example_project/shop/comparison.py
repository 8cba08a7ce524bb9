"""What the ledger says of a run, held against what the shopping file says.

Owns the comparison, which is complete: every product in the store and every product of every
household, as balances and as sums of the journal, and nothing there beside them. It reads the
ledger afresh; of the replay it takes only what cannot be read later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db.models import Count, Sum

from django_inventory.models import Balance, Entry, Hold
from shop.replay import item

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django_inventory.ledgers import Ledger
    from django_inventory.querysets import EntryQuerySet
    from django_inventory.values import BalanceSnapshot
    from shop.replay import Run
    from shop.shopping import Totals

Place = tuple[str, str]
"""A subject and an item."""


@dataclass(frozen=True)
class Figure:
    """One number, as the file has it and as the ledger has it."""

    name: str
    expected: int
    found: int


@dataclass
class Comparison:
    """Figures to show, how many numbers were compared, and every difference in words."""

    figures: list[Figure] = field(default_factory=list)
    compared: int = 0
    differences: list[str] = field(default_factory=list)

    def add_figure(self, name: str, expected: int, found: int) -> None:
        self.figures.append(Figure(name, expected, found))
        self._compare(name, expected, found)

    def add_places(
        self, name: str, expected: Mapping[Place, int], found: Mapping[Place, int]
    ) -> None:
        """Compare place by place; one that is absent on either side counts as zero there."""
        for place in sorted(expected.keys() | found.keys()):
            self._compare(
                f"{name} of {' '.join(place)}", expected.get(place, 0), found.get(place, 0)
            )

    def _compare(self, name: str, expected: int, found: int) -> None:
        self.compared += 1
        if expected != found:
            self.differences.append(f"{name}: {expected:,} expected, {found:,} found")


def compare(
    run: Run, totals: Totals, ledger: Ledger, left_before_sweep: Iterable[BalanceSnapshot]
) -> Comparison:
    """Return how what ``ledger`` has of ``run`` differs from ``totals``.

    Args:
        left_before_sweep: the store's balances once all holds were over, but not yet swept.
    """
    left = {(run.store, item(product)): number for product, number in totals.left.items()}
    owned = {
        (run.household(household), item(product)): number
        for household, products in totals.owned.items()
        for product, number in products.items()
    }
    balances = _balances(run, ledger)
    free = {place: balance.quantity for place, balance in balances.items()}
    entries = _entries(run)

    comparison = Comparison()
    comparison.add_places("free quantity", left | owned, free)
    comparison.add_places("on hold", {}, {p: balance.on_hold for p, balance in balances.items()})
    comparison.add_places("sum of the journal", left | owned, _sums(entries, "quantity_delta"))
    comparison.add_places("sum of the journal's holds", {}, _sums(entries, "on_hold_delta"))
    unswept = {(balance.subject, balance.item): balance for balance in left_before_sweep}
    comparison.add_places(
        "free before the sweep", left, {p: balance.quantity for p, balance in unswept.items()}
    )
    comparison.add_places(
        "on hold before the sweep", {}, {p: balance.on_hold for p, balance in unswept.items()}
    )
    _add_figures(comparison, run, totals, free)
    return comparison


def _balances(run: Run, ledger: Ledger) -> dict[Place, BalanceSnapshot]:
    """Read the balances of every subject of the run, be it in the file or not."""
    rows = Balance.objects.filter(subject__startswith=run.prefix).order_by()
    subjects = rows.values_list("subject", flat=True).distinct()
    return {
        (balance.subject, balance.item): balance
        for subject in subjects
        for balance in ledger.balances(subject)
    }


def _entries(run: Run) -> EntryQuerySet:
    return Entry.objects.filter(balance__subject__startswith=run.prefix).order_by()


def _sums(entries: EntryQuerySet, delta: str) -> dict[Place, int]:
    """Add up one column of the journal, place by place."""
    rows = entries.values_list("balance__subject", "balance__item").annotate(Sum(delta))
    return {(subject, name): total for subject, name, total in rows}


def _add_figures(
    comparison: Comparison, run: Run, totals: Totals, free: Mapping[Place, int]
) -> None:
    entries = _entries(run)
    acquired = entries.filter(kind="acquire").aggregate(total=Sum("quantity_delta"))["total"]
    in_store = [number for (subject, _), number in free.items() if subject == run.store]
    owners = {subject for subject, _ in free} - {run.store}
    bought_lines = totals.lines - totals.abandoned_lines

    comparison.add_figure("quantity acquired", totals.stock.total(), acquired or 0)
    comparison.add_figure("quantity sold", totals.sold.total(), sum(free.values()) - sum(in_store))
    comparison.add_figure("quantity left", totals.left.total(), sum(in_store))
    comparison.add_figure("products not sold out", len(totals.left), len(in_store))
    comparison.add_figure("households that own", sum(map(bool, totals.owned.values())), len(owners))

    kinds = dict(entries.values_list("kind").annotate(Count("pk")))
    comparison.add_figure("entries: acquire", len(totals.stock), kinds.pop("acquire", 0))
    comparison.add_figure("entries: hold", totals.lines, kinds.pop("hold", 0))
    comparison.add_figure("entries: commit (two each)", 2 * bought_lines, kinds.pop("commit", 0))
    comparison.add_figure("entries: expire", totals.abandoned_lines, kinds.pop("expire", 0))
    comparison.add_figure("entries: any other", 0, sum(kinds.values()))

    holds = Hold.objects.filter(balance__subject__startswith=run.prefix).order_by()
    statuses = dict(holds.values_list("status").annotate(Count("pk")))
    comparison.add_figure("holds: committed", bought_lines, statuses.pop("committed", 0))
    comparison.add_figure("holds: expired", totals.abandoned_lines, statuses.pop("expired", 0))
    comparison.add_figure("holds: any other", 0, sum(statuses.values()))
