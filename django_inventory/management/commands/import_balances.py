"""``manage.py import_balances``: opening balances from a CSV file."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from django.core.management.base import BaseCommand, CommandError

from django_inventory.exceptions import InventoryError, LedgerBusy
from django_inventory.ledgers import Ledger
from django_inventory.management.arguments import (
    add_database_argument,
    add_json_argument,
    chosen_ledger,
    positive_number,
)
from django_inventory.management.importing import (
    BATCH_ROWS,
    BalancesFile,
    ImportFormError,
    Row,
    RowError,
    Totals,
)
from django_inventory.management.progress import Progress
from django_inventory.management.stopping import StopRequest

T = TypeVar("T")


@dataclass
class _Counts:
    """What became of the lines so far."""

    rows: int = 0
    new: int = 0
    errors: int = 0
    imported: int = 0
    replayed: int = 0


class Command(BaseCommand):
    """Check all lines, then acquire each."""

    help = (
        "Acquire what a CSV file lists: a header with the columns subject, item, quantity and, if "
        "you like, reference; then a line per opening balance. The whole file is read and checked "
        "first. If a line is wrong, all wrong lines are reported by number and nothing is written, "
        "unless --skip-errors says to import the others. A row's idempotency key is made of the "
        "file's name (without its folder) and the row's content, so that an import that broke off "
        "can simply be run again: what was imported is not imported twice. Equal rows of one file "
        "all count: the second 'alice,gold,5' is five more. The same rows in a file of another "
        "name count again. SIGTERM or Ctrl-C ends it after the batch in hand, with status 1 unless "
        "all is done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("file", type=Path, metavar="FILE.csv", help="the file")
        parser.add_argument(
            "--dry-run", action="store_true", help="check the file and write nothing"
        )
        parser.add_argument(
            "--skip-errors",
            action="store_true",
            help="import the lines that are right although others are wrong",
        )
        parser.add_argument(
            "--batch-size",
            type=positive_number,
            default=BATCH_ROWS,
            metavar="N",
            help=f"rows imported in one transaction ({BATCH_ROWS:,})",
        )
        parser.add_argument(
            "--encoding", default="utf-8", help="of the file (utf-8, with or without a BOM)"
        )
        parser.add_argument(
            "--delimiter",
            type=_delimiter,
            help='between the fields; "tab" is one, too (found in the header: , ; tab or |)',
        )
        add_json_argument(parser)
        add_database_argument(parser)

    def handle(self, *_: str, **options: Any) -> None:
        """Check, then import."""
        ledger, alias = chosen_ledger(options["database"])
        file = BalancesFile(options["file"], options["encoding"], options["delimiter"])
        counts = _Counts()
        self._as_json: bool = options["json"]
        self._verbosity: int = options["verbosity"]
        self._batch_size: int = options["batch_size"]
        with StopRequest() as stop:
            try:
                # With --skip-errors the ledger itself tells, row by row, which do not fit.
                totals = None
                if options["dry_run"] or not options["skip_errors"]:
                    totals = Totals(alias, ledger.scope)
                self._check(file, totals, counts, stop)
                if counts.errors and not options["skip_errors"]:
                    msg = f"Wrong lines: {counts.errors:,}; nothing was imported."
                    raise CommandError(msg)
                if options["dry_run"]:
                    self._tell_dry_run(counts)
                    return
                self._import(file, ledger, counts, stop, each_alone=options["skip_errors"])
            except (ImportFormError, OSError) as error:
                raise CommandError(str(error)) from error
        self._tell(counts)

    # Pass 1 ---------------------------------------------------------------------------------

    def _check(
        self, file: BalancesFile, totals: Totals | None, counts: _Counts, stop: StopRequest
    ) -> None:
        """Report all that is wrong."""
        with (
            totals or nullcontext(),
            Progress(cast("Any", self.stderr), "Checking rows", self._verbosity) as progress,
        ):
            for batch in _batches(file.rows(), self._batch_size):
                if stop.is_made:
                    msg = "Stopped as asked; nothing was imported."
                    raise CommandError(msg)
                right = self._without_errors(batch, counts)
                counts.rows += len(right)
                if totals:
                    counts.new += len(self._without_errors(totals.add(right), counts))
                progress.show(counts.rows)
            if totals:
                self._without_errors(totals.overflows(), counts)

    def _without_errors(self, results: Iterable[Row | RowError], counts: _Counts) -> list[Row]:
        rows = []
        for result in results:
            if isinstance(result, RowError):
                self._report(result, counts)
            else:
                rows.append(result)
        return rows

    def _report(self, error: RowError, counts: _Counts) -> None:
        counts.errors += 1
        if self._as_json:
            self.stdout.write(json.dumps(error._asdict()))
        else:
            self.stderr.write(str(error))

    # Pass 2 ---------------------------------------------------------------------------------

    def _import(
        self,
        file: BalancesFile,
        ledger: Ledger,
        counts: _Counts,
        stop: StopRequest,
        *,
        each_alone: bool,
    ) -> None:
        rows = (row for row in file.rows() if isinstance(row, Row))
        stderr = cast("Any", self.stderr)
        with Progress(stderr, "Importing rows", self._verbosity) as progress:
            for batch in _batches(rows, self._batch_size):
                if stop.is_made:
                    self._fail("Stopped as asked", counts)
                try:
                    self._post(ledger, batch, counts, each_alone=each_alone)
                except LedgerBusy as error:
                    self._fail(str(error), counts)
                except InventoryError as error:
                    self._fail(f"line {batch[error.index or 0].line}: {error}", counts)
                progress.show(counts.imported + counts.replayed, counts.rows)

    def _post(self, ledger: Ledger, batch: list[Row], counts: _Counts, *, each_alone: bool) -> None:
        operations = [row.operation for row in batch]
        for row, result in zip(batch, ledger.post(operations, atomic=not each_alone), strict=True):
            if isinstance(result, InventoryError):
                self._report(RowError(row.line, result.code, str(result)), counts)
            elif result.replayed:
                counts.replayed += 1
            else:
                counts.imported += 1

    def _fail(self, why: str, counts: _Counts) -> None:
        done = counts.imported + counts.replayed
        msg = f"{why}. {done:,} of {counts.rows:,} rows are imported; run it again for the rest."
        raise CommandError(msg)

    # What it says ---------------------------------------------------------------------------

    def _tell_dry_run(self, counts: _Counts) -> None:
        if self._as_json:
            facts = {
                "rows": counts.rows,
                "new": counts.new,
                "errors": counts.errors,
                "dry_run": True,
            }
            self.stdout.write(json.dumps(facts))
        else:
            self.stdout.write(
                f"{counts.rows:,} rows are right, {counts.new:,} of them new; nothing was imported."
            )

    def _tell(self, counts: _Counts) -> None:
        if self._as_json:
            facts = {"imported": counts.imported, "replayed": counts.replayed}
            self.stdout.write(json.dumps({**facts, "errors": counts.errors}))
        elif self._verbosity:
            self.stdout.write(
                f"{counts.imported:,} rows imported, {counts.replayed:,} were imported before, "
                f"{counts.errors:,} lines skipped."
            )


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _delimiter(text: str) -> str:
    delimiter = "\t" if text in {"tab", "\\t"} else text
    if len(delimiter) != 1 or delimiter in '\r\n"':
        msg = f"{text!r} is no delimiter."
        raise ArgumentTypeError(msg)
    return delimiter
