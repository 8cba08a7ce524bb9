"""The ledger at PostgreSQL's own speed: one statement a post.

The rules run inside the database, in functions that ``sql/post.sql`` defines and a migration
installs. This module packs operations, calls them, and unpacks receipts and errors. Must not decide
anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
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
from django_inventory.operations import Commit, Extend, Hold, Operation, Release, Transfer
from django_inventory.values import (
    BalanceSnapshot,
    HoldSnapshot,
    HoldStatus,
    Receipt,
    Shortage,
)

POST: Final = (
    "SELECT django_inventory_post(%s::jsonb, %s::text, %s::timestamptz, %s::boolean)::text"
)
SWEEP: Final = "SELECT django_inventory_sweep(%s::timestamptz, %s::bigint, %s::int, %s::int)::text"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class PostgresLedger(DatabaseLedger):
    """Keep everything in the tables of this app, by functions inside PostgreSQL.

    The same contract and the same tables as ``DatabaseLedger``, with one statement a post, on
    PostgreSQL alone. Only a batch that is refused for a shortage takes a second pass, through
    ``DatabaseLedger``, which names every balance that is short.
    """

    def _post(self, requests: Sequence[Request], now: datetime, *, atomic: bool) -> list[Result]:
        payload = json.dumps([_packed(request) for request in requests])
        answers = self._call(POST, payload, self._scope, now, atomic)
        unpack = _Unpacker(is_naive=timezone.is_naive(now), zone=self._zone())
        if isinstance(answers, dict):
            if answers["code"] == InsufficientQuantity.code and len(requests) > 1:
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

    def _expire_holds(self, now: datetime, limit: int | None) -> int:
        unpack = _Unpacker(is_naive=timezone.is_naive(now), zone=self._zone())
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

        Locks: what the function locks, see ``sql/post.sql``.

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

    def _zone(self) -> Any:
        return connections[self._using].timezone


def _packed(request: Request) -> dict[str, Any]:
    """Return an operation as ``sql/post.sql`` wants it: without what is null."""
    operation = request.operation
    packed: dict[str, Any] = {"kind": operation.kind, "id": str(request.operation_id)}
    packed.update(_packed_arguments(operation))
    if operation.key is not None:
        packed["key"] = operation.key
        packed["fingerprint"] = request.fingerprint
    if operation.reference:
        packed["reference"] = operation.reference
    if operation.metadata is not None:
        packed["metadata"] = operation.metadata
    if operation.actor:
        packed["actor"] = operation.actor
    return packed


def _packed_arguments(operation: Operation) -> Iterator[tuple[str, Any]]:
    match operation:
        case Commit():
            yield "hold", str(operation.hold_id)
            if operation.quantity is not None:
                yield "quantity", operation.quantity
            if operation.to is not None:
                yield "to", operation.to
            if operation.keep_remainder:
                yield "keep", True
        case Release():
            yield "hold", str(operation.hold_id)
        case Extend():
            yield "hold", str(operation.hold_id)
            yield "ttl", operation.ttl // MICROSECOND
        case Transfer():
            yield "subject", operation.source
            yield "to", operation.destination
            yield "item", operation.item
            yield "quantity", operation.quantity
        case _:
            yield "subject", operation.subject
            yield "item", operation.item
            yield "quantity", operation.quantity
            if isinstance(operation, Hold):
                yield "ttl", operation.ttl // MICROSECOND
                yield "new_hold", str(uuid7())


class _Unpacker:
    """Make values and errors of what the functions answer, with times as the project has them."""

    def __init__(self, *, is_naive: bool, zone: Any) -> None:
        self._is_naive = is_naive
        self._zone = zone

    def instant(self, microseconds: int) -> datetime:
        instant = EPOCH + microseconds * MICROSECOND
        return timezone.make_naive(instant, self._zone) if self._is_naive else instant

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
            HoldResolved.code: lambda: HoldResolved(UUID(detail[0]), detail[1]),
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
