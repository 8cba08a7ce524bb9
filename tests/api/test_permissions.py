"""Who may do what: nobody anything by default, and one permission for each verb and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ImproperlyConfigured
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

from django_inventory.api.views import BalanceViewSet
from tests.api.conftest import ALL_PERMISSIONS, Caller, code
from tests.api.factories import UserFactory
from tests.api.routes import ROUTES, VERBS, Route, operation, stock

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import Settings
    from rest_framework.request import Request

    from django_inventory.ledgers import Ledger

WHO = ["anonymous", "nothing", *ALL_PERMISSIONS, "all but this", "alice alone", "bob alone"]


def make_caller(who: str, permission: str) -> Caller:
    """Return a client of somebody.

    ``alice alone`` and ``bob alone`` may do all, but are narrowed to those subjects.
    """
    if who == "anonymous":
        return Caller(None)
    permissions = {
        "nothing": [],
        "all but this": [name for name in ALL_PERMISSIONS if name != permission],
        "alice alone": ALL_PERMISSIONS,
        "bob alone": ALL_PERMISSIONS,
    }.get(who, [who])
    subjects = {"alice alone": "alice bob", "bob alone": "bob"}.get(who, "")
    return Caller(UserFactory.create(permissions=permissions, last_name=subjects))


@pytest.fixture
def scope(settings: Settings) -> None:
    settings.INVENTORY = {
        **settings.INVENTORY,
        "API_SUBJECT_SCOPE": "tests.api.project.subjects_of",
    }


@pytest.mark.django_db
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_the_table(scope: None, ledger: Ledger, rows: Any, route: Route, who: str) -> None:
    names = stock(ledger)
    before = rows()

    response = route.send(make_caller(who, route.permission), names)

    if who == "anonymous":
        assert code(response) == (401, "not_authenticated")
        assert response.headers["WWW-Authenticate"] == "Token"
    elif who == "bob alone" and route.foreign is None:
        assert response.status_code == 200
        assert response.json()["results"] == []
    elif who == "bob alone":
        assert code(response) == route.foreign
    elif who in {route.permission, "alice alone"}:
        assert response.status_code == route.status, response.content
        if route.method == "get" and "results" in response.json():
            assert response.json()["results"]
    else:
        assert code(response) == (403, "permission_denied")
    if response.status_code >= 400:
        assert rows() == before


@pytest.mark.django_db
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("verb", VERBS)
def test_the_table_of_batches(
    scope: None, ledger: Ledger, rows: Any, *, verb: str, atomic: bool, who: str
) -> None:
    permission, body = VERBS[verb]
    batch = {"atomic": atomic, "operations": [operation(verb, stock(ledger)["hold"])]}
    before = rows()

    response = make_caller(who, permission).post("operations/", batch)

    if who == "anonymous":
        assert code(response) == (401, "not_authenticated")
    elif who == "bob alone" and "key" in body:
        assert code(response) == (403, "subject_forbidden")
        assert response.json()["index"] == 0
    elif who == "bob alone" and atomic:
        assert code(response) == (404, "hold_unknown")
        assert response.json()["index"] == 0
    elif who == "bob alone":
        (result,) = response.json()["results"]
        assert (result["status"], result["problem"]["code"]) == (404, "hold_unknown")
    elif who in {permission, "alice alone"}:
        assert response.status_code == (201 if atomic else 200), response.content
        assert rows() != before
        return
    else:
        assert code(response) == (403, "permission_denied")
    assert rows() == before


@pytest.mark.django_db
def test_a_batch_needs_the_permissions_of_all_its_verbs(ledger: Ledger, rows: Any) -> None:
    hold = stock(ledger)["hold"]
    batch = {"operations": [operation("acquire", hold), operation("release", hold)]}
    before = rows()

    for permissions in (["acquire_balance"], ["release_hold"]):
        caller = Caller(UserFactory.create(permissions=permissions))
        assert code(caller.post("operations/", batch)) == (403, "permission_denied")
    assert rows() == before
    caller = Caller(UserFactory.create(permissions=["acquire_balance", "release_hold"]))
    assert caller.post("operations/", batch).status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_there_are_no_other_methods(ledger: Ledger, route: Route, method: str) -> None:
    path = "/inventory/" + route.path.format(**stock(ledger))
    client = APIClient()
    assert code(getattr(client, method)(path)) == (401, "not_authenticated")

    client.force_authenticate(UserFactory.create())
    response = getattr(client, method)(path)

    assert code(response) == (405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) <= {"GET", "HEAD", "POST"}


@pytest.mark.django_db
def test_an_action_of_the_projects_own_says_what_it_needs() -> None:
    class Audited(BalanceViewSet):
        def audit(self, _request: Request) -> Response:
            return Response({})

    class Permitted(Audited):
        action_permissions = {**BalanceViewSet.action_permissions, "audit": "auth.view_user"}

    def audit(view: type[Audited], user: User) -> Any:
        request = APIRequestFactory().get("/")
        force_authenticate(request, user)
        return view.as_view({"get": "audit"})(request)

    superuser = UserFactory.create(is_superuser=True)
    with pytest.raises(ImproperlyConfigured, match=r"Audited\.action_permissions lacks 'audit'"):
        audit(Audited, superuser)
    assert audit(Permitted, superuser).status_code == 200
    assert audit(Permitted, UserFactory.create()).status_code == 403


@pytest.mark.django_db
def test_the_permissions_are_those_of_the_verbs_and_reads_alone() -> None:
    names = Permission.objects.filter(content_type__app_label="django_inventory")

    assert set(names.values_list("codename", flat=True)) == {
        *ALL_PERMISSIONS,
        "view_idempotencyrecord",
    }
