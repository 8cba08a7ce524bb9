"""Small books with something of everything in them, to be spoiled, and the guards taken off.

Owns what stands in the tables before it is spoiled, and how raw SQL gets past each database's
constraints, foreign keys and triggers: inside a transaction that is rolled back in the end.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import connections, transaction

from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Balance, Entry, Hold
from tests.contract.calls import hold_of
from tests.contract.engines import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES: Final = ("balance", "hold", "entry", "idempotencyrecord")
START: Final = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER: Final = START + timedelta(minutes=1)
TIMES: Final = {
    "start": START,
    "later": LATER,
    "later_1h": LATER + timedelta(hours=1),
    "in_1h": START + timedelta(hours=1),
    "in_2h": START + timedelta(hours=2),
    "in_3h": START + timedelta(hours=3),
}
STRANGER: Final = "01900000-0000-7000-8000-00000000abcd"


class _RollBackError(Exception):
    """Ends the transaction in which books were spoiled."""


@dataclass(frozen=True)
class Story:
    """Books in a database.

    Attributes:
        alias: the database.
        names: what the texts of a corruption can name: the primary keys of the balances ``alice``,
            ``bob`` and ``carol``, the ids of the holds ``first`` to ``fourth``, by key those of the
            operations (``extended`` has none), and ``TIMES``.
    """

    alias: str
    names: dict[str, Any]

    @property
    def vendor(self) -> str:
        return connections[self.alias].vendor

    def ledger(self) -> DatabaseLedger:
        clock = Clock()
        clock.set(LATER)
        return DatabaseLedger(using=self.alias, clock=clock)

    @contextmanager
    def spoiled(self, *statements: str) -> Iterator[None]:
        """Run SQL that nothing guards against; what is in the block is undone with it.

        Statements name their parameters as in ``names``, and the column ``key`` as ``[key]``.
        """
        connection = connections[self.alias]
        key = connection.ops.quote_name("key")
        parameters = {name: self._adapted(value) for name, value in self.names.items()}
        try:
            with transaction.atomic(using=self.alias):
                with connection.cursor() as cursor, _unguarded(self.vendor, cursor):
                    for statement in statements:
                        cursor.execute(statement.replace("[key]", key), parameters)
                yield
                raise _RollBackError  # noqa: TRY301 - how a caller's error would undo it
        except _RollBackError:
            pass

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all rows of all tables as the database gives them."""
        with connections[self.alias].cursor() as cursor:
            found = {}
            for table in TABLES:
                cursor.execute(f"SELECT * FROM django_inventory_{table} ORDER BY id")  # noqa: S608
                found[table] = list(cursor.fetchall())
        return found

    def _adapted(self, value: Any) -> Any:
        connection = connections[self.alias]
        if isinstance(value, datetime):
            return connection.ops.adapt_datetimefield_value(value)
        if isinstance(value, str):
            field = Hold._meta.get_field("id")
            return field.get_db_prep_value(value, connection, prepared=False)
        return value


def tell_story(alias: str) -> Story:
    """Post a little of everything, in a database that is empty."""
    clock = Clock()
    clock.set(START)
    ledger = DatabaseLedger(using=alias, clock=clock)
    ledger.acquire("a1", "alice", "gold", 20, reference="delivery", actor="clerk")
    first = hold_of(
        ledger.hold("h1", "alice", "gold", 8, 3_600, reference="basket", metadata={"n": 1})
    )
    second = hold_of(ledger.hold("h2", "alice", "gold", 3, 7_200))
    ledger.commit(first, quantity=5, keep_remainder=True, to="bob", key="c1", reference="paid")
    ledger.release(second)
    extended = ledger.extend(first, 3 * 3_600)
    ledger.acquire("a2", "carol", "gold", 7)
    third = hold_of(ledger.hold("h3", "carol", "gold", 2, 60))
    clock.set(LATER)
    assert ledger.expire_holds() == 1
    # A key that stands for an operation of another kind.
    ledger.release(third, key="r3")
    ledger.transfer("t1", "alice", "carol", "gold", 4)
    fourth = hold_of(ledger.hold("h4", "bob", "gold", 2, 3_600))
    ledger.commit(fourth)
    # A key that stands for an operation which has none.
    ledger.commit(fourth, key="c4")
    balances = Balance.objects.using(alias).values_list("subject", "pk")
    operations = Entry.objects.using(alias).exclude(key="").values_list("key", "operation_id")
    return Story(
        alias,
        {
            **TIMES,
            **dict(balances),
            **{key: str(operation_id) for key, operation_id in operations},
            "extended": str(extended.operation_id),
            "first": str(first),
            "second": str(second),
            "third": str(third),
            "fourth": str(fourth),
            "stranger": STRANGER,
        },
    )


@contextmanager
def _unguarded(vendor: str, cursor: Any) -> Iterator[None]:
    """Let the statements in the block break every rule that the database keeps."""
    if vendor == "sqlite":
        # Checked when the transaction commits, which it does not.
        cursor.execute("PRAGMA defer_foreign_keys = ON")
        off, on = (
            ["PRAGMA ignore_check_constraints = ON"],
            ["PRAGMA ignore_check_constraints = OFF"],
        )
    elif vendor == "mysql":
        switches = ("foreign_key_checks", "check_constraint_checks")
        off, on = ([f"SET SESSION {name} = {value}" for name in switches] for value in (0, 1))
    else:
        # Neither a foreign key nor a trigger says anything to a replica. Constraints have to go;
        # they come back with the rollback.
        off = ["SET LOCAL session_replication_role = replica", *_constraints_dropped(cursor)]
        on = ["SET LOCAL session_replication_role = origin"]
    for statement in off:
        cursor.execute(statement)
    yield
    for statement in on:
        cursor.execute(statement)


def _constraints_dropped(cursor: Any) -> list[str]:
    """Return what drops PostgreSQL's CHECK and UNIQUE constraints on the app's tables."""
    cursor.execute(
        "SELECT format('ALTER TABLE %I DROP CONSTRAINT %I', conrelid::regclass, conname) "
        "FROM pg_constraint WHERE contype IN ('c', 'u') AND connamespace = 'public'::regnamespace "
        "AND conrelid::regclass::text LIKE 'django\\_inventory\\_%'"
    )
    return [statement for (statement,) in cursor.fetchall()]
