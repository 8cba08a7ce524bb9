"""``manage.py verify_inventory``: hold all balances and holds against the journal."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache
from django.core.management.base import BaseCommand

from django_inventory.ledgers.choice import configured_alias
from django_inventory.ledgers.verification import RESULT_CACHE_KEY, Mismatch, Verification
from django_inventory.management.arguments import (
    add_database_argument,
    add_json_argument,
    chosen_ledger,
)
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
            "one another is reported and left alone, and so are its holds.",
        )
        add_json_argument(parser)
        add_database_argument(parser)

    def handle(self, *_: str, **options: Any) -> None:
        """Verify, print and exit."""
        alias = chosen_ledger(options["database"])[1]
        progress = Progress(self.stderr, "Verifying entries")
        verification = Verification(
            using=alias, repair=options["repair"], on_progress=progress.show
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
        self.stderr.write(f"{summary}.", self.style.ERROR if count else self.style.SUCCESS)
        if alias == configured_alias():
            result = {
                "finished_at": datetime.now(UTC).isoformat(),
                "entries": verification.entries_read,
                "mismatches": count,
                "repaired": repaired,
            }
            cache.set(RESULT_CACHE_KEY, result, timeout=None)
        if count:
            sys.exit(1)

    def _print(self, mismatch: Mismatch, *, as_json: bool) -> None:
        self.stdout.write(json.dumps(asdict(mismatch)) if as_json else str(mismatch))
