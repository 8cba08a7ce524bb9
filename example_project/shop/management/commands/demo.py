"""``manage.py demo``: replay a month of one store's shopping, and count it all again.

On a ledger in this process, or with ``--http`` on one that is served.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentTypeError
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Balance
from shop.comparison import compare
from shop.findings import Findings, read_over_http, read_tables
from shop.http_ledger import HttpLedger, ServerClock, log_in
from shop.progress import show_progress
from shop.replay import DataClock, Replay, Run
from shop.shopping import count_totals, read_baskets
from shop.summary import name_differences, summarise

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.management.base import CommandParser

    from shop.shopping import Basket


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

        parser.add_argument(
            "--http", metavar="URL", help="Replay over HTTP on the example that is served there."
        )
        parser.add_argument(
            "--user",
            default="clerk:demo",
            metavar="NAME:PASSWORD",
            help="Who replays over HTTP. Default: clerk:demo, whom demo_users makes.",
        )

    def handle(self, **options: Any) -> None:
        """Replay, compare, print.

        Raises:
            CommandError: an option is wrong, or something differs.
        """
        baskets = read_baskets(settings.SHOPPING_CSV, options["limit"])
        stock = count_totals(settings.SHOPPING_CSV, options["limit"]).stock
        prepare = _prepare_over_http if options["http"] else _prepare_here
        replay, find, place = prepare(baskets, options)
        replay.play(stock, baskets, partial(show_progress, stream=sys.stderr))

        totals = count_totals(settings.SHOPPING_CSV, options["limit"])
        comparison = compare(replay.run, totals, find(), replay.left_before_sweep)
        self.stdout.write(summarise(totals, replay, comparison, place))
        differences = replay.problems + comparison.differences
        if differences:
            raise CommandError(name_differences(differences))


def _prepare_here(
    baskets: list[Basket], options: dict[str, Any]
) -> tuple[Replay, Callable[[], Findings], str]:
    """Return a replay on this process's database, how to read what came of it, and where it is."""

    def is_used(run: Run) -> bool:
        return Balance.objects.filter(subject__startswith=run.prefix).exists()

    run = _new_run(options["run"], is_used)
    clock = DataClock(baskets[0].filled_at)
    ledger = DatabaseLedger(clock=clock, scope=run.name)
    return Replay(ledger, clock, run), partial(read_tables, run, ledger), connection.display_name


def _prepare_over_http(
    _baskets: list[Basket], options: dict[str, Any]
) -> tuple[Replay, Callable[[], Findings], str]:
    """Return the same over HTTP.

    Raises:
        CommandError: nobody answers there, or not to this user.
    """
    url = options["http"].rstrip("/")
    name, _, password = options["user"].partition(":")
    try:
        token = log_in(f"{url}/token/", name, password)
    except URLError as error:
        msg = f"{url}/token/ gives {name!r} no token: {error}. Is it served, after demo_users?"
        raise CommandError(msg) from error

    def is_used(run: Run) -> bool:
        ledger = HttpLedger(f"{url}/inventory", token)
        return any(ledger.rows("balances", subject__startswith=run.prefix))

    run = _new_run(options["run"], is_used)
    ledger = HttpLedger(f"{url}/inventory", token, run.prefix)
    replay = Replay(ledger, ServerClock(ledger), run)
    return replay, partial(read_over_http, run, ledger), url


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = "must be 1 or more"
        raise ArgumentTypeError(msg)
    return number


def _new_run(name: str | None, is_used: Callable[[Run], bool]) -> Run:
    """Return a run that has no subjects yet.

    Raises:
        CommandError: the name's form is refused, or it was used before.
    """
    if name is None:
        return next(run for number in count(1) if not is_used(run := Run(f"run-{number}")))
    if not re.fullmatch("[a-z0-9-]{1,50}", name):
        msg = "A run's name has 1 to 50 lower case letters, digits and hyphens."
        raise CommandError(msg)
    if is_used(run := Run(name)):
        msg = f"There is a run {name!r} in the ledger already, and entries are for ever."
        raise CommandError(msg)
    return run
