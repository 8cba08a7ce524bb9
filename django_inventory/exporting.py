"""The journal as text, page by page, in a form that other programs read.

Owns the columns, their forms and the order, and that no text is taken for a formula. Must not know
which entries are asked for, or where the text goes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_inventory.models import Entry

PAGE: Final = 2_000
"""How many entries are read at once."""

COLUMNS: Final = {
    "id": "pk",
    "created_at": "created_at",
    "effective_at": "effective_at",
    "operation_id": "operation_id",
    "kind": "kind",
    "key": "key",
    "subject": "balance__subject",
    "item": "balance__item",
    "sequence": "sequence",
    "quantity_delta": "quantity_delta",
    "on_hold_delta": "on_hold_delta",
    "quantity_after": "quantity_after",
    "on_hold_after": "on_hold_after",
    "hold_id": "hold_id",
    "hold_remaining": "hold_remaining",
    "hold_expires_at": "hold_expires_at",
    "actor": "actor",
    "reference": "reference",
    "metadata": "metadata",
}
"""The columns of an export, in order, and what of an entry each is."""

FORMULA_STARTS: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'")
"""What may begin a formula in a spreadsheet, in narrow and wide forms, and the mark of a text.

Source: OWASP, "CSV Injection". The mark is among them so that it can be taken off again without
doubt.
"""

Row = tuple[Any, ...]


def entry_pages(entries: QuerySet[Entry]) -> Iterator[list[Row]]:
    """Yield the rows of these entries, by (created_at, id), in pages.

    Each page begins where the one before it ended, by index, so that nothing is kept open in the
    database between two pages, and a connection pool in front of it does not matter.
    """
    rows = entries.order_by("created_at", "pk").values_list(*COLUMNS.values())
    page = list(rows[:PAGE])
    while page:
        yield page
        pk, created_at = page[-1][:2]
        # Two steps: one condition for both would read again all entries of the same instant.
        page = list(rows.filter(created_at=created_at, pk__gt=pk)[:PAGE])
        if len(page) < PAGE:
            page += rows.filter(created_at__gt=created_at)[: PAGE - len(page)]


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as lines of CSV, in which no text can be taken for a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([_csv_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def jsonl_text(rows: Iterable[Row]) -> str:
    """Return rows as JSON objects, one a line."""
    lines = [
        json.dumps(dict(zip(COLUMNS, map(_json_value, row), strict=True)), ensure_ascii=False)
        for row in rows
    ]
    return "".join([f"{line}\n" for line in lines])


FORMATS: Final[dict[str, Callable[[Iterable[Row]], str]]] = {"csv": csv_text, "jsonl": jsonl_text}


def _csv_cell(value: Any) -> Any:
    if value is None or isinstance(value, int):
        # A negative number begins with a minus, too, and is meant to be a number.
        return value
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, int | str | dict):
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)
