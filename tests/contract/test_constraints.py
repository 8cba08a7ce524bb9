"""The named constraints: each is in the database, and refuses the writes that it is there for."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest
from django.apps import apps
from django.db import IntegrityError, connections, transaction
from django.db.models import F

from django_inventory.models import Balance, Entry, Hold, IdempotencyRecord
from django_inventory.values import MAX_QUANTITY
from tests.contract.calls import stock
from tests.contract.journal import on_databases

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Engine

    Write = Callable[[str], object]

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER: Final = NOW - timedelta(seconds=1)


def balance(**values: Any) -> Write:
    """Set values of alice's balance, 6 gold free and 4 on hold, past the ledger."""
    return lambda alias: Balance.objects.using(alias).filter(subject="alice").update(**values)


def new_balance(**values: Any) -> Write:
    row = {"subject": "new", "item": "gold", "created_at": NOW, "updated_at": NOW, **values}
    return lambda alias: Balance.objects.using(alias).create(**row)


def hold(**values: Any) -> Write:
    """Set values of the one hold, of 4."""
    return lambda alias: Hold.objects.using(alias).update(**values)


def record(**values: Any) -> Write:
    row = {"kind": "acquire", "fingerprint": "f", "operation_id": UUID(int=7), "created_at": NOW}
    return lambda alias: IdempotencyRecord.objects.using(alias).create(**{**row, **values})


def entry(**values: Any) -> Write:
    """Add an entry to alice's balance: as it stands a right one, of an acquire."""

    def write(alias: str) -> object:
        row = {
            "balance": Balance.objects.using(alias).get(subject="alice"),
            "sequence": 3,
            "operation_id": UUID(int=7),
            "kind": "acquire",
            "key": "k",
            "quantity_delta": 1,
            "on_hold_delta": 0,
            "quantity_after": 7,
            "on_hold_after": 4,
            "effective_at": NOW,
            "created_at": NOW,
            **values,
        }
        if row.get("hold") is True:
            row["hold"] = Hold.objects.using(alias).get()
        return Entry.objects.using(alias).create(**row)

    return write


def of_hold(kind: str, quantity_delta: int, on_hold_delta: int, **values: Any) -> Write:
    shared = {"hold": True, "hold_remaining": 0, "hold_expires_at": NOW}
    deltas = {"quantity_delta": quantity_delta, "on_hold_delta": on_hold_delta}
    return entry(kind=kind, **{**shared, **deltas, **values})


WRITES: Final[dict[str, list[Write]]] = {
    "inventory_balance_subject_item_unique": [new_balance(subject="alice")],
    "inventory_balance_quantity_not_negative": [
        balance(quantity=-1),
        balance(quantity=F("quantity") - 7),
        new_balance(quantity=-1),
    ],
    "inventory_balance_on_hold_not_negative": [
        balance(on_hold=-1, quantity=0),
        balance(on_hold=F("on_hold") - 5, quantity=0),
    ],
    "inventory_balance_total_within_limit": [
        balance(quantity=MAX_QUANTITY - 3),
        balance(on_hold=MAX_QUANTITY - 5),
        balance(quantity=MAX_QUANTITY, on_hold=MAX_QUANTITY),
    ],
    "inventory_balance_version_not_negative": [balance(version=-1)],
    "inventory_balance_next_expiry_with_holds": [
        balance(next_expiry_at=None),
        balance(on_hold=0),
        new_balance(next_expiry_at=NOW),
    ],
    "inventory_balance_names_not_empty": [
        balance(subject=""),
        balance(item=""),
        new_balance(subject=""),
    ],
    "inventory_hold_quantity_positive": [
        hold(quantity=0, remaining=0, status="released", resolved_at=NOW),
    ],
    "inventory_hold_remaining_within_quantity": [
        hold(remaining=5),
        hold(quantity=3),
        hold(remaining=-1),
    ],
    "inventory_hold_status_known": [
        hold(status="paused", remaining=0, resolved_at=NOW),
        hold(status="Released", remaining=0, resolved_at=NOW),
    ],
    "inventory_hold_active_or_resolved": [
        hold(remaining=0),
        hold(resolved_at=NOW),
        hold(status="committed"),
        hold(status="committed", remaining=0),
        hold(status="released", resolved_at=NOW),
        hold(status="expired", remaining=0),
    ],
    "inventory_idempotencyrecord_scope_key_unique": [record(key="stock")],
    "inventory_idempotencyrecord_key_not_empty": [record(key="")],
    "inventory_entry_balance_sequence_unique": [
        entry(sequence=2),
        entry(sequence=1, quantity_after=1, on_hold_after=0),
    ],
    "inventory_entry_sequence_positive": [
        entry(sequence=0, quantity_after=1, on_hold_after=0),
        entry(sequence=-1, quantity_after=1, on_hold_after=0),
    ],
    "inventory_entry_quantity_not_negative": [
        entry(kind="consume", quantity_delta=-7, quantity_after=-1)
    ],
    "inventory_entry_on_hold_not_negative": [
        of_hold("release", 5, -5, quantity_after=11, on_hold_after=-1)
    ],
    "inventory_entry_total_within_limit": [
        entry(quantity_after=MAX_QUANTITY - 3),
        entry(quantity_after=MAX_QUANTITY, on_hold_after=1),
    ],
    "inventory_entry_first_starts_from_zero": [
        # Another balance's first.
        lambda alias: entry(balance=_balance_of_bob(alias), sequence=1)(alias),
    ],
    "inventory_entry_hold_complete": [
        of_hold("extend", 0, 0, hold_remaining=None),
        of_hold("extend", 0, 0, hold_expires_at=None),
        of_hold("extend", 0, 0, hold_remaining=-1),
        entry(hold_remaining=1),
        entry(hold_expires_at=NOW),
    ],
    "inventory_entry_effective_when_created": [
        entry(effective_at=EARLIER),
        entry(created_at=EARLIER),
        of_hold("expire", 4, -4, quantity_after=10, on_hold_after=0, created_at=EARLIER),
    ],
    "inventory_entry_deltas_match_kind": [
        entry(kind="gift"),
        entry(kind="Acquire"),
        entry(quantity_delta=0),
        entry(quantity_delta=-1),
        entry(on_hold_delta=1),
        entry(kind="consume"),
        entry(kind="consume", quantity_delta=0),
        entry(kind="transfer", quantity_delta=0),
        entry(kind="transfer", on_hold_delta=1),
        entry(kind="hold", quantity_delta=-1, on_hold_delta=1),
        of_hold("acquire", 1, 0),
        of_hold("consume", -1, 0),
        of_hold("transfer", 1, 0),
        of_hold("hold", -1, 2),
        of_hold("hold", 0, 0),
        of_hold("hold", 1, -1),
        of_hold("commit", 0, 0),
        of_hold("commit", 4, -4),
        of_hold("commit", -1, -3),
        of_hold("commit", -1, 0),
        of_hold("commit", 0, 1),
        of_hold("release", 3, -4),
        of_hold("release", 0, 0),
        of_hold("release", -1, 1),
        of_hold("expire", 3, -4),
        of_hold("extend", 1, 0),
        of_hold("extend", 0, 1),
    ],
}
RIGHT_WRITES: Final[list[Write]] = [
    entry(),
    entry(kind="consume", quantity_delta=-1, quantity_after=5),
    entry(kind="transfer", quantity_delta=-1, quantity_after=5),
    entry(kind="transfer"),
    of_hold("hold", -1, 1),
    of_hold("commit", 0, -4),
    of_hold("commit", 3, -4),
    of_hold("commit", 4, 0),
    of_hold("release", 4, -4),
    of_hold("expire", 4, -4),
    of_hold("expire", 4, -4, effective_at=EARLIER),
    of_hold("extend", 0, 0),
    balance(quantity=MAX_QUANTITY - 4),
    hold(remaining=0, status="expired", resolved_at=NOW),
    record(key="new"),
    record(key="stock", scope="client 1"),
]


