"""The functions of ``PostgresLedger`` in every surrounding that they may be called in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.core.management import call_command
from django.db import connections, transaction

from django_inventory.exceptions import InsufficientQuantity
from django_inventory.ledgers import PostgresLedger
from django_inventory.ledgers.verification import Verification
from django_inventory.operations import Acquire, Commit, Consume, Hold
from tests.servers import find_servers
from tests.test_migrations import SCRATCH, scratch_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.db.backends.base.base import BaseDatabaseWrapper
    from pytest_django import DjangoDbBlocker

REASON: Final = find_servers().left_out.get("postgresql", "")
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture
def scratch(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[BaseDatabaseWrapper]:
    """An empty database, whose options can be changed before anything connects to it."""
    with django_db_blocker.unblock(), scratch_database("postgresql", tmp_path) as alias:
        yield connections[alias]


def set_options(connection: BaseDatabaseWrapper, **options: Any) -> None:
    connection.close()
    connection.settings_dict["OPTIONS"] = {**connection.settings_dict["OPTIONS"], **options}


def migrate() -> None:
    call_command("migrate", "django_inventory", database=SCRATCH, verbosity=0)


def work_with_every_verb() -> None:
    ledger = PostgresLedger(using=SCRATCH)
    notes: dict[str, Any] = {"reference": "order '7' \\ 100 %", "metadata": {"a": ["\x1f", None]}}
    first = ledger.acquire("k1", "alice", "gold", 10, actor="bob", **notes)
    assert ledger.acquire("k1", "alice", "gold", 10, **notes) == replace(first, replayed=True)
    ledger.consume("k2", "alice", "gold", 1)
    ledger.transfer("k3", "alice", "bob", "gold", 2)
    with pytest.raises(InsufficientQuantity):
        ledger.consume("k4", "bob", "gold", 3)
    holds = [ledger.hold(f"h{n}", "alice", "gold", 2, 60).hold for n in range(3)]
    ids = [hold.id for hold in holds if hold is not None]
    ledger.extend(ids[0], 120, key="k5")
    ledger.commit(ids[0], to="carol", key="k6")
    ledger.commit(ids[1], quantity=1, keep_remainder=True, key="k7")
    ledger.release(ids[2])
    ledger.post([Acquire("b1", "dave", "gold", 3), Consume("b2", "dave", "gold", 1)])
    refused = ledger.post(
        [Consume("b3", "dave", "gold", 9), Acquire("b4", "dave", "gold", 1)], atomic=False
    )
    assert isinstance(refused[0], InsufficientQuantity)
    assert ledger.expire_holds() == 0
    owned = {
        subject: [(b.quantity, b.on_hold) for b in ledger.balances(subject)]
        for subject in ("alice", "bob", "carol", "dave")
    }
    assert owned == {"alice": [(3, 1)], "bob": [(2, 0)], "carol": [(2, 0)], "dave": [(3, 0)]}
    assert list(Verification(using=SCRATCH).mismatches()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"server_side_binding": False},
        {"server_side_binding": True},
        {"server_side_binding": True, "prepare_threshold": 0},
    ],
    ids=["client-side", "server-side", "prepared"],
)
def test_they_work_however_the_driver_hands_parameters_over(
    scratch: BaseDatabaseWrapper, options: dict[str, Any]
) -> None:
    migrate()
    set_options(scratch, **options)
    work_with_every_verb()


def test_they_live_in_whatever_schema_the_tables_are_in(scratch: BaseDatabaseWrapper) -> None:
    with scratch.cursor() as cursor:
        cursor.execute('CREATE SCHEMA "Shop 7"')
    set_options(scratch, options='-c search_path="Shop\\ 7"')
    migrate()
    work_with_every_verb()
    with scratch.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " UNION ALL SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
        assert cursor.fetchall() == [(0,), (0,)]


def test_they_find_their_tables_under_a_search_path_without_them(
    scratch: BaseDatabaseWrapper,
) -> None:
    """As a function of somebody's with ``SET search_path`` of its own would call them."""
    migrate()

    def call_without_path(
        execute: Callable[..., Any], sql: str, params: Any, many: Any, context: Any
    ) -> Any:
        if sql.startswith("SELECT django_inventory_"):
            with scratch.cursor() as cursor:
                cursor.cursor.execute("SET search_path TO pg_catalog")
            try:
                sql = sql.replace("SELECT ", "SELECT public.", 1)
                return execute(sql, params, many, context)
            finally:
                with scratch.cursor() as cursor:
                    cursor.cursor.execute("RESET search_path")
        return execute(sql, params, many, context)

    with scratch.execute_wrapper(call_without_path):
        work_with_every_verb()


def test_a_table_of_the_same_name_that_comes_first_is_left_alone(
    scratch: BaseDatabaseWrapper,
) -> None:
    migrate()
    with scratch.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE django_inventory_balance (id integer)")
        ledger = PostgresLedger(using=SCRATCH)
        ledger.acquire("k1", "alice", "gold", 10)
        cursor.execute("SELECT count(*) FROM django_inventory_balance")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT quantity FROM public.django_inventory_balance")
        assert cursor.fetchone() == (10,)


def test_a_batch_reads_its_own_rows_alone_though_it_was_planned_for_small_tables(
    scratch: BaseDatabaseWrapper,
) -> None:
    migrate()
    ledger = PostgresLedger(using=SCRATCH)
    held = ledger.post([Acquire("a", "shop", "gold", 9_000), Hold("h", "shop", "gold", 1, 900)])
    with scratch.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    ledger.post([Commit(hold.id, to="ann") for hold in [held[1].hold] if hold is not None])
    receipts = ledger.post(
        [Acquire(f"a{n}", f"s{n}", "gold", 1) for n in range(1_000)]
        + [Hold(f"h{n}", f"s{n}", "gold", 1, 900) for n in range(1_000)]
    )
    holds = [receipt.hold.id for receipt in receipts if receipt.hold is not None]
    with transaction.atomic(using=SCRATCH), scratch.cursor() as cursor:
        before = rows_read(cursor)
        ledger.post([Commit(hold_id, to="bob") for hold_id in holds[:2]])
        read = {table: rows - before[table] for table, rows in rows_read(cursor).items()}
    assert read.keys() == {"django_inventory_balance", "django_inventory_hold"}
    assert 0 < min(read.values()) <= max(read.values()) < 40, read


def rows_read(cursor: Any) -> dict[str, int]:
    """Return how many rows the session has read lately of balances and of holds."""
    cursor.execute(
        "SELECT relname, seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('django_inventory_balance', 'django_inventory_hold')"
    )
    return dict(cursor.fetchall())
