"""``django_inventory.tasks``: the jobs for a task queue."""

from __future__ import annotations

import importlib
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import override_settings

from django_inventory import tasks
from django_inventory.models import IdempotencyRecord
from tests.contract.conftest import clock, engine, ledger
from tests.contract.journal import on_databases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock, Engine

__all__ = ["clock", "engine", "ledger"]

FRAMEWORKS = ["django.tasks", "django_tasks"]


class PlainTask:
    """What a framework makes of a function, as far as the tests need it."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def enqueue(self, *arguments: Any) -> Any:
        return self.function(*arguments)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module with a framework that runs tasks at once, whatever is installed."""
    framework = type(sys)("framework")
    framework.task = lambda: PlainTask  # type: ignore[attr-defined]  # it is made here
    monkeypatch.setitem(sys.modules, FRAMEWORKS[0], framework)
    yield importlib.reload(tasks)
    monkeypatch.undo()
    importlib.reload(tasks)


@on_databases
def test_the_tasks_do_what_the_commands_do(
    module: Any, engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    ledger.acquire("stock", "alice", "gold", 10)
    for number in range(3):
        ledger.hold(f"hold {number}", "alice", "gold", 1, 60)
    clock.advance(timedelta(days=3))
    ledger.acquire("young", "alice", "gold", 1)
    options = {"using": engine.alias, "clock": clock}
    with override_settings(INVENTORY={"OPTIONS": options}):
        # The acquire has recorded the three.
        assert module.expire_holds_task.enqueue() == 0
        ledger.hold("again", "alice", "gold", 1, 60)
        ledger.hold("once more", "alice", "gold", 1, 60)
        clock.advance(seconds=60)
        assert module.expire_holds_task.enqueue(1) == 1
        assert module.expire_holds_task.enqueue() == 1
        assert module.prune_idempotency_records_task.enqueue(2) == 4
        with pytest.raises(ValueError, match="above zero"):
            module.prune_idempotency_records_task.enqueue(0)
    assert IdempotencyRecord.objects.using(engine.alias).count() == 3


def test_without_a_database_there_is_nothing_to_prune(module: Any) -> None:
    with override_settings(INVENTORY={"BACKEND": "django_inventory.ledgers.MemoryLedger"}):
        assert module.prune_idempotency_records_task.enqueue(1) == 0


def test_without_a_framework_they_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FRAMEWORKS:
        monkeypatch.setitem(sys.modules, name, None)
    for name in tasks.TASKS:
        monkeypatch.delattr(tasks, name, raising=False)
    importlib.reload(tasks)
    try:
        with pytest.raises(ImportError, match=r"needs Django 6\.0 or newer, or the package"):
            from django_inventory.tasks import expire_holds_task  # noqa: F401 - it is not there
        with pytest.raises(AttributeError, match="no attribute 'other'"):
            tasks.other  # noqa: B018 - the access is what is tested
    finally:
        monkeypatch.undo()
        importlib.reload(tasks)


def test_the_framework_that_is_installed_finds_and_runs_them() -> None:
    """In a process of its own: on Django 6 ``django.tasks``, on 5.2 the backport."""
    program = (
        "import django\n"
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['django_inventory'], DATABASES={'default': {"
        "'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}})\n"
        "django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "from django.utils.module_loading import import_string\n"
        "for name, arguments in (('expire_holds_task', []),\n"
        "                        ('prune_idempotency_records_task', [30])):\n"
        "    task = import_string(f'django_inventory.tasks.{name}')\n"
        "    assert task.module_path == f'django_inventory.tasks.{name}'\n"
        "    print(name, task.enqueue(*arguments).return_value)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (finished.stdout, finished.returncode) == (
        "expire_holds_task 0\nprune_idempotency_records_task 0\n",
        0,
    ), finished.stderr
