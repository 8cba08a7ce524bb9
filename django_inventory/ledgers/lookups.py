"""What a database ledger reads without a lock: where balances are, what holds and entries say.

Owns how many names or ids one statement may ask for. What it finds may be the past by the time that
it is used: only ``database`` knows what may be believed before the lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.db.models import Q, QuerySet

from django_inventory.ledgers import compiled
from django_inventory.ledgers.rows import (
    ENTRY_COLUMNS,
    HOLD_COLUMNS,
    entry_from_row,
    hold_from_row,
)
from django_inventory.ledgers.statements import ROWS_PER_STATEMENT, chunks
from django_inventory.models import Balance, Entry, Hold
from django_inventory.rules import EntryState, HoldState, Place

SQLITE_PLACES_PER_STATEMENT: Final = 400
"""SQLite refuses a statement with 1,000 terms in one OR, or (old ones) 1,000 parameters."""

SOME_ID: Final = UUID(int=0)
"""In whose place a statement that is made once is given an id."""


def find_balances(places: Collection[Place], *, using: str) -> dict[Place, int]:
    """Return the primary keys of those of the balances that exist."""
    found: dict[Place, int] = {}
    if is_pair(places):
        rows = compiled.select(
            "balances of two subjects",
            lambda: of_two_subjects(using).values_list("pk", "subject", "item"),
            in_place_of_two_subjects(places),
            using=using,
        )
        return {(subject, item): pk for pk, subject, item in rows}
    is_sqlite = connections[using].vendor == "sqlite"
    most = SQLITE_PLACES_PER_STATEMENT if is_sqlite else ROWS_PER_STATEMENT
    for some in chunks(sorted(places), most):
        named = Balance.objects.using(using).filter(are(some))
        found.update(
            ((subject, item), pk)
            for pk, subject, item in named.values_list("pk", "subject", "item")
        )
    return found


def is_pair(places: Collection[Place]) -> bool:
    """Tell whether it is one item of two subjects, as in every transfer."""
    return len(places) == 2 and len({item for _, item in places}) == 1  # noqa: PLR2004


def of_two_subjects(using: str) -> QuerySet[Balance]:
    """Return the query for a pair, to be run with ``in_place_of_two_subjects``."""
    return Balance.objects.using(using).filter(item="item", subject__in=["first", "second"])


def in_place_of_two_subjects(places: Collection[Place]) -> dict[Any, Any]:
    """Return what stands in ``of_two_subjects`` with the values for this pair."""
    (first, item), (second, _) = sorted(places)
    return {"item": item, "first": first, "second": second}


def are(places: Iterable[Place]) -> Q:
    """Return the condition that a balance is one of these.

    Items with the same subjects share a term, so that a basket, or one item of many subjects, is
    a single one.
    """
    subjects_of: dict[str, list[str]] = {}
    for subject, item in sorted(places):
        subjects_of.setdefault(item, []).append(subject)
    items_of: dict[tuple[str, ...], list[str]] = {}
    for item, subjects in subjects_of.items():
        items_of.setdefault(tuple(subjects), []).append(item)
    return Q(
        *[Q(subject__in=subjects, item__in=items) for subjects, items in items_of.items()],
        _connector=Q.OR,
    )


def find_holds(hold_ids: Collection[UUID], *, using: str) -> dict[UUID, HoldState]:
    """Return those of the holds that exist."""
    if len(hold_ids) == 1:
        [hold_id] = hold_ids
        rows = compiled.select(
            "hold by id",
            lambda: Hold.objects.using(using).filter(pk=SOME_ID).values_list(*HOLD_COLUMNS),
            in_place_of_some_id(hold_id, using=using),
            using=using,
        )
        return {row[0]: hold_from_row(row) for row in rows}
    holds: dict[UUID, HoldState] = {}
    for some in chunks(sorted(set(hold_ids))):
        named = Hold.objects.using(using).filter(pk__in=some).values_list(*HOLD_COLUMNS)
        holds.update((row[0], hold_from_row(row)) for row in named)
    return holds


def in_place_of_some_id(hold_id: UUID, *, using: str) -> dict[Any, Any]:
    """Return ``SOME_ID`` as that database is sent it, with the value for this hold."""
    pk, connection = Hold._meta.pk, connections[using]
    return {pk.get_db_prep_value(SOME_ID, connection): pk.get_db_prep_value(hold_id, connection)}


def find_entries(which: Q, *, using: str) -> dict[UUID, list[EntryState]]:
    """Return the entries of which that is true, by operation, in the journal's order."""
    rows = Entry.objects.using(using).filter(which).order_by("pk")
    operations: dict[UUID, list[EntryState]] = {}
    for row in rows.values_list(*ENTRY_COLUMNS):
        entry = entry_from_row(row)
        operations.setdefault(entry.operation_id, []).append(entry)
    return operations
