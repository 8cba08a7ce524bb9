"""Many operations in one request: all or none, or each alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.conftest import Caller, code, problem
from tests.api.factories import UserFactory
from tests.api.routes import GOLD, VERBS, operation, stock

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_inventory.ledgers import Ledger


def acquire(key: str, quantity: Any = 1, **more: Any) -> dict[str, Any]:
    return {"kind": "acquire", "key": key, **GOLD, "quantity": quantity, **more}


def consume(key: str, quantity: int) -> dict[str, Any]:
    return {"kind": "consume", "key": key, **GOLD, "quantity": quantity}


def test_all_are_done_in_order_each_seeing_those_before(caller: Caller) -> None:
    response = caller.post("operations/", {"operations": [acquire("a", 5), consume("b", 3)]})

    assert response.status_code == 201
    assert "Idempotent-Replayed" not in response.headers
    receipts = response.json()["receipts"]
    assert [(r["kind"], r["key"], r["balances"][0]["quantity"]) for r in receipts] == [
        ("acquire", "a", 5),
        ("consume", "b", 2),
    ]


@pytest.mark.parametrize("atomic", [True, False])
def test_every_verb(caller: Caller, ledger: Ledger, *, atomic: bool) -> None:
    for verb in VERBS:
        hold = stock(ledger.scoped(verb))["hold"]
        batch = {"atomic": atomic, "operations": [{**operation(verb, hold), "reference": verb}]}
        if "key" in batch["operations"][0]:  # type: ignore[index]
            batch["operations"][0]["key"] = verb  # type: ignore[index]

        body = caller.post("operations/", batch).json()

        receipt = body["receipts"][0] if atomic else body["results"][0]["receipt"]
        assert receipt["kind"] == verb
        if not atomic:
            is_new = verb in {"acquire", "consume", "transfer", "hold"}
            assert body["results"][0]["status"] == (201 if is_new else 200)


def test_none_is_done_where_one_is_refused(caller: Caller, rows: Any) -> None:
    response = caller.post("operations/", {"operations": [acquire("a", 5), consume("b", 6)]})

    assert code(response) == (409, "insufficient_quantity")
    assert problem(response)["index"] == 1
    assert problem(response)["shortages"] == [
        {"subject": "alice", "item": "gold", "requested": 6, "available": 5}
    ]
    assert set(rows().values()) == {0}


def test_each_stands_alone_where_it_is_not_atomic(caller: Caller) -> None:
    operations = [
        acquire("a", 5),
        consume("b", 6),
        acquire("c", 0),
        "nonsense",
        {"kind": "borrow"},
        acquire("a", 4),
        consume("d", 5),
    ]

    response = caller.post("operations/", {"atomic": False, "operations": operations})

    assert response.status_code == 200
    assert "Idempotent-Replayed" not in response.headers
    results = response.json()["results"]
    outcomes = [(r["status"], r["problem"]["code"] if "problem" in r else None) for r in results]
    assert outcomes == [
        (201, None),
        (409, "insufficient_quantity"),
        (400, "invalid_quantity"),
        (400, "invalid_operation"),
        (400, "invalid_operation"),
        (422, "idempotency_conflict"),
        (201, None),
    ]
    assert [r["problem"]["index"] for r in results if "problem" in r] == [1, 2, 3, 4, 5]
    assert results[-1]["receipt"]["balances"][0]["quantity"] == 0


def test_nothing_is_said_to_be_replayed_unless_all_is(caller: Caller) -> None:
    both = {"operations": [acquire("a"), acquire("b")]}
    caller.post("operations/", {"operations": [acquire("a")]})

    first = caller.post("operations/", both)
    again = caller.post("operations/", both)
    alone = caller.post("operations/", {**both, "atomic": False})

    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert alone.headers["Idempotent-Replayed"] == "true"
    assert [r["receipt"] for r in alone.json()["results"]] == first.json()["receipts"]


@pytest.mark.parametrize("index", [0, 2])
@pytest.mark.parametrize(
    ("wrong", "field", "error"),
    [
        ({"quantity": 0}, "quantity", "invalid_quantity"),
        ({"kind": "borrow"}, "kind", "invalid_operation"),
        ({"kind": None}, "kind", "invalid_operation"),
        ({"kind": ["acquire"]}, "kind", "invalid_operation"),
        ({"kind": "\ud800"}, "kind", "invalid_operation"),
        ({"kind": "commit"}, "subject", "invalid_operation"),
        ({"key": None}, "key", "invalid_identifier"),
        ({"key": " k"}, "key", "invalid_identifier"),
        ({"actor": "me"}, "actor", "invalid_operation"),
        ({"ttl": 1}, "ttl", "invalid_operation"),
    ],
)
def test_what_is_malformed_is_told_with_its_position(
    caller: Caller, rows: Any, *, wrong: dict[str, Any], field: str, error: str, index: int
) -> None:
    operations = [acquire("a"), acquire("b"), acquire("c")]
    operations[index] |= wrong

    response = caller.post("operations/", {"operations": operations})

    assert code(response) == (400, error)
    assert problem(response)["field"] == field
    assert problem(response)["index"] == index
    assert set(rows().values()) == {0}


@pytest.mark.parametrize(
    ("batch", "field"),
    [
        ({}, "operations"),
        ({"operations": []}, "operations"),
        ({"operations": {}}, "operations"),
        ({"operations": None}, "operations"),
        ({"operations": "acquire"}, "operations"),
        ({"operations": [acquire(str(number)) for number in range(1_001)]}, "operations"),
        ({"operations": [acquire("a")], "atomic": None}, "atomic"),
        ({"operations": [acquire("a")], "atomic": "no"}, "atomic"),
        ({"operations": [acquire("a")], "atomic": 0}, "atomic"),
        ({"operations": [acquire("a")], "atmoic": False}, "atmoic"),
        ([acquire("a")], "body"),
    ],
)
def test_what_is_no_batch(caller: Caller, rows: Any, batch: Any, field: str) -> None:
    response = caller.post("operations/", batch)

    assert code(response) == (400, "invalid_operation")
    assert problem(response)["field"] == field
    assert "index" not in problem(response)
    assert set(rows().values()) == {0}


def test_a_thousand_operations_take_no_more_statements_than_ten(db: None) -> None:
    caller = Caller(UserFactory.create(is_superuser=True))

    def batch(number: int) -> dict[str, Any]:
        return {"operations": [acquire(f"{number} {count}") for count in range(number)]}

    caller.post("operations/", batch(1))
    with CaptureQueriesContext(connection) as few:
        assert len(caller.post("operations/", batch(10)).json()["receipts"]) == 10
    with CaptureQueriesContext(connection) as many:
        assert len(caller.post("operations/", batch(1_000)).json()["receipts"]) == 1_000
    # SQLite takes so many values a statement; of keys and entries there are a thousand.
    assert len(many) <= len(few) + 30


@pytest.fixture
def bob(caller: Caller, settings: Settings) -> Caller:
    """Somebody to whom alice is a stranger."""
    settings.INVENTORY = {
        **settings.INVENTORY,
        "API_SUBJECT_SCOPE": "tests.api.project.subjects_of",
    }
    assert caller.user is not None
    caller.user.last_name = "bob bob/savings"
    return caller


@pytest.mark.parametrize("atomic", [True, False])
def test_one_foreign_subject_refuses_the_batch(bob: Caller, rows: Any, *, atomic: bool) -> None:
    operations = [acquire("a", subject="bob"), acquire("b")]

    response = bob.post("operations/", {"atomic": atomic, "operations": operations})

    assert code(response) == (403, "subject_forbidden")
    assert problem(response)["index"] == 1
    assert problem(response)["field"] == "subject"
    assert set(rows().values()) == {0}


@pytest.mark.parametrize(
    ("kind", "subjects", "field"),
    [
        ("transfer", {"source": "alice", "destination": "bob"}, "source"),
        ("transfer", {"source": "bob", "destination": "alice"}, "destination"),
    ],
)
def test_every_subject_counts(bob: Caller, kind: str, subjects: dict[str, str], field: str) -> None:
    body = {"kind": kind, "key": "k", "item": "gold", "quantity": 1, **subjects}

    assert problem(bob.post("operations/", {"operations": [body]}))["field"] == field


def test_a_commit_to_a_foreign_subject(bob: Caller, ledger: Ledger) -> None:
    ledger.acquire("stock", "bob", "gold", 1)
    hold = ledger.hold("h", "bob", "gold", 1, 60).hold
    assert hold is not None
    path = f"holds/{hold.id}/commit/"

    response = bob.post(path, {"to": "alice"})

    assert code(response) == (403, "subject_forbidden")
    assert problem(response)["field"] == "to"
    assert bob.post(path, {"to": "bob/savings"}).status_code == 200


@pytest.mark.parametrize("first", [consume("short", 1), acquire("right")])
def test_a_foreign_hold_is_told_as_one_that_is_not_there(
    bob: Caller, ledger: Ledger, first: dict[str, Any]
) -> None:
    foreign = stock(ledger)["hold"]
    unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
    answers = []
    for hold in (foreign, unknown):
        release = {"kind": "release", "hold_id": hold}
        for atomic in (True, False):
            batch = {"atomic": atomic, "operations": [{**first, "subject": "bob"}, release]}
            response = bob.post("operations/", batch)
            text = response.content.decode().replace(hold, "...")
            answers.append((atomic, response.status_code, text.count("hold_unknown")))
    assert answers[:2] == answers[2:]
    assert answers[0] == (True, 404, 2)
