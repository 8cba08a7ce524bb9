"""Every error is a problem, and no input brings a view down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from django.db import DataError, OperationalError
from rest_framework.authentication import BasicAuthentication
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle

from django_inventory.api.errors import PROBLEM_TYPES
from django_inventory.api.views import BalanceViewSet
from django_inventory.exceptions import InventoryError, LedgerBusy
from django_inventory.ledgers import DatabaseLedger
from tests.api.conftest import Caller, code, problem
from tests.api.factories import BalanceFactory, UserFactory
from tests.api.routes import GOLD, stock

if TYPE_CHECKING:
    from pytest_django import Settings
    from rest_framework.request import Request

    from django_inventory.ledgers import Ledger

ACQUIRE = "balances/acquire/"


def all_codes(error: type[InventoryError]) -> set[str]:
    return {error.code}.union(*map(all_codes, error.__subclasses__()))


def test_every_error_of_the_ledger_has_a_status() -> None:
    # The first is only the base of the others; no request leads to the last one.
    assert all_codes(InventoryError) - {"inventory_error", "entry_immutable"} <= set(PROBLEM_TYPES)


def test_a_view_of_the_projects_own_is_left_to_the_project() -> None:
    response = APIClient().get("/project/")

    assert response.status_code == 418
    assert response.json() == {"handled by": "the project"}


def test_a_bug_is_left_to_the_project_too(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(DatabaseLedger, "_post", fail)

    with pytest.raises(OperationalError):
        caller.post(ACQUIRE, GOLD, "k")


def test_wrong_credentials(db: None) -> None:
    client = APIClient()
    for credentials in ("Token nonsense", "Token", "Token a b", "Basic !", "Basic YTpi"):
        response = client.get("/inventory/balances/", headers={"Authorization": credentials})
        assert code(response) == (401, "authentication_failed"), credentials
        assert response.headers["WWW-Authenticate"] == "Token"


def test_credentials_that_the_database_cannot_be_asked_for(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a name with NUL in it, on PostgreSQL."""

    class Asking(BasicAuthentication):
        def authenticate(self, _request: Any) -> NoReturn:
            raise DataError

    monkeypatch.setattr(BalanceViewSet, "authentication_classes", [Asking])
    response = APIClient().get("/inventory/balances/")

    assert code(response) == (401, "authentication_failed")


def test_a_session_needs_a_csrf_token(db: None) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(UserFactory.create(is_superuser=True))

    response = client.post("/inventory/balances/acquire/", GOLD, format="json")

    assert code(response) == (403, "permission_denied")
    assert "CSRF" in problem(response)["detail"]


