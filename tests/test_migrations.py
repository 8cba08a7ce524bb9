"""The migrations on every database, forwards and backwards, in a scratch database of their own.

Its name does not begin as those of Django's test databases do: there TRUNCATE is let through.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connections, transaction
from django.db.migrations.loader import MigrationLoader

from django_inventory.fields import ExactCharField
from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Entry
from tests.servers import ALIASES, find_servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.db.backends.base.base import BaseDatabaseWrapper
    from pytest_django import DjangoDbBlocker

SCRATCH: Final = "scratch"
APP: Final = "django_inventory"
TRIGGERS: Final = {"inventory_entry_append_only", "inventory_entry_no_truncate"}
# By vendor: what tells all that the app's migrations have left in a database.
CATALOGUES: Final = {
    "postgresql": """
        SELECT 'relation', relname FROM pg_class WHERE relname LIKE '%%inventory_%%'
        UNION SELECT 'constraint', conname FROM pg_constraint WHERE conname LIKE '%%inventory_%%'
        UNION SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal
        UNION SELECT 'function', proname FROM pg_proc
            WHERE pronamespace = current_schema()::regnamespace
        UNION SELECT 'type', typname FROM pg_type WHERE typname LIKE '%%inventory_%%'
    """,
    "mysql": """
        SELECT 'table', table_name FROM information_schema.tables
            WHERE table_schema = DATABASE() AND table_name LIKE '%%inventory_%%'
        UNION SELECT 'constraint', constraint_name FROM information_schema.table_constraints
            WHERE table_schema = DATABASE() AND table_name LIKE '%%inventory_%%'
        UNION SELECT 'index', index_name FROM information_schema.statistics
            WHERE table_schema = DATABASE() AND table_name LIKE '%%inventory_%%'
        UNION SELECT 'trigger', trigger_name FROM information_schema.triggers
            WHERE trigger_schema = DATABASE()
        UNION SELECT 'routine', routine_name FROM information_schema.routines
            WHERE routine_schema = DATABASE()
    """,
    "sqlite": """
        SELECT type, name FROM sqlite_master WHERE tbl_name LIKE '%%inventory_%%'
    """,
}
COLLATIONS: Final = {
    "postgresql": """
        SELECT table_name, column_name, collation_name FROM information_schema.columns
        WHERE table_schema = current_schema()
    """,
    "mysql": """
        SELECT table_name, column_name, collation_name FROM information_schema.columns
        WHERE table_schema = DATABASE()
    """,
}


@contextmanager
def scratch_database(engine: str, folder: Path, options: str = "") -> Iterator[str]:
    """Make an empty database on the engine's server, and yield its alias."""
    alias = ALIASES[engine]
    name = f"scratch_inventory_{uuid4().hex[:12]}"
    server = connections[alias]
    settings = copy.deepcopy(server.settings_dict)
    settings["NAME"] = folder / name if engine == "sqlite" else name
    if engine != "sqlite":
        with server._nodb_cursor() as cursor:  # noqa: SLF001 - as Django's own test databases
            cursor.execute(f"CREATE DATABASE {name} {options}")
    connections.settings[SCRATCH] = settings
    try:
        yield SCRATCH
    finally:
        connections[SCRATCH].close()
        del connections[SCRATCH]
        del connections.settings[SCRATCH]
        if engine != "sqlite":
            with server._nodb_cursor() as cursor:  # noqa: SLF001 - as above
                cursor.execute(f"DROP DATABASE {name}")


def engines(*names: str) -> pytest.MarkDecorator:
    left_out = find_servers().left_out
    return pytest.mark.parametrize(
        "scratch",
        [
            pytest.param(
                name,
                marks=pytest.mark.skipif(name in left_out, reason=left_out.get(name, "")),
            )
            for name in names
        ],
        indirect=True,
    )


on_all: Final = engines(*ALIASES)


