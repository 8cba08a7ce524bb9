"""Entries are never changed or deleted, whoever tries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.models import ProtectedError

from django_inventory.exceptions import EntryImmutable
from django_inventory.models import Balance, Entry, Hold
from tests.contract.calls import stock
from tests.contract.journal import on_databases, only_on
from tests.contract.refusals import refuses

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Engine

TABLE: Final = Entry._meta.db_table


def entries(alias: str) -> Any:
    return Entry.objects.using(alias)


def entry(alias: str) -> Entry:
    return Entry.objects.using(alias).latest("pk")


def a_copy(alias: str) -> Entry:
    """Return a new object with the primary key of an entry that is there."""
    values = entries(alias).filter(pk=entry(alias).pk).values().get()
    return Entry(**{**values, "quantity_delta": 99})


def changed(alias: str) -> Entry:
    found = entry(alias)
    found.reference = "changed"
    return found


def copy_over_another(alias: str) -> Entry:
    copy = a_copy(alias)
    copy.pk = Entry.objects.using(alias).earliest("pk").pk
    return copy


ATTEMPTS: Final[dict[str, Callable[[str], object]]] = {
    "save": lambda alias: changed(alias).save(),
    "save of one field": lambda alias: changed(alias).save(update_fields=["reference"]),
    "save with force_update": lambda alias: a_copy(alias).save(using=alias, force_update=True),
    "save of a new object with the same pk": lambda alias: a_copy(alias).save(using=alias),
    "save of a new object with another's pk": lambda alias: copy_over_another(alias).save(
        using=alias
    ),
    "save_base": lambda alias: changed(alias).save_base(using=alias),
    "delete": lambda alias: entry(alias).delete(),
    "update": lambda alias: entries(alias).update(reference="changed"),
    "update of none": lambda alias: entries(alias).none().update(reference="changed"),
    "filtered update": lambda alias: entries(alias).filter(kind="hold").update(reference="x"),
    "queryset delete": lambda alias: entries(alias).all().delete(),
    "filtered delete": lambda alias: entries(alias).filter(kind="hold").delete(),
    "raw delete": lambda alias: entries(alias).all()._raw_delete(alias),  # noqa: SLF001
    "bulk_update": lambda alias: entries(alias).bulk_update([changed(alias)], ["reference"]),
    "update_or_create": lambda alias: entries(alias).update_or_create(
        pk=entry(alias).pk, defaults={"reference": "changed"}
    ),
    "bulk_create with update_conflicts": lambda alias: entries(alias).bulk_create(
        [a_copy(alias)],
        update_conflicts=True,
        update_fields=["quantity_delta"],
        unique_fields=["id"],
    ),
    "bulk_create with update_conflicts by position": lambda alias: entries(alias).bulk_create(
        [a_copy(alias)],
        None,
        False,  # noqa: FBT003 - what is tried here
        True,  # noqa: FBT003
        ["quantity_delta"],
        None if alias == "mariadb" else ["id"],
    ),
    "default manager": lambda alias: Entry._default_manager.using(alias).update(reference="x"),
    "base manager": lambda alias: Entry._base_manager.using(alias).update(reference="x"),
    "base manager's delete": lambda alias: Entry._base_manager.using(alias).all().delete(),
    "a balance's entries": lambda alias: _balance(alias).entries.update(reference="changed"),
    "a balance's entries' delete": lambda alias: _balance(alias).entries.all().delete(),
    "a balance's entries set": lambda alias: _balance(alias).entries.set([], clear=True),
    "a hold's entries": lambda alias: _hold(alias).entries.all().delete(),
    "a hold's entries cleared": lambda alias: _hold(alias).entries.clear(),
    "a hold's entries removed": lambda alias: _hold(alias).entries.remove(entry(alias)),
}


def _balance(alias: str) -> Balance:
    return Balance.objects.using(alias).get()


def _hold(alias: str) -> Hold:
    return Hold.objects.using(alias).get()


@on_databases
@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_models_and_querysets_refuse_to_change_an_entry(
    engine: Engine, ledger: Ledger, attempt: Callable[[str], object]
) -> None:
    stock(ledger)
    with refuses(engine, EntryImmutable):
        attempt(str(engine.alias))


@on_databases
@pytest.mark.parametrize("model", [Balance, Hold])
def test_what_an_entry_refers_to_cannot_be_deleted(
    engine: Engine, ledger: Ledger, model: type[Balance | Hold]
) -> None:
    stock(ledger)
    before = engine.dump()
    with pytest.raises(ProtectedError):
        model._default_manager.using(engine.alias).all().delete()
    assert engine.dump() == before


@on_databases
@pytest.mark.parametrize("table", [Balance._meta.db_table, Hold._meta.db_table])
def test_what_an_entry_refers_to_cannot_be_deleted_in_sql(
    engine: Engine, ledger: Ledger, table: str
) -> None:
    stock(ledger)
    alias = str(engine.alias)
    before = engine.dump()

    def delete() -> None:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table's name

    with pytest.raises(IntegrityError):
        delete()
    assert engine.dump() == before


@only_on("postgresql")
@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {TABLE} SET reference = 'changed'",  # noqa: S608 - our own table's name
        f"UPDATE {TABLE} SET reference = reference",  # noqa: S608
        f"UPDATE {TABLE} SET quantity_delta = 1 WHERE kind = 'acquire'",  # noqa: S608
        f"DELETE FROM {TABLE}",  # noqa: S608
        f"DELETE FROM {TABLE} WHERE kind = 'hold'",  # noqa: S608
        f"INSERT INTO {TABLE} SELECT * FROM {TABLE} ON CONFLICT (id) DO UPDATE SET kind = 'hold'",  # noqa: S608
        f"MERGE INTO {TABLE} USING (SELECT 1) one ON true WHEN MATCHED THEN DELETE",
    ],
)
def test_postgresql_itself_refuses_to_change_an_entry(
    engine: Engine, ledger: Ledger, statement: str
) -> None:
    stock(ledger)
    alias = str(engine.alias)
    before = engine.dump()
    with (
        pytest.raises(IntegrityError, match="never changed or deleted") as caught,
        transaction.atomic(using=alias),
        connections[alias].cursor() as cursor,
    ):
        cursor.execute(statement)
    assert getattr(caught.value.__cause__, "sqlstate", None) == "23001"
    assert engine.dump() == before
