"""The journal can be partitioned as scale-out.md says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from django.db import DatabaseError, connections, transaction

from django_inventory.ledgers import DatabaseLedger, PostgresLedger
from django_inventory.models import Entry
from django_inventory.testing import MovableClock, assert_books_balance
from tests.docs.pages import ROOT, read_page
from tests.servers import ALIASES, find_servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

ALIAS: Final = ALIASES["postgresql"]
LEFT_OUT: Final = find_servers().left_out
CATALOGUE: Final = """
SELECT kind, name FROM (
    SELECT 'check' AS kind, conname AS name FROM pg_constraint
    WHERE conrelid = 'django_inventory_entry'::regclass AND contype = 'c'
    UNION
    SELECT 'trigger', tgname FROM pg_trigger
    WHERE tgrelid = 'django_inventory_entry'::regclass AND NOT tgisinternal
    UNION
    SELECT 'column', format('%s %s %s', attname, attnotnull, attcollation) FROM pg_attribute
    WHERE attrelid = 'django_inventory_entry'::regclass AND attnum > 0
) AS parts ORDER BY kind, name
"""

pytestmark = pytest.mark.skipif("postgresql" in LEFT_OUT, reason=LEFT_OUT.get("postgresql", ""))


@pytest.fixture
def rolled_back(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A transaction that takes back the change of the tables as well."""
    with django_db_blocker.unblock(), transaction.atomic(using=ALIAS):
        yield
        transaction.set_rollback(True, using=ALIAS)


def catalogue() -> list[tuple[str, str]]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(CATALOGUE)
        return list(cursor.fetchall())


def partition() -> None:
    (sql,) = [
        block.body
        for block in read_page(ROOT / "docs/how-to/scale-out.md").blocks
        if block.language == "postgresql"
    ]
    with connections[ALIAS].cursor() as cursor:
        # As the end of a transaction would do, with which a migration begins.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def trade(ledger: DatabaseLedger, clock: MovableClock, day: int) -> None:
    for number in range(20):
        ledger.acquire(f"in {day} {number}", f"shop {number}", "lamp", 10)
    holds = [
        ledger.hold(f"hold {day} {number}", f"shop {number}", "lamp", 3, 60).hold
        for number in range(20)
    ]
    for number, hold in enumerate(holds[:10]):
        assert hold is not None
        ledger.commit(hold.id, to=f"shop {number + 1}")
        assert ledger.commit(hold.id, to=f"shop {number + 1}").replayed
    clock.advance(seconds=60)
    ledger.transfer(f"move {day}", "shop 15", "shop 16", "lamp", 10)
    assert ledger.expire_holds() > 0


@pytest.mark.parametrize("ledger_class", [DatabaseLedger, PostgresLedger])
def test_a_partitioned_journal_is_the_same_to_the_ledger(
    rolled_back: None, ledger_class: type[DatabaseLedger]
) -> None:
    clock = MovableClock()
    ledger = ledger_class(using=ALIAS, clock=clock)
    trade(ledger, clock, 1)
    before, parts = list(Entry.objects.using(ALIAS).order_by("pk").values()), catalogue()

    partition()

    assert list(Entry.objects.using(ALIAS).order_by("pk").values()) == before
    assert catalogue() == parts
    trade(ledger, clock, 2)
    assert ledger.acquire("in 1 7", "shop 7", "lamp", 10).replayed
    assert_books_balance(ledger=ledger)
    entry = Entry.objects.using(ALIAS).latest("pk")
    assert entry.pk > before[-1]["id"]
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ONLY django_inventory_entry")
        assert cursor.fetchone() == (0,)
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(using=ALIAS):
            cursor.execute("DELETE FROM django_inventory_entry")
