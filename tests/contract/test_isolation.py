"""Two calls, the second at every point of the first.

What comes of them must be what comes of one after the other, in one of the two orders. What that is
the memory ledger tells, which does one call at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from django_inventory.exceptions import InsufficientQuantity, InventoryError
from django_inventory.operations import Acquire, Consume, Hold, Transfer
from django_inventory.values import BalanceSnapshot, Receipt
from tests.contract.calls import hold_of
from tests.contract.engines import Clock, MemoryEngine, count_queries
from tests.contract.journal import only_on
from tests.contract.races import (
    LIMIT,
    Rivals,
    Stop,
    assert_sound,
    call_with_stops,
    in_rounds,
    isolated,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from django_inventory.ledgers import Ledger
    from tests.contract.conftest import RunThreads
    from tests.contract.engines import Engine

SECOND: Final = timedelta(seconds=1)


@dataclass
class Scene:
    """Subjects and holds of this scene's own, see ``scenes_on``."""

    ledger: Ledger
    number: int
    holds: list[UUID]

    def __post_init__(self) -> None:
        self.a, self.b, self.c, self.new = (f"{name}{self.number}" for name in ("a", "b", "c", "n"))

    def key(self, name: str) -> str:
        return f"{name} {self.number}"

    def attempt(self, call: str) -> object:
        """Make the call; return what it returns, or the error that refuses it."""
        try:
            return CALLS[call](self.ledger, self)
        except InventoryError as error:
            return error

    def outcome(self, first: object, second: object) -> Outcome:
        subjects = (self.a, self.b, self.c, self.new)
        balances = [balance for subject in subjects for balance in self.ledger.balances(subject)]
        return Outcome(told(first), told(second), balances)


class Outcome(NamedTuple):
    """What two calls came to, without ids."""

    first: object
    second: object
    balances: list[BalanceSnapshot]


CALLS: Final[dict[str, Callable[[Ledger, Scene], Receipt | list[Receipt]]]] = {
    "acquire first-ever": lambda ledger, at: ledger.acquire(at.key("k"), at.new, "gold", 2),
    "acquire first-ever, too": lambda ledger, at: ledger.acquire(at.key("q"), at.new, "gold", 3),
    "consume most": lambda ledger, at: ledger.consume(at.key("k"), at.a, "gold", 4),
    "hold most": lambda ledger, at: ledger.hold(at.key("q"), at.a, "gold", 4, 30),
    "transfer to new": lambda ledger, at: ledger.transfer(at.key("t"), at.a, at.new, "gold", 1),
    "commit": lambda ledger, at: ledger.commit(at.holds[0]),
    "commit to new": lambda ledger, at: ledger.commit(at.holds[0], to=at.new),
    "commit the other": lambda ledger, at: ledger.commit(at.holds[1], key=at.key("k")),
    "commit a part": lambda ledger, at: ledger.commit(
        at.holds[0], quantity=1, keep_remainder=True, key=at.key("k")
    ),
    "release": lambda ledger, at: ledger.release(at.holds[0]),
    "extend": lambda ledger, at: ledger.extend(at.holds[0], 600),
    "extend the other": lambda ledger, at: ledger.extend(at.holds[1], 10, key=at.key("k")),
    "release the overdue": lambda ledger, at: ledger.release(at.holds[2]),
    "batch": lambda ledger, at: ledger.post(
        [
            Transfer(at.key("1"), at.b, at.new, "gold", 1),
            Consume(at.key("2"), at.a, "gold", 4),
            Acquire(at.key("3"), at.c, "gold", 1),
        ]
    ),
}
PAIRS: Final = (
    ("consume most", "consume most"),
    ("consume most", "hold most"),
    ("acquire first-ever", "acquire first-ever, too"),
    ("acquire first-ever", "transfer to new"),
    ("commit", "commit the other"),
    ("commit a part", "release"),
    ("extend", "commit"),
    ("consume most", "release the overdue"),
    ("batch", "consume most"),
)
# Those that fail where a call reads what was true before it had the lock.
SUBTLE_PAIRS: Final = (
    ("acquire first-ever", "acquire first-ever"),
    ("transfer to new", "batch"),
    ("commit", "release"),
    ("release", "commit to new"),
    ("release", "extend the other"),
    ("release the overdue", "consume most"),
)


