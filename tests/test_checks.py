"""The system checks: each speaks where it should, and is silent where it should be."""

from __future__ import annotations

import copy
import inspect
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core import checks
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from django_inventory import checks as inventory_checks
from tests.contract.conftest import clock, engine
from tests.contract.journal import only_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

    from tests.contract.engines import Engine

__all__ = ["clock", "engine"]

LEDGERS = "django_inventory.ledgers"


@pytest.fixture(autouse=True)
def database_access(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let Django's own checks ask a database what it can, if nobody has asked it before."""
    with django_db_blocker.unblock():
        yield


def found(*, databases: list[str] | None = None) -> list[str]:
    """Return the ids of what our checks say, as ``manage.py check`` would."""
    messages = checks.run_checks(databases=databases)
    ours = [message for message in messages if str(message.id).startswith("inventory.")]
    for message in ours:
        assert message.msg
        assert message.level >= checks.WARNING
    return sorted(str(message.id) for message in ours)


@contextmanager
def settings_of(alias: str, **changes: Any) -> Iterator[None]:
    """Change a database's settings, as its connection has them."""
    # Whatever it is called meanwhile, a check that asks it must not open another one.
    connections[alias].ensure_connection()
    settings = connections[alias].settings_dict
    before = copy.deepcopy({name: settings[name] for name in changes})
    settings.update(changes)
    try:
        yield
    finally:
        settings.update(before)


@pytest.mark.parametrize(
    ("inventory", "ids"),
    [
        ({}, []),
        ({"BACKEND": f"{LEDGERS}.MemoryLedger"}, []),
        ({"OPTIONS": {"using": "default", "scope": "shop"}}, []),
        ([], ["inventory.E001"]),
        ({"BACKEND": 7}, ["inventory.E001"]),
        ({"BACKEND": "django_inventory.ledgers.NoSuchLedger"}, ["inventory.E001"]),
        ({"BACKEND": "no_such_package.Ledger"}, ["inventory.E001"]),
        ({"BACKEND": "datetime.datetime"}, ["inventory.E001"]),
        ({"OPTIONS": []}, ["inventory.E001"]),
        ({"OPTIONS": {"colour": "red"}}, ["inventory.E002"]),
        ({"OPTIONS": {"scope": " "}}, ["inventory.E002"]),
        ({"OPTIONS": {"clock": "django.utils.timezone.now"}}, ["inventory.E002"]),
        ({"COLOUR": "red", "SIZE": 1}, ["inventory.W001", "inventory.W001"]),
        ({"OPTIONS": {"using": "nowhere"}}, ["inventory.E003"]),
        ({"BACKEND": f"{LEDGERS}.postgres.PostgresLedger"}, ["inventory.E004"]),
    ],
)
def test_settings(inventory: Any, ids: list[str]) -> None:
    with override_settings(INVENTORY=inventory):
        assert found() == ids


@only_on("postgresql", "mariadb")
def test_postgres_ledger_on_postgresql_alone(engine: Engine) -> None:
    ledger = {"BACKEND": f"{LEDGERS}.postgres.PostgresLedger", "OPTIONS": {"using": engine.alias}}
    with override_settings(INVENTORY=ledger):
        assert found() == ([] if engine.name == "postgresql" else ["inventory.E004"])


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({}, ["inventory.W002"]),
        ({"transaction_mode": None}, ["inventory.W002"]),
        ({"transaction_mode": "deferred"}, ["inventory.W002"]),
        ({"transaction_mode": "IMMEDIATE"}, []),
        ({"transaction_mode": "exclusive"}, []),
    ],
)
def test_sqlite_transactions_begin_as_writers(options: dict[str, Any], ids: list[str]) -> None:
    with settings_of("default", OPTIONS=options, NAME="file.sqlite3"):
        assert found() == ids
        # What the ledger does not use is none of its business.
        with override_settings(INVENTORY={"BACKEND": f"{LEDGERS}.MemoryLedger"}):
            assert found() == []
    with settings_of("default", OPTIONS=options, NAME=":memory:"):
        assert found() == []


