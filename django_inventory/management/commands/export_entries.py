"""``manage.py export_entries``: the journal as CSV or JSON lines."""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError

from django_inventory.exporting import COLUMNS, FORMATS, csv_text, entry_pages
from django_inventory.management.arguments import add_database_argument, chosen_ledger, instant
from django_inventory.management.progress import Progress
from django_inventory.management.stopping import StopRequest
from django_inventory.models import Entry


class Command(BaseCommand):
    """Write entries, oldest first, as they are read."""

    help = (
        "Write the entries of the journal, oldest first, to standard output or a file. Memory does "
        "not grow with their number. Columns: " + ", ".join(COLUMNS) + ". Times are ISO 8601. In "
        "CSV, a text that a spreadsheet could take for a formula, or that begins with an "
        "apostrophe, gets an apostrophe in front. An operation that is under way while this runs "
        "may be recorded with an earlier time than what is written already; for exports that "
        "continue one another, end each a few minutes ago: --until 10m."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--since",
            type=instant,
            metavar="WHEN",
            help="recorded from then on: 2026-03-01, 2026-03-01T12:30Z, or 7d for so long ago. "
            "Without an offset, local time of the project.",
        )
        parser.add_argument(
            "--until", type=instant, metavar="WHEN", help="recorded before then (to the last one)"
        )
        parser.add_argument("--format", choices=FORMATS, default="csv", help="form of it (csv)")
        parser.add_argument(
            "--output",
            type=Path,
            metavar="FILE",
            help="where to write; the file is there only once it is complete (standard output)",
        )
        add_database_argument(parser)

    def handle(self, *_: str, **options: Any) -> None:
        """Write, and end quietly where nobody reads on."""
        entries = Entry.objects.using(chosen_ledger(options["database"])[1])
        if options["since"] is not None:
            entries = entries.filter(created_at__gte=options["since"])
        if options["until"] is not None:
            entries = entries.filter(created_at__lt=options["until"])
        pages = entry_pages(entries)
        try:
            with StopRequest() as stop, self._stream(options["output"]) as stream:
                count = self._write(pages, stream, stop, options)
        except BrokenPipeError:
            # Python would complain once more when it flushes standard output at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            raise CommandError(str(error)) from error
        if options["verbosity"]:
            self.stderr.write(f"{count:,} entries exported.")

    def _write(
        self,
        pages: Iterator[list[Any]],
        stream: TextIO,
        stop: StopRequest,
        options: dict[str, Any],
    ) -> int:
        to_text = FORMATS[options["format"]]
        is_seen = stream is cast("Any", self.stdout) and self.stdout.isatty()
        count = 0
        if options["format"] == "csv":
            stream.write(csv_text([COLUMNS]))
        stderr = cast("Any", self.stderr)
        with Progress(stderr, "Exporting entries", options["verbosity"]) as progress:
            for page in pages:
                if stop.is_made:
                    msg = f"Stopped as asked after {count:,} entries; the export is not complete."
                    raise CommandError(msg)
                stream.write(to_text(page))
                count += len(page)
                if not is_seen:
                    progress.show(count)
        stream.flush()
        return count

    @contextmanager
    def _stream(self, path: Path | None) -> Iterator[TextIO]:
        """Yield standard output, or a file that takes its name once it is complete."""
        if path is None:
            yield cast("TextIO", self.stdout)
            return
        with tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            newline="",
            dir=path.parent,
            prefix=f".{path.name}.",
            delete=False,
        ) as file:
            try:
                yield cast("TextIO", file)
                file.close()
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
