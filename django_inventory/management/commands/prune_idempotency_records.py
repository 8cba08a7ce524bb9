"""``manage.py prune_idempotency_records``: forget old idempotency keys."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError

from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers.choice import configured_now
from django_inventory.ledgers.pruning import PRUNE_RECORDS, count_prunable_records, prune_records
from django_inventory.management.arguments import (
    add_database_argument,
    add_json_argument,
    chosen_ledger,
    duration,
    positive_number,
)
from django_inventory.management.progress import Progress
from django_inventory.management.stopping import StopRequest


class Command(BaseCommand):
    """Delete the records that nobody will ask for any more."""

    help = (
        "Delete the idempotency records that are older than the given age. A key whose record is "
        "gone ACTS AFRESH when it is used again, where before it replayed: choose an age beyond "
        "which none of your callers tries again. The journal keeps every key and every receipt, "
        "and is not touched. Safe to run while the ledger is at work. SIGTERM or Ctrl-C ends it "
        "after the batch in hand, with status 0; what is deleted stays deleted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--older-than",
            type=duration,
            required=True,
            metavar="AGE",
            help="the age from which on records go: 30d, 12h, 90m, 4w",
        )
        parser.add_argument(
            "--batch-size",
            type=positive_number,
            default=PRUNE_RECORDS,
            metavar="N",
            help=f"records deleted in one transaction ({PRUNE_RECORDS:,})",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only tell how many records would go"
        )
        add_json_argument(parser)
        add_database_argument(parser)

    def handle(self, *_: str, **options: Any) -> None:
        """Prune, and print what was done."""
        alias = chosen_ledger(options["database"])[1]
        before = configured_now() - options["older_than"]
        total = count_prunable_records(before, using=alias)
        if options["dry_run"]:
            self._tell(
                {"prunable": total, "before": before.isoformat(), "dry_run": True},
                f"{total:,} records are older than that; nothing was deleted.",
                as_json=options["json"],
            )
            return
        deleted = 0
        stderr = cast("Any", self.stderr)
        with (
            StopRequest() as stop,
            Progress(stderr, "Pruning records", options["verbosity"]) as progress,
        ):
            batches = prune_records(before, using=alias, batch_size=options["batch_size"])
            try:
                while not stop.is_made and (step := next(batches, None)) is not None:
                    deleted += step
                    progress.show(deleted, max(total, deleted))
            except LedgerBusy as error:
                msg = f"{error} {deleted:,} records were deleted; run it again."
                raise CommandError(msg) from error
        if not options["verbosity"] and not options["json"]:
            return
        stopped = ", then stopped as asked" if stop.is_made else ""
        self._tell(
            {"pruned": deleted, "before": before.isoformat(), "stopped": stop.is_made},
            f"{deleted:,} records deleted{stopped}.",
            as_json=options["json"],
        )

    def _tell(self, facts: dict[str, Any], sentence: str, *, as_json: bool) -> None:
        self.stdout.write(json.dumps(facts) if as_json else sentence)
