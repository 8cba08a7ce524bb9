"""The checker itself: it accepts what is right, and finds what is put wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.ledgers import MemoryLedger
from django_inventory.operations import Acquire, Commit, Consume, Hold, Transfer
from django_inventory.values import BalanceSnapshot, Receipt
from tests.proof.servers.checker import Journal, ViolationError, check
from tests.proof.servers.history import (
    Broken,
    Call,
    Post,
    ReadBalance,
    Recorder,
    Refusal,
    Sweep,
    WorkerClock,
)

if TYPE_CHECKING:
    from tests.proof.servers.history import Ask


class Story:
    """A history made by hand: calls of a memory ledger, each a step of the time long."""

    def __init__(self) -> None:
        self._clock = WorkerClock(0)
        self.ledger = MemoryLedger(clock=self._clock)
        self._recorder = Recorder(self.ledger, self._clock, 0)
        self.calls: list[Call] = []

    def tell(self, worker: int, ask: Ask, *, begin: int = 0, end: int = 0) -> Call:
        """Make a call; it lasts from one step to another, or a step of its own after the last."""
        next_step = max((call.returned_at for call in self.calls), default=0) + 1
        call = replace(
            self._recorder(ask),
            worker=worker,
            invoked_at=begin or next_step,
            returned_at=end or next_step,
        )
        self.calls.append(call)
        return call

    def journal(self) -> Journal:
        return Journal(
            tuple(self.ledger.entries),
            {e.hold.id: (e.hold.subject, e.hold.item) for e in self.ledger.entries if e.hold},
        )

    def check(self, **options: Any) -> None:
        check(self.calls, self.journal(), **options)

    def change(self, number: int, **changes: Any) -> None:
        self.calls[number] = replace(self.calls[number], **changes)


@pytest.fixture
def story() -> Story:
    """Two processes, one after the other: 10 gold, 4 of them held, 1 of those sold, and a look."""
    story = Story()
    story.tell(0, Post((Acquire("a", "ann", "gold", 10),)))
    [receipt] = story.tell(1, Post((Hold("b", "ann", "gold", 4, timedelta(hours=1)),))).answer
    story.tell(0, Post((Commit(receipt.hold.id, quantity=1, keep_remainder=True, key="c"),)))
    story.tell(1, ReadBalance("ann", "gold"))
    story.tell(0, Post((Consume("d", "ann", "gold", 7),)))
    story.tell(1, Post((Consume("a", "ann", "gold", 1),)))
    story.tell(0, Sweep())
    return story


@pytest.fixture(params=[True, False], ids=["by journal", "by answers"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"by_journal": request.param}


def test_what_is_right_is_accepted(story: Story, options: dict[str, Any]) -> None:
    story.check(**options)


def test_calls_at_once_may_stand_in_either_order(story: Story, options: dict[str, Any]) -> None:
    # The look is over before the commit in the journal, but not before the commit's return.
    story.change(2, invoked_at=3, returned_at=6)
    story.change(3, invoked_at=4, returned_at=5, answer=BalanceSnapshot("ann", "gold", 6, 4))
    story.check(**options)


def test_a_read_of_what_was_before_is_found(story: Story, options: dict[str, Any]) -> None:
    story.change(3, answer=BalanceSnapshot("ann", "gold", 6, 4))
    with pytest.raises(ViolationError, match="none of these fits"):
        story.check(**options)


def test_a_refusal_without_a_reason_is_found(story: Story, options: dict[str, Any]) -> None:
    refusal = story.calls[4].answer
    assert isinstance(refusal, Refusal)
    story.change(1, answer=refusal, places=frozenset())
    with pytest.raises(ViolationError):
        story.check(**options)


def test_a_wrong_receipt_is_found(story: Story, options: dict[str, Any]) -> None:
    [receipt] = story.calls[1].answer
    assert isinstance(receipt, Receipt)
    wrong = replace(receipt, balances=(BalanceSnapshot("ann", "gold", 7, 4),))
    story.change(1, answer=(wrong,))
    with pytest.raises(ViolationError):
        story.check(**options)


def test_a_key_that_acts_twice_is_found(options: dict[str, Any]) -> None:
    story = Story()
    story.tell(0, Post((Acquire("a", "ann", "gold", 10),)))
    story.tell(1, Post((Acquire("b", "ann", "gold", 10),)))
    story.change(1, ask=Post((Acquire("a", "ann", "gold", 10),)))
    with pytest.raises(ViolationError):
        story.check(**options)


def test_what_was_over_before_another_began_comes_before_it(options: dict[str, Any]) -> None:
    story = Story()
    story.tell(0, Post((Acquire("a", "ann", "gold", 10),)), begin=5, end=6)
    story.tell(1, Post((Consume("b", "ann", "gold", 10),)), begin=1, end=2)
    with pytest.raises(ViolationError):
        story.check(**options)


def test_a_transfer_that_is_seen_at_one_end_alone_is_found(options: dict[str, Any]) -> None:
    story = Story()
    story.tell(0, Post((Acquire("a", "ann", "gold", 3),)))
    story.tell(0, Post((Transfer("b", "ann", "bob", "gold", 3),)), begin=2, end=5)
    story.tell(1, Post((Consume("c", "ann", "gold", 1), Consume("d", "bob", "gold", 9))), begin=3)
    [at_ann, at_bob] = story.calls[2].answer.facts[1][1]
    neither = Refusal(
        story.calls[2].answer.code,
        (("index", 0), ("shortages", (at_ann, replace(at_bob, available=0)))),
    )
    story.change(2, answer=neither, returned_at=4)
    with pytest.raises(ViolationError):
        story.check(**options)


def test_what_no_call_wrote_is_found(story: Story) -> None:
    del story.calls[4:]
    del story.calls[1]
    with pytest.raises(ViolationError, match="no call has written"):
        story.check()


def test_a_gap_in_the_journal_is_found(story: Story) -> None:
    entries = story.ledger.entries
    gap = replace(entries[1], sequence=3)
    journal = Journal((entries[0], gap, *entries[2:]), story.journal().holders)
    with pytest.raises(ViolationError, match="sequence"):
        check(story.calls, journal)


def test_an_entry_that_says_another_thing_than_the_receipt_is_found(story: Story) -> None:
    entries = story.ledger.entries
    other = replace(entries[1], reference="another")
    journal = Journal((entries[0], other, *entries[2:]), story.journal().holders)
    with pytest.raises(ViolationError, match="The journal has"):
        check(story.calls, journal)


def test_an_error_that_is_not_the_ledgers_own_is_found(story: Story) -> None:
    story.change(3, answer=Broken("OperationalError: gone"))
    with pytest.raises(ViolationError, match="No answer"):
        story.check()


def test_calls_that_share_nothing_are_searched_apart(story: Story) -> None:
    for number in range(5):
        story.tell(2 + number, Post((Acquire(f"e{number}", "bob", f"oil {number}", 1),)), begin=1)
    verdict = check(story.calls, story.journal())
    assert (verdict.calls, verdict.groups) == (12, 7)
