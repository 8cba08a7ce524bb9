"""Statements that Django's ORM has no words for.

Owns their SQL and what it locks. Knows nothing of the ledger: which rows, and why, is the caller's.

MariaDB and MySQL lock every row that a statement scans, whether it is asked for or not, and scan a
small table, or one of which they are to change a large part, from end to end. A call that has its
own rows locked and scans into somebody else's can deadlock. So what locks or changes rows there
must be led to them by an index.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, TypeVar

from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.datastructures import BaseTable

from django_inventory.ledgers import compiled

M = TypeVar("M", bound=Model)
T = TypeVar("T")

ROWS_PER_STATEMENT: Final = 5_000
"""Where a list of values is as long as the caller made it: how many go into one statement."""


def chunks(values: Sequence[T], size: int = ROWS_PER_STATEMENT) -> Iterator[Sequence[T]]:
    """Cut the values into as many as one statement may have."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def insert_missing(
    rows: Sequence[Model], *, using: str, unique: Sequence[str], returning: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Insert the rows whose unique fields are not taken, in the given order.

    Returns:
        The columns ``returning``, as the driver gives them: of the rows that were inserted; on
        MariaDB of all, as they stand there now; on MySQL, which cannot tell, of none.

    Locks: the inserted rows. Where another transaction is inserting the same one, waits for
    its end. On MariaDB and MySQL the existing rows are locked too, exclusively: their
    ``INSERT IGNORE`` would take shared locks, and two transactions that both have one and
    both go on to change the row are a deadlock.
    """
    if not rows:
        return []
    connection = connections[using]
    if len(rows) <= compiled.FEW:
        is_mysql = connection.vendor == "mysql"
        return compiled.insert(
            rows,
            using=using,
            on_conflict=OnConflict.UPDATE if is_mysql else OnConflict.IGNORE,
            unique=unique,
            updating=unique[:1] if is_mysql else (),
            returning=returning,
        )
    meta = type(rows[0])._meta
    fields = [field for field in meta.local_concrete_fields if not field.primary_key]
    on_conflict = OnConflict.IGNORE
    update_fields = []
    if connection.vendor == "mysql":
        on_conflict = OnConflict.UPDATE
        update_fields = [meta.get_field(unique[0])]
    clause = ""
    if connection.features.can_return_rows_from_bulk_insert:
        column_of = {field.name: str(field.column) for field in meta.local_concrete_fields}
        names = [connection.ops.quote_name(column_of[name]) for name in returning]
        clause = f" RETURNING {', '.join(names)}"
    found: list[tuple[Any, ...]] = []
    for some in chunks(rows, connection.ops.bulk_batch_size(fields, rows)):
        query = InsertQuery(type(rows[0]), on_conflict=on_conflict, update_fields=update_fields)
        query.insert_values(fields, list(some))
        with connection.cursor() as cursor:
            for sql, params in query.get_compiler(using).as_sql():
                cursor.execute(f"{sql}{clause}", params)
                found.extend(cursor.fetchall() if clause else ())
    return found


def update_rows(rows: Sequence[Model], fields: Sequence[str], *, using: str) -> None:
    """Set fields of many rows, each to values of its own, by one statement.

    As an insert that conflicts with every row, each of which must exist: every database has it, and
    it goes to each row by its primary key. ``bulk_update()`` would build an expression per row and
    column, at several times the cost, and let MariaDB scan.

    Locks: the rows.
    """
    if not rows:
        return
    if len(rows) <= compiled.FEW:
        compiled.insert(
            rows, using=using, on_conflict=OnConflict.UPDATE, unique=("id",), updating=fields
        )
        return
    features = connections[using].features
    type(rows[0])._base_manager.using(using).bulk_create(
        rows,
        update_conflicts=True,
        update_fields=fields,
        unique_fields=["id"] if features.supports_update_conflicts_with_target else None,
    )


def delete_rows(model: type[Model], pks: Collection[int], *, using: str) -> None:
    """Delete rows to which nothing refers.

    Locks: the rows, and none besides.
    """
    connection = connections[using]
    for some in chunks(sorted(pks)):
        if connection.vendor != "mysql":
            model._base_manager.using(using).filter(pk__in=some).delete()
            continue
        table = connection.ops.quote_name(model._meta.db_table)
        sql = (
            f"DELETE {table} FROM JSON_TABLE(%s, '$[*]' COLUMNS (pk BIGINT PATH '$')) AS doomed"
            f" STRAIGHT_JOIN {table} ON {table}.id = doomed.pk"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [json.dumps(some)])


class _IndexedTable(BaseTable):
    """A table in a FROM clause that is read through one index."""

    index: str

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> Any:
        sql, params = super().as_sql(compiler, connection)
        return f"{sql} FORCE INDEX ({connection.ops.quote_name(self.index)})", params


def through_index(rows: QuerySet[M], index: str) -> QuerySet[M]:
    """Return the same rows, read through that index on MariaDB and MySQL, in its order."""
    if connections[rows.db].vendor != "mysql":
        return rows
    led = rows.all()
    alias = led.query.get_initial_alias()
    table = _IndexedTable(led.model._meta.db_table, alias)
    table.index = index
    led.query.alias_map[alias] = table
    return led
