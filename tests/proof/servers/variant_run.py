"""A pytest plugin for a run of the contract suite in one of ``tests.variants``.

Owns what of the suite is about Django's default way to use PostgreSQL and not about the ledger, and
leaves it out or lets it be. Everything else has to pass as it is.
"""

from __future__ import annotations

import inspect
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from tests.variants import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db import Error

    from tests.contract.engines import Engine

    Watch = Callable[[pytest.MonkeyPatch], list[Any]]

VARIANT: Final = os.environ[VARIABLE]
SERIALIZATION_FAILURE: Final = "40001"
MANY_ATTEMPTS: Final = 40
IS_STRICT: Final = VARIANT in {"repeatable-read", "serializable"}


def pytest_configure() -> None:
    # Late: a plugin is imported before Django is set up.
    from django_inventory.ledgers import retry
    from tests.contract import races

    if IS_STRICT:
        # Where nearly every call collides ten are not always enough: then the call is told that it
        # is busy, as it should be, but these tests want it done.
        retry.MAX_ATTEMPTS = MANY_ATTEMPTS  # type: ignore[misc]
        races.watch_conflicts = _without_serialization_failures(  # type: ignore[assignment]
            races.watch_conflicts
        )
    if VARIANT == "pool":
        races.connecting_with = _with_new_pools(races.connecting_with)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if is_left_out(item)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def is_left_out(item: pytest.Item) -> bool:
    name = getattr(item, "originalname", item.name)
    if IS_STRICT:
        # The negative controls need a level at which the race without a lock goes unnoticed, and
        # others make serialization failures at a level of their own, and count them.
        return name.startswith("test_without_") or "serialization_failure" in name
    if VARIANT == "pgbouncer":
        # What is set when a connection begins does not get through to the server.
        return "impatient(" in inspect.getsource(getattr(item, "function", is_left_out))
    return False


def _without_serialization_failures(watch: Watch) -> Watch:
    """Let ``watch_conflicts`` overlook what retries are there for at these levels."""

    def watch_conflicts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        from django_inventory.ledgers import retry

        met = watch(monkeypatch)
        tell = retry.is_transient

        def is_transient(error: Error) -> bool:
            is_one = tell(error)
            if is_one and getattr(error.__cause__, "sqlstate", None) == SERIALIZATION_FAILURE:
                met.remove(error)
            return is_one

        monkeypatch.setattr(retry, "is_transient", is_transient)
        return met

    return watch_conflicts


def _with_new_pools(connecting_with: Callable[..., Any]) -> Callable[..., Any]:
    """Let ``connecting_with`` get rid of the pool, whose connections are made already."""

    @contextmanager
    def connecting_with_new_pools(engine: Engine, **options: object) -> Iterator[None]:
        with connecting_with(engine, **options):
            _pooled(engine).close_pool()
            yield
        _pooled(engine).close_pool()

    return connecting_with_new_pools


def _pooled(engine: Engine) -> DatabaseWrapper:
    connection = connections[str(engine.alias)]
    assert isinstance(connection, DatabaseWrapper)
    return connection
