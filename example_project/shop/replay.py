"""The shopping, replayed on a ledger.

Owns what is asked of the ledger, in which order and at what time, and checks that every answer is
as it must be. The only module of the demo that drives a ledger, and it needs no more of one than
``post``, ``balance``, ``balances`` and ``expire_holds``: whatever offers these can be driven by it,
such as the HTTP API through ``http_ledger``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from django_inventory.exceptions import InsufficientQuantity, InventoryError
from django_inventory.operations import Acquire, Commit, Hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django_inventory.operations import Operation
    from django_inventory.values import BalanceSnapshot, Receipt
    from shop.shopping import Basket

STORE = "store:367"
HOLD_TTL = timedelta(minutes=30)
CHECKOUT_AFTER = timedelta(minutes=5)
SENT_AGAIN_AFTER = timedelta(seconds=30)
DELIVERY_SIZE = 500


def item(product: str) -> str:
    return f"product:{product}"


@dataclass(frozen=True)
class Run:
    """One replay, kept apart from all others: its subjects begin with its name.

    Entries are for ever, so a second replay cannot begin by deleting the first.
    """

    name: str

    @property
    def prefix(self) -> str:
        return f"{self.name}/"

    @property
    def store(self) -> str:
        return f"{self.prefix}{STORE}"

    def household(self, household: str) -> str:
        return f"{self.prefix}household:{household}"


class Ledger(Protocol):
    """What can be driven."""

    def post(self, operations: list[Operation], /) -> list[Receipt]: ...
    def balance(self, subject: str, item: str, /) -> BalanceSnapshot: ...
    def balances(self, subject: str, /) -> list[BalanceSnapshot]: ...
    def expire_holds(self) -> int: ...


class Clock(Protocol):
    """The time by which holds expire.

    Attributes:
        abandoned_ttl: for how long a basket is held of which nothing more will be heard.
    """

    abandoned_ttl: timedelta

    def show(self, at: datetime) -> None:
        """Go on to a time of the data, where the clock is the data's."""

    def pass_over_holds(self) -> None:
        """Go on until every hold is over that was not committed."""


@dataclass
class DataClock:
    """A clock that shows the time of the data, so that holds expire as the data goes on."""

    now: datetime
    abandoned_ttl: timedelta = HOLD_TTL

    def __call__(self) -> datetime:
        return self.now

    def show(self, at: datetime) -> None:
        self.now = at

    def pass_over_holds(self) -> None:
        self.now += self.abandoned_ttl


@dataclass(frozen=True)
class Message:
    """Operations that go to the ledger in one atomic post, and when they are sent.

    They are made only then, since what a checkout commits is known once its holds are there.
    """

    name: str
    sent_at: datetime
    operations: Callable[[], list[Operation]]


@dataclass
class Replay:
    """Drive ``ledger``, whose time must be that of ``clock``, through the shopping.

    ``problems`` collects every answer that is not as it must be; the replay goes on after one.
    """

    ledger: Ledger
    clock: Clock
    run: Run
    operations: int = 0
    operations_sent_again: int = 0
    seconds: float = 0.0
    refusal: InsufficientQuantity | None = None
    left_before_sweep: list[BalanceSnapshot] = field(default_factory=list)
    swept: int = 0
    problems: list[str] = field(default_factory=list)
    _receipts: dict[str, list[Receipt]] = field(default_factory=dict)

    def play(
        self,
        stock: dict[str, int],
        baskets: Sequence[Basket],
        progress: Callable[[Sequence[Message]], Iterable[Message]],
    ) -> None:
        """Send everything in the order of the data's time, then oversell, then sweep."""
        started = time.perf_counter()
        messages = [*self._deliveries(stock, baskets[0].filled_at), *self._purchases(baskets)]
        for message in progress(sorted(messages, key=attrgetter("sent_at"))):
            self.clock.show(message.sent_at)
            self._send(message)
        self.clock.pass_over_holds()
        self._oversell(baskets[0].lines[0].product)
        self.left_before_sweep = self.ledger.balances(self.run.store)
        self.swept = self.ledger.expire_holds()
        self.seconds = time.perf_counter() - started

    def _deliveries(self, stock: dict[str, int], at: datetime) -> Iterable[Message]:
        products = list(stock.items())
        for start in range(0, len(products), DELIVERY_SIZE):
            batch = products[start : start + DELIVERY_SIZE]
            yield Message(f"delivery from {start}", at, partial(self._acquires, batch))

    def _purchases(self, baskets: Sequence[Basket]) -> Iterable[Message]:
        """Yield every message twice, as a network does that loses the first answer."""
        for basket in baskets:
            sent_at = basket.filled_at
            hold = Message(f"hold {basket.id}", sent_at, partial(self._holds, basket))
            yield from (hold, replace(hold, sent_at=sent_at + SENT_AGAIN_AFTER))
            if not basket.is_abandoned:
                sent_at += CHECKOUT_AFTER
                checkout = Message(f"commit {basket.id}", sent_at, partial(self._commits, basket))
                yield from (checkout, replace(checkout, sent_at=sent_at + SENT_AGAIN_AFTER))

    def _acquires(self, stock: Iterable[tuple[str, int]]) -> list[Operation]:
        return [
            Acquire(f"stock {product}", self.run.store, item(product), quantity, actor="demo")
            for product, quantity in stock
        ]

    def _holds(self, basket: Basket) -> list[Operation]:
        return [
            Hold(
                f"basket {basket.id} {line.product}",
                self.run.store,
                item(line.product),
                line.quantity,
                self.clock.abandoned_ttl if basket.is_abandoned else HOLD_TTL,
                reference=f"basket {basket.id}",
                actor="demo",
            )
            for line in basket.lines
        ]

    def _commits(self, basket: Basket) -> list[Operation]:
        """Return commits without keys: a hold is committed once, so they are safe to send again."""
        return [
            Commit(
                receipt.hold.id,
                to=self.run.household(basket.household),
                reference=f"basket {basket.id}",
                actor="demo",
            )
            for receipt in self._receipts.get(f"hold {basket.id}", [])
            if receipt.hold is not None
        ]

    def _send(self, message: Message) -> None:
        operations = message.operations()
        self.operations += len(operations)
        try:
            receipts = self.ledger.post(operations)
        except InventoryError as error:
            self.problems.append(f"{message.name}: {error}")
            return
        first = self._receipts.get(message.name)
        if first is None:
            self._receipts[message.name] = receipts
            if any(receipt.replayed for receipt in receipts):
                self.problems.append(f"{message.name}: replayed, though it was never sent before")
        else:
            self.operations_sent_again += len(operations)
            if receipts != [replace(receipt, replayed=True) for receipt in first]:
                self.problems.append(f"{message.name}: sent again, it got another answer")

    def _oversell(self, any_product: str) -> None:
        """Ask for one more than the store has of what it has most of."""
        left = self.ledger.balances(self.run.store)
        most = max(left, key=attrgetter("quantity"), default=None)
        most = most or self.ledger.balance(self.run.store, item(any_product))
        oversell = Hold("oversell", self.run.store, most.item, most.quantity + 1, HOLD_TTL)
        self.operations += 1
        try:
            self.ledger.post([oversell])
        except InsufficientQuantity as refusal:
            self.refusal = refusal
        else:
            self.problems.append(f"the store could sell {oversell.quantity} of {most.item}")
