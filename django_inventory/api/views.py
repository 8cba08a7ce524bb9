"""The views: each parses a request, calls the ledger and presents what it says.

Owns what a route does. Subclass a viewset, or set the project's ``REST_FRAMEWORK``, to change
authentication, permissions, throttling or pagination, as anywhere in Django REST framework.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, cast
from uuid import UUID

from django.http import Http404
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from django_inventory.api import filters, route_docs, serializers
from django_inventory.api.base import InventoryViewSet
from django_inventory.api.errors import problem_of
from django_inventory.api.pagination import InventoryPagination, JournalPagination
from django_inventory.api.parsing import kinds_in, make_each, read_batch
from django_inventory.api.permissions import (
    VERB_PERMISSIONS,
    VIEW_BALANCE,
    VIEW_ENTRY,
    VIEW_HOLD,
)
from django_inventory.api.serializers import show_receipt
from django_inventory.arguments import check_hold_id
from django_inventory.exceptions import HoldUnknown, InvalidOperation, InventoryError
from django_inventory.models import Balance, Entry, Hold
from django_inventory.operations import Operation
from django_inventory.values import Receipt

STATUSES: Final = {
    "acquire": HTTPStatus.CREATED,
    "consume": HTTPStatus.CREATED,
    "transfer": HTTPStatus.CREATED,
    "hold": HTTPStatus.CREATED,
    "commit": HTTPStatus.OK,
    "release": HTTPStatus.OK,
    "extend": HTTPStatus.OK,
}
"""By an operation's kind, the status of the answer that it was done."""


class BalanceViewSet(ListModelMixin, InventoryViewSet):
    """Balances, and the verbs that change them at once."""

    documentation = route_docs.BALANCES
    queryset = Balance.objects.all()
    serializer_class = serializers.BalanceSerializer
    filterset_class = filters.BalanceFilterSet
    pagination_class: type[BasePagination] | None = InventoryPagination
    action_permissions = {
        "list": VIEW_BALANCE,
        "retrieve": VIEW_BALANCE,
        **{kind: VERB_PERMISSIONS[kind] for kind in ("acquire", "consume", "transfer")},
    }

    def get_queryset(self) -> Any:
        """Return the balances that the caller may see, as of now."""
        return self.stored(Balance.objects.at(self.now), "subject")

    def retrieve(self, _request: Request, **_: Any) -> Response:
        """Show one balance."""
        return Response(self.get_serializer(self.find_row(self.kwargs["id"])).data)

    @action(detail=False, methods=["post"])
    def acquire(self, _request: Request, **_: Any) -> Response:
        """Credit a quantity to a subject."""
        return self.post_one("acquire", STATUSES["acquire"])

    @action(detail=False, methods=["post"])
    def consume(self, _request: Request, **_: Any) -> Response:
        """Debit a quantity from what a subject has free."""
        return self.post_one("consume", STATUSES["consume"])

    @action(detail=False, methods=["post"])
    def transfer(self, _request: Request, **_: Any) -> Response:
        """Move a quantity from what one subject has free to another."""
        return self.post_one("transfer", STATUSES["transfer"])