def _balance_of_bob(alias: str) -> Balance:
    return Balance.objects.using(alias).create(
        subject="bob", item="gold", created_at=NOW, updated_at=NOW
    )


def constraints_of_models() -> dict[str, str]:
    """Return the names of all constraints, each with its table."""
    return {
        constraint.name: model._meta.db_table
        for model in apps.get_app_config("django_inventory").get_models()
        for constraint in model._meta.constraints
    }


def test_every_constraint_of_the_models_is_tried() -> None:
    assert set(WRITES) == set(constraints_of_models())
    assert all(re.match(r"inventory_[a-z]+_[a-z_]+$", name) for name in WRITES)


@on_databases
@pytest.mark.parametrize("name", WRITES)
def test_a_constraint_is_in_the_database(engine: Engine, name: str) -> None:
    assert engine.alias is not None
    connection = connections[engine.alias]
    with connection.cursor() as cursor:
        table = constraints_of_models()[name]
        found = connection.introspection.get_constraints(cursor, table)
    assert found[name]["unique" if name.endswith("_unique") else "check"]


@on_databases
@pytest.mark.parametrize("name", WRITES)
def test_a_constraint_refuses_what_it_is_there_for(
    engine: Engine, ledger: Ledger, name: str
) -> None:
    stock(ledger, quantity=10, held=4)
    alias = str(engine.alias)
    before = engine.dump()
    for number, write in enumerate(WRITES[name]):
        with pytest.raises(IntegrityError) as caught, transaction.atomic(using=alias):
            write(alias)
        assert told_name(engine, str(caught.value)) in {name, *ALSO.get(name, ())}
        assert engine.dump() == before, number


@on_databases
def test_a_row_that_a_ledger_could_write_is_not_refused(engine: Engine, ledger: Ledger) -> None:
    stock(ledger, quantity=10, held=4)
    alias = str(engine.alias)
    before = engine.dump()
    for write in RIGHT_WRITES:
        with transaction.atomic(using=alias):
            write(alias)
            transaction.set_rollback(True, using=alias)
    assert engine.dump() == before


# Where a row breaks several at once, each database names one of its own choice.
ALSO: Final[dict[str, set[str]]] = {
    "inventory_balance_on_hold_not_negative": {"inventory_balance_next_expiry_with_holds"},
    "inventory_hold_remaining_within_quantity": {"inventory_hold_active_or_resolved"},
}
UNIQUE_ON_SQLITE: Final = {
    "django_inventory_balance.subject": "inventory_balance_subject_item_unique",
    "django_inventory_idempotencyrecord.scope": "inventory_idempotencyrecord_scope_key_unique",
    "django_inventory_entry.balance_id": "inventory_entry_balance_sequence_unique",
}


def told_name(engine: Engine, text: str) -> str:
    """Return the constraint that an error is about. SQLite tells columns where it is UNIQUE."""
    for columns, name in UNIQUE_ON_SQLITE.items():
        if engine.name == "sqlite" and columns in text:
            return name
    found = re.search(r"inventory_[a-z]+_[a-z_]+(?<!_)", text.replace("django_inventory_", ""))
    assert found, text
    return found[0]
