"""What the processes of a history ask of a ledger, and what they note down about it.

Owns the words of a history: a call, what it asked, when, and what it was answered. Runs in the
children; must not judge.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import Error

from django_inventory.exceptions import InventoryError, LedgerBusy
from django_inventory.values import Receipt

if TYPE_CHECKING:
    from uuid import UUID

    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from django_inventory.rules import Place

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
TICK: Final = 16
"""Microseconds between two readings of one process's clock; the rest tells the processes apart."""


@dataclass(frozen=True, slots=True)
class Post:
    """Do these operations in one call."""

    operations: tuple[Operation, ...]
    is_atomic: bool = True


@dataclass(frozen=True, slots=True)
class Sweep:
    """Record what is overdue.

    A sweep leaves out what others have locked; ``places`` are the balances at which it did not,
    known from the journal afterwards.
    """

    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadBalance:
    subject: str
    item: str


@dataclass(frozen=True, slots=True)
class ReadBalances:
    subject: str


@dataclass(frozen=True, slots=True)
class ReadHold:
    hold_id: UUID


Ask = Post | Sweep | ReadBalance | ReadBalances | ReadHold


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the ledger as a value: its code and all its attributes."""

    code: str
    facts: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, error: InventoryError) -> Refusal:
        return cls(error.code, tuple(sorted(vars(error).items())))


@dataclass(frozen=True, slots=True)
class Broken:
    """An error that is not the ledger's own: no call of a ledger may end so."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a history.

    Attributes:
        worker, number: which process made it, and as its how-manieth.
        now: what the ledger's clock said; no other call of the history was told the same.
        invoked_at, returned_at: nanoseconds of the machine's monotonic clock.
        answer: what the call returned, a Refusal, or Broken.
        places: the balances that it has changed, by the journal.
    """

    worker: int
    number: int
    ask: Ask
    now: datetime
    invoked_at: int
    returned_at: int
    answer: Any
    places: frozenset[Place] = field(default_factory=frozenset)

    @property
    def is_busy(self) -> bool:
        return isinstance(self.answer, Refusal) and self.answer.code == LedgerBusy.code

    def with_places(self, places: frozenset[Place]) -> Call:
        ask = Sweep(tuple(sorted(places))) if isinstance(self.ask, Sweep) else self.ask
        return replace(self, places=places, ask=ask)


class WorkerClock:
    """The time of day, told each time as one that no other clock of the crew ever tells.

    Set ``fixed`` for the next reading, where a test needs a call to be before or after something.
    """

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._ticks = 0
        self.fixed: datetime | None = None
        self.last: datetime = EPOCH

    def __call__(self) -> datetime:
        if self.fixed is not None:
            self.last, self.fixed = self.fixed, None
        else:
            self._ticks = max(self._ticks + 1, time.time_ns() // 1_000 // TICK)
            self.last = EPOCH + timedelta(microseconds=self._ticks * TICK + self._worker)
        return self.last


class Recorder:
    """Calls a ledger and notes down each call."""

    def __init__(self, ledger: Ledger, clock: WorkerClock, worker: int) -> None:
        self._ledger = ledger
        self._clock = clock
        self._worker = worker
        self.calls: list[Call] = []

    def __call__(self, ask: Ask, *, now: datetime | None = None) -> Call:
        self._clock.fixed = now
        invoked_at = time.monotonic_ns()
        answer = answer_to(self._ledger, ask)
        returned_at = time.monotonic_ns()
        call = Call(
            worker=self._worker,
            number=len(self.calls),
            ask=ask,
            now=self._clock.last,
            invoked_at=invoked_at,
            returned_at=returned_at,
            answer=answer,
        )
        self.calls.append(call)
        return call


def answer_to(ledger: Ledger, ask: Ask) -> Any:  # noqa: PLR0911 - one for each
    """Do what is asked, and return the answer as a value, whatever it is."""
    try:
        match ask:
            case Post():
                results = ledger.post(ask.operations, atomic=ask.is_atomic)
                return tuple(
                    result if isinstance(result, Receipt) else Refusal.of(result)
                    for result in results
                )
            case Sweep():
                return ledger.expire_holds()
            case ReadBalance():
                return ledger.balance(ask.subject, ask.item)
            case ReadBalances():
                return tuple(ledger.balances(ask.subject))
            case ReadHold():
                return ledger.get_hold(ask.hold_id)
    except InventoryError as error:
        return Refusal.of(error)
    except Error as error:
        return Broken(f"{type(error).__name__}: {error}")
