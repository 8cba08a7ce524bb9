"""Long histories of a ledger: calls by the dice, and answers that can be compared between ledgers.

Two ledgers never make the same ids. An answer is compared with its ids told by number, in the order
in which they first came up.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django_inventory.exceptions import InventoryError
from django_inventory.operations import Acquire, Commit, Consume, Extend, Hold, Release, Transfer
from django_inventory.values import HoldSnapshot, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_inventory.ledgers import Ledger
    from django_inventory.operations import Operation
    from tests.contract.engines import Clock

SUBJECTS: Final = ("alice", "Alice", "bob", "Carol")
ITEMS: Final = ("gold", "silver")
MOST_HOLDS_REMEMBERED: Final = 8
UNKNOWN: Final = UUID(int=7)


@dataclass(frozen=True)
class Step:
    """One call on a ledger. Holds are told by number, in the order in which they were made."""

    verb: str
    arguments: dict[str, Any] = field(default_factory=dict)
    parts: tuple[Step, ...] = ()


class Witness:
    """Does steps on one ledger and tells what came of them, without ids."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.holds: list[UUID] = []
        self._numbers: dict[UUID, int] = {}

    def do(self, step: Step) -> Any:
        """Do a step; return its answer, or the error that it ended in."""
        calls: dict[str, Callable[[], object]] = {
            "post": lambda: self.ledger.post(
                [self._operation(part) for part in step.parts], **step.arguments
            ),
            "balance": lambda: self.ledger.balance(**step.arguments),
            "balances": lambda: self.ledger.balances(**step.arguments),
            "get_hold": lambda: self.ledger.get_hold(**self._with_hold_id(step.arguments)),
            "expire_holds": lambda: self.ledger.expire_holds(**step.arguments),
        }
        call = calls.get(step.verb) or (lambda: self.ledger.post([self._operation(step)])[0])
        try:
            return self._told(call())
        except InventoryError as error:
            return self._told(error)

    def _operation(self, step: Step) -> Operation:
        classes: dict[str, type[Operation]] = {
            "acquire": Acquire,
            "consume": Consume,
            "transfer": Transfer,
            "hold": Hold,
            "commit": Commit,
            "release": Release,
            "extend": Extend,
        }
        return classes[step.verb](**self._with_hold_id(step.arguments))

    def _with_hold_id(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if "hold_number" not in arguments:
            return arguments
        rest = {name: value for name, value in arguments.items() if name != "hold_number"}
        number = arguments["hold_number"]
        return {**rest, "hold_id": UNKNOWN if number is None else self.holds[number]}

    def _told(self, answer: Any) -> Any:
        match answer:
            case list():
                return [self._told(member) for member in answer]
            case UUID():
                return UUID(int=self._numbers.setdefault(answer, len(self._numbers)))
            case HoldSnapshot():
                return replace(answer, id=self._told(answer.id))
            case Receipt():
                if answer.kind == "hold" and not answer.replayed and answer.hold:
                    self.holds.append(answer.hold.id)
                return replace(
                    answer,
                    operation_id=self._told(answer.operation_id),
                    hold=answer.hold and self._told(answer.hold),
                )
            case InventoryError():
                details = {name: self._told(value) for name, value in vars(answer).items()}
                return (type(answer), details)
            case _:
                return answer


class Dice:
    """Makes up a history, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a game, no secret
        self._keys = 0
        self._done: list[Step] = []

    def step(self, holds: int) -> Step:
        """Return the next step, where ``holds`` holds have been made."""
        roll = self._random.random()
        if roll < 0.06:
            return Step("expire_holds", {"limit": self._random.choice([None, 1, 2])})
        if roll < 0.12:
            return self._read(holds)
        if roll < 0.22 and self._done:
            # As a caller does who has not got the answer.
            return self._random.choice(self._done[-20:])
        if roll < 0.4:
            parts = tuple(self._mutation(holds) for _ in range(self._random.randint(0, 6)))
            step = Step("post", {"atomic": self._random.random() < 0.5}, parts)
        else:
            step = self._mutation(holds)
        self._done.append(step)
        return step

    def seconds_until_next(self) -> float:
        """Return how long to wait before the next step; often not at all."""
        return self._random.choice([0, 0, 0, 1, 1, 2.5, 5])

    def _read(self, holds: int) -> Step:
        subject = self._random.choice(SUBJECTS)
        return self._random.choice(
            [
                Step("balance", {"subject": subject, "item": self._random.choice(ITEMS)}),
                Step("balances", {"subject": subject}),
                Step("get_hold", {"hold_number": self._hold_number(holds)}),
            ]
        )

    def _mutation(self, holds: int) -> Step:
        verb = self._random.choices(
            ("acquire", "consume", "transfer", "hold", "commit", "release", "extend"),
            weights=(5, 5, 5, 7, 7, 3, 4),
        )[0]
        arguments: dict[str, Any] = {"key": self._key()}
        if verb in {"commit", "release", "extend"}:
            arguments["hold_number"] = self._hold_number(holds)
            if self._random.random() < 0.5:
                arguments["key"] = None
        else:
            arguments["item"] = self._random.choice(ITEMS)
            arguments["quantity"] = self._random.randint(1, 50 if verb == "acquire" else 20)
        if verb == "transfer":
            source, destination = self._random.sample(SUBJECTS, 2)
            arguments.update(source=source, destination=destination)
        elif "item" in arguments:
            arguments["subject"] = self._random.choice(SUBJECTS)
        if verb in {"hold", "extend"}:
            arguments["ttl"] = timedelta(seconds=self._random.choice([2, 20, 100, 300]))
        if verb == "commit":
            arguments["quantity"] = self._random.choice([None, 1, 2, 5, 10])
            arguments["to"] = self._random.choice([None, None, *SUBJECTS])
            arguments["keep_remainder"] = (
                arguments["key"] is not None and self._random.random() < 0.5
            )
        arguments["reference"] = self._random.choice(["", "", "", "order"])
        return Step(verb, arguments)

    def _key(self) -> str:
        """Return a key: mostly a new one, now and then one that may have been used."""
        if self._random.random() < 0.1:
            return f"k{self._random.randint(0, self._keys)}"
        self._keys += 1
        return f"k{self._keys}"

    def _hold_number(self, holds: int) -> int | None:
        if not holds or self._random.random() < 0.03:
            return None
        return self._random.randrange(max(0, holds - MOST_HOLDS_REMEMBERED), holds)


def play(dice: Dice, clock: Clock, *witnesses: Witness, steps: int) -> None:
    """Do the same steps by every witness, and expect each to tell the same."""
    for number in range(steps):
        clock.advance(seconds=dice.seconds_until_next())
        step = dice.step(len(witnesses[0].holds))
        first, *others = [witness.do(step) for witness in witnesses]
        for other in others:
            assert other == first, f"step {number}: {step}"
