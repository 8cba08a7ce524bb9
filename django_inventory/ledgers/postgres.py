"""The ledger at PostgreSQL's own speed: one statement a post.

The rules run inside the database, in functions that the files in ``sql`` define and a migration
installs. This module packs operations, calls them, and unpacks receipts and errors. Must not decide
anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import connections, transaction
from django.utils import timezone

from django_inventory.exceptions import (
    HoldExpired,
    HoldResolved,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientQuantity,
    InvalidOperation,
    InvalidQuantity,
    InventoryError,
    LedgerBusy,
    QuantityOverflow,
)
from django_inventory.ids import uuid7
from django_inventory.ledgers.batch import Request, Result
from django_inventory.ledgers.database import SWEEP_BALANCES, SWEEP_HOLDS, DatabaseLedger
from django_inventory.ledgers.retry import retried
from django_inventory.operations import (
    MICROSECOND,
    Acquire,
    Commit,
    Consume,
    Extend,
    Hold,
    Operation,
    Release,
    Transfer,
)
from django_inventory.values import (
    BalanceSnapshot,
    HoldSnapshot,
    HoldStatus,
    Receipt,
    Shortage,
)

POST_ONE: Final = "SELECT django_inventory_post_one(%s)::text"
POST: Final = (
    "SELECT django_inventory_post(%s::jsonb, %s::text, %s::timestamptz, %s::boolean)::text"
)
SWEEP: Final = "SELECT django_inventory_sweep(%s::timestamptz, %s::bigint, %s::int, %s::int)::text"
FIELDS: Final = (
    "kind", "id", "key", "fingerprint", "subject", "item", "quantity", "to", "ttl", "hold",
    "new_hold", "keep", "reference", "metadata", "actor",
)  # fmt: skip
"""The fields of an operation, in the order of ``sql/operation.sql``."""
SEPARATOR: Final = "\x1f"
"""A control character, so that no identifier has it. JSON writes it in another way."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PostgresLedger(DatabaseLedger):
    """Keep everything in the tables of this app, by functions inside PostgreSQL.

    The same contract and the same tables as ``DatabaseLedger``, with one statement a post, on
    PostgreSQL alone. Only a batch that is refused for a shortage takes a second pass, through
    ``DatabaseLedger``, which names every balance that is short.
    """

    def _post(self, requests: Sequence[Request], now: datetime, *, atomic: bool) -> list[Result]:
        if len(requests) == 1 and atomic:
            return [self._post_alone(requests[0], now)]
        payload = json.dumps([_packed(request) for request in requests])
        answers = self._call(POST, payload, self._scope, now, atomic)
        unpack = self._unpacker(now)
        if isinstance(answers, dict):
            if answers["code"] == InsufficientQuantity.code:
                return super()._post(requests, now, atomic=atomic)
            raise unpack.error(answers, requests[answers["index"]], answers["index"])
        results = [
            unpack.error(answer, request, index)
            if isinstance(answer, dict)
            else unpack.receipt(answer[0])
            for index, (request, answer) in enumerate(zip(requests, answers, strict=True))
        ]
        expired = [
            unpack.hold(hold)
            for answer in answers
            if isinstance(answer, list)
            for holds in answer[1:]
            for hold in holds or ()
        ]
        acted = [
            result for result in results if isinstance(result, Receipt) and not result.replayed
        ]
        self._announce_after_commit(expired, acted)
        return results

    def _post_alone(self, request: Request, now: datetime) -> Receipt:
        answer = self._call(POST_ONE, _joined(request, self._scope, now))
        unpack = self._unpacker(now)
        if isinstance(answer, dict):
            raise unpack.error(answer, request, answer["index"])
        receipt = unpack.receipt(answer[0])
        expired = [unpack.hold(hold) for holds in answer[1:] for hold in holds or ()]
        self._announce_after_commit(expired, [] if receipt.replayed else [receipt])
        return receipt

    def _expire_holds(self, now: datetime, limit: int | None) -> int:
        unpack = self._unpacker(now)
        expired = 0
        after_pk = 0
        while limit is None or expired < limit:
            most = SWEEP_HOLDS if limit is None else min(SWEEP_HOLDS, limit - expired)
            last_pk, step, holds = self._call(SWEEP, now, after_pk, SWEEP_BALANCES, most)
            if last_pk is None:
                break
            self._announce_after_commit(
                [unpack.hold(hold) for some in holds for hold in some or ()], []
            )
            expired += step
            if step < most:
                # All that these had, but for those that somebody else has locked.
                after_pk = last_pk
        return expired

    def _call(self, statement: str, *parameters: Any) -> Any:
        """Return what a function answers.

        Locks: what the function locks, see ``sql``.

        Raises:
            LedgerBusy: the database gave up each time.
        """
        return retried(partial(self._call_once, statement, parameters), self._using)

    def _call_once(self, statement: str, parameters: Sequence[Any]) -> Any:
        with connections[self._using].cursor() as cursor:
            cursor.execute(statement, parameters)
            answer = json.loads(cursor.fetchone()[0])
        if isinstance(answer, dict) and answer["code"] == LedgerBusy.code:
            raise LedgerBusy(answer["detail"])
        return answer

    def _announce_after_commit(
        self, expired: Sequence[HoldSnapshot], receipts: Sequence[Receipt]
    ) -> None:
        if expired or receipts:
            announce = partial(self._announce, expired, receipts)
            transaction.on_commit(announce, using=self._using, robust=True)

    def _unpacker(self, now: datetime) -> _Unpacker:
        return _Unpacker(connections[self._using].timezone if timezone.is_naive(now) else None)


