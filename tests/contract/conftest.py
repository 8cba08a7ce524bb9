"""The fixtures of the contract suite: each test runs once on every engine.

The tests of a database are in no transaction: the code under test opens the outermost one itself,
as it does in production. What they write is deleted after each test.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest
from django.db import connections

from django_inventory.ledgers import DatabaseLedger, PostgresLedger
from tests.contract import engines, races
from tests.contract.engines import Clock, DatabaseEngine, Engine, MemoryEngine
from tests.servers import ALIASES, ENGINES, find_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from django.db import DatabaseError
    from pytest_django import DjangoDbBlocker

    from django_inventory.ledgers import Ledger

R = TypeVar("R")

FUNCTIONS = "postgresql-functions"
"""PostgreSQL under ``PostgresLedger``, whose rules are functions in the database."""


class RunThreads(Protocol):
    """See the fixture ``run_threads``."""

    def __call__(
        self, calls: Sequence[Callable[[], R]], *, timeout: float = 60
    ) -> list[R | BaseException]: ...


def _engine_parameters() -> Iterator[object]:
    left_out = find_servers().left_out
    for name in ENGINES:
        reason = left_out.get(name, "")
        marks = pytest.mark.skipif(bool(reason), reason=reason)
        yield pytest.param(name, id=name, marks=marks)
        if name == "postgresql":
            yield pytest.param(FUNCTIONS, id=FUNCTIONS, marks=marks)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still, at a fixed time with microseconds, until it is moved."""
    return Clock()


@pytest.fixture(params=_engine_parameters())
def engine(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Engine]:
    """An engine without any content."""
    if request.param == "memory":
        yield MemoryEngine(clock)
        return
    request.getfixturevalue("django_db_setup")
    blocker: DjangoDbBlocker = request.getfixturevalue("django_db_blocker")
    with blocker.unblock():
        name, ledger_class = request.param, DatabaseLedger
        if name == FUNCTIONS:
            name, ledger_class = "postgresql", PostgresLedger
        database = DatabaseEngine(name, ALIASES[name], clock, ledger_class)
        yield database
        database.empty()


@pytest.fixture
def ledger(engine: Engine, clock: Clock) -> Ledger:
    return engine.make_ledger(clock=clock)


@pytest.fixture
def count_queries() -> Callable[[Engine], AbstractContextManager[engines.QueryCount]]:
    """The context manager of that name; ``counted.count`` is what is asserted after the block."""
    return engines.count_queries


@pytest.fixture
def conflicts(monkeypatch: pytest.MonkeyPatch) -> list[DatabaseError]:
    """Every deadlock and the like that the ledger meets, retried or not."""
    # By way of the module, of which a run in another variant has another function.
    return races.watch_conflicts(monkeypatch)


@pytest.fixture
def run_threads(engine: Engine) -> RunThreads:
    """Run calls at the same time, each in a thread with a connection of its own.

    Returns what they returned or raised, in the order of the calls. The test fails, with the
    stacks of those that hang, when they have not all come back in ``timeout`` seconds.
    """
    if isinstance(engine, DatabaseEngine):
        engine.forget()

    def run(calls: Sequence[Callable[[], R]], *, timeout: float = 60) -> list[R | BaseException]:
        outcomes: dict[int, R | BaseException] = {}
        barrier = threading.Barrier(len(calls))

        def work(index: int, call: Callable[[], R]) -> None:
            try:
                if engine.alias is not None:
                    connections[engine.alias].ensure_connection()
                barrier.wait(timeout)
                outcomes[index] = call()
            except BaseException as error:  # noqa: BLE001 - it is the outcome that the test judges
                outcomes[index] = error
            finally:
                connections.close_all()

        threads = [
            threading.Thread(target=work, args=item, name=f"call {item[0]}", daemon=True)
            for item in enumerate(calls)
        ]
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
        if stuck := [thread for thread in threads if thread.is_alive()]:
            pytest.fail(f"Still running after {timeout} seconds:\n{_stacks(stuck)}", pytrace=False)
        return [outcomes[index] for index in range(len(calls))]

    return run


def _stacks(threads: Sequence[threading.Thread]) -> str:
    frames = sys._current_frames()  # noqa: SLF001 - documented, in spite of its name
    return "\n".join(
        f"{thread.name}:\n{''.join(traceback.format_stack(frames[thread.ident]))}"
        for thread in threads
        if thread.ident in frames
    )
