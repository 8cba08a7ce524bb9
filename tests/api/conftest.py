"""The fixtures of the API's tests: a project with the API in it, a clock, and callers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from rest_framework.test import APIClient

from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Balance, Entry, Hold, IdempotencyRecord
from tests.api.factories import UserFactory
from tests.contract.engines import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.http import HttpResponse
    from pytest_django import Settings

    from django_inventory.ledgers import Ledger

ALL_PERMISSIONS: Final = [
    "view_balance",
    "view_hold",
    "view_entry",
    "acquire_balance",
    "consume_balance",
    "transfer_balance",
    "place_hold",
    "commit_hold",
    "release_hold",
    "extend_hold",
]


class Caller:
    """One user's client. Paths begin below the API's root."""

    def __init__(self, user: User | None) -> None:
        self.user = user
        self.http = APIClient()
        if user is not None:
            self.http.force_authenticate(user)

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(f"/inventory/{path}", query)

    def post(self, path: str, body: Any = None, key: str | None = None, **headers: str) -> Any:
        """Send ``body`` as JSON, and ``key`` in the header as the draft has it."""
        if key is not None:
            headers["Idempotency-Key"] = f'"{key}"'
        # Not by the client's own JSON, which cannot say all that a client may send.
        text = "" if body is None else json.dumps(body)
        return self.send(path, text, **headers)

    def send(self, path: str, text: str | bytes, **headers: str) -> Any:
        """Send ``text`` as JSON, be it JSON or not."""
        return self.http.post(
            f"/inventory/{path}", text, content_type="application/json", headers=headers
        )


@pytest.fixture(autouse=True)
def clock(settings: Settings) -> Clock:
    """The clock of the ledger in a project that has the API; it stands still."""
    clock = Clock()
    settings.ROOT_URLCONF = "tests.api.project"
    settings.INVENTORY = {"OPTIONS": {"clock": clock}}
    return clock


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    """The ledger as Python code uses it, beside the API."""
    return DatabaseLedger(clock=clock)


@pytest.fixture
def user(db: None) -> User:
    """A user who may do everything, by permissions and not as a superuser."""
    return UserFactory.create(permissions=ALL_PERMISSIONS)


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


@pytest.fixture
def rows() -> Callable[[], dict[str, int]]:
    """Count the rows of every table, to show that a refusal has left no trace."""

    def count() -> dict[str, int]:
        return {
            model.__name__: model._base_manager.count()
            for model in (Balance, Hold, Entry, IdempotencyRecord)
        }

    return count


def place_hold(ledger: Ledger, subject: str, item: str, quantity: int, ttl: float = 60) -> str:
    """Hold a quantity under a key that tells what, and return the hold's id."""
    receipt = ledger.hold(f"hold {quantity} of {subject}", subject, item, quantity, ttl)
    assert receipt.hold is not None
    return str(receipt.hold.id)


def problem(response: HttpResponse) -> dict[str, Any]:
    """Return a problem, having checked that it is one."""
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()  # type: ignore[attr-defined]
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:problem-type:django-inventory:{body['code']}"
    assert body["title"]
    assert body["detail"]
    return body


def code(response: HttpResponse) -> tuple[int, str]:
    """Return the status and the code of a problem."""
    return response.status_code, problem(response)["code"]
