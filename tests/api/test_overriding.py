"""What a project changes by subclassing a viewset, as anywhere in Django REST framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import action
from rest_framework.filters import SearchFilter
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient
from rest_framework.throttling import UserRateThrottle

from django_inventory.api.permissions import VIEW_BALANCE
from django_inventory.api.views import BalanceViewSet
from django_inventory.models import Entry
from tests.api.conftest import ALL_PERMISSIONS, Caller, code, problem
from tests.api.factories import BalanceFactory, UserFactory
from tests.api.routes import GOLD

if TYPE_CHECKING:
    from pytest_django import Settings
    from rest_framework.request import Request


class IsOnOurNetwork(BasePermission):
    code = "off_our_network"
    message = "Come in first."

    def has_permission(self, request: Request, _view: Any) -> bool:
        return str(request.META["REMOTE_ADDR"]).startswith("127.")


class TwiceAMinute(UserRateThrottle):
    rate = "2/min"


class Guarded(BalanceViewSet):
    permission_classes = [*BalanceViewSet.permission_classes, IsOnOurNetwork]


class Throttled(BalanceViewSet):
    throttle_classes = [TwiceAMinute]


class Searched(BalanceViewSet):
    """Other pages, one more filter backend, and an action of the project's own."""

    pagination_class = LimitOffsetPagination
    filter_backends = [*BalanceViewSet.filter_backends, SearchFilter]
    search_fields = ["item"]
    action_permissions = {**BalanceViewSet.action_permissions, "total": VIEW_BALANCE}

    @action(detail=False)
    def total(self, _request: Request) -> Response:
        """Add up what the caller sees."""
        return Response({"total": sum(row.free_quantity for row in self.get_queryset())})


class Service:
    """A caller that is no row of any table."""

    is_authenticated = True
    name = "billing"


class ServiceAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Service, None] | None:
        return (Service(), None) if request.headers.get("X-Service") == "secret" else None

    def authenticate_header(self, _request: Request) -> str:
        return "X-Service"


class ForServices(BalanceViewSet):
    authentication_classes = [ServiceAuthentication]
    permission_classes = [IsAuthenticated]

    def get_caller(self) -> str:
        """Return the service's name, which is its own scope of keys."""
        return f"service:{self.request.user.name}"  # type: ignore[union-attr]


router = SimpleRouter()
router.register("guarded", Guarded, basename="guarded")
router.register("throttled", Throttled, basename="throttled")
router.register("searched", Searched, basename="searched")
router.register("services", ForServices, basename="services")
urlpatterns = [path("inventory/", include(router.urls))]


@pytest.fixture(autouse=True)
def project(settings: Settings, clock: object) -> None:
    settings.ROOT_URLCONF = __name__


def test_permissions_are_added_and_keep_their_codes(caller: Caller) -> None:
    assert caller.get("guarded/").status_code == 200

    caller.http.defaults["REMOTE_ADDR"] = "192.0.2.1"
    response = caller.get("guarded/")

    assert response.status_code == 403
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "Come in first.",
        "code": "off_our_network",
    }
    nobody = Caller(UserFactory.create())
    assert code(nobody.get("guarded/")) == (403, "permission_denied")


def test_throttling(caller: Caller) -> None:
    cache.clear()
    statuses = [caller.get("throttled/").status_code for _ in range(2)]

    response = caller.get("throttled/")

    assert statuses == [200, 200]
    assert code(response) == (429, "throttled")
    assert 0 < int(response.headers["Retry-After"]) <= 60


def test_pages_and_filters(caller: Caller) -> None:
    for item in ("gold", "gold leaf", "silver"):
        BalanceFactory.create(item=item)

    page = caller.get("searched/", search="gold", limit=1, offset=1, subject="alice").json()

    assert page["count"] == 2
    assert [row["item"] for row in page["results"]] == ["gold leaf"]
    # What the project's paginator does not know is refused as before.
    assert problem(caller.get("searched/", page_size=1))["errors"] == {
        "page_size": ["is not known here."]
    }
    assert caller.get("searched/total/").json() == {"total": 30}


def test_users_that_are_no_model_instances(db: None) -> None:
    client = APIClient(headers={"X-Service": "secret", "Idempotency-Key": "k"})
    stranger = APIClient().post("/inventory/services/acquire/", GOLD, format="json")
    assert code(stranger) == (401, "not_authenticated")
    assert stranger.headers["WWW-Authenticate"] == "X-Service"

    first = client.post("/inventory/services/acquire/", GOLD, format="json")
    again = client.post("/inventory/services/acquire/", GOLD, format="json")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Entry.objects.get().actor == "service:billing"
    user = Caller(UserFactory.create(permissions=ALL_PERMISSIONS))
    assert user.post("searched/acquire/", GOLD, "k").headers.get("Idempotent-Replayed") is None


def test_the_description_has_what_the_project_added() -> None:
    generator: Any = SchemaGenerator
    description = generator(patterns=urlpatterns).get_schema(request=None, public=True)

    listed = description["paths"]["/inventory/searched/"]["get"]
    names = {parameter["name"] for parameter in listed["parameters"]}
    assert {"limit", "offset", "search", "subject__startswith"} <= names
    assert "page" not in names
    total = description["paths"]["/inventory/searched/total/"]["get"]
    assert total["description"] == "Add up what the caller sees."
