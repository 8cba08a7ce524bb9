"""How lists are cut into pages: bounded, and strict about what a client asks for."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination, PageNumberPagination
from rest_framework.request import Request

from django_inventory.api.errors import RequestRefused

PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 200
MAX_PAGE: Final = 2**31 - 1
MAX_DIGITS: Final = 19
"""As many as a BIGINT has, such as a primary key."""


def _read_number(request: Request, name: str, *, default: int, maximum: int) -> int:
    """Return a number from the query, which is refused, not mended, where it is none."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS:
        number = int(text)
        if 1 <= number <= maximum:
            return number
    detail = f"Must be from 1 to {maximum}."
    raise RequestRefused("invalid_parameter", "See errors.", errors={name: [detail]})


def _describe_page_size(parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for parameter in parameters:
        if parameter["name"] == "page_size":
            parameter["schema"] |= {"minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE}
        if parameter["name"] == "page":
            parameter["schema"] |= {"minimum": 1, "maximum": MAX_PAGE, "default": 1}
    return parameters


class InventoryPagination(PageNumberPagination):
    """Numbered pages."""

    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE

    def get_page_size(self, request: Request) -> int:
        """Return what the client asks for, or the default.

        Raises:
            RequestRefused: it is out of bounds. Not clamped to them, since a client that counts on
                its own size would then leave out rows.
        """
        return _read_number(request, "page_size", default=PAGE_SIZE, maximum=MAX_PAGE_SIZE)

    def get_page_number(self, request: Request, _paginator: Any) -> int:
        """Return which page the client asks for, or the first.

        Raises:
            RequestRefused: it is no number.
        """
        return _read_number(request, "page", default=1, maximum=MAX_PAGE)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the parameters, bounds included."""
        return _describe_page_size(super().get_schema_operation_parameters(view))


class JournalPagination(CursorPagination):
    """Pages that stay as they are while the journal grows, each found by its place in an index."""

    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE

    def get_page_size(self, request: Request) -> int:
        """Return what the client asks for, or the default.

        Raises:
            RequestRefused: it is out of bounds. Not clamped to them, since a client that counts on
                its own size would then leave out rows.
        """
        return _read_number(request, "page_size", default=PAGE_SIZE, maximum=MAX_PAGE_SIZE)

    def get_ordering(
        self, _request: Request, queryset: QuerySet[Model], _view: Any
    ) -> tuple[str, ...]:
        """Return the order that the filters have given the rows; a primary key, so it is unique."""
        return tuple(str(field) for field in queryset.query.order_by)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return the place that the client's cursor names.

        Raises:
            NotFound: it is none that was handed out.
        """
        cursor = super().decode_cursor(request)
        if cursor is None:
            return None
        position = str(cursor.position)
        # All that are handed out have a position, since no two rows share one.
        if not (position.isdecimal() and len(position) <= MAX_DIGITS):
            raise NotFound(self.invalid_cursor_message)
        return cursor

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the parameters, bounds included."""
        return _describe_page_size(super().get_schema_operation_parameters(view))