@pytest.fixture
def scratch(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    django_db_setup: None,  # before, or it would make a test database of the scratch one, too
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[BaseDatabaseWrapper]:
    engine, _, options = request.param.partition(" ")
    with django_db_blocker.unblock(), scratch_database(engine, tmp_path, options) as alias:
        yield connections[alias]


def migrate(target: str | None = None) -> None:
    call_command("migrate", APP, *filter(None, [target]), database=SCRATCH, verbosity=0)


def catalogue(connection: BaseDatabaseWrapper) -> set[tuple[str, str]]:
    """Return kind and name of all that is the app's, in the database's own words."""
    with connection.cursor() as cursor:
        cursor.execute(CATALOGUES[connection.vendor], [])
        return set(cursor.fetchall())


def named_rules() -> set[str]:
    """Return the names of all constraints and indexes that the models declare."""
    options = [model._meta for model in apps.get_app_config(APP).get_models()]
    rules = [rule for meta in options for rule in (*meta.constraints, *meta.indexes)]
    return {rule.name for rule in rules}


def do_some_work() -> None:
    ledger = DatabaseLedger(using=SCRATCH)
    ledger.acquire("k1", "alice", "gold", 5, metadata={"a": 1})
    hold = ledger.hold("k2", "alice", "gold", 2, 60).hold
    assert hold is not None
    ledger.commit(hold.id, to="bob")
    assert [ledger.balance(name, "gold").quantity for name in ("alice", "bob")] == [3, 2]


# Forwards and backwards ---------------------------------------------------------------------


@on_all
def test_every_named_rule_is_in_the_database(scratch: BaseDatabaseWrapper) -> None:
    migrate()
    names = {name for _, name in catalogue(scratch)}
    if scratch.vendor == "sqlite":
        # Its constraints are known from the text of the tables alone.
        with scratch.cursor() as cursor:
            cursor.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
            text = " ".join(sql for (sql,) in cursor.fetchall())
        names |= {name for name in named_rules() if f'"{name}"' in text}
    assert len(named_rules()) > 20
    assert named_rules() - names == set()
    assert TRIGGERS & names == (TRIGGERS if scratch.vendor == "postgresql" else set())


@on_all
def test_backwards_leaves_nothing_and_forwards_again_works(scratch: BaseDatabaseWrapper) -> None:
    before = catalogue(scratch)
    migrate()
    after = catalogue(scratch)
    assert len(after - before) > 10
    do_some_work()
    migrate("zero")
    assert catalogue(scratch) == before
    migrate()
    assert catalogue(scratch) == after
    do_some_work()


@on_all
def test_every_migration_goes_one_step_and_back(scratch: BaseDatabaseWrapper) -> None:
    graph = MigrationLoader(None).graph
    names = [name for app, name in graph.forwards_plan(graph.leaf_nodes(APP)[0]) if app == APP]
    states = [catalogue(scratch)]
    for name in names:
        migrate(name)
        states.append(catalogue(scratch))
    for name, state in zip([*reversed(names[:-1]), "zero"], reversed(states[:-1]), strict=True):
        migrate(name)
        assert catalogue(scratch) == state, name


# What the databases refuse or tell apart ----------------------------------------------------


def refusal(sql: str) -> str:
    """Return the SQLSTATE of what PostgreSQL answers to the statement."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic(using=SCRATCH):
        connections[SCRATCH].cursor().execute(sql)
    return str(getattr(caught.value.__cause__, "sqlstate", ""))


RESTRICT_VIOLATION: Final = "23001"


@engines("postgresql")
def test_postgresql_itself_refuses_to_change_the_journal(scratch: BaseDatabaseWrapper) -> None:
    migrate()
    do_some_work()
    before = list(Entry.objects.using(SCRATCH).order_by("pk").values())
    assert len(before) == 4
    for sql in (
        "UPDATE django_inventory_entry SET reference = 'x'",
        "UPDATE django_inventory_entry SET reference = reference WHERE sequence = 1",
        "DELETE FROM django_inventory_entry",
        "TRUNCATE django_inventory_entry",
        "TRUNCATE django_inventory_balance, django_inventory_hold, django_inventory_entry",
        "TRUNCATE django_inventory_balance CASCADE",
    ):
        assert refusal(sql) == RESTRICT_VIOLATION, sql
    assert list(Entry.objects.using(SCRATCH).order_by("pk").values()) == before


@engines("postgresql")
def test_truncate_passes_in_a_test_database_where_nothing_else_does(
    scratch: BaseDatabaseWrapper,
) -> None:
    """Django's TransactionTestCase empties the tables so, in every project with this app."""
    migrate()
    do_some_work()
    name = f"test_{scratch.settings_dict['NAME']}"
    rename(scratch, name)
    try:
        assert refusal("UPDATE django_inventory_entry SET reference = 'x'") == RESTRICT_VIOLATION
        assert refusal("DELETE FROM django_inventory_entry") == RESTRICT_VIOLATION
        assert Entry.objects.using(SCRATCH).count() == 4
        scratch.cursor().execute("TRUNCATE django_inventory_balance CASCADE")
        assert Entry.objects.using(SCRATCH).count() == 0
    finally:
        rename(scratch, name.removeprefix("test_"))


def rename(connection: BaseDatabaseWrapper, name: str) -> None:
    connection.close()
    with connection._nodb_cursor() as cursor:  # noqa: SLF001 - as above
        cursor.execute(f"ALTER DATABASE {connection.settings_dict['NAME']} RENAME TO {name}")
    connection.settings_dict["NAME"] = name


@engines("postgresql", "mariadb")
def test_identifiers_have_the_exact_collation(scratch: BaseDatabaseWrapper) -> None:
    migrate()
    exact = {
        (model._meta.db_table, field.column)
        for model in apps.get_app_config(APP).get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, ExactCharField)
    }
    assert {column for _, column in exact} >= {"subject", "item", "scope", "key", "reference"}
    with scratch.cursor() as cursor:
        cursor.execute(COLLATIONS[scratch.vendor])
        found = {(table, column): collation for table, column, collation in cursor.fetchall()}
    expected = {"postgresql": "C", "mysql": "utf8mb4_bin"}[scratch.vendor]
    assert {found[place] for place in exact} == {expected}


@engines(
    "mariadb CHARACTER SET latin1",
    "mariadb CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    "mariadb CHARACTER SET ascii",
)
def test_a_mariadb_of_another_character_set_keeps_every_identifier(
    scratch: BaseDatabaseWrapper,
) -> None:
    migrate()
    ledger = DatabaseLedger(using=SCRATCH)
    names = ["sword", "Sword", "swörd", "swo\u0308rd", "🗡", "剣", "\U0010ffff"]
    for number, name in enumerate(names, start=1):
        notes: dict[str, Any] = {"reference": name, "metadata": {name: name}, "actor": name}
        receipt = ledger.acquire(name, name, name, number, **notes)
        assert ledger.acquire(name, name, name, number, **notes) == replace(receipt, replayed=True)
    assert [ledger.balance(name, name).quantity for name in names] == list(range(1, 8))
    entries = Entry.objects.using(SCRATCH).order_by("pk")
    kept = entries.values_list("balance__subject", "key", "reference", "metadata", "actor")
    assert list(kept) == [(name, name, name, {name: name}, name) for name in names]
    assert catalogue(scratch) != set()
    migrate("zero")
    assert catalogue(scratch) == set()
