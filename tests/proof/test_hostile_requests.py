"""Whatever a client sends is done or answered with a problem: no driver's error, never a 5xx.

Here with one hostile value at a time; what follows the API's description, and what does not, in
every combination is Schemathesis's to send, in ``tests/api/live``.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest

from django_inventory.ledgers import DatabaseLedger
from tests.api.conftest import ALL_PERMISSIONS, Caller, problem
from tests.api.factories import UserFactory
from tests.api.routes import ROUTES, Route, stock
from tests.proof.hostile_values import METADATA, NUMBERS, OBJECTS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings

POSTS: Final = [route for route in ROUTES if route.method == "post"]
LISTS: Final = [route for route in ROUTES if route.method == "get" and "{" not in route.path]
NOTES: Final = ("reference", "metadata", "quantity", "to", "keep_remainder", "anything")
QUERY: Final = ("subject", "item", "subject__in", "item__startswith", "hold", "limit", "cursor")
LONGEST_BODY: Final = 2_000_000
"""Django itself refuses a little more."""

keys = map("key-{}".format, count())


def _in_json() -> Iterator[str]:
    """Yield what can be said in JSON, and in what Python takes for JSON."""
    for group in (TEXTS, NUMBERS, OBJECTS, METADATA):
        for name, make in group.items():
            if name == "bomb":
                continue
            try:
                text = json.dumps(make())
            except (TypeError, ValueError, RecursionError):
                continue
            if len(text) < LONGEST_BODY:
                yield text


SAID: Final = tuple(dict.fromkeys(_in_json()))


@pytest.fixture
def caller(db: None, settings: Settings) -> Caller:
    """A client of the API's, on the books that its routes need."""
    settings.ROOT_URLCONF = "tests.api.project"
    settings.INVENTORY = {}
    return Caller(UserFactory.create(permissions=ALL_PERMISSIONS))


def assert_is_answered(response: Any, what: str) -> None:
    assert response.status_code < 500, what
    if response.status_code >= 400:
        problem(response)


@pytest.mark.parametrize("route", POSTS, ids=str)
def test_every_value_in_every_field_of_a_body(caller: Caller, route: Route) -> None:
    rows = stock(DatabaseLedger())
    path = route.path.format(**rows)
    done = 0
    for field in dict.fromkeys((*route.body, *NOTES)):
        for said in SAID:
            others = {name: value for name, value in route.body.items() if name != field}
            fields = [f'"{field}": {said}', *(json.dumps(others)[1:-1],) * bool(others)]
            body = f"{{{', '.join(fields)}}}"
            key = json.dumps(next(keys))
            response = caller.send(path, body, **{"Idempotency-Key": key})
            assert_is_answered(response, f"{field}: {said[:80]}")
            done += response.status_code < 300
    assert done


@pytest.mark.parametrize("route", POSTS, ids=str)
def test_every_value_as_a_body(caller: Caller, route: Route) -> None:
    path = route.path.format(**stock(DatabaseLedger()))
    for said in SAID:
        for body in (said, said[:-1], f"[{said}]"):
            assert_is_answered(caller.send(path, body, **{"Idempotency-Key": '"k"'}), body[:80])


@pytest.mark.parametrize("route", LISTS, ids=str)
def test_every_text_as_a_parameter(caller: Caller, route: Route) -> None:
    stock(DatabaseLedger())
    for name in QUERY:
        for make in TEXTS.values():
            text = str(make())[:5_000]
            try:
                text.encode()
            except UnicodeEncodeError:
                continue
            assert_is_answered(caller.get(route.path, **{name: text}), f"{name}: {text[:80]!r}")


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_as_a_key(caller: Caller, name: str) -> None:
    text = str(TEXTS[name]())[:5_000]
    body = json.dumps({"subject": "alice", "item": "gold", "quantity": 1})
    for key in (text, f'"{text}"'):
        response = caller.send("balances/acquire/", body, **{"Idempotency-Key": key})
        assert_is_answered(response, name)