NO_JSON: dict[str, str | bytes] = {
    "an open brace": "{",
    "a word": "nonsense",
    "NaN": '{"subject": NaN}',
    "infinity": '{"quantity": Infinity}',
    "deep arrays": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "an endless number": '{"quantity": ' + "9" * 5_000 + "}",
    "no UTF-8": b"\xff\xfe",
    "UTF-16": '{"subject": "é"}'.encode("utf-16"),
    "Latin-1": '{"subject": "é"}'.encode("latin-1"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NUL": b"\x00",
}


@pytest.mark.parametrize("name", NO_JSON)
def test_bodies_that_are_no_json(caller: Caller, name: str) -> None:
    for path in (ACQUIRE, "operations/"):
        response = caller.send(path, NO_JSON[name], **{"Idempotency-Key": "k"})
        assert code(response) == (400, "parse_error")


HOSTILE = {
    "infinity by overflow": '"subject": 1e400',
    "a surrogate": '"subject": "\\ud800"',
    "a surrogate for a name": '"\\ud800": "\\udfff"',
    "NUL": '"subject": "\\u0000"',
    "a huge number": '"quantity": ' + "9" * 4_000,
    "a deep quantity": '"quantity": ' + "[" * 500 + "]" * 500,
    "deep metadata": '"metadata": ' + '{"a":' * 500 + "1" + "}" * 500,
    "infinity in metadata": '"metadata": {"a": 1e400}',
    "a surrogate in metadata": '"metadata": {"a": ["\\ud800"]}',
    "a long name": '"' + "n" * 5_000 + '": 1',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_json_that_is_hostile(caller: Caller, rows: Any, name: str) -> None:
    """The last one of two members of one name counts, so that the hostile one stands last."""
    single = f"{json.dumps(GOLD)[:-1]}, {HOSTILE[name]}}}"
    tagged = f"{json.dumps({'kind': 'acquire', 'key': 'k', **GOLD})[:-1]}, {HOSTILE[name]}}}"

    for response in (
        caller.send(ACQUIRE, single, **{"Idempotency-Key": "k"}),
        caller.send("operations/", f'{{"operations": [{tagged}]}}'),
    ):
        assert response.status_code == 400, response.content
        assert len(problem(response)["detail"]) < 200
    assert set(rows().values()) == {0}


def test_a_number_that_json_may_have_in_metadata(caller: Caller) -> None:
    number = 10**400
    response = caller.post(ACQUIRE, {**GOLD, "metadata": {"n": number}}, "k")

    assert response.status_code == 201
    assert caller.get("entries/").json()["results"][0]["metadata"] == {"n": number}


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "x"])
def test_other_media_types_are_not_read(caller: Caller, media_type: str) -> None:
    response = caller.http.generic(
        "POST", "/inventory/balances/acquire/", "subject=alice", content_type=media_type
    )

    # The key is asked for first.
    assert code(response) == (400, "idempotency_key_missing")
    response = caller.http.generic(
        "POST", "/inventory/operations/", "operations=1", content_type=media_type
    )
    assert code(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["balances/", "balances/1/", "holds/", "entries/", ACQUIRE])
def test_more_parameters_than_django_reads(caller: Caller, rows: Any, path: str) -> None:
    url = f"/inventory/{path}?{'&'.join(['a=1'] * 1_001)}"

    if path == ACQUIRE:
        headers = {"Idempotency-Key": "k"}
        response = caller.http.post(url, GOLD, format="json", headers=headers)
    else:
        response = caller.http.get(url)

    assert code(response) == (400, "bad_request")
    assert set(rows().values()) == {0}


def test_a_host_that_is_not_this_sites(caller: Caller, settings: Settings) -> None:
    """Without Django's CommonMiddleware the first to ask for the host is a page's link."""
    settings.MIDDLEWARE = []
    BalanceFactory.create_batch(2)

    response = caller.http.get("/inventory/balances/?page_size=1", headers={"Host": "elsewhere"})

    assert code(response) == (400, "bad_request")


def test_other_media_types_are_not_sent(caller: Caller) -> None:
    response = caller.http.get("/inventory/balances/", headers={"Accept": "text/html"})

    assert code(response) == (406, "not_acceptable")


def test_a_body_in_chunks_is_not_taken_for_an_empty_one(caller: Caller, ledger: Ledger) -> None:
    hold = stock(ledger)["hold"]

    response = caller.http.generic(
        "POST", f"/inventory/holds/{hold}/commit/", headers={"Transfer-Encoding": "chunked"}
    )

    assert code(response) == (411, "length_required")
    assert ledger.get_hold(hold).remaining == 4


