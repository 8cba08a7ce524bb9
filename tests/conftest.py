"""What every test shares: the databases, and a word on those that are left out."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from django.test.utils import setup_databases, teardown_databases
from hypothesis import settings as hypothesis_settings

from tests.servers import find_servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

# A database answers when it answers; a deadline would fail tests on a busy machine.
hypothesis_settings.register_profile("databases", deadline=None)
hypothesis_settings.load_profile("databases")


def pytest_report_header() -> list[str]:
    servers = find_servers()
    return [
        *(f"engine {engine}: {server}" for engine, server in servers.found.items()),
        *(f"engine {engine}: LEFT OUT, {why}" for engine, why in servers.left_out.items()),
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for engine, why in find_servers().left_out.items():
        terminalreporter.write_line(f"Not tested: {engine}, since {why}", yellow=True)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """Make the test databases of all servers.

    In the place of pytest-django's own, which makes those alone that a ``django_db`` mark names:
    the contract suite has no such mark, as it would wrap the tests in transactions.
    """
    with django_db_blocker.unblock():
        databases = setup_databases(verbosity=0, interactive=False, serialized_aliases=set())
    yield
    # One by one, so that a connection that a test has left open stops its own database alone.
    with django_db_blocker.unblock(), ExitStack() as stack:
        for database in databases:
            stack.callback(teardown_databases, [database], verbosity=0)
