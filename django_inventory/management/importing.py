"""Opening balances from CSV: what is right in a file, and the operations that it stands for.

Owns the file's form, each row's key, and what is wrong with a row. Must not write to the ledger.
"""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from django.db.models import F

from django_inventory.exceptions import InvalidOperation, InvalidQuantity
from django_inventory.models import Balance, IdempotencyRecord
from django_inventory.operations import Acquire
from django_inventory.values import MAX_QUANTITY

REQUIRED_COLUMNS: Final = ("subject", "item", "quantity")
KNOWN_COLUMNS: Final = (*REQUIRED_COLUMNS, "reference")
DELIMITERS: Final = ",;\t|"
ACTOR: Final = "import_balances"
BATCH_ROWS: Final = 1_000
LONGEST_LINE: Final = 1_000_000
"""In characters; no line that is right comes near it."""


class ImportFormError(Exception):
    """The file as a whole cannot be read as opening balances."""


class RowError(NamedTuple):
    """One line that is wrong."""

    line: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class Row(NamedTuple):
    """One line that is right, and what it stands for."""

    line: int
    operation: Acquire


@dataclass(frozen=True)
class BalancesFile:
    """A CSV file of opening balances.

    Args:
        encoding: of the text; a byte order mark is left out in any case.
        delimiter: None to find it in the header.
    """

    path: Path
    encoding: str = "utf-8"
    delimiter: str | None = None

    def rows(self) -> Iterator[Row | RowError]:
        """Yield each line that is not empty, from the beginning, right or wrong.

        Memory does not grow with the file: what is needed to tell equal rows apart is on disk.

        Raises:
            ImportFormError: the header or the encoding is wrong.
            OSError: the file cannot be read.
        """
        try:
            file = self.path.open(encoding=self._codec(), errors="surrogateescape", newline="")
        except LookupError as error:
            raise ImportFormError(f"{error}.") from error
        with file, Occurrences() as occurrences:
            try:
                delimiter, columns = self._header(file.readline(LONGEST_LINE))
                # In pieces, so that a file without line ends does not fill the memory.
                lines = iter(partial(file.readline, LONGEST_LINE), "")
                reader = csv.reader(lines, delimiter=delimiter, strict=True)
                for line, fields in _records(reader, lines_before=1):
                    if isinstance(fields, csv.Error):
                        yield RowError(line, "invalid_row", f"{fields}.")
                    elif fields:
                        yield self._row(line, dict_of(columns, fields), occurrences)
            except UnicodeError as error:
                msg = f"{self.path.name} is not in {self.encoding}: {error}."
                raise ImportFormError(msg) from error

    def _codec(self) -> str:
        plain = re.sub(r"[-_ ]", "", self.encoding).lower()
        return "utf-8-sig" if plain in {"utf8", "u8"} else self.encoding

    def _header(self, header: str) -> tuple[str, list[str]]:
        """Return the delimiter and the columns."""
        for delimiter in self.delimiter or DELIMITERS:
            try:
                names = next(csv.reader([header.lstrip("\ufeff")], delimiter=delimiter), [])
            except csv.Error:
                continue
            columns = [name.strip() for name in names]
            if set(REQUIRED_COLUMNS) <= set(columns):
                break
        else:
            msg = (
                f"The first line must name the columns {', '.join(REQUIRED_COLUMNS)} "
                f"and may name reference; it is {header.strip()[:200]!r}."
            )
            raise ImportFormError(msg)
        if unknown := sorted(set(columns) - set(KNOWN_COLUMNS)):
            msg = f"Columns that mean nothing: {', '.join(map(repr, unknown))}."
            raise ImportFormError(msg)
        if len(set(columns)) < len(columns):
            msg = "The first line names a column twice."
            raise ImportFormError(msg)
        return delimiter, columns

    def _row(
        self, line: int, values: dict[str, str] | None, occurrences: Occurrences
    ) -> Row | RowError:
        if values is None:
            return RowError(line, "invalid_row", "has another number of fields than the header.")
        try:
            operation = Acquire(
                "unnumbered",
                values["subject"],
                values["item"],
                _quantity(values["quantity"]),
                reference=values.get("reference", ""),
                metadata={"file": _file_name(self.path)},
                actor=ACTOR,
            )
        except InvalidOperation as error:
            return RowError(line, error.code, str(error))
        return Row(line, replace(operation, key=self._key(operation, occurrences)))

    def _key(self, operation: Acquire, occurrences: Occurrences) -> str:
        """Return the row's key: a digest of the file's name, what it says, and how often it did.

        So the second of two equal rows counts, too, and both are found again when the file is
        imported again, whatever was added around them.
        """
        content = [
            _file_name(self.path),
            operation.subject,
            operation.item,
            operation.quantity,
            operation.reference,
        ]
        digest = _digest(content)
        return f"import:{_digest([digest, occurrences.next_number(digest)])}"