def test_a_body_that_is_too_large(caller: Caller, settings: Settings, rows: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000

    response = caller.post(ACQUIRE, {**GOLD, "metadata": {"text": "x" * 1_000}}, "k")

    assert code(response) == (413, "request_too_large")
    assert set(rows().values()) == {0}


def test_a_busy_database_says_when_to_try_again(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        msg = "The database is busy; try again."
        raise LedgerBusy(msg)

    monkeypatch.setattr(DatabaseLedger, "_post", fail)

    response = caller.post(ACQUIRE, GOLD, "k")

    assert code(response) == (503, "ledger_busy")
    assert response.headers["Retry-After"] == "1"


class Exhausted(BaseThrottle):
    def allow_request(self, _request: Request, _view: Any) -> bool:
        return False

    def wait(self) -> float:
        return 6.2


def test_throttling_is_the_projects_and_its_answer_ours(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BalanceViewSet, "throttle_classes", [Exhausted])

    response = caller.get("balances/")

    assert code(response) == (429, "throttled")
    assert response.headers["Retry-After"] == "7"


HOSTILE_QUERIES = [
    "subject=%00",
    "subject=",
    "subject=%ED%A0%80",
    "subject=%FF",
    "subject=" + "a" * 256,
    "subject=alice&subject=bob",
    "subject__startswith=%00",
    "subject__startswith=",
    "subject__in=",
    "subject__in=%00",
    "&".join(["subject__in=a"] * 101),
    "item__in=%20a",
    "ordering=quantity",
    "ordering=id,-id",
    "ordering=",
    "page_size=0",
    "page_size=201",
    "page_size=-1",
    "page_size=x",
    "page_size=",
    "page_size=" + "9" * 5_000,
    "subjct=alice",
    "balance__subject=alice",
    "%00=1",
    "%FF",
]


@pytest.mark.parametrize("path", ["balances/", "holds/", "entries/"])
@pytest.mark.parametrize("query", HOSTILE_QUERIES, ids=lambda query: query[:24])
def test_query_parameters_that_are_wrong(caller: Caller, path: str, query: str) -> None:
    response = caller.http.get(f"/inventory/{path}?{query}")

    if query in {"subject=%ED%A0%80", "subject=%FF"}:
        # What is no UTF-8 has become replacement characters, which nobody's name begins with.
        assert response.status_code == 200
        return
    assert code(response) == (400, "invalid_parameter")
    (messages,) = problem(response)["errors"].values()
    assert all(isinstance(message, str) for message in messages)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("balances/", "non_zero=maybe"),
        ("balances/", "non_zero="),
        ("balances/", "page=0"),
        ("balances/", "page=x"),
        ("balances/", "page=last"),
        ("balances/", "page=%D9%A1"),
        ("balances/", "page=" + "9" * 5_000),
        ("balances/", "cursor=x"),
        ("holds/", "status=overdue"),
        ("holds/", "status="),
        ("holds/", "expires_at__gte=yesterday"),
        ("holds/", "expires_at__gte=2026-03-01"),
        ("holds/", "expires_at__gte=2026-03-01T12:00:00"),
        ("holds/", "expires_at__gte=2026-02-30T12:00:00Z"),
        ("holds/", "expires_at__gte=2026-03-01T12:00:00+01:00"),
        ("holds/", "expires_at__lt=%00"),
        ("entries/", "kind=borrow"),
        ("entries/", "hold=x"),
        ("entries/", "operation_id="),
        ("entries/", "reference="),
        ("entries/", "created_at__lt=99999-01-01T00:00:00Z"),
        ("entries/", "page=1"),
    ],
)
def test_parameters_of_one_list_that_are_wrong(caller: Caller, path: str, query: str) -> None:
    assert code(caller.http.get(f"/inventory/{path}?{query}")) == (400, "invalid_parameter")


@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("offset", ["Z", "%2B14:00", "-12:00", "%2B23:59"])
def test_the_ends_of_time(caller: Caller, ledger: Ledger, year: str, offset: str) -> None:
    stock(ledger)

    response = caller.http.get(
        f"/inventory/entries/?created_at__gte={year}T23:59:59.999999{offset}"
    )

    assert len(response.json()["results"]) == (2 if year.startswith("0001") else 0)


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%00",
        "%FF",
        "====",
        "cD1h",  # p=a
        "cD0tMQ==",  # p=-1
        "cD3ZoQ==",  # p=, and half of a character
        "bz0tMQ==",  # o=-1
        "bz14",  # o=x
        "cj14",  # r=x
        "cD0wMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODk=",  # p=, thirty digits
        "A" * 4_000,
    ],
)
def test_cursors_that_nobody_has_handed_out(caller: Caller, ledger: Ledger, cursor: str) -> None:
    stock(ledger)

    assert code(caller.http.get(f"/inventory/entries/?cursor={cursor}")) == (404, "not_found")


def test_a_page_beyond_the_last(caller: Caller, ledger: Ledger) -> None:
    stock(ledger)

    assert caller.get("balances/", page=1).status_code == 200
    for page in (2, 2**31 - 1):
        assert code(caller.get("balances/", page=page)) == (404, "not_found")
