"""What each route does when all is well, and how the ledger's refusals look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tests.api.conftest import code, place_hold, problem

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.api.conftest import Caller
    from tests.contract.engines import Clock

MAX_QUANTITY = 2**63 - 1
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


def gold(subject: str, quantity: int, on_hold: int = 0) -> dict[str, Any]:
    return {"subject": subject, "item": "gold", "quantity": quantity, "on_hold": on_hold}


def amount(subject: str, quantity: int, **more: Any) -> dict[str, Any]:
    return {"subject": subject, "item": "gold", "quantity": quantity, **more}


def without_ids(response: Any) -> dict[str, Any]:
    """Return a receipt without what is new each time, having checked that it is there."""
    body: dict[str, Any] = response.json()
    assert UUID(body.pop("operation_id")).version == 7
    if body["hold"] is not None:
        assert UUID(body["hold"].pop("id")).version == 7
    return body


def test_acquire(caller: Caller) -> None:
    response = caller.post("balances/acquire/", amount("alice", 7), "k")

    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in response.headers
    assert without_ids(response) == {
        "kind": "acquire",
        "key": "k",
        "balances": [gold("alice", 7)],
        "hold": None,
    }


def test_consume(caller: Caller, ledger: Ledger) -> None:
    ledger.acquire("stock", "alice", "gold", 10)

    response = caller.post("balances/consume/", amount("alice", 4), "k")

    assert response.status_code == 201
    assert without_ids(response) == {
        "kind": "consume",
        "key": "k",
        "balances": [gold("alice", 6)],
        "hold": None,
    }


def test_transfer(caller: Caller, ledger: Ledger) -> None:
    ledger.acquire("stock", "alice", "gold", 10)
    body = {"source": "alice", "destination": "bob", "item": "gold", "quantity": 3}

    response = caller.post("balances/transfer/", body, "k")

    assert response.status_code == 201
    assert without_ids(response) == {
        "kind": "transfer",
        "key": "k",
        "balances": [gold("alice", 7), gold("bob", 3)],
        "hold": None,
    }


def test_hold(caller: Caller, ledger: Ledger) -> None:
    ledger.acquire("stock", "alice", "gold", 10)

    response = caller.post("holds/", amount("alice", 4, ttl=90), "k")

    assert response.status_code == 201
    hold_id = response.json()["hold"]["id"]
    assert response.headers["Location"] == f"http://testserver/inventory/holds/{hold_id}/"
    assert without_ids(response) == {
        "kind": "hold",
        "key": "k",
        "balances": [gold("alice", 6, 4)],
        "hold": {
            **amount("alice", 4),
            "remaining": 4,
            "status": "active",
            "expires_at": "2026-03-01T12:31:45.123456Z",
        },
    }


@pytest.fixture
def held(ledger: Ledger) -> str:
    """Four of alice's ten gold, on hold for a minute."""
    ledger.acquire("stock", "alice", "gold", 10)
    return place_hold(ledger, "alice", "gold", 4)


def resolved(status: str) -> dict[str, Any]:
    return {
        **amount("alice", 4),
        "remaining": 0,
        "status": status,
        "expires_at": "2026-03-01T12:31:15.123456Z",
    }


def test_commit_without_a_body_consumes_all(caller: Caller, held: str) -> None:
    response = caller.post(f"holds/{held}/commit/")

    assert response.status_code == 200
    assert without_ids(response) == {
        "kind": "commit",
        "key": None,
        "balances": [gold("alice", 6)],
        "hold": resolved("committed"),
    }


def test_commit_of_a_part_to_somebody(caller: Caller, held: str) -> None:
    body = {"quantity": 1, "keep_remainder": True, "to": "bob"}

    response = caller.post(f"holds/{held}/commit/", body, "k")

    assert response.status_code == 200
    assert without_ids(response) == {
        "kind": "commit",
        "key": "k",
        "balances": [gold("alice", 6, 3), gold("bob", 1)],
        "hold": {**resolved("active"), "remaining": 3},
    }


def test_release(caller: Caller, held: str) -> None:
    response = caller.post(f"holds/{held}/release/")

    assert response.status_code == 200
    assert without_ids(response) == {
        "kind": "release",
        "key": None,
        "balances": [gold("alice", 10)],
        "hold": resolved("released"),
    }


def test_release_of_what_has_expired_answers_with_the_expiry(
    caller: Caller, held: str, clock: Clock
) -> None:
    clock.advance(seconds=60)

    response = caller.post(f"holds/{held}/release/")

    assert response.status_code == 200
    assert response.headers["Idempotent-Replayed"] == "true"
    assert without_ids(response) == {
        "kind": "expire",
        "key": None,
        "balances": [gold("alice", 10)],
        "hold": resolved("expired"),
    }


