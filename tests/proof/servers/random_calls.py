"""Random calls on few balances, so that they meet.

Owns what a process of a random history asks next. Runs in the children.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from django.utils.module_loading import import_string

from django_inventory.models import Hold as HoldRow
from django_inventory.operations import (
    Acquire,
    Commit,
    Consume,
    Extend,
    Hold,
    Release,
    Transfer,
)
from tests.proof.servers.history import (
    TICK,
    Post,
    ReadBalance,
    ReadBalances,
    ReadHold,
    Recorder,
    Sweep,
    WorkerClock,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier

    from django_inventory.operations import Operation
    from tests.proof.servers.history import Ask, Call

# Two items that nothing connects: half of the calls share no balance with the other half.
SUBJECTS: Final = {"gold": ("ann", "bob", "cid"), "oil": ("ann", "bob")}
TAKERS: Final = ("bob", "dan")
HOT_KEYS: Final = 12
"""Keys that all processes use again and again, each with the same arguments nearly always."""


def run(barrier: Barrier, ledger: str, worker: int, seed: int, count: int) -> list[Call]:
    """Make ``count`` random calls to a ledger of the class named, and return them."""
    clock = WorkerClock(worker)
    recorder = Recorder(import_string(ledger)(clock=clock), clock, worker)
    asks = RandomAsks(random.Random(f"{seed}/{worker}"), worker)  # noqa: S311 - no secret
    barrier.wait()
    for _ in range(count):
        recorder(asks.next())
    return recorder.calls


class RandomAsks:
    """An endless supply of what can be asked."""

    def __init__(self, chance: random.Random, worker: int) -> None:
        self._chance = chance
        self._worker = worker
        self._keys = 0
        self._makers: dict[Callable[[], Ask], int] = {
            self._single: 76,
            self._batch: 10,
            Sweep: 4,
            self._read_balance: 5,
            self._read_balances: 2,
            self._read_hold: 3,
        }

    def next(self) -> Ask:
        [make] = self._chance.choices(list(self._makers), list(self._makers.values()))
        return make()

    def _single(self) -> Ask:
        if self._chance.random() < 0.15:
            return self._hot()
        return Post((self._operation(self._chance, self._new_key()),))

    def _hot(self) -> Ask:
        """Use a key that others use too: replays, and some conflicts."""
        number = self._chance.randrange(HOT_KEYS)
        variant = 0 if self._chance.random() < 0.9 else 1
        same_for_all = random.Random(f"{number}/{variant}")  # noqa: S311 - no secret
        return Post((self._quantity_operation(same_for_all, f"hot-{number}"),))

    def _batch(self) -> Ask:
        operations = [
            self._operation(self._chance, self._new_key())
            for _ in range(self._chance.randint(2, 4))
        ]
        return Post(tuple(operations), is_atomic=self._chance.random() < 0.6)

    def _operation(self, chance: random.Random, key: str) -> Operation:
        if chance.random() < 0.6:
            return self._quantity_operation(chance, key)
        return self._hold_operation(chance, key)

    def _quantity_operation(self, chance: random.Random, key: str) -> Operation:
        subject, item = self._place(chance)
        quantity = chance.choice((1, 1, 2, 3, 5, 8))
        kind = chance.choice("acctthh")
        if kind == "t":
            others = [other for other in SUBJECTS[item] if other != subject]
            return Transfer(key, subject, chance.choice(others), item, quantity)
        if kind == "h":
            return Hold(key, subject, item, quantity, self._ttl(chance), metadata={"by": key})
        movement = Acquire if kind == "a" else Consume
        return movement(key, subject, item, quantity, reference=f"order {quantity}")

    def _hold_operation(self, chance: random.Random, key: str) -> Operation:
        hold_id = self._hold_id()
        sometimes_key = key if chance.random() < 0.5 else None
        kind = chance.choice((Commit, Commit, Commit, Release, Release, Extend))
        if kind is Release:
            return Release(hold_id, key=sometimes_key)
        if kind is Extend:
            return Extend(hold_id, self._ttl(chance), key=sometimes_key)
        arguments: dict[str, Any] = chance.choice(
            ({}, {"quantity": 1}, {"quantity": 1, "keep_remainder": True}, {"quantity": 2})
        )
        is_kept = "keep_remainder" in arguments
        to = chance.choice((None, *TAKERS))
        return Commit(hold_id, **arguments, to=to, key=key if is_kept else sometimes_key)

    def _read_balance(self) -> Ask:
        return ReadBalance(*self._place(self._chance))

    def _read_balances(self) -> Ask:
        return ReadBalances(self._place(self._chance)[0])

    def _read_hold(self) -> Ask:
        return ReadHold(self._hold_id())

    def _place(self, chance: random.Random) -> tuple[str, str]:
        item = chance.choice(list(SUBJECTS))
        return chance.choice(SUBJECTS[item]), item

    def _hold_id(self) -> UUID:
        """Return one of the newest holds, whoever made it; now and then one that never was."""
        newest = HoldRow.objects.order_by("-pk").values_list("pk", flat=True)[:6]
        return self._chance.choice([*newest, *newest, uuid4()])

    def _new_key(self) -> str:
        self._keys += 1
        return f"{self._worker}-{self._keys}"

    def _ttl(self, chance: random.Random) -> timedelta:
        """Return a time that is over soon, mostly; no two processes' holds expire at once."""
        milliseconds = chance.choice((1, 3, 10, 30, 60_000))
        ticks = chance.randrange(milliseconds * 500 // TICK, milliseconds * 1_000 // TICK)
        return timedelta(microseconds=(ticks + 1) * TICK)