def scenes_on(ledger: Ledger, numbers: Sequence[int], clock: Clock) -> list[Scene]:
    """Make scenes in which "a" owns 12 gold and "b" 5.

    Of the 12, 6 are free: 5 at once, and 1 more as the third of the holds is overdue at the end.
    """
    ledger.post(
        [
            Acquire(f"stock {name}{number}", f"{name}{number}", "gold", quantity)
            for number in numbers
            for name, quantity in (("a", 12), ("b", 5))
        ]
    )
    receipts = ledger.post(
        [
            Hold(f"hold {number} {seconds}", f"a{number}", "gold", quantity, seconds * SECOND)
            for number in numbers
            for quantity, seconds in ((3, 60), (3, 120), (1, 5))
        ]
    )
    clock.advance(5 * SECOND)
    holds = [hold_of(receipt) for receipt in receipts]
    return [Scene(ledger, n, holds[3 * i :][:3]) for i, n in enumerate(numbers)]


def told(answer: object) -> object:
    """Return an answer without ids; errors that refuse nothing are raised."""
    match answer:
        case list():
            return [told(member) for member in answer]
        case Receipt():
            hold = answer.hold
            held = hold and (hold.status, hold.remaining, hold.expires_at)
            return (answer.kind, answer.key, answer.balances, held, answer.replayed)
        case InsufficientQuantity():
            return (answer.code, answer.index, answer.shortages)
        case InventoryError():
            return (answer.code, answer.index)
    assert isinstance(answer, BaseException)
    raise answer


def outcomes_of_orders(number: int, first: str, second: str) -> list[Outcome]:
    """Return what comes of the first call before the second, and after it."""
    outcomes = []
    for is_reversed in (False, True):
        clock = Clock()
        [scene] = scenes_on(MemoryEngine(clock).make_ledger(), [number], clock)
        order = [second, first] if is_reversed else [first, second]
        answers = [scene.attempt(call) for call in order]
        outcomes.append(scene.outcome(*(reversed(answers) if is_reversed else answers)))
    return outcomes


def by_name(pairs: Iterable[tuple[str, str]]) -> list[object]:
    return [pytest.param(pair, id=", ".join(pair)) for pair in pairs]


def interleave(
    pair: tuple[str, str], engine: Engine, clock: Clock, run_threads: RunThreads
) -> None:
    """Make the calls of the pair, the second one before each statement of the first one's."""
    first, second = pair
    ledger = engine.make_ledger(clock=clock)
    scenes = scenes_on(ledger, range(10), clock)
    with count_queries(engine) as counted:
        scenes.pop().attempt(first)
    # Before the first statement and after the last one there is nothing to come between.
    del scenes[counted.count - 1 :]
    stops = [[Stop(may_go_on=True) for _ in range(number + 1)] for number in range(len(scenes))]
    places = [Stop() for _ in scenes]
    rivals = [Rivals(engine, begin=place.is_reached) for place in places]

    def make_first(number: int) -> object:
        call = partial(scenes[number].attempt, first)
        try:
            return call_with_stops(engine, [*stops[number], places[number]], call)
        finally:
            places[number].is_reached.set()

    def make_second(number: int) -> object:
        return rivals[number].call(partial(scenes[number].attempt, second))

    def direct(number: int) -> object:
        assert places[number].is_reached.wait(LIMIT)
        rivals[number].wait_until_stuck(1)
        places[number].may_go_on.set()
        return None

    outcomes = in_rounds(run_threads, len(scenes), make_first, make_second, direct)
    for scene, (one, other, _) in zip(scenes, outcomes, strict=True):
        expected = outcomes_of_orders(scene.number, first, second)
        assert scene.outcome(one, other) in expected, f"before statement {scene.number + 1}"
    assert_sound(engine)


@only_on("postgresql", "mariadb")
@pytest.mark.parametrize("pair", by_name(PAIRS + SUBTLE_PAIRS))
def test_two_calls_do_as_one_after_the_other(
    pair: tuple[str, str], engine: Engine, clock: Clock, run_threads: RunThreads
) -> None:
    interleave(pair, engine, clock, run_threads)


@only_on("postgresql")
@pytest.mark.parametrize("pair", by_name(SUBTLE_PAIRS))
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_two_calls_do_as_one_after_the_other_at_every_level(
    level: str, pair: tuple[str, str], engine: Engine, clock: Clock, run_threads: RunThreads
) -> None:
    """Not on MariaDB, where the ledger wants READ COMMITTED: see the check inventory.E005."""
    with isolated(engine, level):
        interleave(pair, engine, clock, run_threads)