class HoldViewSet(ListModelMixin, InventoryViewSet):
    """Holds, and the verbs that place and resolve them."""

    documentation = route_docs.HOLDS
    queryset = Hold.objects.all()
    serializer_class = serializers.HoldSerializer
    filterset_class = filters.HoldFilterSet
    pagination_class: type[BasePagination] | None = InventoryPagination
    action_permissions = {
        "list": VIEW_HOLD,
        "retrieve": VIEW_HOLD,
        "create": VERB_PERMISSIONS["hold"],
        **{kind: VERB_PERMISSIONS[kind] for kind in ("commit", "release", "extend")},
    }

    def get_queryset(self) -> Any:
        """Return the holds that the caller may see."""
        return self.stored(Hold.objects.select_related("balance"), "balance__subject")

    def retrieve(self, _request: Request, **_: Any) -> Response:
        """Show one hold as it stands now."""
        hold_id = self._hold_id()
        for hold in self.get_queryset().filter(pk=hold_id):
            return Response(self.get_serializer(hold).data)
        raise HoldUnknown(hold_id)

    def create(self, request: Request, **_: Any) -> Response:
        """Reserve a quantity of what a subject has free, for a time."""
        response = self.post_one("hold", STATUSES["hold"])
        # Relative to this route, wherever the project has put it.
        response["Location"] = request.build_absolute_uri(f"{response.data['hold']['id']}/")
        return response

    @action(detail=True, methods=["post"])
    def commit(self, _request: Request, **_: Any) -> Response:
        """Let what is held leave for good: consumed, or credited to somebody."""
        return self.post_one("commit", STATUSES["commit"], hold_id=self._hold_id())

    @action(detail=True, methods=["post"])
    def release(self, _request: Request, **_: Any) -> Response:
        """Give back what is left on hold."""
        return self.post_one("release", STATUSES["release"], hold_id=self._hold_id())

    @action(detail=True, methods=["post"])
    def extend(self, _request: Request, **_: Any) -> Response:
        """Let a hold expire later, or sooner."""
        return self.post_one("extend", STATUSES["extend"], hold_id=self._hold_id())

    def _hold_id(self) -> UUID:
        """Return the id that the path names; what is no id is no hold either."""
        try:
            return check_hold_id(self.kwargs["id"])
        except InvalidOperation as error:
            raise Http404 from error


class EntryViewSet(ListModelMixin, InventoryViewSet):
    """The journal."""

    documentation = route_docs.ENTRIES
    queryset = Entry.objects.all()
    serializer_class = serializers.EntrySerializer
    filterset_class = filters.EntryFilterSet
    pagination_class: type[BasePagination] | None = JournalPagination
    action_permissions = {"list": VIEW_ENTRY, "retrieve": VIEW_ENTRY}

    def get_queryset(self) -> Any:
        """Return the entries that the caller may see."""
        return self.stored(Entry.objects.select_related("balance"), "balance__subject")

    def retrieve(self, _request: Request, **_: Any) -> Response:
        """Show one entry of the journal."""
        return Response(self.get_serializer(self.find_row(self.kwargs["id"])).data)


class OperationViewSet(InventoryViewSet):
    """Batches."""

    documentation = route_docs.OPERATIONS

    def required_permissions(self) -> list[str]:
        """Return the permissions of all verbs that the batch asks for."""
        if self.action != "create":
            return super().required_permissions()
        return sorted(VERB_PERMISSIONS[kind] for kind in kinds_in(self.request.data))

    def create(self, request: Request, **_: Any) -> Response:
        """Do up to 1,000 operations in one transaction, in order: all or none, or each alone."""
        atomic, bodies = read_batch(request.data)
        operations = self.permit(list(make_each(bodies, self.get_caller())))
        if not atomic:
            return self._post_each(operations)
        for operation in operations:
            if isinstance(operation, InventoryError):
                raise operation
        receipts = self.ledger().post(_sound(operations))
        body = {"receipts": [show_receipt(receipt) for receipt in receipts]}
        return self.answer(body, HTTPStatus.CREATED, receipts)

    def _post_each(self, operations: list[Operation | InventoryError]) -> Response:
        """Do what is well-formed, and leave in each operation's place what it came to."""
        posted = iter(self.ledger().post(_sound(operations), atomic=False))
        outcomes = [o if isinstance(o, InventoryError) else next(posted) for o in operations]
        receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
        results: list[dict[str, Any]] = []
        for index, (operation, outcome) in enumerate(zip(operations, outcomes, strict=True)):
            if isinstance(outcome, InventoryError):
                outcome.index = index
                problem = problem_of(outcome)
                results.append({"status": problem["status"], "problem": problem})
            else:
                results.append(
                    {
                        "status": STATUSES[cast("Operation", operation).kind],
                        "receipt": show_receipt(outcome),
                    }
                )
        all_receipts = receipts if len(receipts) == len(operations) else []
        return self.answer({"results": results}, HTTPStatus.OK, all_receipts)


def _sound(operations: list[Operation | InventoryError]) -> list[Operation]:
    return [operation for operation in operations if not isinstance(operation, InventoryError)]
