"""Processes that meet at a barrier before each call, so that the calls meet too.

Owns how a race is run, and that every race is judged by the checker and the books, whatever else
its test looks at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from django_inventory.values import Receipt
from tests.proof.servers.books import assert_books_balance, read_journal
from tests.proof.servers.checker import check
from tests.proof.servers.children import Job
from tests.proof.servers.history import Ask, Post, Recorder, Refusal, WorkerClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from multiprocessing.synchronize import Barrier

    from django_inventory.operations import Operation
    from django_inventory.values import HoldSnapshot
    from tests.proof.servers.children import Crew
    from tests.proof.servers.history import Call

    Plan = Sequence[tuple[Ask, datetime | None]]


def follow(barrier: Barrier, ledger: str, worker: int, plan: Plan) -> list[Call]:
    """Make the plan's calls, each when all are there; in a child."""
    clock = WorkerClock(worker)
    recorder = Recorder(import_string(ledger)(clock=clock), clock, worker)
    for ask, now in plan:
        barrier.wait()
        recorder(ask, now=now)
    return recorder.calls


@dataclass(slots=True)
class Race:
    """A stock that the test lays in, and rounds of calls that go for it at once."""

    crew: Crew
    alias: str
    ledger: str
    stock: Recorder = field(init=False)
    _rounds: list[list[tuple[Ask, datetime | None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = WorkerClock(self.crew.size)
        ledger = import_string(self.ledger)(using=self.alias, clock=clock)
        self.stock = Recorder(ledger, clock, self.crew.size)

    def lay_in(self, *operations: Operation) -> tuple[Receipt, ...]:
        """Do this before the race, in one call; the checker is told of it too."""
        answer = self.stock(Post(operations)).answer
        assert isinstance(answer, tuple), answer
        return answer

    def lay_in_hold(self, operation: Operation) -> HoldSnapshot:
        [receipt] = self.lay_in(operation)
        assert receipt.hold is not None
        return receipt.hold

    def add_round(self, *asks: Ask | Operation | tuple[Ask | Operation, datetime]) -> None:
        """Let each process make one of these calls, with its clock at the time given, if any."""
        pairs = [ask if isinstance(ask, tuple) else (ask, None) for ask in asks]
        assert len(pairs) == self.crew.size
        self._rounds.append([(_asked(ask), now) for ask, now in pairs])

    def run(self) -> list[list[Call]]:
        """Run all rounds, judge what they came to, and return the calls, round by round."""
        plans = [[round_[worker] for round_ in self._rounds] for worker in range(self.crew.size)]
        jobs = [Job(follow, (self.ledger, worker, plan)) for worker, plan in enumerate(plans)]
        columns: list[list[Call]] = self.crew.run(jobs)
        calls = [*self.stock.calls, *(call for column in columns for call in column)]
        verdict = check(calls, read_journal(self.alias))
        assert verdict.busy == 0
        assert_books_balance(self.alias)
        return [list(round_) for round_ in zip(*columns, strict=True)]


def _asked(ask: Ask | Operation) -> Ask:
    return ask if isinstance(ask, Ask) else Post((ask,))


def acted(calls: Iterable[Call]) -> list[Call]:
    """Return the calls all of whose operations were done, and now."""
    return [
        call
        for call in calls
        if isinstance(call.answer, tuple)
        and all(isinstance(a, Receipt) and not a.replayed for a in call.answer)
    ]


def codes(calls: Iterable[Call]) -> list[Any]:
    """Return "done", "replayed" or the error's code, for each call."""
    words = []
    for call in calls:
        if isinstance(call.answer, Refusal):
            words.append(call.answer.code)
        elif isinstance(call.answer, tuple):
            words.append("replayed" if call.answer[0].replayed else "done")
        else:
            words.append(call.answer)
    return words
