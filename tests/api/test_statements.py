"""What a write asks the databases: who calls, what the caller may do, and the ledger's one."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from django_inventory.ledgers import PostgresLedger
from tests.api.conftest import ALL_PERMISSIONS
from tests.api.factories import UserFactory
from tests.api.routes import ROUTES, Route
from tests.servers import find_servers

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import Settings

    from tests.contract.engines import Clock

CALLER = "authtoken_token"
PERMISSIONS = ["auth_user_user_permissions", "auth_user_groups"]
POST = "django_inventory_post"
HOLD = "django_inventory_hold"
WRITES = [route for route in ROUTES if route.method == "post"]

pytestmark = [
    pytest.mark.skipif("postgresql" not in find_servers().databases, reason="needs PostgreSQL"),
    pytest.mark.django_db(databases="__all__"),
]


@pytest.fixture
def names(settings: Settings, clock: Clock) -> dict[str, Any]:
    """What the paths' names stand for, in a ledger that posts by one statement."""
    options = {"using": "postgresql", "clock": clock}
    settings.INVENTORY = {
        "BACKEND": "django_inventory.ledgers.PostgresLedger",
        "OPTIONS": options,
        "API_SUBJECT_SCOPE": "tests.api.project.subjects_of",
    }
    ledger = PostgresLedger(clock=clock, using="postgresql")
    ledger.acquire("stock", "alice", "gold", 10)
    hold = ledger.hold("hold", "alice", "gold", 4, 60).hold
    assert hold is not None
    return {"hold": hold.id}


def statements(user: User, route: Route, names: dict[str, Any]) -> list[str]:
    """Return for each statement of a request the one of our words that it has."""
    client = APIClient()
    token = Token.objects.create(user=user)
    headers = {"Authorization": f"Token {token.key}", "Idempotency-Key": "k"}
    path = f"/inventory/{route.path.format(**names)}"
    with ExitStack() as stack:
        captured = [
            stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in connections
        ]
        response = client.post(path, route.body, format="json", headers=headers)
    assert response.status_code == route.status, response.content
    # Of the ledger's functions there is one for a single operation.
    words = re.compile("|".join([CALLER, *PERMISSIONS, POST, rf"{HOLD}\b"]))
    return [words.findall(query["sql"])[0] for queries in captured for query in queries]


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_of_a_user(names: dict[str, Any], route: Route) -> None:
    user = UserFactory.create(permissions=ALL_PERMISSIONS)

    assert statements(user, route, names) == [CALLER, *PERMISSIONS, POST]


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_of_a_superuser(names: dict[str, Any], route: Route) -> None:
    assert statements(UserFactory.create(is_superuser=True), route, names) == [CALLER, POST]


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_of_a_narrowed_user_a_hold_is_looked_up_too(names: dict[str, Any], route: Route) -> None:
    user = UserFactory.create(is_superuser=True, last_name="alice bob")

    looked_up = [HOLD] if "{hold}" in route.path else []
    assert statements(user, route, names) == [CALLER, *looked_up, POST]