class Occurrences:
    """How often each row was seen, in a temporary file on disk."""

    def __enter__(self) -> Self:
        self._database = _temporary_database()
        self._database.execute("CREATE TABLE seen (row TEXT PRIMARY KEY, number) WITHOUT ROWID")
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def next_number(self, digest: str) -> int:
        """Return 1 for a row that was not seen yet, 2 at the second time, ..."""
        (number,) = self._database.execute(
            "INSERT INTO seen VALUES (?, 1) ON CONFLICT DO UPDATE SET number = number + 1 "
            "RETURNING number",
            (digest,),
        ).fetchone()
        return int(number)


class Totals:
    """What the new rows of a file add to each balance, held against what fits, on disk.

    Args:
        using: the alias of the database of the balances.
        scope: where the rows' keys are unique.
    """

    def __init__(self, using: str, scope: str) -> None:
        self._using = using
        self._scope = scope

    def __enter__(self) -> Self:
        self._database = _temporary_database()
        self._database.execute(
            "CREATE TABLE total (subject TEXT, item TEXT, quantity, line, "
            "PRIMARY KEY (subject, item)) WITHOUT ROWID"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, rows: Sequence[Row]) -> Iterator[Row | RowError]:
        """Yield the rows that are not in the ledger yet, those that add up to too much as errors.

        Raises nothing and changes nothing but its own sums.
        """
        keys = [row.operation.key for row in rows]
        records = IdempotencyRecord.objects.using(self._using).filter(
            scope=self._scope, key__in=keys
        )
        known = set(records.values_list("key", flat=True))
        for row in rows:
            if row.operation.key not in known:
                yield self._overflow(row) or row

    def _overflow(self, row: Row) -> RowError | None:
        operation = row.operation
        place = (operation.subject, operation.item)
        found = self._database.execute(
            "SELECT quantity FROM total WHERE subject = ? AND item = ?", place
        ).fetchone()
        total = operation.quantity + (found[0] if found else 0)
        if total > MAX_QUANTITY:
            return _too_much(row.line, operation.subject, operation.item)
        self._database.execute("REPLACE INTO total VALUES (?, ?, ?, ?)", (*place, total, row.line))
        return None

    def overflows(self) -> Iterator[RowError]:
        """Yield an error for each balance that would pass the limit, with what it has by now.

        One walk through the balances, which finds none unless they are astronomic.
        """
        (largest,) = self._database.execute("SELECT max(quantity) FROM total").fetchone()
        if largest is None:
            return
        room = MAX_QUANTITY - largest
        full = Balance.objects.using(self._using).filter(quantity__gt=room - F("on_hold"))
        columns = full.order_by("pk").values_list("subject", "item", "quantity", "on_hold")
        for subject, item, quantity, on_hold in columns.iterator(BATCH_ROWS):
            found = self._database.execute(
                "SELECT quantity, line FROM total WHERE subject = ? AND item = ?", (subject, item)
            ).fetchone()
            if found and found[0] > MAX_QUANTITY - quantity - on_hold:
                yield _too_much(found[1], subject, item)


def dict_of(columns: Sequence[str], fields: Sequence[str]) -> dict[str, str] | None:
    """Return a row's fields by column, or None where their numbers differ."""
    return dict(zip(columns, fields, strict=True)) if len(columns) == len(fields) else None


def _records(reader: Any, *, lines_before: int) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Yield each record, or why it is none, with the number of its first line."""
    while True:
        line = reader.line_num + lines_before + 1
        try:
            fields: list[str] | csv.Error = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fields = error
        yield line, fields


def _quantity(text: str) -> int:
    """Parse digits, and nothing else that Python would take for a number."""
    if not re.fullmatch(r"[0-9]{1,30}", text.strip(" "), re.ASCII):
        field = "quantity"
        raise InvalidQuantity(field, f"must be a whole number in digits, not {text[:50]!r}.")
    return int(text)


def _file_name(path: Path) -> str:
    """Return the file's name without its folder, as metadata can hold it."""
    return path.name.encode("utf-8", "replace").decode()


def _too_much(line: int, subject: str, item: str) -> RowError:
    message = f"the total of {item!r} of {subject!r} would pass {MAX_QUANTITY}."
    return RowError(line, "quantity_overflow", message)


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _temporary_database() -> sqlite3.Connection:
    """Return a database in a file without a name, which goes when it is closed."""
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("BEGIN")
    return database
