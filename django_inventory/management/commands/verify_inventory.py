"""``manage.py verify_inventory``: hold all balances and holds against the journal."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast

from django.core.cache import cache
from django.core.management.base import BaseCommand, CommandError

from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers.choice import configured_alias
from django_inventory.ledgers.verification import RESULT_CACHE_KEY, Mismatch, Verification
from django_inventory.management.arguments import (
    add_database_argument,
    add_json_argument,
    chosen_ledger,
)
from django_inventory.management.progress import Progress
from django_inventory.management.stopping import StopRequest


class Command(BaseCommand):
    """Print each mismatch, and exit with 1 where there is one."""

    help = (
        "Recompute every balance from its journal entries and every hold from the entries that "
        "concern it, and print what differs. Also checked: that each balance's entries are "
        "numbered 1, 2, 3, ... and continue one another, that no operation makes or loses "
        "anything, and that each idempotency key stands for an operation that is there. Safe to "
        "run while the ledger is at work. Exit status 1 if anything differs, repaired or not. "
        "SIGTERM or Ctrl-C ends it after the page in hand, with status 1, since not all is "
        "verified; what is repaired stays repaired."
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
        with (
            StopRequest() as stop,
            Progress(
                cast("Any", self.stderr), "Verifying entries", options["verbosity"]
            ) as progress,
        ):
            verification = Verification(
                using=alias,
                repair=options["repair"],
                on_progress=progress.show,
                should_stop=lambda: stop.is_made,
            )
            result = self._verify(verification, progress, as_json=options["json"])
        if not verification.is_complete:
            msg = (
                f"Stopped as asked after {result['entries']:,} entries; "
                f"{_found(result, options)} until then."
            )
            raise CommandError(msg)
        if options["verbosity"]:
            style = self.style.ERROR if result["mismatches"] else self.style.SUCCESS
            summary = f"{result['entries']:,} entries verified, {_found(result, options)}."
            self.stderr.write(summary, style)
        if alias == configured_alias():
            finished_at = datetime.now(UTC).isoformat()
            cache.set(RESULT_CACHE_KEY, {"finished_at": finished_at, **result}, timeout=None)
        if result["mismatches"]:
            sys.exit(1)

    def _verify(
        self, verification: Verification, progress: Progress, *, as_json: bool
    ) -> dict[str, int]:
        """Print the mismatches, and return how many there are of what."""
        count = repaired = 0
        try:
            for mismatch in verification.mismatches():
                progress.finish()
                self._print(mismatch, as_json=as_json)
                count += 1
                repaired += mismatch.is_repaired
        except LedgerBusy as error:
            msg = f"{error} Not all is verified; what was repaired until then stays."
            raise CommandError(msg) from error
        return {"entries": verification.entries_read, "mismatches": count, "repaired": repaired}

    def _print(self, mismatch: Mismatch, *, as_json: bool) -> None:
        self.stdout.write(json.dumps(asdict(mismatch)) if as_json else str(mismatch))


def _found(result: dict[str, int], options: dict[str, Any]) -> str:
    repaired = f", {result['repaired']} repaired" if options["repair"] else ""
    return f"{result['mismatches']} mismatches{repaired}"
