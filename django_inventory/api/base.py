"""What all views of the ledger share: who calls, what it may see, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, connections, transaction
from django.http import Http404
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from django_inventory import ledger as configured_ledger
from django_inventory.api.errors import (
    PROBLEM_MEDIA_TYPE,
    ProblemRenderer,
    ProblemResponse,
    RequestRefused,
    handle_exception,
)
from django_inventory.api.filters import StrictFilterBackend
from django_inventory.api.keys import HEADER, REPLAYED_HEADER, read_key
from django_inventory.api.pagination import MAX_DIGITS
from django_inventory.api.parsers import StrictJSONParser
from django_inventory.api.parsing import argument_names, make_operation
from django_inventory.api.permissions import HasVerbPermission
from django_inventory.api.route_docs import RouteDoc
from django_inventory.api.schema import InventorySchema
from django_inventory.api.scope import SubjectScope, subject_scope
from django_inventory.api.serializers import show_receipt
from django_inventory.arguments import check_subject
from django_inventory.exceptions import HoldUnknown, InvalidOperation, InventoryError
from django_inventory.ledgers.choice import configured_alias, configured_now
from django_inventory.models import Hold
from django_inventory.operations import Operation

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Model, QuerySet
    from rest_framework.request import Request

    from django_inventory.ledgers import Ledger
    from django_inventory.values import Receipt

    M = TypeVar("M", bound=Model)


class InventoryViewSet(GenericViewSet[Any]):
    """A view of the ledger.

    Attributes:
        action_permissions: by action, the Django permission that it needs. Every action must be
            named here, also those that a subclass adds.
        documentation: by action, what the API's description says of it.
        now: the instant as of which the request is answered.
        scope: the subjects that the caller may see and name.
    """

    permission_classes: Sequence[Any] = [IsAuthenticated, HasVerbPermission]
    filter_backends: Sequence[Any] = [StrictFilterBackend]
    parser_classes = [StrictJSONParser]
    renderer_classes = [JSONRenderer]
    # The routes are the contract: they do not vary by the project's versioning, and OPTIONS would
    # tell no more than the API's description.
    versioning_class = None
    metadata_class = None
    http_method_names = ["get", "head", "post"]
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    schema = InventorySchema()

    action_permissions: Mapping[str, str] = {}
    documentation: Mapping[str, RouteDoc] = {}
    now: datetime
    scope: SubjectScope

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        """Return the view, which ``ATOMIC_REQUESTS`` leaves alone.

        A request is one call of the ledger, and that is atomic by itself: around it, a transaction
        would only keep the locks for longer and forbid the ledger to retry.
        """
        view = super().as_view(actions, **initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(alias)(view)
        return view

    # Who calls ------------------------------------------------------------------------------

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find out, once the caller is known and permitted, what it may see and what time it is."""
        super().initial(request, *args, **kwargs)
        if "HTTP_TRANSFER_ENCODING" in request.META:
            # A body without a length looks empty here: a commit of a part would become one of all.
            raise RequestRefused("length_required", "A body in chunks is not read here.")
        self.scope = subject_scope(request)
        # The ledger's own clock, so that lists and ledger never differ over what has expired.
        self.now = configured_now()

    def perform_authentication(self, request: Request) -> None:
        """Authenticate, by the classes of the view or the project.

        Raises:
            AuthenticationFailed: also for credentials that the database cannot even be asked for,
                such as a name with NUL in it.
        """
        try:
            super().perform_authentication(request)
        except DataError as error:
            raise AuthenticationFailed from error

    def required_permissions(self) -> list[str]:
        """Return the Django permissions that the request needs.

        Raises:
            ImproperlyConfigured: the action is a subclass's, which names none for it.
        """
        if self.action in {None, "metadata"}:
            # A method that the route does not have; the answer to everybody is 405.
            return []
        if self.action not in self.action_permissions:
            msg = f"{type(self).__name__}.action_permissions lacks {self.action!r}."
            raise ImproperlyConfigured(msg)
        return [self.action_permissions[self.action]]

    def get_caller(self) -> str:
        """Return who calls: the actor of the entries, and the scope of the idempotency keys.

        ``"app_label.model:pk"`` of the user. To be overridden where users are no model instances.
        """
        return check_subject("actor", self.request.user)

    def ledger(self) -> Ledger:
        """Return the configured ledger, with the caller's keys."""
        return configured_ledger.scoped(self.get_caller())

    # What it sees ---------------------------------------------------------------------------

    def stored(self, rows: QuerySet[M], subject_field: str) -> QuerySet[M]:
        """Return rows from the ledger's own database, narrowed to what the caller may see.

        Raises:
            ImproperlyConfigured: the ledger has none, so that an empty list would be a lie.
        """
        alias = configured_alias()
        if alias is None:
            msg = "The HTTP API reads tables, in which the configured ledger keeps nothing."
            raise ImproperlyConfigured(msg)
        return self.scope.narrow(rows.using(alias), subject_field)

    def find_row(self, pk: str) -> Any:
        """Return the row of that number.

        Raises:
            Http404: there is none that the caller may see.
        """
        if pk.isascii() and pk.isdecimal() and len(pk) <= MAX_DIGITS:
            for row in self.get_queryset().filter(pk=int(pk)):
                return row
        raise Http404

    def get_serializer_context(self) -> dict[str, Any]:
        """Add the time to what serializers know."""
        return {**super().get_serializer_context(), "now": getattr(self, "now", None)}

    # What it does ---------------------------------------------------------------------------

    def post_one(self, kind: str, status: int, **fixed: object) -> Response:
        """Do the operation that the request asks for, and answer with its receipt.

        Args:
            kind: the operation's verb.
            status: of the answer that it was done.
            fixed: arguments that the route gives.

        Raises:
            RequestRefused: the key is missing or malformed, or a subject is not the caller's.
            InventoryError: the ledger refuses.
        """
        key = read_key(self.request.headers.get(HEADER))
        required, _ = argument_names(kind)
        if key is None and "key" in required:
            raise _key_missing()
        try:
            operation = make_operation(
                kind, self.request.data, self.get_caller(), fixed={"key": key, **fixed}
            )
            (permitted,) = self.permit([operation])
            if isinstance(permitted, InventoryError):
                raise permitted
            (receipt,) = self.ledger().post([permitted])
        except InvalidOperation as error:
            if error.field == "key" and key is None:
                raise _key_missing() from error
            error.index = None
            raise
        except InventoryError as error:
            error.index = None
            raise
        except RequestRefused as error:
            error.members.pop("index", None)
            raise
        return self.answer(show_receipt(receipt), status, [receipt])

    def permit(
        self, operations: Sequence[Operation | InventoryError]
    ) -> list[Operation | InventoryError]:
        """Return the operations, with an error in the place of those on holds of other subjects.

        A foreign hold and one that does not exist are not told apart.

        Raises:
            RequestRefused: an operation names a subject that is not the caller's.
        """
        permitted = list(operations)
        if not self.scope.is_narrow:
            return permitted
        for index, operation in enumerate(operations):
            self.scope.check(operation, index)
        named = [getattr(operation, "hold_id", None) for operation in operations]
        visible = self._visible_holds({hold_id for hold_id in named if hold_id is not None})
        for index, hold_id in enumerate(named):
            if hold_id is not None and hold_id not in visible:
                permitted[index] = unknown = HoldUnknown(hold_id)
                unknown.index = index
        return permitted

    def _visible_holds(self, hold_ids: set[UUID]) -> set[UUID]:
        if not hold_ids:
            return hold_ids
        rows = self.stored(Hold.objects.filter(pk__in=hold_ids), "balance__subject")
        return set(rows.values_list("pk", flat=True))

    def answer(self, body: Any, status: int, receipts: Sequence[Receipt]) -> Response:
        """Return the answer to what was done; where all of it was done before, say so."""
        response = Response(body, status)
        if receipts and all(receipt.replayed for receipt in receipts):
            response[REPLAYED_HEADER] = "true"
        return response

    # How it is answered ---------------------------------------------------------------------

    def get_exception_handler(self) -> Callable[..., Response | None]:
        """Return the handler of these views, whichever the project has for its own."""
        return handle_exception

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Let a problem go out as what it is, whatever was negotiated."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(response, ProblemResponse):
            response.accepted_renderer = ProblemRenderer()
            response.accepted_media_type = PROBLEM_MEDIA_TYPE
        return response


def _key_missing() -> RequestRefused:
    return RequestRefused(
        "idempotency_key_missing",
        f"This needs the header {HEADER}: the same on every retry, another for what is new.",
    )
