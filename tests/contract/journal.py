"""The journal as every engine keeps it, in one shape, and the choice of engines for a test.

Memory shows it as ``ledger.entries``, a database as the rows of ``Entry``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.ledgers import MemoryLedger
from django_inventory.models import Balance, Entry
from django_inventory.testing.contract.journal import Line, Move, line_of
from tests.contract import conftest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.engines import Engine

__all__ = [
    "Line",
    "Move",
    "journal",
    "line_of",
    "moves",
    "on_databases",
    "only_on",
    "read_balance",
]


def journal(engine: Engine) -> list[Line]:
    """Return all entries, in the order in which they were written."""
    ledger = engine.make_ledger()
    if isinstance(ledger, MemoryLedger):
        return [line_of(entry) for entry in ledger.entries]
    columns = ("balance__subject", "balance__item", *Line._fields[2:])
    rows = Entry.objects.using(engine.alias).order_by("pk").values_list(*columns)
    lines = [Line(*row) for row in rows]
    return [line._replace(key=line.key or None) for line in lines]


def moves(engine: Engine) -> list[Move]:
    """Return what the journal says of the quantities, in the order in which it was written."""
    return [Move(*(getattr(line, name) for name in Move._fields)) for line in journal(engine)]


def read_balance(engine: Engine, subject: str = "alice", item: str = "gold") -> Balance:
    """Return a balance's row as a database keeps it."""
    return Balance.objects.using(engine.alias).get(subject=subject, item=item)


def only_on(*names: str) -> pytest.MarkDecorator:
    """Run a test on these engines alone, each if it can be had."""
    return _only(lambda name: name in names)


def _only(is_wanted: Callable[[str], bool]) -> pytest.MarkDecorator:
    parameters: list[Any] = list(conftest._engine_parameters())  # noqa: SLF001 - told in one place
    wanted = [parameter for parameter in parameters if is_wanted(parameter.id)]
    return pytest.mark.parametrize("engine", wanted, indirect=True)


on_databases = _only(lambda name: name != "memory")
