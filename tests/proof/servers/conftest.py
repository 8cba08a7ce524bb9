"""What the proofs on servers share: emptied databases, and crews."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest
from django.db import connections

from tests.proof.servers.books import empty
from tests.proof.servers.children import Crew
from tests.servers import ALIASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

CREW_SIZE: Final = 4


@pytest.fixture
def alias(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The alias of an empty database, of the engine that the test is parametrized with."""
    engine: str = request.param
    request.getfixturevalue("django_db_setup")
    with django_db_blocker.unblock():
        empty(ALIASES[engine])
        yield ALIASES[engine]
        # A failed test may have left one that is broken.
        connections[ALIASES[engine]].close()
        empty(ALIASES[engine])


@pytest.fixture(scope="module")
def crews(django_db_setup: None) -> Iterator[dict[str, Crew]]:
    """The crews by alias; their connections have to be closed before the databases can go."""
    started: dict[str, Crew] = {}
    with ExitStack() as stack:
        yield started
        for crew in started.values():
            stack.push(crew)


@pytest.fixture
def crew(alias: str, crews: dict[str, Crew]) -> Crew:
    """Child processes that are connected to the database of ``alias``."""
    if alias not in crews:
        crews[alias] = Crew(CREW_SIZE, connections[alias].settings_dict)
    return crews[alias]
