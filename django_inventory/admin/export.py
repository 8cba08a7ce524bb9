"""Entries as CSV, streamed: as many as the list's filters leave, in flat memory.

A spreadsheet takes a cell that begins like a formula for one. Subjects, references and actors come
from outside, so such text is marked as text.

Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from django_inventory.admin.readonly import ReadOnlyAdmin, page_url
from django_inventory.models import Entry

COLUMNS: Final = (
    "id",
    "subject",
    "item",
    "sequence",
    "kind",
    "operation_id",
    "key",
    "hold",
    "quantity_delta",
    "on_hold_delta",
    "quantity_after",
    "on_hold_after",
    "actor",
    "reference",
    "metadata",
    "effective_at",
    "created_at",
)
_FIELDS: Final = tuple(
    {"subject": "balance__subject", "item": "balance__item", "hold": "hold_id"}.get(name, name)
    for name in COLUMNS
)
ROWS_PER_QUERY: Final = 2_000
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")  # noqa: RUF001 - the wide forms count too
"""What may begin a formula, and the mark itself, so that it can be taken off without doubt."""


class _Echo:
    """What csv writes to: gives back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def safe_cell(value: object) -> object:
    """Return a value as a cell that no spreadsheet takes for a formula.

    Numbers stay numbers, so that a debit keeps its sign.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def lines(entries: QuerySet[Entry]) -> Iterator[str]:
    """Yield the lines of the file, oldest entry first.

    Page by page, each after the last one's end: a cursor over all of it would need a transaction
    on PostgreSQL, and on MariaDB would have everything in memory at once.
    """
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    rows = entries.order_by("pk").values_list(*_FIELDS)
    after: Any = 0
    while page := list(rows.filter(pk__gt=after)[:ROWS_PER_QUERY]):
        after = page[-1][0]
        yield "".join(writer.writerow([safe_cell(value) for value in row]) for row in page)


@require_safe
def export_view(
    request: HttpRequest, *, entries: ReadOnlyAdmin
) -> HttpResponse | StreamingHttpResponse:
    """Send the entries that the list would show with the same query, all pages of it."""
    if not entries.has_view_permission(request):
        raise PermissionDenied
    try:
        rows = entries.get_changelist_instance(request).queryset
    except IncorrectLookupParameters:
        return HttpResponseRedirect(page_url(entries.admin_site, "entry_changelist", e=1))
    name = f"entries-{now().astimezone(UTC):%Y%m%dT%H%M%SZ}.csv"
    response = StreamingHttpResponse(
        (line.encode() for line in lines(rows)), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