def test_extend(caller: Caller, held: str) -> None:
    response = caller.post(f"holds/{held}/extend/", {"ttl": 3600})

    assert response.status_code == 200
    assert response.json()["hold"]["expires_at"] == "2026-03-01T13:30:15.123456Z"


def test_the_journal_names_the_user_and_keeps_reference_and_metadata(
    caller: Caller, ledger: Ledger
) -> None:
    note = {"reference": "note 17", "metadata": {"truck": [1, None, "é"]}}
    receipt = caller.post("balances/acquire/", amount("alice", 7, **note), "k").json()

    (entry,) = caller.get("entries/").json()["results"]

    assert entry == {
        "id": entry["id"],
        "operation_id": receipt["operation_id"],
        "kind": "acquire",
        "balance": entry["balance"],
        "subject": "alice",
        "item": "gold",
        "sequence": 1,
        "key": "k",
        "hold": None,
        "hold_remaining": None,
        "hold_expires_at": None,
        "quantity_delta": 7,
        "on_hold_delta": 0,
        "quantity_after": 7,
        "on_hold_after": 0,
        "actor": f"auth.user:{caller.user.pk}",  # type: ignore[union-attr]
        **note,
        "effective_at": "2026-03-01T12:30:15.123456Z",
        "created_at": "2026-03-01T12:30:15.123456Z",
    }
    assert caller.get(f"entries/{entry['id']}/").json() == entry


def test_one_balance(caller: Caller, held: str) -> None:
    (balance,) = caller.get("balances/").json()["results"]

    assert balance == {
        "id": balance["id"],
        **gold("alice", 6, 4),
        "version": 2,
        "created_at": "2026-03-01T12:30:15.123456Z",
        "updated_at": "2026-03-01T12:30:15.123456Z",
    }
    assert caller.get(f"balances/{balance['id']}/").json() == balance


def test_one_hold(caller: Caller, held: str) -> None:
    response = caller.get(f"holds/{held}/")

    assert response.status_code == 200
    assert response.json() == {
        **resolved("active"),
        "id": held,
        "remaining": 4,
        "resolved_at": None,
        "key": "hold 4 of alice",
        "reference": "",
        "metadata": None,
        "created_at": "2026-03-01T12:30:15.123456Z",
    }


@pytest.mark.parametrize("resource", ["balances", "entries"])
@pytest.mark.parametrize(
    "pk", ["0", "999999", str(2**63), "9" * 40, "-1", "x", "1_0", "\u0661", "1.0"]
)
def test_what_is_not_there_is_404(caller: Caller, held: str, resource: str, pk: str) -> None:
    assert code(caller.get(f"{resource}/{pk}/")) == (404, "not_found")


@pytest.mark.parametrize("route", ["", "commit/", "release/", "extend/"])
def test_a_hold_that_is_not_there_is_404(caller: Caller, held: str, route: str) -> None:
    def call(hold_id: str) -> Any:
        path = f"holds/{hold_id}/{route}"
        body = {"ttl": 1} if route == "extend/" else {}
        return caller.post(path, body) if route else caller.get(path)

    assert code(call(UNKNOWN)) == (404, "hold_unknown")
    assert problem(call(UNKNOWN))["hold_id"] == UNKNOWN
    assert code(call("no-uuid")) == (404, "not_found")


def test_too_little(caller: Caller, held: str, rows: Any) -> None:
    before = rows()

    response = caller.post("balances/consume/", amount("alice", 7), "k")

    assert code(response) == (409, "insufficient_quantity")
    assert problem(response)["shortages"] == [
        {"subject": "alice", "item": "gold", "requested": 7, "available": 6}
    ]
    assert rows() == before


def test_too_much(caller: Caller, held: str) -> None:
    response = caller.post("balances/acquire/", amount("alice", MAX_QUANTITY), "k")

    assert code(response) == (409, "quantity_overflow")
    body = problem(response)
    assert body["requested"] == MAX_QUANTITY
    assert body["available"] == MAX_QUANTITY - 10
    assert (body["subject"], body["item"]) == ("alice", "gold")


def test_expired(caller: Caller, held: str, clock: Clock, rows: Any) -> None:
    clock.advance(seconds=60)
    before = rows()

    for response in (
        caller.post(f"holds/{held}/commit/"),
        caller.post(f"holds/{held}/extend/", {"ttl": 9}),
    ):
        assert code(response) == (409, "hold_expired")
        assert problem(response)["hold_id"] == held
        assert problem(response)["expires_at"] == "2026-03-01T12:31:15.123456Z"
    assert rows() == before


def test_resolved(caller: Caller, held: str) -> None:
    caller.post(f"holds/{held}/release/")

    response = caller.post(f"holds/{held}/commit/")

    assert code(response) == (409, "hold_resolved")
    assert problem(response)["hold_status"] == "released"