def _fields(request: Request) -> tuple[Any, ...]:
    """Return an operation's ``FIELDS``, with None for what its verb has not and what is empty."""
    operation = request.operation
    subject = item = quantity = to = ttl = hold = new_hold = keep = None
    match operation:
        case Acquire() | Consume():
            subject, item, quantity = operation.subject, operation.item, operation.quantity
        case Transfer():
            subject, to = operation.source, operation.destination
            item, quantity = operation.item, operation.quantity
        case Hold():
            subject, item, quantity = operation.subject, operation.item, operation.quantity
            ttl, new_hold = operation.ttl // MICROSECOND, str(uuid7())
        case Commit():
            hold, quantity, to = str(operation.hold_id), operation.quantity, operation.to
            keep = operation.keep_remainder or None
        case Release():
            hold = str(operation.hold_id)
        case Extend():
            hold, ttl = str(operation.hold_id), operation.ttl // MICROSECOND
    return (
        operation.kind, str(request.operation_id), operation.key, request.fingerprint or None,
        subject, item, quantity, to, ttl, hold, new_hold, keep,
        operation.reference or None, operation.metadata, operation.actor or None,
    )  # fmt: skip


def _joined(request: Request, scope: str, now: datetime) -> str:
    """Return an operation as ``django_inventory_post_one`` wants it."""
    values = [
        "" if value is None else json.dumps(value) if isinstance(value, dict) else str(value)
        for value in _fields(request)
    ]
    return SEPARATOR.join([scope, now.isoformat(), *values])


def _packed(request: Request) -> dict[str, Any]:
    """Return an operation as ``django_inventory_post`` wants it."""
    return {
        name: value
        for name, value in zip(FIELDS, _fields(request), strict=True)
        if value is not None
    }


class _Unpacker:
    """Make values and errors of what the functions answer.

    Args:
        zone: where the project's times are, if they are naive; else None.
    """

    def __init__(self, zone: tzinfo | None) -> None:
        self._zone = zone

    def instant(self, microseconds: int) -> datetime:
        instant = EPOCH + microseconds * MICROSECOND
        return instant if self._zone is None else timezone.make_naive(instant, self._zone)

    def hold(self, hold: list[Any]) -> HoldSnapshot:
        hold_id, subject, item, quantity, remaining, status, expires_at = hold
        return HoldSnapshot(
            UUID(hold_id),
            subject,
            item,
            quantity,
            remaining,
            HoldStatus(status),
            self.instant(expires_at),
        )

    def receipt(self, receipt: list[Any]) -> Receipt:
        operation_id, kind, key, balances, hold, replayed = receipt
        return Receipt(
            UUID(operation_id),
            kind,
            key or None,
            tuple([BalanceSnapshot(*balance) for balance in balances]),
            self.hold(hold) if hold else None,
            replayed,
        )

    def error(self, answer: dict[str, Any], request: Request, index: int) -> InventoryError:
        error = self._error(answer["code"], answer["detail"], request.operation)
        error.index = index
        return error

    def _error(self, code: str, detail: list[Any], operation: Operation) -> InventoryError:
        makers: dict[str, Callable[[], InventoryError]] = {
            InsufficientQuantity.code: lambda: InsufficientQuantity([Shortage(*detail)]),
            QuantityOverflow.code: lambda: QuantityOverflow(*detail),
            HoldUnknown.code: lambda: HoldUnknown(UUID(detail[0])),
            HoldExpired.code: lambda: HoldExpired(UUID(detail[0]), self.instant(detail[1])),
            HoldResolved.code: lambda: HoldResolved(UUID(detail[0]), HoldStatus(detail[1])),
            IdempotencyConflict.code: lambda: _conflict(operation, *detail),
            InvalidQuantity.code: lambda: InvalidQuantity(
                "quantity", f"must be at most the {detail[0]} still held."
            ),
            InvalidOperation.code: lambda: InvalidOperation(
                "to", "must differ from the hold's subject."
            ),
        }
        return makers[code]()


def _conflict(operation: Operation, key: str, kind: str, fingerprint: str) -> IdempotencyConflict:
    if kind != operation.kind:
        return IdempotencyConflict(key, ("kind",))
    return IdempotencyConflict(key, operation.differing_fields(fingerprint))
