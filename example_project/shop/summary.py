"""What the demo prints at its end. Must not compute: everything is known by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shop.replay import SENT_AGAIN_AFTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shop.comparison import Comparison
    from shop.replay import Replay
    from shop.shopping import Totals

SHOWN_DIFFERENCES = 20


def summarise(totals: Totals, replay: Replay, comparison: Comparison, database: str) -> str:
    """Return the summary of a replay on the database of that name."""
    return "\n".join(
        [
            *_story(totals, replay),
            "",
            *_table(comparison),
            "",
            _speed(replay, database),
        ]
    )


def name_differences(differences: list[str]) -> str:
    """Return the first of the differences, a line each, and how many more there are."""
    lines = differences[:SHOWN_DIFFERENCES]
    if len(differences) > len(lines):
        lines.append(f"... and {len(differences) - len(lines):,} more")
    return "\n".join([f"{len(differences):,} differences:", *lines])


def _story(totals: Totals, replay: Replay) -> Iterator[str]:
    yield (
        f"{replay.run.name}: {totals.first_at} to {totals.last_at}, {totals.baskets:,} baskets of"
        f" {len(totals.owned):,} households, {totals.lines:,} lines, {len(totals.stock):,} products"
    )
    yield (
        f"Sent twice: each basket, {SENT_AGAIN_AFTER.seconds} s later again;"
        f" {replay.operations_sent_again:,} operations were replayed and counted once"
    )
    yield (
        f"Abandoned: {totals.abandoned_baskets:,} baskets, {totals.abandoned_lines:,} holds; all of"
        f" it was free again before the sweep, which recorded the last {replay.swept:,}"
    )
    if replay.refusal is not None:
        yield f"Oversell: refused. {replay.refusal}"


def _speed(replay: Replay, database: str) -> str:
    return (
        f"{replay.operations:,} operations in {replay.seconds:.1f} s on {database}:"
        f" {replay.operations / replay.seconds:,.0f} a second"
    )


def _table(comparison: Comparison) -> Iterator[str]:
    yield f"{'':28}{'file':>12}{'ledger':>12}"
    for figure in comparison.figures:
        mark = "" if figure.expected == figure.found else "  differs"
        yield f"{figure.name:28}{figure.expected:>12,}{figure.found:>12,}{mark}"
    yield (
        f"Compared one by one: {comparison.compared:,} numbers,"
        f" {len(comparison.differences):,} differences"
    )
