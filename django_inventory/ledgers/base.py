"""The interface of every ledger: each verb, once, in terms of ``post``.

Owns the signatures, the async twins and what is sent after commit. Must not know where the
quantities are kept.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from functools import update_wrapper
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar, cast, get_args, overload
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db.models import Model
from django.utils import timezone

from django_inventory import signals
from django_inventory.arguments import (
    check_hold_id,
    check_identifier,
    check_quantity,
    check_scope,
    check_subject,
)
from django_inventory.exceptions import InvalidOperation
from django_inventory.ids import uuid7
from django_inventory.ledgers.batch import Request, Result
from django_inventory.operations import (
    Acquire,
    Commit,
    Consume,
    Extend,
    Hold,
    Operation,
    Release,
    Transfer,
)
from django_inventory.values import BalanceSnapshot, HoldSnapshot, Receipt

Clock = Callable[[], datetime]
Subject = str | Model
Metadata = dict[str, Any] | None

P = ParamSpec("P")
R = TypeVar("R")
L = TypeVar("L", bound="Ledger")


def _async_twin(
    method: Callable[Concatenate[L, P], R],
) -> Callable[Concatenate[L, P], Coroutine[Any, Any, R]]:
    """Make the async twin of a method, whatever class has overridden the method since."""

    async def twin(self: L, /, *args: P.args, **kwargs: P.kwargs) -> R:
        bound = cast("Callable[P, R]", getattr(self, method.__name__))
        return await sync_to_async(bound)(*args, **kwargs)

    # Not @wraps, whose type is another. With this, introspection shows the method's arguments.
    update_wrapper(twin, method)
    twin.__name__ = f"a{method.__name__}"
    twin.__qualname__ = f"Ledger.{twin.__name__}"
    twin.__doc__ = f"Do what ``{method.__name__}`` does, for async callers."
    return twin


class Ledger(ABC):
    """Who owns how much of what; every change atomic, journalled and safe to retry.

    A call that raises has changed nothing, and its key is not used up. Every mutation takes
    ``reference`` (free text of at most 255 characters, such as an order number), ``metadata`` (a
    JSON object) and ``actor`` (who did it: a string or a saved model instance), which its journal
    entries keep; the first two belong to what a key stands for, ``actor`` does not.

    Args:
        clock: tells the time, once per call; default ``django.utils.timezone.now``.
        scope: where the idempotency keys of this ledger are unique; default "".
    """

    def __init__(self, *, clock: Clock = timezone.now, scope: str = "") -> None:
        self._clock = clock
        self._scope = check_scope(scope)

    @property
    def scope(self) -> str:
        """Where this ledger's idempotency keys are unique."""
        return self._scope

    def scoped(self, scope: str) -> Self:
        """Return a ledger on the same data whose idempotency keys live in ``scope``.

        Raises:
            InvalidIdentifier: the scope's form is refused.
        """
        ledger = copy.copy(self)
        ledger._scope = check_scope(scope)  # noqa: SLF001 - a copy of itself
        return ledger

    # Mutations ------------------------------------------------------------------------------

    def acquire(
        self,
        key: str,
        subject: Subject,
        item: str,
        quantity: int,
        *,
        reference: str = "",
        metadata: Metadata = None,
        actor: Subject = "",
    ) -> Receipt:
        """Credit ``quantity`` of ``item`` to ``subject``.

        Raises:
            InvalidOperation: an argument is malformed.
            QuantityOverflow: the total would pass 2**63 - 1.
            IdempotencyConflict: the key was used with other arguments.
            LedgerBusy: the database gave up; try again with the same key.
        """
        subject = check_subject("subject", subject)
        return self._post_one(
            Acquire(key, subject, item, quantity, **_notes(reference, metadata, actor))
        )

    def consume(
        self,
        key: str,
        subject: Subject,
        item: str,
        quantity: int,
        *,
        reference: str = "",
        metadata: Metadata = None,
        actor: Subject = "",
    ) -> Receipt:
        """Debit ``quantity`` of ``item`` from what ``subject`` has free.

        Raises:
            InvalidOperation: an argument is malformed.
            InsufficientQuantity: less is free.
            IdempotencyConflict: the key was used with other arguments.
            LedgerBusy: the database gave up; try again with the same key.
        """
        subject = check_subject("subject", subject)
        return self._post_one(
            Consume(key, subject, item, quantity, **_notes(reference, metadata, actor))
        )

    def transfer(
        self,
        key: str,
        source: Subject,
        destination: Subject,
        item: str,
        quantity: int,
        *,
        reference: str = "",
        metadata: Metadata = None,
        actor: Subject = "",
    ) -> Receipt:
        """Move ``quantity`` of ``item`` from what ``source`` has free to ``destination``.

        Raises:
            InvalidOperation: an argument is malformed, or the two subjects are the same.
            InsufficientQuantity: the source has less free.
            QuantityOverflow: the destination's total would pass 2**63 - 1.
            IdempotencyConflict: the key was used with other arguments.
            LedgerBusy: the database gave up; try again with the same key.
        """
        source = check_subject("source", source)
        destination = check_subject("destination", destination)
        return self._post_one(
            Transfer(key, source, destination, item, quantity, **_notes(reference, metadata, actor))
        )

    def hold(
        self,
        key: str,
        subject: Subject,
        item: str,
        quantity: int,
        ttl: timedelta | float,
        *,
        reference: str = "",
        metadata: Metadata = None,
        actor: Subject = "",
    ) -> Receipt:
        """Reserve ``quantity`` of ``item`` that ``subject`` has free; it is free again at now+ttl.

        Args:
            ttl: a timedelta or seconds, above zero, at most 36,525 days.

        Raises:
            InvalidOperation: an argument is malformed.
            InsufficientQuantity: less is free.
            IdempotencyConflict: the key was used with other arguments.
            LedgerBusy: the database gave up; try again with the same key.
        """
        subject = check_subject("subject", subject)
        return self._post_one(
            Hold(key, subject, item, quantity, ttl, **_notes(reference, metadata, actor))
        )

    def commit(
        self,
        hold_id: UUID | str,
        *,
        quantity: int | None = None,
        keep_remainder: bool = False,
        to: Subject | None = None,
        key: str | None = None,
        reference: str = "",
        metadata: Metadata = None,
        actor: Subject = "",
    ) -> Receipt:
        """Let what is held leave for good: consumed, or credited to ``to``.

        Without a key it is safe to retry: a hold that was committed the same way replays.

        Args:
            quantity: how much of it; None for all that is still held.
            keep_remainder: keep the rest on hold instead of releasing it. Needs a key, since two
                equal part-commits are both meant.
            to: who gets it; not the holder.

        Raises:
            InvalidOperation: an argument is malformed.
            InvalidQuantity: more than is still held.
            QuantityOverflow: the receiver's total would pass 2**63 - 1.
            HoldUnknown, HoldExpired: there is no such hold, or no longer.
            HoldResolved: it was released, or committed in another way.
            IdempotencyConflict: the key was used with other arguments.
            LedgerBusy: the database gave up; try again.
        """
        return self._post_one(
            Commit(
                check_hold_id(hold_id),
                quantity=quantity,
                keep_remainder=keep_remainder,
                to=None if to is None else check_subject("to", to),
                key=key,
                **_notes(reference, metadata, actor),
            )
        )

    def release(
        self,
        hold_id: UUID | str,
        *,
        key: str | None = None,
        reference: str = "",
        metadata: Metadata = None,
        actor: Subject = "",
    ) -> Receipt:
        """Give back to the free quantity what is left on hold.

        Safe to retry. A hold that has expired needs no release: then the receipt is that of the
        expiry, with ``replayed`` set.

        Raises:
            InvalidOperation: an argument is malformed.
            HoldUnknown: there is no such hold.
            HoldResolved: it was committed.
            IdempotencyConflict: the key was used with other arguments.
            LedgerBusy: the database gave up; try again.
        """
        return self._post_one(
            Release(check_hold_id(hold_id), key=key, **_notes(reference, metadata, actor))
        )

    def extend(
        self,
        hold_id: UUID | str,
        ttl: timedelta | float,
        *,
        key: str | None = None,
        reference: str = "",
        metadata: Metadata = None,
        actor: Subject = "",
    ) -> Receipt:
        """Let the hold expire at now+ttl, be that later or sooner than before.

        Args:
            ttl: a timedelta or seconds, above zero, at most 36,525 days.

        Raises:
            InvalidOperation: an argument is malformed.
            HoldUnknown, HoldExpired: there is no such hold, or no longer.
            HoldResolved: it was committed or released.
            IdempotencyConflict: the key was used with other arguments.
            LedgerBusy: the database gave up; try again.
        """
        return self._post_one(
            Extend(check_hold_id(hold_id), ttl, key=key, **_notes(reference, metadata, actor))
        )

    @overload
    def post(
        self, operations: Iterable[Operation], *, atomic: Literal[True] = True
    ) -> list[Receipt]: ...

    @overload
    def post(self, operations: Iterable[Operation], *, atomic: bool) -> list[Result]: ...

    def post(
        self, operations: Iterable[Operation], *, atomic: bool = True
    ) -> list[Receipt] | list[Result]:
        """Do many operations in one transaction, in order, each seeing those before it.

        Args:
            operations: from ``django_inventory.operations``; an operation cannot name a hold that
                the same batch makes.
            atomic: all or none. With False each stands alone: what is refused leaves its error in
                its place and the others are done.

        Returns:
            A receipt per operation, in order; with ``atomic=False`` a receipt or an error.

        Raises:
            InvalidOperation: something in it is no operation.
            InventoryError: with ``atomic``, the first refusal, its ``index`` telling whose;
                ``InsufficientQuantity`` names every balance of the batch that is short.
            LedgerBusy: the database gave up; try again with the same keys.
        """
        requests = [
            Request(operation, uuid7(), "" if operation.key is None else operation.fingerprint())
            for operation in _checked(operations)
        ]
        if not requests:
            return []
        return self._post(requests, self._clock(), atomic=atomic)

    def _post_one(self, operation: Operation) -> Receipt:
        return self.post([operation])[0]

    def expire_holds(self, *, limit: int | None = None) -> int:
        """Record overdue holds, at most ``limit`` of them, and return how many.

        Nothing depends on it but the journal's timeliness: an overdue hold's quantity is free
        from the instant it expires.

        Raises:
            InvalidQuantity: ``limit`` is no whole number from 1.
            LedgerBusy: the database gave up; what was recorded until then stays.
        """
        if limit is not None:
            limit = check_quantity(limit, "limit")
        return self._expire_holds(self._clock(), limit)

    # Reads ----------------------------------------------------------------------------------

    def balance(self, subject: Subject, item: str) -> BalanceSnapshot:
        """Return what ``subject`` owns of ``item`` now: zeros where nothing was ever owned.

        Raises:
            InvalidIdentifier: an argument is malformed.
        """
        return self._balance(
            check_subject("subject", subject), check_identifier("item", item), self._clock()
        )

    def balances(self, subject: Subject) -> list[BalanceSnapshot]:
        """Return all that ``subject`` owns now, zeros left out, in code point order of the item.

        Raises:
            InvalidIdentifier: the subject is malformed.
        """
        return self._balances(check_subject("subject", subject), self._clock())

    def get_hold(self, hold_id: UUID | str) -> HoldSnapshot:
        """Return the hold as it stands now; an overdue one is ``expired``, recorded or not.

        Raises:
            InvalidIdentifier: the id is no UUID.
            HoldUnknown: there is no such hold.
        """
        return self._get_hold(check_hold_id(hold_id), self._clock())

    # Async twins ----------------------------------------------------------------------------

    aacquire = _async_twin(acquire)
    aconsume = _async_twin(consume)
    atransfer = _async_twin(transfer)
    ahold = _async_twin(hold)
    acommit = _async_twin(commit)
    arelease = _async_twin(release)
    aextend = _async_twin(extend)
    aexpire_holds = _async_twin(expire_holds)
    abalance = _async_twin(balance)
    abalances = _async_twin(balances)
    aget_hold = _async_twin(get_hold)

    @overload
    async def apost(
        self, operations: Iterable[Operation], *, atomic: Literal[True] = True
    ) -> list[Receipt]: ...

    @overload
    async def apost(self, operations: Iterable[Operation], *, atomic: bool) -> list[Result]: ...

    async def apost(
        self, operations: Iterable[Operation], *, atomic: bool = True
    ) -> list[Receipt] | list[Result]:
        """Do what ``post`` does, for async callers."""
        # Written out, since a ParamSpec does not carry overloads.
        return await sync_to_async(lambda: self.post(operations, atomic=atomic))()

    # What a ledger supplies -----------------------------------------------------------------

    @abstractmethod
    def _post(
        self, requests: Sequence[Request], now: datetime, *, atomic: bool
    ) -> list[Result]: ...

    @abstractmethod
    def _expire_holds(self, now: datetime, limit: int | None) -> int: ...

    @abstractmethod
    def _balance(self, subject: str, item: str, now: datetime) -> BalanceSnapshot: ...

    @abstractmethod
    def _balances(self, subject: str, now: datetime) -> list[BalanceSnapshot]: ...

    @abstractmethod
    def _get_hold(self, hold_id: UUID, now: datetime) -> HoldSnapshot: ...

    def _announce(self, expired: Iterable[HoldSnapshot], receipts: Iterable[Receipt]) -> None:
        """Send the signals of a batch; to be called once nothing can undo it any more."""
        for hold in expired:
            signals.hold_expired.send_robust(type(self), hold=hold)
        for receipt in receipts:
            signals.operation_posted.send_robust(type(self), receipt=receipt)


def _notes(reference: str, metadata: Metadata, actor: Subject) -> dict[str, Any]:
    return {"reference": reference, "metadata": metadata, "actor": actor}


def _checked(operations: Iterable[Operation]) -> list[Operation]:
    try:
        iterator = iter(operations)
    except TypeError as error:
        message = f"must be operations in some order, not {type(operations).__name__}."
        raise InvalidOperation("operations", message) from error
    checked = list(iterator)
    for index, operation in enumerate(checked):
        if not isinstance(operation, get_args(Operation)):
            refusal = InvalidOperation(
                "operations", f"must hold operations, not {type(operation).__name__}."
            )
            refusal.index = index
            raise refusal
    return checked
