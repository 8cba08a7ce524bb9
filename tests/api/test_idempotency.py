"""The Idempotency-Key header: missing, malformed, replayed, conflicting, and whose it is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model

from tests.api.conftest import ALL_PERMISSIONS, Caller, code, place_hold, problem
from tests.api.factories import UserFactory
from tests.api.routes import GOLD, ROUTES, Route, stock

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock

KEYED = [route for route in ROUTES if route.key]
MUTATIONS = [route for route in ROUTES if route.method == "post"]


def acquire(caller: Caller, header: str | None) -> Any:
    """Acquire under a header's very text."""
    headers = {} if header is None else {"Idempotency-Key": header}
    return caller.post("balances/acquire/", GOLD, **headers)


@pytest.mark.parametrize("route", KEYED, ids=str)
def test_a_missing_key_is_refused(caller: Caller, ledger: Ledger, rows: Any, route: Route) -> None:
    stock(ledger)
    before = rows()

    response = caller.post(route.path, route.body)

    assert code(response) == (400, "idempotency_key_missing")
    assert rows() == before


def test_keep_remainder_needs_a_key(caller: Caller, ledger: Ledger) -> None:
    path = "holds/{hold}/commit/".format(**stock(ledger))
    body = {"quantity": 1, "keep_remainder": True}

    assert code(caller.post(path, body)) == (400, "idempotency_key_missing")
    assert caller.post(path, body, "part 1").status_code == 200
    assert caller.post(path, body, "part 2").json()["hold"]["remaining"] == 2


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"order-17"', "order-17"),
        ("order-17", "order-17"),
        ('  "order-17" ', "order-17"),
        ('"order 17"', "order 17"),
        (r'"a \"quoted\" \\ one"', 'a "quoted" \\ one'),
        ('"order-17";sent=2', "order-17"),
        ('"a,b;c"', "a,b;c"),
        ("0199a3b0-5c1e-7d52-8f0a-3f6f6a2f4b11", "0199a3b0-5c1e-7d52-8f0a-3f6f6a2f4b11"),
        ("a/b+c=d:e_f~g.h", "a/b+c=d:e_f~g.h"),
        ('"' + "k" * 255 + '"', "k" * 255),
        ("k" * 255, "k" * 255),
    ],
)
def test_quoted_and_bare_keys(caller: Caller, header: str, key: str) -> None:
    response = acquire(caller, header)

    assert response.status_code == 201, response.content
    assert response.json()["key"] == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        '""',
        '"',
        '"open',
        'closed"',
        'in"side',
        '"a" "b"',
        '"a", "b"',
        "a,b",
        "a b",
        "a;b",
        r"a\b",
        r'"a\b"',
        '" a"',
        '"a "',
        '"a\tb"',
        '"a\x7fb"',
        '"a\x00b"',
        "a\x1fb",
        '"é"',
        "é",
        '"' + "k" * 256 + '"',
        "k" * 256,
        "k" * 10_000,
    ],
)
def test_malformed_keys(caller: Caller, rows: Any, header: str) -> None:
    assert code(acquire(caller, header)) == (400, "idempotency_key_malformed")
    assert set(rows().values()) == {0}


@pytest.mark.parametrize("route", MUTATIONS, ids=str)
def test_a_replay_is_the_first_answer_and_says_so(
    caller: Caller, ledger: Ledger, clock: Clock, rows: Any, route: Route
) -> None:
    names = stock(ledger)
    path = route.path.format(**names)
    first = caller.post(path, route.body, "k")
    assert "Idempotent-Replayed" not in first.headers
    # The balances move on, and so do the holds.
    clock.advance(timedelta(days=1))
    ledger.acquire("more", "alice", "gold", 5)
    ledger.expire_holds()
    before = rows()

    again = caller.post(path, route.body, "k")

    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("Location") == first.headers.get("Location")
    assert rows() == before


@pytest.mark.parametrize("verb", ["commit", "release"])
def test_without_a_key_a_hold_is_resolved_once(caller: Caller, ledger: Ledger, verb: str) -> None:
    path = f"holds/{stock(ledger)['hold']}/{verb}/"
    first, again = caller.post(path), caller.post(path)

    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)


def test_another_argument_is_a_conflict(caller: Caller, rows: Any) -> None:
    caller.post("balances/acquire/", GOLD, "k")
    before = rows()

    other = {**GOLD, "quantity": 2, "reference": "other"}
    response = caller.post("balances/acquire/", other, "k")

    assert code(response) == (422, "idempotency_conflict")
    assert problem(response)["key"] == "k"
    assert problem(response)["fields"] == ["quantity", "reference"]
    assert rows() == before


def test_another_verb_is_a_conflict(caller: Caller) -> None:
    caller.post("balances/acquire/", GOLD, "k")

    response = caller.post("balances/consume/", GOLD, "k")

    assert problem(response)["fields"] == ["kind"]


def test_a_refusal_does_not_use_the_key(caller: Caller, ledger: Ledger) -> None:
    refused = caller.post("balances/consume/", GOLD, "k")
    assert refused.status_code == 409
    ledger.acquire("stock", "alice", "gold", 1)

    response = caller.post("balances/consume/", GOLD, "k")

    assert response.status_code == 201
    assert "Idempotent-Replayed" not in response.headers


def test_the_same_key_of_two_callers_is_two_keys(caller: Caller) -> None:
    other = Caller(UserFactory.create(permissions=ALL_PERMISSIONS))
    first = caller.post("balances/acquire/", GOLD, "k")

    second = other.post("balances/acquire/", GOLD, "k")

    assert second.status_code == 201
    assert "Idempotent-Replayed" not in second.headers
    assert second.json()["operation_id"] != first.json()["operation_id"]
    assert second.json()["balances"][0]["quantity"] == 2


def test_the_same_key_in_python_is_another_unless_it_is_scoped_alike(
    caller: Caller, user: User, ledger: Ledger
) -> None:
    answer = caller.post("balances/acquire/", GOLD, "k").json()

    assert not ledger.acquire("k", "alice", "gold", 1).replayed
    receipt = ledger.scoped(f"auth.user:{user.pk}").acquire("k", "alice", "gold", 1)
    assert receipt.replayed
    assert str(receipt.operation_id) == answer["operation_id"]


def test_the_scope_is_the_user_however_authenticated(user: User, caller: Caller) -> None:
    first = caller.post("balances/acquire/", GOLD, "k")
    by_session = Caller(None)
    by_session.http.force_login(user)

    again = by_session.post("balances/acquire/", GOLD, "k")

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert get_user_model().objects.count() == 1


def test_a_replay_across_the_routes_for_one_and_for_many(caller: Caller) -> None:
    first = caller.post("balances/acquire/", GOLD, "k")

    batch = {"operations": [{"kind": "acquire", "key": "k", **GOLD}]}
    response = caller.post("operations/", batch)

    assert response.headers["Idempotent-Replayed"] == "true"
    assert response.json() == {"receipts": [first.json()]}


def test_the_header_means_nothing_to_a_batch(caller: Caller, ledger: Ledger) -> None:
    ledger.acquire("stock", "alice", "gold", 10)
    hold = place_hold(ledger, "alice", "gold", 4)
    batch = {"operations": [{"kind": "extend", "hold_id": hold, "ttl": 9}]}

    for _ in range(2):
        response = caller.post("operations/", batch, "k")
        assert response.status_code == 201
        assert "Idempotent-Replayed" not in response.headers
