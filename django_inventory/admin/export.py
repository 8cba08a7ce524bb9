"""Entries as CSV, streamed: as many as the list's filters leave, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from django_inventory.admin.readonly import ReadOnlyAdmin, page_url
from django_inventory.exporting import COLUMNS, csv_text, entry_pages

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_inventory.models import Entry


def lines(entries: QuerySet[Entry]) -> Iterator[bytes]:
    """Yield the file, oldest entry first, a page at a time."""
    yield csv_text([COLUMNS]).encode()
    for page in entry_pages(entries):
        yield csv_text(page).encode()


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
    response = StreamingHttpResponse(lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
