"""Before anything is timed: whether all do the same work.

Each contestant does each verb once. What that leaves in the tables has to be the same for all: so
many rows for keys, journal and holds, so many balances changed, so much more or less of the item.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Sum

from benchmarks import contestants, floor
from benchmarks.contestants import FLOOR, TEXTBOOK
from benchmarks.plan import Bench
from benchmarks.settings import DEFAULT

BALANCES: Final = 2
Effects = dict[str, int]
EXPECTED: Final[dict[str, Effects]] = {
    "acquire": {"keys": 1, "entries": 1, "holds": 0, "balances": 1, "quantity": 1},
    "consume": {"keys": 1, "entries": 1, "holds": 0, "balances": 1, "quantity": -1},
    "transfer": {"keys": 1, "entries": 2, "holds": 0, "balances": 2, "quantity": 0},
    "hold+commit": {"keys": 1, "entries": 2, "holds": 1, "balances": 1, "quantity": -1},
}


def check(bench: Bench) -> None:
    """Let each contestant do each verb once.

    Raises:
        RuntimeError: one has left something else in the tables than the verb should.
    """
    for verb, expected in EXPECTED.items():
        steps = {
            name: make_step(0) for name, make_step in contestants.make_steps(verb, BALANCES).items()
        }
        for name, step in steps.items():
            before = _state(name)
            step()
            compare(name, verb, expected, before, _state(name))
        if bench.pgbench is not None:
            before = _state(FLOOR)
            conninfo = bench.server.conninfo(DEFAULT)
            floor.call_once(bench.pgbench, conninfo, verb, balances=BALANCES)
            compare(FLOOR, verb, expected, before, _state(FLOOR))


def compare(
    name: str, verb: str, expected: Effects, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Hold what a verb did against what it should have done.

    Raises:
        RuntimeError: it did something else.
    """
    changed = [key for key, value in after["stocks"].items() if before["stocks"][key] != value]
    effects = {
        "balances": len(changed),
        **{field: after[field] - before[field] for field in expected if field != "balances"},
    }
    if effects != expected:
        msg = f"{name}, {verb}: expected {expected}, found {effects}."
        raise RuntimeError(msg)


def _state(name: str) -> dict[str, Any]:
    """Return how many rows there are, how much of the item, and when which balance changed."""
    from benchmarks.textbook import models as textbook
    from django_inventory import models as ours

    tables: tuple[Any, Any, Any, Any] = (
        (textbook.RequestKey, textbook.Movement, textbook.Reservation, textbook.Stock)
        if name == TEXTBOOK
        else (ours.IdempotencyRecord, ours.Entry, ours.Hold, ours.Balance)
    )
    keys, entries, holds, stocks = (table.objects for table in tables)
    return {
        "keys": keys.count(),
        "entries": entries.count(),
        "holds": holds.count(),
        "quantity": sum(stocks.aggregate(Sum("quantity"), Sum("on_hold")).values()),
        "stocks": dict(stocks.values_list("pk", "updated_at")),
    }