def test_more_than_is_held(caller: Caller, held: str) -> None:
    response = caller.post(f"holds/{held}/commit/", {"quantity": 5})

    assert code(response) == (400, "invalid_quantity")
    assert problem(response)["field"] == "quantity"


def test_the_position_is_told_in_batches_alone(caller: Caller, held: str) -> None:
    assert "index" not in problem(caller.post("balances/consume/", amount("alice", 7), "k"))
    assert "index" not in problem(caller.post("balances/consume/", amount("alice", 0), "k"))


RIGHT: dict[str, Any] = amount("alice", 1)


@pytest.mark.parametrize(
    ("change", "field", "error"),
    [
        ({"subject": ""}, "subject", "invalid_identifier"),
        ({"subject": " alice"}, "subject", "invalid_identifier"),
        ({"subject": "a\x00b"}, "subject", "invalid_identifier"),
        ({"subject": "a\ud800"}, "subject", "invalid_identifier"),
        ({"subject": "a" * 256}, "subject", "invalid_identifier"),
        ({"subject": None}, "subject", "invalid_identifier"),
        ({"subject": 1}, "subject", "invalid_identifier"),
        ({"subject": {"a": 1}}, "subject", "invalid_identifier"),
        ({"item": ["gold"]}, "item", "invalid_identifier"),
        ({"quantity": 0}, "quantity", "invalid_quantity"),
        ({"quantity": -1}, "quantity", "invalid_quantity"),
        ({"quantity": 2**63}, "quantity", "invalid_quantity"),
        ({"quantity": 10**4000}, "quantity", "invalid_quantity"),
        ({"quantity": 1.0}, "quantity", "invalid_quantity"),
        ({"quantity": "1"}, "quantity", "invalid_quantity"),
        ({"quantity": True}, "quantity", "invalid_quantity"),
        ({"quantity": None}, "quantity", "invalid_quantity"),
        ({"reference": None}, "reference", "invalid_operation"),
        ({"reference": "a" * 256}, "reference", "invalid_operation"),
        ({"metadata": []}, "metadata", "invalid_operation"),
        ({"metadata": {"a": "\x00"}}, "metadata", "invalid_operation"),
        ({"metadata": {"\udfff": 1}}, "metadata", "invalid_operation"),
        ({"metadata": {"a": "x" * 70_000}}, "metadata", "invalid_operation"),
        ({"key": "k"}, "key", "invalid_operation"),
        ({"kind": "acquire"}, "kind", "invalid_operation"),
        ({"actor": "auth.user:1"}, "actor", "invalid_operation"),
        ({"hold_id": str(uuid4())}, "hold_id", "invalid_operation"),
        ({"qty": 1}, "qty", "invalid_operation"),
        ({"\ud800": 1}, "?", "invalid_operation"),
    ],
)
def test_malformed_arguments(
    caller: Caller, rows: Any, change: dict[str, Any], field: str, error: str
) -> None:
    response = caller.post("balances/acquire/", {**RIGHT, **change}, "k")

    assert code(response) == (400, error)
    assert problem(response)["field"] == field
    assert set(rows().values()) == {0}


@pytest.mark.parametrize("ttl", [0, -1, 0.5, 60.0, "60", True, None, 10**12, 10**400])
def test_a_ttl_is_in_whole_seconds(caller: Caller, ttl: Any) -> None:
    response = caller.post("holds/", {**RIGHT, "ttl": ttl}, "k")

    assert code(response) == (400, "invalid_ttl")
    assert problem(response)["field"] == "ttl"


@pytest.mark.parametrize("name", ["subject", "item", "quantity"])
def test_arguments_that_are_missing(caller: Caller, name: str) -> None:
    response = caller.post("balances/acquire/", {k: v for k, v in RIGHT.items() if k != name}, "k")

    assert code(response) == (400, "invalid_operation")
    assert problem(response)["field"] == name
    assert problem(response)["detail"] == f"{name}: is required."


def test_a_transfer_to_oneself(caller: Caller) -> None:
    body = {"source": "alice", "destination": "alice", "item": "gold", "quantity": 1}

    response = caller.post("balances/transfer/", body, "k")

    assert code(response) == (400, "invalid_operation")
    assert problem(response)["field"] == "destination"


@pytest.mark.parametrize("text", ["[]", '[{"subject": "alice"}]', '"text"', "1", "null", "true"])
def test_a_body_that_is_no_object(caller: Caller, text: str) -> None:
    response = caller.send("balances/acquire/", text, **{"Idempotency-Key": "k"})

    assert code(response) == (400, "invalid_operation")
    assert problem(response)["field"] == "body"
