"""Forget what idempotency keys were used for, once nobody will try them again.

Owns the deletion of records. Nothing refers to them: a receipt is made from the journal, which
stays. Must not touch any other table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final

from django.db import connections

from django_inventory.ledgers.retry import in_transaction
from django_inventory.ledgers.statements import delete_rows
from django_inventory.models import IdempotencyRecord

PRUNE_RECORDS: Final = 1_000
"""How many records are deleted in one transaction, unless told otherwise."""

_Position = tuple[datetime, int]


def count_prunable_records(before: datetime, *, using: str) -> int:
    """Return how many records were made before that instant."""
    return IdempotencyRecord.objects.using(using).filter(created_at__lt=before).count()


def prune_records(
    before: datetime, *, using: str, batch_size: int = PRUNE_RECORDS
) -> Iterator[int]:
    """Delete the records that were made before that instant, oldest first.

    A key whose record is gone acts afresh when it is used again. What commits, releases and
    replays holds by their own state is not affected.

    Yields:
        After each transaction of at most ``batch_size`` records, how many it has deleted. Whoever
        stops asking stops the pruning between two transactions.

    Raises:
        LedgerBusy: the database gave up; what was deleted until then stays deleted.

    Locks: see ``_prune_in_block``.
    """
    after: _Position | None = None
    while page := _next_records(before, after, using, batch_size):
        after = page[-1]
        yield in_transaction(partial(_prune_in_block, [pk for _, pk in page], using), using)


def _next_records(
    before: datetime, after: _Position | None, using: str, number: int
) -> list[_Position]:
    """Return the next records by (created_at, pk), read without a lock.

    The two steps are each one walk along the index of ``created_at``; one condition for both
    would make PostgreSQL read again all records of the same instant.
    """
    old = IdempotencyRecord.objects.using(using).filter(created_at__lt=before)
    rows = old.order_by("created_at", "pk").values_list("created_at", "pk")
    if after is None:
        return list(rows[:number])
    created_at, pk = after
    page = list(rows.filter(created_at=created_at, pk__gt=pk)[:number])
    if len(page) < number:
        page += rows.filter(created_at__gt=created_at)[: number - len(page)]
    return page


def _prune_in_block(pks: list[int], using: str) -> int:
    """Delete these records; return how many were there and free to be locked.

    Locks: the keys in code point order, as every call does, and nothing after them. A record that
    a call has locked at that moment is left for the next run where the database can skip it. So
    where it can, this waits for nobody and can be no part of a deadlock; a call that uses a key
    just being pruned waits for the end of this short transaction, and then acts afresh. MariaDB
    and MySQL lock the entries of a row's indexes one by one, in an order that depends on the
    statement: there a call that replays a key at the very instant at which it is pruned can meet
    this the wrong way round. InnoDB then ends one of them, which is tried again.
    """
    features = connections[using].features
    records = IdempotencyRecord.objects.using(using).filter(pk__in=pks).order_by("scope", "key")
    locked = records.select_for_update(skip_locked=features.has_select_for_update_skip_locked)
    free = list(locked.values_list("pk", flat=True))
    delete_rows(IdempotencyRecord, free, using=using)
    return len(free)
