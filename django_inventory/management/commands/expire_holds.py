"""``manage.py expire_holds``: record the expiry of holds whose time is over."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from typing import Any, Final, cast

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from django_inventory.exceptions import LedgerBusy
from django_inventory.health import overdue_holds
from django_inventory.ledgers import Ledger
from django_inventory.management.arguments import (
    add_database_argument,
    add_json_argument,
    chosen_ledger,
    positive_number,
    seconds,
)
from django_inventory.management.progress import Progress
from django_inventory.management.stopping import StopRequest

BATCH_HOLDS: Final = 1_000
INTERVAL_SECONDS: Final = 10.0


class Command(BaseCommand):
    """Sweep once, or again and again."""

    help = (
        "Record the expiry of every hold whose time is over: the hold becomes expired and the "
        "journal gets one entry for it. What the hold reserved is free from the instant of its "
        "expiry even if this never runs; what it adds is a journal, and the signal hold_expired, "
        "that are up to date. Several may run at once, on one machine or many. SIGTERM or Ctrl-C "
        "ends it after the batch in hand, with status 0; what is done stays done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--batch-size",
            type=positive_number,
            default=BATCH_HOLDS,
            metavar="N",
            help=f"holds recorded before it looks whether to stop ({BATCH_HOLDS:,}). Transactions "
            "are never larger than 1,000 holds of 200 balances.",
        )
        parser.add_argument(
            "--limit", type=positive_number, metavar="N", help="holds a round at most (all)"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only tell how many holds are overdue"
        )
        parser.add_argument(
            "--loop",
            action="store_true",
            help="go on for ever: a round, a pause, a round. Rounds without work print nothing.",
        )
        parser.add_argument(
            "--interval",
            type=seconds,
            default=INTERVAL_SECONDS,
            metavar="S",
            help=f"seconds between the rounds of --loop ({INTERVAL_SECONDS:.0f}); 5m is fine, too",
        )
        add_json_argument(parser)
        add_database_argument(parser)

    def handle(self, *_: str, **options: Any) -> None:
        """Sweep, and print what was done."""
        ledger, alias = chosen_ledger(options["database"])
        if options["dry_run"]:
            if options["loop"]:
                msg = "--dry-run and --loop exclude each other."
                raise CommandError(msg)
            self._tell_overdue(alias, as_json=options["json"])
            return
        with StopRequest() as stop:
            self._round(ledger, alias, stop, options)
            while options["loop"] and not stop.wait(options["interval"]):
                close_old_connections()
                self._round(ledger, alias, stop, options)

    def _tell_overdue(self, alias: str, *, as_json: bool) -> None:
        overdue = overdue_holds(using=alias, count_limit=None)
        if as_json:
            age = overdue.oldest_age.total_seconds()
            self._print_json(overdue=overdue.number, oldest_age_seconds=age, dry_run=True)
        else:
            self.stdout.write(
                f"{overdue.number:,} holds are overdue, the oldest for {overdue.oldest_age}."
            )

    def _round(
        self, ledger: Ledger, alias: str, stop: StopRequest, options: dict[str, Any]
    ) -> None:
        started_at = time.monotonic()
        try:
            expired = self._sweep(ledger, alias, stop, options)
        except LedgerBusy as error:
            msg = f"{error} What was recorded until then stays; run it again."
            raise CommandError(msg) from error
        if options["loop"] and not expired:
            return
        took = time.monotonic() - started_at
        if options["json"]:
            self._print_json(expired=expired, seconds=round(took, 3), stopped=stop.is_made)
        elif options["verbosity"]:
            stopped = ", then stopped as asked" if stop.is_made else ""
            self.stdout.write(f"{expired:,} holds expired in {took:.1f} s{stopped}.")
        self.stdout.flush()

    def _sweep(self, ledger: Ledger, alias: str, stop: StopRequest, options: dict[str, Any]) -> int:
        limit: int | None = options["limit"]
        total = overdue_holds(using=alias, count_limit=None).number
        expired = 0
        stderr = cast("Any", self.stderr)
        with Progress(stderr, "Expiring holds", options["verbosity"]) as progress:
            while not stop.is_made:
                most = options["batch_size"]
                if limit is not None:
                    most = min(most, limit - expired)
                step = ledger.expire_holds(limit=most) if most else 0
                expired += step
                progress.show(expired, max(total, expired))
                if step < options["batch_size"]:
                    break
        return expired

    def _print_json(self, **facts: Any) -> None:
        self.stdout.write(json.dumps(facts))
