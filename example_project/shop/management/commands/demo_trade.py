"""``manage.py demo_trade``: two days of trade in a small shop, up to now, for the admin site."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.utils import timezone

from shop.trade import SHOP, has_traded, trade


class Command(BaseCommand):
    """Trade, unless there is trade of these days already."""

    help = __doc__

    def handle(self, **_: Any) -> None:
        now = timezone.now()
        if has_traded(now):
            self.stdout.write(f"{SHOP!r} has traded within the last two days already.")
            return
        clerk, _is_new = get_user_model().objects.get_or_create(username="clerk")
        operations = trade(now, clerk)
        self.stdout.write(f"{SHOP!r} has traded for two days until now, {operations} operations.")
