"""What lists can be narrowed by, and in which order they come.

Owns the query parameters: every one is parsed by the ledger's own checks, and what is unknown,
repeated or malformed is refused, since a filter that is silently left out shows too much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar, cast

from django import forms
from django.db.models import Model, QuerySet
from django.db.models.functions import Left
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django_filters import Filter, FilterSet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.drainage import set_override
from rest_framework.settings import api_settings

from django_inventory.api.errors import RequestRefused
from django_inventory.api.patterns import IDENTIFIER_SCHEMA, TEXT_SCHEMA
from django_inventory.arguments import check_hold_id, check_identifier, check_reference
from django_inventory.exceptions import InvalidOperation
from django_inventory.models import KINDS
from django_inventory.values import HoldStatus

M = TypeVar("M", bound=Model)
Schema = dict[str, Any]

MAX_LIST_VALUES: Final = 100
EARLIEST: Final = datetime(2, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9998, 12, 31, tzinfo=UTC)
"""A day within what a ``datetime`` can be, so that every time zone can show it."""


class _ParsedField(forms.Field):
    """A parameter that is absent (None) or what ``parse`` makes of it."""

    def __init__(self, *, parse: Callable[[Any], Any], **options: Any) -> None:
        super().__init__(**options)
        self._parse = parse

    def clean(self, value: Any) -> Any:
        if value is None:
            return None
        try:
            return self._parse(value)
        except InvalidOperation as error:
            # Without the name of the argument, beside which the message will stand.
            raise forms.ValidationError(str(error).partition(": ")[2]) from error


class ParsedFilter(Filter):
    """Compare a column with what ``parse`` makes of the parameter.

    Args:
        parse: raises ``InvalidOperation`` for what it refuses.
        schema: what the parameter may be, for the API's description.
    """

    field_class = _ParsedField

    def __init__(
        self,
        field_name: str | None = None,
        lookup_expr: str = "exact",
        *,
        parse: Callable[[Any], Any],
        schema: Schema,
        description: str,
        **options: Any,
    ) -> None:
        super().__init__(field_name, lookup_expr, parse=parse, **options)
        set_override(self, "field", {**schema, "description": description})


class PrefixFilter(ParsedFilter):
    """Keep the rows whose column begins with the parameter, case and accents included."""

    def filter(self, qs: QuerySet[M], value: str | None) -> QuerySet[M]:
        """Return the rows that are left."""
        if value is None:
            return qs
        # SQLite's LIKE takes "A" for "a", and MariaDB's = takes "a " for "a"; together they are
        # exact. LIKE is what uses an index where the database has one for it.
        column = str(self.field_name)
        rows = qs.alias(prefix=Left(column, len(value)))
        return cast("QuerySet[M]", rows.filter(**{f"{column}__startswith": value}, prefix=value))


class WordFilter(ParsedFilter):
    """Choose one of a few ways to change the rows, each by its word."""

    parent: InventoryFilterSet

    def __init__(
        self,
        ways: Mapping[str, Callable[[Any, datetime], Any]],
        *,
        description: str,
        default: str = "",
    ) -> None:
        schema: Schema = {"type": "string", "enum": list(ways)}
        if set(ways) == {"true", "false"}:
            schema = {"type": "boolean"}
        if default:
            schema["default"] = default
        super().__init__(
            parse=lambda text: _one_of(text, ways), schema=schema, description=description
        )
        self._ways = ways
        self._default = default

    def filter(self, qs: QuerySet[M], value: str | None) -> QuerySet[M]:
        """Return the rows that are left."""
        word = self._default if value is None else value
        changed: QuerySet[M] = self._ways[word](qs, self.parent.now) if word else qs
        return changed


def _one_of(text: str, words: Mapping[str, Any]) -> str:
    if text not in words:
        raise InvalidOperation("", f"must be one of {', '.join(words)}.")
    return text


def _identifier(text: str) -> str:
    return check_identifier("", text)


def _identifiers(texts: list[str]) -> list[str] | None:
    if len(texts) > MAX_LIST_VALUES:
        raise InvalidOperation("", f"must stand there at most {MAX_LIST_VALUES} times.")
    return [_identifier(text) for text in texts] or None


def _text(text: str) -> str:
    if not text:
        raise InvalidOperation("", "must not be empty.")
    try:
        return check_reference(text)
    except InvalidOperation as error:
        raise InvalidOperation("", str(error).partition(": ")[2]) from error


def _instant(text: str) -> datetime:
    """Return a time as RFC 3339 writes it, with an offset."""
    try:
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None or timezone.is_naive(at):
        raise InvalidOperation("", "must be a date and time with an offset: 2026-03-01T12:00:00Z.")
    try:
        return min(max(at.astimezone(UTC), EARLIEST), LATEST)
    except OverflowError:
        return EARLIEST if at.year == 1 else LATEST


def _exact(field_name: str, description: str) -> ParsedFilter:
    return ParsedFilter(
        field_name, parse=_identifier, schema=IDENTIFIER_SCHEMA, description=description
    )


def _prefix(field_name: str, description: str) -> PrefixFilter:
    return PrefixFilter(field_name, parse=_text, schema=TEXT_SCHEMA, description=description)


def _any_of(field_name: str, description: str) -> ParsedFilter:
    return ParsedFilter(
        field_name,
        "in",
        parse=_identifiers,
        schema={"type": "array", "items": IDENTIFIER_SCHEMA, "maxItems": MAX_LIST_VALUES},
        description=description,
        widget=forms.MultipleHiddenInput,
    )


def _time(field_name: str, lookup_expr: str, description: str) -> ParsedFilter:
    return ParsedFilter(
        field_name,
        lookup_expr,
        parse=_instant,
        schema={"type": "string", "format": "date-time"},
        description=description,
    )


def _uuid(field_name: str, description: str) -> ParsedFilter:
    return ParsedFilter(
        field_name,
        parse=check_hold_id,
        schema={"type": "string", "format": "uuid"},
        description=description,
    )


def _ordering(orders: Mapping[str, tuple[str, ...]], *, default: str) -> WordFilter:
    """Make the filter that orders the rows, at last by what is unique."""
    ways = {word: partial(_ordered, columns) for word, columns in orders.items()}
    return WordFilter(ways, description="The order of the list.", default=default)


def _ordered(columns: Sequence[str], rows: QuerySet[M], _now: datetime) -> QuerySet[M]:
    return rows.order_by(*columns)


class InventoryFilterSet(FilterSet):
    """Filters that know what time it is.

    Args:
        now: the instant as of which the list is.
    """

    def __init__(
        self, data: QueryDict, queryset: QuerySet[M], *, now: datetime, **rest: Any
    ) -> None:
        super().__init__(data, queryset, **rest)
        self.now = now


class BalanceFilterSet(InventoryFilterSet):
    """The parameters of the list of balances."""

    subject = _exact("subject", "Whose balances.")
    subject__startswith = _prefix("subject", "Whose: how the subject begins.")
    subject__in = _any_of("subject", "Whose: any of these, the parameter repeated for each.")
    item = _exact("item", "Of which item.")
    item__startswith = _prefix("item", "Of which item: how it begins.")
    item__in = _any_of("item", "Of which item: any of these, the parameter repeated for each.")
    non_zero = WordFilter(
        {
            "true": lambda rows, _: rows.non_zero(),
            "false": lambda rows, _: rows.filter(quantity=0, on_hold=0),
        },
        description="true: only what is owned now, free or on hold. false: only what no longer is.",
    )
    ordering = _ordering(
        {
            "id": ("id",),
            "-id": ("-id",),
            "subject": ("subject", "item"),
            "-subject": ("-subject", "-item"),
            "item": ("item", "subject"),
            "-item": ("-item", "-subject"),
        },
        default="id",
    )


class HoldFilterSet(InventoryFilterSet):
    """The parameters of the list of holds."""

    subject = _exact("balance__subject", "Whose holds.")
    subject__startswith = _prefix("balance__subject", "Whose: how the subject begins.")
    subject__in = _any_of(
        "balance__subject", "Whose: any of these, the parameter repeated for each."
    )
    item = _exact("balance__item", "Of which item.")
    item__startswith = _prefix("balance__item", "Of which item: how it begins.")
    item__in = _any_of(
        "balance__item", "Of which item: any of these, the parameter repeated for each."
    )
    status = WordFilter(
        {
            HoldStatus.ACTIVE.value: lambda rows, now: rows.active_at(now),
            HoldStatus.COMMITTED.value: lambda rows, _: rows.filter(status=HoldStatus.COMMITTED),
            HoldStatus.RELEASED.value: lambda rows, _: rows.filter(status=HoldStatus.RELEASED),
            HoldStatus.EXPIRED.value: lambda rows, now: rows.expired_at(now),
        },
        description="The status as of now: a hold is expired once its time is over.",
    )
    expires_at__gte = _time("expires_at", "gte", "Expiring at this time or later.")
    expires_at__lt = _time("expires_at", "lt", "Expiring before this time.")
    ordering = _ordering(
        {
            "id": ("id",),
            "-id": ("-id",),
            "expires_at": ("expires_at", "id"),
            "-expires_at": ("-expires_at", "-id"),
        },
        default="id",
    )


class EntryFilterSet(InventoryFilterSet):
    """The parameters of the journal."""

    subject = _exact("balance__subject", "On whose balances.")
    subject__startswith = _prefix("balance__subject", "On whose: how the subject begins.")
    subject__in = _any_of(
        "balance__subject", "On whose: any of these, the parameter repeated for each."
    )
    item = _exact("balance__item", "Of which item.")
    item__startswith = _prefix("balance__item", "Of which item: how it begins.")
    item__in = _any_of(
        "balance__item", "Of which item: any of these, the parameter repeated for each."
    )
    kind = ParsedFilter(
        "kind",
        parse=lambda text: _one_of(text, dict(KINDS)),
        schema={"type": "string", "enum": [kind for kind, _ in KINDS]},
        description="The verb, or expire.",
    )
    key = _exact("key", "Written under this idempotency key, in whosever scope.")
    operation_id = _uuid("operation_id", "Written by this operation, which its receipt names.")
    hold = _uuid("hold", "Concerning this hold.")
    reference = ParsedFilter(
        "reference", parse=_text, schema=TEXT_SCHEMA, description="With this reference."
    )
    created_at__gte = _time("created_at", "gte", "Written at this time or later.")
    created_at__lt = _time("created_at", "lt", "Written before this time.")
    ordering = _ordering({"id": ("id",), "-id": ("-id",)}, default="-id")


class StrictFilterBackend(DjangoFilterBackend):
    """Filter a list, and refuse what no filter knows."""

    def get_filterset_kwargs(
        self, request: Any, queryset: QuerySet[M], view: Any
    ) -> dict[str, Any]:
        """Add the time to what a filter set is made with."""
        return {**super().get_filterset_kwargs(request, queryset, view), "now": view.now}

    def filter_queryset(self, request: Any, queryset: QuerySet[M], view: Any) -> QuerySet[M]:
        """Return the rows that are left.

        Raises:
            RequestRefused: a parameter is unknown, or stands there twice.
            ValidationError: a parameter is malformed.
        """
        errors = {}
        known = {*_known_parameters(view), api_settings.URL_FORMAT_OVERRIDE}
        for name, values in request.query_params.lists():
            if name not in known:
                errors[name] = ["is not known here."]
            elif len(values) > 1 and not name.endswith("__in"):
                errors[name] = ["must stand there once."]
        if errors:
            raise RequestRefused("invalid_parameter", "See errors.", errors=errors)
        return super().filter_queryset(request, queryset, view)


def _known_parameters(view: Any) -> set[str]:
    """Return the parameters of a list: those of its filters and of its paginator.

    Also where a project has put others in their place.
    """
    sources = [view.paginator, *(backend() for backend in view.filter_backends)]
    parameters = [
        parameter["name"]
        for source in sources
        if hasattr(source, "get_schema_operation_parameters")
        for parameter in source.get_schema_operation_parameters(view)
    ]
    filterset_class = getattr(view, "filterset_class", None)
    return {*parameters, *(filterset_class.base_filters if filterset_class else ())}
