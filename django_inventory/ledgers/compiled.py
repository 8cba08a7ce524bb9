"""Statements about a row or two, whose SQL is made once and run with other values ever after.

Owns what a single operation costs in Python: to build a query and compile it takes several times as
long as to run it. Many rows go through Django's own bulk statements, where that is no matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, Field, Model, QuerySet
from django.db.models.constants import OnConflict

FEW: Final = 4
"""How many rows at most are inserted by a statement of this module."""


class _Select(NamedTuple):
    sql: str
    places: Sequence[Any]
    converters: Mapping[int, tuple[Iterable[Callable[..., Any]], Any]]


# What is known, by the database and the shape of the statement. The database by its alias and its
# vendor: MariaDB and MySQL, which are one vendor, do not speak alike; and what an alias stands for
# can be changed, as tests do.
_selects: dict[tuple[str, str, str], _Select] = {}
_inserts: dict[tuple[object, ...], str] = {}
_updates: dict[tuple[object, ...], str] = {}


def select(
    name: str, build: Callable[[], QuerySet[Any, Any]], values: Mapping[Any, Any], *, using: str
) -> list[tuple[Any, ...]]:
    """Return the rows of a query, with other values than the ones it was built with.

    Args:
        name: of the query, for it to be found again.
        build: makes it, as a ``values_list()``, where it is not known yet.
        values: by each value that ``build`` puts into it, the one to take in its place; both as the
            driver wants them.

    Locks: what the query locks.
    """
    connection = connections[using]
    known = _selects.get((using, connection.vendor, name))
    if known is None:
        compiler = build().query.get_compiler(using)
        sql, places = compiler.as_sql()
        converters = compiler.get_converters([column for column, *_ in compiler.select])
        known = _selects[using, connection.vendor, name] = _Select(sql, places, converters)
    with connection.cursor() as cursor:
        cursor.execute(known.sql, [values[place] for place in known.places])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return _converted(rows, known, connection) if known.converters else rows


def _converted(
    rows: list[tuple[Any, ...]], known: _Select, connection: BaseDatabaseWrapper
) -> list[tuple[Any, ...]]:
    converted = [list(row) for row in rows]
    for position, (converters, expression) in known.converters.items():
        for row in converted:
            for convert in converters:
                row[position] = convert(row[position], expression, connection)
    return [tuple(row) for row in converted]


def insert(
    rows: Sequence[Model],
    *,
    using: str,
    on_conflict: OnConflict | None = None,
    unique: Sequence[str] = (),
    updating: Sequence[str] = (),
    returning: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Insert a few rows. A primary key that the database makes is left to it, but for an update.

    Args:
        on_conflict: what to do with a row that conflicts in the fields ``unique``; ``UPDATE`` sets
            the fields ``updating``.
        returning: the fields to return, where the database can, of the rows that it returns.
    """
    connection = connections[using]
    model = type(rows[0])
    fields = _inserted_fields(model, is_update="id" in unique)
    shape = (
        (using, connection.vendor, model, len(rows), on_conflict),
        tuple(unique),
        tuple(updating),
        tuple(returning),
    )
    sql = _inserts.get(shape)
    if sql is None:
        sql = _inserts[shape] = _insert_sql(
            connection, fields, len(rows), on_conflict, unique, updating, returning
        )
    params = [
        field.get_db_prep_save(getattr(row, field.attname), connection)
        for row in rows
        for field in fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        # A tuple of some drivers.
        return list(cursor.fetchall()) if " RETURNING " in sql else []


@cache
def _inserted_fields(model: type[Model], *, is_update: bool) -> list[Field[Any, Any]]:
    fields = model._meta.local_concrete_fields
    return [field for field in fields if is_update or not isinstance(field, AutoField)]


def _insert_sql(  # noqa: PLR0917 - what makes up the shape
    connection: BaseDatabaseWrapper,
    fields: Sequence[Field[Any, Any]],
    count: int,
    on_conflict: OnConflict | None,
    unique: Sequence[str],
    updating: Sequence[str],
    returning: Sequence[str],
) -> str:
    quote = connection.ops.quote_name
    meta = fields[0].model._meta
    column_of = {field.name: str(field.column) for field in meta.local_concrete_fields}
    row = f"({', '.join(['%s'] * len(fields))})"
    parts = [
        connection.ops.insert_statement(on_conflict=on_conflict),
        quote(meta.db_table),
        f"({', '.join(quote(column_of[field.name]) for field in fields)})",
        f"VALUES {', '.join([row] * count)}",
    ]
    if on_conflict is not None:
        updated = [column_of[name] for name in updating]
        conflicting = [column_of[name] for name in unique]
        parts.append(
            connection.ops.on_conflict_suffix_sql(fields, on_conflict, updated, conflicting)
        )
    if returning and connection.features.can_return_rows_from_bulk_insert:
        parts.append(f"RETURNING {', '.join(quote(column_of[name]) for name in returning)}")
    return " ".join(filter(None, parts))


def update(model: type[Model], pk: Any, values: Mapping[Any, Any], *, using: str) -> None:
    """Set fields of one row.

    Locks: the row.
    """
    connection = connections[using]
    pk_field = model._meta.pk
    fields = [_field(model, name) for name in values]
    shape = (using, connection.vendor, model, *values)
    sql = _updates.get(shape)
    if sql is None:
        quote = connection.ops.quote_name
        table, pk_column = quote(model._meta.db_table), quote(str(pk_field.column))
        assignments = ", ".join([f"{quote(str(field.column))} = %s" for field in fields])
        sql = f"UPDATE {table} SET {assignments} WHERE {pk_column} = %s"  # noqa: S608 - names alone
        _updates[shape] = sql
    params = [
        field.get_db_prep_save(value, connection)
        for field, value in zip(fields, values.values(), strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, pk_field.get_db_prep_save(pk, connection)])


@cache
def _field(model: type[Model], name: str) -> Field[Any, Any]:
    fields = {field.name: field for field in model._meta.local_concrete_fields}
    return fields[name]
