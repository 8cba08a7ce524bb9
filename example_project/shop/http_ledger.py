"""A ledger at the other end of HTTP, by the API of ``django_inventory``, as the demo needs one.

Owns requests, retries and what answers mean. Needs no more than Python's own HTTP client, so it may
serve as a first client of your own.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import UUID

from django_inventory.exceptions import InsufficientQuantity, InventoryError
from django_inventory.operations import Release
from django_inventory.values import BalanceSnapshot, HoldSnapshot, HoldStatus, Receipt, Shortage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django_inventory.operations import Operation

ATTEMPTS = 5
TIMEOUT_SECONDS = 30
PAGE_SIZE = 200
BATCH_SIZE = 1_000
LONGEST_WAIT_SECONDS = 60


class HttpRefusal(InventoryError):
    """The server refused, by a problem that this client has no error of its own for."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem['status']} {problem['code']}: {problem['detail']}")
        self.problem = problem


class HttpLedger:
    """The ledger that is mounted at ``url``, for the user that the token is of.

    Every request is safe to send again: a mutation carries its key, or is one of a hold, which
    happens once. So what fails on the way is sent again.

    Args:
        prefix: put before each key, since a user's keys are unique over all runs; and how the
            subjects begin whose holds ``expire_holds`` looks after.
    """

    def __init__(self, url: str, token: str, prefix: str = "") -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._prefix = prefix

    def post(self, operations: Sequence[Operation], /) -> list[Receipt]:
        """Do the operations, all or none.

        Raises:
            InsufficientQuantity: too little is free.
            HttpRefusal: any other refusal.
        """
        body = {"operations": [self._packed(operation) for operation in operations]}
        answer, headers = self._send("POST", "/operations/", body)
        is_replayed = headers.get("Idempotent-Replayed") == "true"
        return [_receipt(receipt, replayed=is_replayed) for receipt in answer["receipts"]]

    def balance(self, subject: str, item: str, /) -> BalanceSnapshot:
        for balance in self.balances_of(subject=subject, item=item):
            return balance
        return BalanceSnapshot(subject, item, 0, 0)

    def balances(self, subject: str, /) -> list[BalanceSnapshot]:
        return self.balances_of(subject=subject, ordering="item")

    def balances_of(self, **filters: str) -> list[BalanceSnapshot]:
        rows = self.rows("balances", non_zero="true", **filters)
        names = [field.name for field in fields(BalanceSnapshot)]
        return [BalanceSnapshot(*(row[name] for name in names)) for row in rows]

    def expire_holds(self) -> int:
        """Record what has expired, which is what a release does of it; return how much that was."""
        filters = {"subject__startswith": self._prefix}
        recorded = {entry["hold"] for entry in self.rows("entries", kind="expire", **filters)}
        expired = [hold["id"] for hold in self.rows("holds", status="expired", **filters)]
        overdue = [UUID(hold_id) for hold_id in expired if hold_id not in recorded]
        for start in range(0, len(overdue), BATCH_SIZE):
            self.post([Release(hold_id) for hold_id in overdue[start : start + BATCH_SIZE]])
        return len(overdue)

    def rows(self, name: str, **filters: str) -> Iterator[dict[str, Any]]:
        """Yield all rows of a list, page by page."""
        url: str | None = f"/{name}/?{urlencode({**filters, 'page_size': PAGE_SIZE})}"
        while url is not None:
            page, _ = self._send("GET", url)
            yield from page["results"]
            url = page["next"]

    def has_active_holds(self) -> bool:
        return any(self.rows("holds", status="active", subject__startswith=self._prefix))

    def _packed(self, operation: Operation) -> dict[str, Any]:
        """Return an operation as the API reads it: without an actor, which is the user."""
        packed = {
            field.name: value
            for field in fields(operation)
            if field.name != "actor" and (value := getattr(operation, field.name)) is not None
        }
        if "key" in packed:
            packed["key"] = f"{self._prefix}{packed['key']}"
        if "ttl" in packed:
            packed["ttl"] //= timedelta(seconds=1)
        if "hold_id" in packed:
            packed["hold_id"] = str(packed["hold_id"])
        return {"kind": operation.kind, **packed}

    def _send(self, method: str, url: str, body: object = None) -> tuple[Any, Any]:
        """Return what the server says, and its headers."""
        request = Request(  # noqa: S310 - the URL is the user's own
            url if url.startswith("http") else f"{self._url}{url}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Token {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                    return json.load(response), response.headers
            except HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or attempt == ATTEMPTS:
                    raise _refusal(error) from error
            except (URLError, ConnectionError, TimeoutError):
                if attempt == ATTEMPTS:
                    raise
            time.sleep(0.1 * 2**attempt)
        raise AssertionError


def log_in(url: str, name: str, password: str) -> str:
    """Return the token of a user, from the route of Django REST framework at ``url``."""
    body = urlencode({"username": name, "password": password}).encode()
    with urlopen(url, body, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the user's own
        token: str = json.load(response)["token"]
    return token


@dataclass
class ServerClock:
    """The time of a server, which is real: only what is abandoned is held for a second."""

    ledger: HttpLedger
    abandoned_ttl: timedelta = timedelta(seconds=1)

    def show(self, _at: datetime) -> None:
        """Do nothing: no data moves the server's clock."""

    def pass_over_holds(self) -> None:
        """Wait until the server counts no hold any more.

        Raises:
            TimeoutError: it goes on counting one.
        """
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while self.ledger.has_active_holds():
            if time.monotonic() > deadline:
                msg = "A hold is active still that should have expired."
                raise TimeoutError(msg)
            time.sleep(0.2)


def _receipt(receipt: dict[str, Any], *, replayed: bool) -> Receipt:
    hold = receipt["hold"]
    if hold is not None:
        hold = HoldSnapshot(
            id=UUID(hold["id"]),
            subject=hold["subject"],
            item=hold["item"],
            quantity=hold["quantity"],
            remaining=hold["remaining"],
            status=HoldStatus(hold["status"]),
            expires_at=datetime.fromisoformat(hold["expires_at"]),
        )
    return Receipt(
        operation_id=UUID(receipt["operation_id"]),
        kind=receipt["kind"],
        key=receipt["key"],
        balances=tuple(BalanceSnapshot(**balance) for balance in receipt["balances"]),
        hold=hold,
        replayed=replayed,
    )


def _refusal(error: HTTPError) -> InventoryError:
    problem = json.load(error)
    if problem["code"] == InsufficientQuantity.code:
        return InsufficientQuantity([Shortage(**shortage) for shortage in problem["shortages"]])
    return HttpRefusal(problem)
