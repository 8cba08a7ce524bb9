"""``manage.py verify_inventory``: hold all balances and holds against the journal."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, cast

from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS

from django_inventory.ledgers.accounts import Mismatch
from django_inventory.ledgers.verification import Verification
from django_inventory.management.progress import Progress


class Command(BaseCommand):
    """Print each mismatch, and exit with 1 where there is one."""

    help = (
        "Recompute every balance from its journal entries and every hold from the entries that "
        "concern it, and print what differs. Also checked: that each balance's entries are "
        "numbered 1, 2, 3, ... and continue one another, that no operation makes or loses "
        "anything, and that each idempotency key stands for an operation that is there. Safe to "
        "run while the ledger is at work. Exit status 1 if anything differs, repaired or not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--repair",
            action="store_true",
            help="write what the journal says into balances and holds that differ from it, each "
            "under its lock. Entries are never changed; a balance whose own entries contradict "
            "one another is reported and left alone.",
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object a line, for machines"
        )
        parser.add_argument(
            "--database", default=DEFAULT_DB_ALIAS, help='alias of the database ("default")'
        )

    def handle(self, *_: str, **options: Any) -> None:
        """Verify, print and exit."""
        progress = Progress(cast("Any", self.stderr), "Verifying entries")
        verification = Verification(
            using=options["database"], repair=options["repair"], on_progress=progress.show
        )
        count = repaired = 0
        for mismatch in verification.mismatches():
            progress.finish()
            self._print(mismatch, as_json=options["json"])
            count += 1
            repaired += mismatch.is_repaired
        progress.finish()
        summary = f"{verification.entries_read:,} entries verified, {count} mismatches"
        if options["repair"]:
            summary += f", {repaired} repaired"
        self.stderr.write(f"{summary}.")
        if count:
            sys.exit(1)

    def _print(self, mismatch: Mismatch, *, as_json: bool) -> None:
        self.stdout.write(json.dumps(asdict(mismatch)) if as_json else str(mismatch))
