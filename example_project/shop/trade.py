"""Two days of trade in a small shop, up to now: for the admin site to tell of.

The shopping of the data is of 2017, when nothing of it is of the last day. Here deliveries come in,
baskets are filled, paid and walked away from, and one of those is overdue: nobody has swept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Entry
from shop.replay import DataClock

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP = "shop"
TILL = "till"
LAMP = "sku:lamp"
CHAIR = "sku:chair"
DESK = "sku:desk"
DELIVERY = {LAMP: 120, CHAIR: 40, DESK: 12}
HOURS = 48
SPAN = timedelta(hours=HOURS + 2)
# Hours ago.
SECOND_DELIVERY = 20
ABANDONED = 3
BASKET_TTL = timedelta(hours=1)


def has_traded(now: datetime) -> bool:
    """Tell whether there is trade within the span already, which another would run across."""
    return Entry.objects.filter(balance__subject=TILL, created_at__gte=now - SPAN).exists()


def trade(now: datetime, clerk: Any) -> int:
    """Trade for two days until ``now``, and return how many operations it took."""
    shop = _Shop(now, clerk)
    return sum(1 for _ in shop.days())


@dataclass
class _Shop:
    """The shop, whose times are hours ago."""

    now: datetime
    clerk: Any

    def __post_init__(self) -> None:
        self.clock = DataClock(self.now)
        self.ledger = DatabaseLedger(clock=self.clock, scope=f"trade {self.now:%Y-%m-%dT%H:%M}")

    def at(self, hours_ago: float) -> None:
        self.clock.show(self.now - timedelta(hours=hours_ago))

    def days(self) -> Iterator[Any]:
        """Yield a receipt for each thing that happens, in the order of time."""
        self.at(HOURS + 2)
        for item, quantity in DELIVERY.items():
            yield self.deliver("delivery 1", item, quantity)
        for hour in range(HOURS, 0, -1):
            self.at(hour)
            yield self.ledger.acquire(
                f"till {hour}", TILL, "eur", 100 + 7 * hour % 90, reference=f"hour {hour}"
            )
            if hour == SECOND_DELIVERY:
                yield self.deliver("delivery 2", LAMP, 30)
            if hour % 3 == 0:
                yield from self.basket(hour)
            if hour == ABANDONED:
                yield self.hold("basket 101", DESK, 4, BASKET_TTL, TILL)
            if hour % 4 == 0:
                self.at(hour - 0.7)
                yield self.ledger.consume(
                    f"sale {hour}",
                    SHOP,
                    LAMP,
                    1 + hour // 4 % 2,
                    reference=f"sale {hour}",
                    actor=self.clerk,
                )
        self.at(0.5)
        yield self.hold("for alice", LAMP, 5, timedelta(hours=4), self.clerk)
        yield self.hold("for bob", CHAIR, 2, timedelta(days=2), self.clerk)

    def deliver(self, reference: str, item: str, quantity: int) -> Any:
        key = f"{reference} {item}"
        return self.ledger.acquire(key, SHOP, item, quantity, reference=reference, actor=self.clerk)

    def hold(self, reference: str, item: str, quantity: int, ttl: timedelta, actor: Any) -> Any:
        return self.ledger.hold(
            reference, SHOP, item, quantity, ttl, reference=reference, actor=actor
        )

    def basket(self, hour: int) -> Iterator[Any]:
        """Fill a basket; every third customer walks away from it."""
        reference = f"basket {hour}"
        receipt = self.hold(reference, LAMP, 3 + hour % 4, BASKET_TTL, TILL)
        yield receipt
        self.at(hour - 0.4)
        if hour % 9:
            customer = f"customer:{hour % 7}"
            yield self.ledger.commit(receipt.hold.id, to=customer, reference=reference, actor=TILL)
