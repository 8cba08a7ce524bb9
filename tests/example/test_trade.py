"""Two days of trade, up to now, for the admin site to tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.example.conftest import Example

TELL = """
from django.utils import timezone
from django_inventory.health import overdue_holds
from django_inventory.models import Balance, Entry, Hold
from django_inventory.ledgers.verification import Verification

now = timezone.now()
print(list(Verification(using="default").mismatches()))
print(overdue_holds().number, Hold.objects.active_at(now).count())
print(Entry.objects.filter(created_at__gt=now).count())
print(Entry.objects.count(), Balance.objects.filter(subject="shop").count())
"""


def test_there_is_trade_of_the_last_two_days_once(example: Example) -> None:
    first = example.manage("demo_trade")
    told = example.run(TELL).stdout.splitlines()
    second = example.manage("demo_trade")

    assert first.stdout == "'shop' has traded for two days until now, 94 operations.\n"
    assert told[:3] == ["[]", "1 2", "0"]
    assert second.stdout == "'shop' has traded within the last two days already.\n"
    assert example.run(TELL).stdout.splitlines()[3] == told[3]
