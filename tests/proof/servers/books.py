"""What is looked at after every ordeal: the tables themselves."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from django_inventory.ledgers.rows import ENTRY_COLUMNS, entry_from_row
from django_inventory.ledgers.verification import Verification
from django_inventory.models import Balance, Entry, Hold, IdempotencyRecord
from tests.contract.engines import Clock, DatabaseEngine
from tests.proof.servers.checker import Journal
from tests.servers import ALIASES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from tests.proof.servers.history import Call


def empty(alias: str) -> None:
    """Make all content go."""
    DatabaseEngine(engine_of(alias), alias, Clock()).empty()


def engine_of(alias: str) -> str:
    [engine] = [engine for engine, its_alias in ALIASES.items() if its_alias == alias]
    return engine


def read_journal(alias: str) -> Journal:
    rows = Entry.objects.using(alias).values_list(*ENTRY_COLUMNS)
    holds = Hold.objects.using(alias).values_list("pk", "balance__subject", "balance__item")
    return Journal(
        entries=tuple(entry_from_row(row) for row in rows),
        holders={pk: (subject, item) for pk, subject, item in holds},
    )


def assert_books_balance(alias: str) -> None:
    """Assert that projection and journal agree, and that nothing was made or lost on the way."""
    assert [str(mismatch) for mismatch in Verification(using=alias).mismatches()] == []
    # What is owned of an item is what came in less what went out; nothing else changes a total.
    owned: dict[str, int] = defaultdict(int)
    for item, quantity, on_hold in Balance.objects.using(alias).values_list(
        "item", "quantity", "on_hold"
    ):
        owned[item] += quantity + on_hold
    moved: dict[str, int] = defaultdict(int)
    per_operation: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    for item, operation_id, kind, quantity, on_hold in Entry.objects.using(alias).values_list(
        "balance__item", "operation_id", "kind", "quantity_delta", "on_hold_delta"
    ):
        moved[item] += quantity + on_hold
        per_operation[operation_id].append((kind, quantity + on_hold))
    assert {k: v for k, v in owned.items() if v} == {k: v for k, v in moved.items() if v}
    for parts in per_operation.values():
        [kind] = {kind for kind, _ in parts}
        total = sum(change for _, change in parts)
        is_one_sided = kind in {"acquire", "consume"} or (kind == "commit" and len(parts) == 1)
        assert (total != 0) == is_one_sided, (kind, parts)


def assert_each_key_acted_once(alias: str, keys: Iterable[str]) -> None:
    """Assert that every key has one record, and one operation in the journal."""
    wanted = sorted(keys)
    records = IdempotencyRecord.objects.using(alias).filter(key__in=wanted)
    assert sorted(records.values_list("key", flat=True)) == wanted
    operations = Entry.objects.using(alias).filter(key__in=wanted).order_by()
    found = sorted(operations.values_list("key", "operation_id").distinct())
    assert [key for key, _ in found] == wanted
    assert sorted(records.values_list("key", "operation_id")) == found


def keys_that_acted(calls: Iterable[Call]) -> set[str]:
    """Return the keys that were answered with a receipt."""
    return {
        key
        for call in calls
        if isinstance(call.answer, tuple)
        for answer in call.answer
        if (key := getattr(answer, "key", None)) is not None
    }