def test_another_name_opens_no_other_database() -> None:
    connection = connections["default"]
    connection.close()
    with settings_of("default", NAME="file.sqlite3"):
        connection.ensure_connection()
    assert "django_inventory_entry" in connection.introspection.table_names()


@only_on("postgresql")
def test_sqlite_beside_the_ledgers_database_does_not_matter(engine: Engine) -> None:
    with (
        settings_of("default", OPTIONS={}, NAME="file.sqlite3"),
        override_settings(INVENTORY={"OPTIONS": {"using": engine.alias}}),
    ):
        assert found() == []


@only_on("sqlite", "postgresql", "mariadb")
def test_atomic_requests(engine: Engine) -> None:
    with override_settings(INVENTORY={"OPTIONS": {"using": engine.alias}}):
        assert found() == []
        with settings_of(str(engine.alias), ATOMIC_REQUESTS=True):
            assert found() == ["inventory.W003"]


def test_atomic_requests_of_another_database_do_not_matter() -> None:
    with (
        settings_of("default", ATOMIC_REQUESTS=True),
        override_settings(INVENTORY={"BACKEND": f"{LEDGERS}.MemoryLedger"}),
    ):
        assert found() == []


@pytest.mark.parametrize(
    ("zone", "is_aware", "ids"),
    [
        ("Europe/Berlin", True, []),
        ("Europe/Berlin", False, ["inventory.W004"]),
        ("UTC", False, []),
    ],
)
def test_time_zones(zone: str, is_aware: bool, ids: list[str]) -> None:  # noqa: FBT001 - parametrized
    with override_settings(USE_TZ=is_aware, TIME_ZONE=zone):
        assert found() == ids


@only_on("mariadb")
@pytest.mark.parametrize(
    ("level", "ids"),
    [
        ("READ COMMITTED", []),
        ("REPEATABLE READ", ["inventory.E005"]),
        ("SERIALIZABLE", ["inventory.E005"]),
        ("READ UNCOMMITTED", ["inventory.E005"]),
    ],
)
def test_isolation_of_mariadb(level: str, ids: list[str], engine: Engine) -> None:
    alias = str(engine.alias)
    with override_settings(INVENTORY={"OPTIONS": {"using": alias}}):
        with connections[alias].cursor() as cursor:
            cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
        try:
            assert found(databases=[alias]) == ids
            # Only where the database may be asked.
            assert found() == []
            assert found(databases=["default"]) == []
        finally:
            connections[alias].close()


@only_on("mariadb")
def test_collations_of_mariadb(engine: Engine) -> None:
    alias = str(engine.alias)
    column = "ALTER TABLE django_inventory_hold MODIFY reference varchar(255) COLLATE {} NOT NULL"
    with override_settings(INVENTORY={"OPTIONS": {"using": alias}}):
        assert found(databases=[alias]) == []
        with connections[alias].cursor() as cursor:
            cursor.execute(column.format("utf8mb4_unicode_ci"))
            try:
                (message,) = inventory_checks.check_mysql(databases=[alias])
                assert message.id == "inventory.E006"
                assert message.msg.startswith("django_inventory_hold.reference has the collation")
                assert found() == []
                # A migration that is due may be about to mend it, and must not be stopped.
                recorder = MigrationRecorder(connections[alias])
                recorder.record_unapplied("django_inventory", "0001_initial")
                assert inventory_checks.check_mysql(databases=[alias]) == []
                recorder.record_applied("django_inventory", "0001_initial")
            finally:
                cursor.execute(column.format("utf8mb4_bin"))
        assert found(databases=[alias]) == []


@only_on("sqlite", "postgresql")
def test_other_databases_are_not_asked(engine: Engine) -> None:
    alias = str(engine.alias)
    with override_settings(INVENTORY={"OPTIONS": {"using": alias}}):
        assert inventory_checks.check_mysql(databases=[alias]) == []


def test_every_id_is_documented() -> None:
    ids = set(re.findall(r'id="(inventory\.[EW][0-9]{3})"', inspect.getsource(inventory_checks)))
    page = Path(__file__).parents[1] / "docs/reference/checks.md"
    assert {f"inventory.E00{n}" for n in range(1, 7)} <= ids
    assert [name for name in sorted(ids) if f"| `{name}` |" not in page.read_text()] == []
