"""What the proofs share: how much of them is run, and access to the databases.

One switch makes a run long: ``pytest tests/proof --hypothesis-profile=long``, see ``profiles``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_inventory.ledgers import PostgresLedger
from tests.contract.engines import Clock, DatabaseEngine, MemoryEngine
from tests.proof.profiles import is_long_run, is_proof_run, register_profiles
from tests.proof.report import REPORT, Report
from tests.servers import ALIASES, find_servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

    from tests.contract.engines import Engine

DATABASES = [name for name in ALIASES if name not in find_servers().left_out]
DATABASE_LEDGERS = [*DATABASES, *(["PostgresLedger"] if "postgresql" in DATABASES else [])]

# They assert, too, and should say what was not equal.
pytest.register_assert_rewrite("tests.proof.model.books", "tests.proof.model.match")

register_profiles()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes; run with --hypothesis-profile=long")
    config.addinivalue_line(
        "markers", "crowded: starts processes and servers; run with --hypothesis-profile=ci or long"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this run is too short for."""
    too_long = [*([] if is_long_run() else ["long"]), *([] if is_proof_run() else ["crowded"])]
    left_out = [item for item in items if any(map(item.get_closest_marker, too_long))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in REPORT.lines():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def report() -> Report:
    """The figures of the run, to add to."""
    return REPORT


@pytest.fixture
def databases(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let a test use every database, outside of any transaction."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until it is moved."""
    return Clock()


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, databases: None, clock: Clock) -> Iterator[Engine]:
    """Each database, empty; or those that a test names by ``indirect=True``."""
    found = DatabaseEngine(request.param, ALIASES[request.param], clock)
    yield found
    found.empty()


@pytest.fixture(params=["memory", *DATABASE_LEDGERS])
def any_engine(request: pytest.FixtureRequest, databases: None, clock: Clock) -> Iterator[Engine]:
    """Each ledger on each place where it can keep its data, empty."""
    found: Engine
    if request.param == "memory":
        found = MemoryEngine(clock)
    elif request.param == "PostgresLedger":
        found = DatabaseEngine("postgresql", "postgresql", clock, PostgresLedger)
    else:
        found = DatabaseEngine(request.param, ALIASES[request.param], clock)
    yield found
    found.empty()
