"""The four engines that one contract suite runs against.

Owns how ledgers are made, and what lies behind their public calls: the content of the tables, the
number of statements, and how everything is emptied between two tests.
"""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db import connections, transaction

from django_inventory.ledgers import DatabaseLedger, MemoryLedger
from django_inventory.models import Balance, Entry, Hold, IdempotencyRecord
from django_inventory.testing.clocks import MovableClock
from django_inventory.testing.contract.base import STARTS_AT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db import models

    from django_inventory.ledgers import Ledger

    Content = dict[str, list[Any]]

TABLES: Final[dict[str, type[models.Model]]] = {
    "balances": Balance,
    "holds": Hold,
    "entries": Entry,
    "keys": IdempotencyRecord,
}
# A row goes before the one that it refers to.
EMPTYING_ORDER: Final = (Entry, IdempotencyRecord, Hold, Balance)
TRANSACTION_CONTROL: Final = re.compile(
    r"\s*(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE
)


class Clock(MovableClock):
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__(STARTS_AT)


@dataclass
class QueryCount:
    """The statements that a block has sent, those that control transactions left out."""

    statements: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.statements)


class Engine(ABC):
    """One of the places where a ledger keeps its data.

    Attributes:
        name: "memory", "sqlite", "postgresql" or "mariadb".
        alias: The database's alias in the settings; None for memory.
    """

    def __init__(self, name: str, alias: str | None, clock: MovableClock) -> None:
        self.name = name
        self.alias = alias
        self.clock = clock

    @property
    def is_database(self) -> bool:
        return self.alias is not None

    @abstractmethod
    def make_ledger(self, clock: MovableClock | None = None, scope: str = "") -> Ledger:
        """Return a ledger on the data of this test, by the test's clock unless told otherwise."""

    @abstractmethod
    def dump(self) -> Content:
        """Return the whole content of the four tables, to be compared with another dump."""

    def counts(self) -> dict[str, int]:
        """Return the number of rows in each of the four tables."""
        return {table: len(rows) for table, rows in self.dump().items()}

    @abstractmethod
    def empty(self) -> None:
        """Make all content go, and the connection usable for the next test."""


class MemoryEngine(Engine):
    def __init__(self, clock: MovableClock) -> None:
        super().__init__("memory", None, clock)
        self._first = MemoryLedger(clock=clock)

    def make_ledger(self, clock: MovableClock | None = None, scope: str = "") -> Ledger:
        ledger = MemoryLedger(clock=clock or self.clock, scope=scope)
        ledger._store = self._first._store  # noqa: SLF001 - no public call gives another clock
        return ledger

    def dump(self) -> Content:
        store = self._first._store  # noqa: SLF001 - what no public call shows must not change either
        with store.mutex:
            return copy.deepcopy(
                {
                    "balances": list(store.balances.items()),
                    "holds": list(store.holds.items()),
                    "entries": list(store.entries),
                    "keys": list(store.records.items()),
                }
            )

    def empty(self) -> None:
        self._first = MemoryLedger(clock=self.clock)


class DatabaseEngine(Engine):
    """A database, under one of the ledgers that can use it.

    Attributes:
        ledger_class: ``DatabaseLedger`` or, on PostgreSQL, ``PostgresLedger``.
    """

    alias: str

    def __init__(
        self,
        name: str,
        alias: str,
        clock: MovableClock,
        ledger_class: type[DatabaseLedger] = DatabaseLedger,
    ) -> None:
        super().__init__(name, alias, clock)
        self.ledger_class = ledger_class

    def make_ledger(self, clock: MovableClock | None = None, scope: str = "") -> Ledger:
        return self.ledger_class(using=self.alias, clock=clock or self.clock, scope=scope)

    def dump(self) -> Content:
        return {
            table: list(model._base_manager.using(self.alias).order_by("pk").values())
            for table, model in TABLES.items()
        }

    def empty(self) -> None:
        is_left_open = connections[self.alias].in_atomic_block
        if is_left_open:
            self._drop_connection()
        connection = connections[self.alias]
        quote = connection.ops.quote_name
        tables = [quote(model._meta.db_table) for model in EMPTYING_ORDER]
        with transaction.atomic(using=self.alias), connection.cursor() as cursor:
            if self.name == "postgresql":
                # The journal refuses DELETE. A stuck thread's lock must not stop the run.
                cursor.execute("SET LOCAL lock_timeout = '10s'")
                cursor.execute(f"TRUNCATE {', '.join(tables)}")
            else:
                for table in tables:
                    cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - our own tables' names
        assert not is_left_open, "The test has left a transaction open."

    def forget(self) -> None:
        """Let nothing be left of the rows that other tests have deleted; the tables are empty.

        InnoDB keeps a deleted entry in its index for a while, and who inserts the same name again
        locks the neighbour too: docs/explanation/locking.md. So calls with keys that earlier tests
        have used could meet in a deadlock that they would never meet with keys of their own.
        """
        connection = connections[self.alias]
        if connection.vendor != "mysql":
            return
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            for model in EMPTYING_ORDER:
                cursor.execute(f"TRUNCATE {connection.ops.quote_name(model._meta.db_table)}")

    def _drop_connection(self) -> None:
        """Let the next use connect afresh: Django keeps the state of an open block over close()."""
        connection = connections[self.alias]
        del connections[self.alias]
        connection.in_atomic_block = False
        connection.close()


@contextmanager
def count_queries(engine: Engine) -> Iterator[QueryCount]:
    """Count the statements that this thread sends in the block; none for memory.

    BEGIN, COMMIT, ROLLBACK, SAVEPOINT and RELEASE do not count. A statement that is sent once for
    each of many rows counts that often.
    """
    counted = QueryCount()
    if engine.alias is None:
        yield counted
        return

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        if many:
            params = list(params)
        if not TRANSACTION_CONTROL.match(sql):
            counted.statements.extend([sql] * (len(params) if many else 1))
        return execute(sql, params, many, context)

    connection = connections[engine.alias]
    # What a new connection says first is not the block's.
    connection.ensure_connection()
    with connection.execute_wrapper(record):
        yield counted
