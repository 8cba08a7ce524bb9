"""The filters of the lists: each one that an index can answer, and none that lists all there is.

A filter over subjects or items is a field to type into; Django's own would select every one of
them for its choices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_inventory.admin.readonly import all_holds, now_of
from django_inventory.arguments import check_hold_id, check_identifier
from django_inventory.exceptions import InvalidIdentifier
from django_inventory.querysets import BalanceQuerySet, HoldQuerySet
from django_inventory.values import HoldStatus

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

LAST_CODE_POINT: Final = "\U0010ffff"


def starting_with(field: str, prefix: str) -> Q:
    """Return the condition that a field begins with ``prefix``, as a range of an index.

    Not ``startswith``, which on SQLite takes no account of case and uses no index.
    """
    return Q((f"{field}__gte", prefix), (f"{field}__lt", prefix + LAST_CODE_POINT))


class TextFilter(admin.ListFilter):
    """A field to type an exact value into."""

    template = "django_inventory/admin/text_filter.html"
    # So called since themes look for an attribute of that name, as Django's own filters have it.
    parameter_name: ClassVar[str]
    lookup: ClassVar[str]

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Any],
        model_admin: admin.ModelAdmin[Any],
    ) -> None:
        super().__init__(request, params, model, model_admin)
        values = params.pop(self.parameter_name, None)
        if values and values[-1].strip():
            self.used_parameters[self.parameter_name] = values[-1].strip()

    @property
    def value(self) -> str:
        """What was typed."""
        return str(self.used_parameters.get(self.parameter_name, ""))

    def has_output(self) -> bool:
        """Show it, always."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return the one parameter of the query."""
        return [self.parameter_name]

    def choices(self, changelist: ChangeList) -> Iterator[Mapping[str, object]]:
        """Yield what the template needs: the other parameters, which the form has to keep."""
        others = changelist.get_filters_params()
        if changelist.query:
            others["q"] = [changelist.query]
        yield {
            "others": [
                (name, value)
                for name, values in others.items()
                if name != self.parameter_name
                for value in values
            ],
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with exactly this value; none, where nothing can have it."""
        if not self.value:
            return queryset
        try:
            value = self.parsed(self.value)
        except InvalidIdentifier:
            return queryset.none()
        return queryset.filter((self.lookup, value))

    def parsed(self, value: str) -> object:
        """Return what to look for.

        Raises:
            InvalidIdentifier: no row can have that value.
        """
        return check_identifier(self.parameter_name, value)


class SubjectFilter(TextFilter):
    """Balances of one subject."""

    title = _("subject")
    parameter_name = "subject"
    lookup = "subject"


class ItemFilter(TextFilter):
    """Balances of one item."""

    title = _("item")
    parameter_name = "item"
    lookup = "item"


class OwnerFilter(SubjectFilter):
    """Holds and entries of one subject."""

    lookup = "balance__subject"


class OwnedItemFilter(ItemFilter):
    """Holds and entries of one item."""

    lookup = "balance__item"


class ReferenceFilter(TextFilter):
    """Entries with one reference."""

    title = _("reference")
    parameter_name = "reference"
    lookup = "reference"


class KeyFilter(TextFilter):
    """Records of one idempotency key."""

    title = _("key")
    parameter_name = "key"
    lookup = "key"


class ScopeFilter(TextFilter):
    """Records of one scope."""

    title = _("scope")
    parameter_name = "scope"
    lookup = "scope"


class HoldFilter(TextFilter):
    """Entries that concern one hold."""

    title = _("hold")
    parameter_name = "hold"
    lookup = "hold_id"

    def parsed(self, value: str) -> object:
        """Return the id of a hold."""
        return check_hold_id(value)


class OperationFilter(TextFilter):
    """What one operation did or answered."""

    title = _("operation")
    parameter_name = "operation"
    lookup = "operation_id"

    def parsed(self, value: str) -> object:
        """Return the id of an operation, which has the form of a hold's."""
        return check_hold_id(value)


class HasHoldsFilter(admin.SimpleListFilter):
    """Balances with something on hold as of now."""

    title = _("holds")
    parameter_name = "holds"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, str | _StrPromise]]:
        """Return the choices."""
        return [("yes", _("Something on hold")), ("no", _("Nothing on hold"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Look for active holds only where the earliest expiry has passed."""
        if self.value() not in {"yes", "no"}:
            return queryset
        now = now_of(request)
        active = all_holds().active_at(now).filter(balance=OuterRef("pk"))
        # By next_expiry_at, which is indexed, and set where and only where something is held.
        later = Q(next_expiry_at__gt=now)
        passed = Q(next_expiry_at__lte=now)
        if self.value() == "yes":
            return queryset.filter(later | (passed & Exists(active)))
        return queryset.filter(Q(next_expiry_at__isnull=True) | (passed & ~Exists(active)))


class EmptyFilter(admin.SimpleListFilter):
    """Balances of which nothing is left, neither free nor on hold."""

    title = _("what is left")
    parameter_name = "empty"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, str | _StrPromise]]:
        """Return the choices."""
        return [("no", _("Something")), ("yes", _("Nothing"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the empty ones, or the others."""
        if self.value() == "yes":
            return queryset.filter(quantity=0, on_hold=0)
        if self.value() == "no":
            return cast("BalanceQuerySet", queryset).non_zero()
        return queryset


def active_holds(holds: HoldQuerySet, now: datetime) -> HoldQuerySet:
    """Keep active holds; found through the balances' indexed ``next_expiry_at``, not one by one."""
    return holds.filter(balance__next_expiry_at__isnull=False).active_at(now)


def overdue_holds(holds: HoldQuerySet, now: datetime) -> HoldQuerySet:
    """Keep holds that expired unrecorded; found as ``active_holds`` are."""
    return holds.filter(balance__next_expiry_at__lte=now).overdue_at(now)


class HoldStateFilter(admin.SimpleListFilter):
    """Holds by their status as of now: an overdue one is expired, recorded or not."""

    title = _("status")
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, str | _StrPromise]]:
        """Return the choices."""
        return [
            ("active", _("Active")),
            ("overdue", _("Overdue: expired, not recorded yet")),
            ("expired", _("Expired, recorded or not")),
            ("committed", _("Committed")),
            ("released", _("Released")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the holds with this status."""
        now = now_of(request)
        holds = cast("HoldQuerySet", queryset)
        match self.value():
            case "active":
                return active_holds(holds, now)
            case "overdue":
                return overdue_holds(holds, now)
            case "expired":
                return holds.expired_at(now)
            case HoldStatus.COMMITTED | HoldStatus.RELEASED as status:
                return queryset.filter(status=status)
        return queryset
