"""What the ledger says of a run, held against what the shopping file says.

Owns the comparison, which is complete: every product in the store and every product of every
household, as balances and as sums of the journal, and nothing there beside them. What the ledger
says is read afresh, by ``findings``; of the replay it takes only what cannot be read later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shop.replay import item

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django_inventory.values import BalanceSnapshot
    from shop.findings import Findings, Place
    from shop.replay import Run
    from shop.shopping import Totals


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
    run: Run, totals: Totals, findings: Findings, left_before_sweep: Iterable[BalanceSnapshot]
) -> Comparison:
    """Return how what was found of ``run`` differs from ``totals``.

    Args:
        left_before_sweep: the store's balances once all holds were over, but not yet swept.
    """
    left = {(run.store, item(product)): number for product, number in totals.left.items()}
    owned = {
        (run.household(household), item(product)): number
        for household, products in totals.owned.items()
        for product, number in products.items()
    }
    free = {place: balance.quantity for place, balance in findings.balances.items()}
    on_hold = {place: balance.on_hold for place, balance in findings.balances.items()}

    comparison = Comparison()
    comparison.add_places("free quantity", left | owned, free)
    comparison.add_places("on hold", {}, on_hold)
    comparison.add_places("sum of the journal", left | owned, findings.quantity_sums)
    comparison.add_places("sum of the journal's holds", {}, findings.on_hold_sums)
    unswept = {(balance.subject, balance.item): balance for balance in left_before_sweep}
    comparison.add_places(
        "free before the sweep", left, {p: balance.quantity for p, balance in unswept.items()}
    )
    comparison.add_places(
        "on hold before the sweep", {}, {p: balance.on_hold for p, balance in unswept.items()}
    )
    _add_figures(comparison, run, totals, findings, free)
    return comparison


def _add_figures(
    comparison: Comparison,
    run: Run,
    totals: Totals,
    findings: Findings,
    free: Mapping[Place, int],
) -> None:
    in_store = [number for (subject, _), number in free.items() if subject == run.store]
    owners = {subject for subject, _ in free} - {run.store}
    bought_lines = totals.lines - totals.abandoned_lines

    comparison.add_figure("quantity acquired", totals.stock.total(), findings.acquired)
    comparison.add_figure("quantity sold", totals.sold.total(), sum(free.values()) - sum(in_store))
    comparison.add_figure("quantity left", totals.left.total(), sum(in_store))
    comparison.add_figure("products not sold out", len(totals.left), len(in_store))
    comparison.add_figure("households that own", sum(map(bool, totals.owned.values())), len(owners))

    kinds = dict(findings.entries_by_kind)
    comparison.add_figure("entries: acquire", len(totals.stock), kinds.pop("acquire", 0))
    comparison.add_figure("entries: hold", totals.lines, kinds.pop("hold", 0))
    comparison.add_figure("entries: commit (two each)", 2 * bought_lines, kinds.pop("commit", 0))
    comparison.add_figure("entries: expire", totals.abandoned_lines, kinds.pop("expire", 0))
    comparison.add_figure("entries: any other", 0, sum(kinds.values()))

    statuses = dict(findings.holds_by_status)
    comparison.add_figure("holds: committed", bought_lines, statuses.pop("committed", 0))
    comparison.add_figure("holds: expired", totals.abandoned_lines, statuses.pop("expired", 0))
    comparison.add_figure("holds: any other", 0, sum(statuses.values()))
