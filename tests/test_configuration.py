"""How a project chooses its ledger, from the import to the first call."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import RFC_4122, UUID

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import override_settings

from django_inventory import ledger
from django_inventory.ids import uuid7
from django_inventory.ledgers import (
    DatabaseLedger,
    Ledger,
    MemoryLedger,
    PostgresLedger,
    get_ledger,
)
from django_inventory.ledgers.choice import database_ledger

MEMORY: Final = {"BACKEND": "django_inventory.ledgers.MemoryLedger"}
DATABASE: Final = {"BACKEND": "django_inventory.ledgers.DatabaseLedger"}
NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


def noon() -> datetime:
    return NOON


class SlowLedger(MemoryLedger):
    """A ledger that lets others in while it is made."""

    meeting = threading.Barrier(2)

    def __init__(self) -> None:
        super().__init__()
        with suppress(threading.BrokenBarrierError):
            self.meeting.wait(0.5)


def run(program: str, *arguments: str) -> str:
    """Run a program in a process of its own, without our settings; return what it has printed."""
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


# The choice ---------------------------------------------------------------------------------


def test_without_settings_it_is_the_database_ledger_on_the_default_database() -> None:
    with override_settings():
        assert type(get_ledger()) is DatabaseLedger
        assert ledger.scope == ""


@pytest.mark.skipif("postgresql" not in connections, reason="needs a PostgreSQL in DATABASES")
def test_without_settings_it_is_the_postgres_ledger_where_the_database_is_postgresql() -> None:
    with override_settings(INVENTORY={"OPTIONS": {"using": "postgresql"}}):
        assert type(get_ledger()) is PostgresLedger
        assert type(database_ledger("default")[0]) is DatabaseLedger
    with override_settings(INVENTORY={}):
        assert type(database_ledger("postgresql")[0]) is PostgresLedger
    with override_settings(INVENTORY={**DATABASE, "OPTIONS": {"using": "postgresql"}}):
        assert type(get_ledger()) is DatabaseLedger
        assert type(database_ledger("postgresql")[0]) is DatabaseLedger


@override_settings(INVENTORY={"OPTIONS": {"using": "elsewhere"}})
def test_a_database_that_is_not_there_is_left_to_the_check() -> None:
    assert type(get_ledger()) is DatabaseLedger


@override_settings(INVENTORY={**MEMORY, "OPTIONS": {"scope": "shop", "clock": noon}})
def test_the_settings_choose_the_ledger_and_its_options() -> None:
    assert type(get_ledger()) is MemoryLedger
    assert ledger.scope == "shop"
    ledger.acquire("k", "alice", "gold", 5)
    placed = ledger.hold("k2", "alice", "gold", 1, 60).hold
    assert placed is not None
    assert (placed.expires_at - NOON).total_seconds() == 60


@override_settings(INVENTORY=MEMORY)
def test_one_ledger_is_kept_between_the_calls() -> None:
    ledger.acquire("k", "alice", "gold", 5)
    assert get_ledger() is get_ledger()
    assert ledger.balance("alice", "gold").quantity == 5
    with override_settings(TIME_ZONE="UTC"):
        assert ledger.balance("alice", "gold").quantity == 5
    assert get_ledger().balance("alice", "gold").quantity == 5
    assert ledger.scoped("shop").balance("alice", "gold").quantity == 5


def test_other_settings_make_another_ledger() -> None:
    with override_settings(INVENTORY=MEMORY):
        first = get_ledger()
        acquire = ledger.acquire
        with override_settings(INVENTORY={"OPTIONS": {"scope": "shop"}}):
            assert type(get_ledger()) is DatabaseLedger
            assert ledger.scope == "shop"
        assert type(get_ledger()) is MemoryLedger
        assert get_ledger() is not first
        # What was taken from the stand-in before is bound to what it stood for then.
        acquire("k", "alice", "gold", 5)
        assert first.balance("alice", "gold").quantity == 5
        assert ledger.balance("alice", "gold").quantity == 0
    assert type(get_ledger()) is DatabaseLedger


@override_settings(INVENTORY={"BACKEND": "tests.test_configuration.SlowLedger"})
def test_threads_that_are_first_at_once_get_the_same_ledger() -> None:
    SlowLedger.meeting.reset()
    found: list[Ledger] = []
    threads = [threading.Thread(target=lambda: found.append(get_ledger())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 2
    assert found[0] is found[1]


def test_the_stand_in_has_what_a_ledger_has_and_nothing_more() -> None:
    assert ledger.acquire.__name__ == "acquire"
    assert repr(ledger) == "<the configured ledger of django_inventory>"
    with pytest.raises(AttributeError, match="no_such_call"):
        ledger.no_such_call  # type: ignore[attr-defined]  # noqa: B018 - that is the test


# Mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inventory", "message"),
    [
        ([], "INVENTORY must be a dictionary"),
        ({"BACKEND": 7}, "'BACKEND'. must be a dotted path"),
        ({"BACKEND": "nowhere"}, "'BACKEND'. cannot be imported: nowhere"),
        ({"BACKEND": "no_such.Ledger"}, "'BACKEND'. cannot be imported: no_such.Ledger"),
        ({"BACKEND": "datetime.nothing"}, "'BACKEND'. cannot be imported: datetime.nothing"),
        ({"BACKEND": "datetime.datetime"}, "'BACKEND'. is no subclass of Ledger"),
        ({"BACKEND": "django_inventory.ledgers.get_ledger"}, "'BACKEND'. is no subclass of Ledger"),
        ({"OPTIONS": "scope"}, "'OPTIONS'. must be a dictionary"),
    ],
)
def test_a_mistake_in_the_settings_is_told_by_the_first_call(inventory: Any, message: str) -> None:
    with override_settings(INVENTORY=inventory):
        for _ in range(2):
            with pytest.raises(ImproperlyConfigured, match=message):
                ledger.balance("alice", "gold")


def test_an_option_that_the_ledger_does_not_take_is_told_by_the_first_call() -> None:
    wrong = override_settings(INVENTORY={"OPTIONS": {"colour": "red"}})
    with wrong, pytest.raises(TypeError, match="colour"):
        ledger.balance("alice", "gold")


# A project ----------------------------------------------------------------------------------

PROJECT: Final = """
import sys
import django
from django.conf import settings
from django_inventory import ledger  # at the top of a module, before there are settings
settings.configure(
    INSTALLED_APPS=["django_inventory"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
)
django.setup()
from django.core.management import call_command
call_command("check", verbosity=0)
call_command("migrate", verbosity=0)
call_command("makemigrations", check=True, dry_run=True, verbosity=0)
exec(compile(sys.argv[2], "README.md", "exec"))
"""


def test_the_readme_works_in_a_plain_project(tmp_path: Path) -> None:
    """With nothing but django_inventory in INSTALLED_APPS, on SQLite as Django sets it up."""
    readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    example, printed = (
        re.findall(rf"^```{language}\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)[0]
        for language in ("python", "text")
    )
    database = tmp_path / "db.sqlite3"
    # A warning of "check" would be no output here, but on standard error.
    assert run(PROJECT, str(database), example) == printed
    assert database.exists()


def test_the_ledgers_can_be_imported_before_django_is_set_up() -> None:
    program = """
import django_inventory.operations, django_inventory.exceptions, django_inventory.signals
from django_inventory.ledgers import Ledger, MemoryLedger, get_ledger
from django.core.exceptions import ImproperlyConfigured
try:
    from django_inventory.ledgers import DatabaseLedger
except ImproperlyConfigured:
    print("not yet")
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django_inventory"])
django.setup()
from django_inventory.ledgers import DatabaseLedger
print(type(get_ledger()) is DatabaseLedger)
"""
    assert run(program) == "not yet\nTrue\n"


def test_a_memory_ledger_needs_settings_for_its_default_clock_alone() -> None:
    program = """
from datetime import UTC, datetime
from django.core.exceptions import ImproperlyConfigured
from django_inventory.ledgers import MemoryLedger
try:
    MemoryLedger().acquire("k", "alice", "gold", 5)
except ImproperlyConfigured:
    print("no settings")
ledger = MemoryLedger(clock=lambda: datetime.now(UTC))
ledger.acquire("k", "alice", "gold", 5)
hold = ledger.hold("k2", "alice", "gold", 2, 60).hold
ledger.commit(hold.id, to="bob")
print(ledger.balance("alice", "gold").quantity, ledger.balance("bob", "gold").quantity)
"""
    assert run(program) == "no settings\n3 2\n"


# Ids ----------------------------------------------------------------------------------------


def test_forked_processes_make_different_ids() -> None:
    """As a server's workers do, all of which began as copies of one process."""
    program = """
import os, sys
from django_inventory.ids import uuid7
uuid7()
pipes = []
for _ in range(8):
    receiver, sender = os.pipe()
    if os.fork() == 0:
        with os.fdopen(sender, "w") as out:
            out.write("".join(f"{uuid7()}\\n" for _ in range(1_000)))
        os._exit(0)
    os.close(sender)
    pipes.append(receiver)
print("".join(f"{uuid7()}\\n" for _ in range(1_000)), end="")
for receiver in pipes:
    with os.fdopen(receiver) as come_in:
        print(come_in.read(), end="")
for _ in pipes:
    assert os.wait()[1] == 0
"""
    ids = [UUID(line) for line in run(program).split()]
    assert len(ids) == 9_000
    assert len(set(ids)) == 9_000
    assert {(id_.version, id_.variant) for id_ in ids} == {(7, RFC_4122)}


def test_ids_tell_the_time_that_they_were_made_at_and_sort_by_it() -> None:
    ids: list[UUID] = []
    while len(ids) < 20:
        earliest = time.time_ns() // 1_000_000
        made = uuid7()
        latest = time.time_ns() // 1_000_000
        assert earliest <= made.int >> 80 <= latest
        if not ids or made.int >> 80 > ids[-1].int >> 80:
            ids.append(made)
    assert ids == sorted(ids)
    assert [str(made) for made in ids] == sorted(str(made) for made in ids)
