"""The two jobs that run again and again, as tasks of Django's Tasks framework.

Thin: they call the ledger. On Django 6.0 and newer the framework is ``django.tasks``, on 5.2 the
package django-tasks. Without either this module can be imported all the same, and says what is
missing when it is asked for one of the tasks. Source: DEP 14.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any, Final

from django_inventory.ledgers import get_ledger
from django_inventory.ledgers.choice import configured_alias, configured_now
from django_inventory.ledgers.pruning import prune_records

TASKS: Final = frozenset({"expire_holds_task", "prune_idempotency_records_task"})

TaskDecorator = Callable[[], Callable[[Callable[..., Any]], Any]]


def _task_decorator() -> TaskDecorator | None:
    for name in ("django.tasks", "django_tasks"):
        try:
            decorator: TaskDecorator = import_module(name).task
        except ImportError:
            continue
        return decorator
    return None


task = _task_decorator()

if task is not None:

    @task()
    def expire_holds_task(limit: int | None = None) -> int:
        """Record overdue holds, at most ``limit`` of them, and return how many."""
        return get_ledger().expire_holds(limit=limit)

    @task()
    def prune_idempotency_records_task(older_than_days: float) -> int:
        """Delete the idempotency records that are older than so many days; return how many.

        A key whose record is gone acts afresh when it is used again.
        """
        if not older_than_days > 0:
            msg = "older_than_days must be above zero."
            raise ValueError(msg)
        alias = configured_alias()
        if alias is None:
            return 0
        before = configured_now() - timedelta(days=older_than_days)
        return sum(prune_records(before, using=alias))


def __getattr__(name: str) -> Any:
    if name in TASKS:
        msg = f"{name} needs Django 6.0 or newer, or the package django-tasks."
        raise ImportError(msg)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
