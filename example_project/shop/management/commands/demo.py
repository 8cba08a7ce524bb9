"""``manage.py demo``: replay a month of one store's shopping, and count it all again."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentTypeError
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Balance
from shop.comparison import compare
from shop.progress import show_progress
from shop.replay import DataClock, Replay, Run
from shop.shopping import count_totals, read_baskets
from shop.summary import name_differences, summarise

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Fail unless the ledger has, to the last product and household, what the file says."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--run", help="A name for this replay, not used before. Default: the next run-N."
        )
        parser.add_argument(
            "--limit", type=_positive, metavar="N", help="Replay only the first N baskets."
        )

    def handle(self, **options: Any) -> None:
        """Replay, compare, print.

        Raises:
            CommandError: an option is wrong, or something differs.
        """
        run = _new_run(options["run"])
        baskets = read_baskets(settings.SHOPPING_CSV, options["limit"])
        stock = count_totals(settings.SHOPPING_CSV, options["limit"]).stock
        clock = DataClock(baskets[0].filled_at)
        ledger = DatabaseLedger(clock=clock, scope=run.name)
        replay = Replay(ledger, clock, run)
        replay.play(stock, baskets, partial(show_progress, stream=sys.stderr))

        totals = count_totals(settings.SHOPPING_CSV, options["limit"])
        comparison = compare(run, totals, ledger, replay.left_before_sweep)
        self.stdout.write(summarise(totals, replay, comparison, connection.display_name))
        differences = replay.problems + comparison.differences
        if differences:
            raise CommandError(name_differences(differences))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = "must be 1 or more"
        raise ArgumentTypeError(msg)
    return number


def _new_run(name: str | None) -> Run:
    """Return a run that has no subjects yet.

    Raises:
        CommandError: the name's form is refused, or it was used before.
    """
    if name is None:
        return next(run for number in count(1) if not _is_used(run := Run(f"run-{number}")))
    if not re.fullmatch("[a-z0-9-]{1,50}", name):
        msg = "A run's name has 1 to 50 lower case letters, digits and hyphens."
        raise CommandError(msg)
    if _is_used(run := Run(name)):
        msg = f"There is a run {name!r} in the ledger already, and entries are for ever."
        raise CommandError(msg)
    return run


def _is_used(run: Run) -> bool:
    return Balance.objects.filter(subject__startswith=run.prefix).exists()
