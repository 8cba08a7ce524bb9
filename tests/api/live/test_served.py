"""Served for real: gunicorn with several workers, on PostgreSQL, and several clients at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.api.live import driver
from tests.api.live.conftest import FIGURES, Site, serve
from tests.servers import find_servers

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS: Final = 4
TICKETS: Final = 40
LOAD_SECONDS: Final = 1
ACQUIRE: Final = "/inventory/balances/acquire/"
EMPTY: Final = "/empty/"
BACKENDS: Final = ["DatabaseLedger", "PostgresLedger"]
REASON: Final = find_servers().left_out.get("postgresql", "")

SETTINGS = """
from example.settings import *

ROOT_URLCONF = "served_urls"
INVENTORY = {**INVENTORY, "BACKEND": "django_inventory.ledgers.{backend}"}
"""
URLS = """
from django.urls import path
from example.urls import urlpatterns as example
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class EmptyView(APIView):
    permission_classes = [IsAuthenticated]

    def post(self, request):
        return Response({}, status=201)


urlpatterns = [*example, path("empty/", EmptyView.as_view())]
"""


@contextmanager
def database(name: str) -> Iterator[str]:
    """Make a database on the tests' server, and return its URL."""
    server = os.environ["POSTGRES_URL"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=BACKENDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The example on PostgreSQL, beside a view that does nothing."""
    (tmp_path / "served_settings.py").write_text(SETTINGS.replace("{backend}", request.param))
    (tmp_path / "served_urls.py").write_text(URLS)
    with database(
        f"served_{tmp_path.parent.name}_{request.param}".replace("-", "_").lower()
    ) as url:
        prepared = Site(
            url,
            variables={
                "DJANGO_SETTINGS_MODULE": "served_settings",
                "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
                "DJANGO_SUPERUSER_PASSWORD": "demo",
            },
        )
        prepared.manage("migrate", "--verbosity=0")
        prepared.manage("demo_users")
        # Somebody of whom Django looks up no permissions.
        prepared.manage("createsuperuser", "--noinput", "--username=root", "--email=")
        with serve(
            prepared, tmp_path / "log", "--workers=3", "--threads=2", "--keep-alive=30"
        ) as served:
            yield served


def drive(site: Site, user: str, mode: str, *arguments: str) -> list[dict[str, Any]]:
    """Run clients of one user at the same time, and return what each has to say."""
    token = site.token(user)
    clients = [
        subprocess.Popen(
            [
                *(sys.executable, str(Path(driver.__file__)), mode, site.url, token),
                *(" ".join([f"client {number}", *arguments]), *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(CLIENTS)
    ]
    answers = [client.communicate(timeout=120) for client in clients]
    for client, (_, complaint) in zip(clients, answers, strict=True):
        assert client.returncode == 0, complaint
    return [json.loads(said) for said, _ in answers]


def balances(site: Site, **query: str) -> dict[str, tuple[int, int]]:
    with site.client("clerk") as client:
        rows = client.get("balances/", params={"item": "ticket", **query}).json()["results"]
    return {row["subject"]: (row["quantity"], row["on_hold"]) for row in rows}


@pytest.mark.skipif(bool(REASON), reason=REASON)
def test_nothing_is_sold_twice_and_the_speed_is_told(
    site: Site, request: pytest.FixtureRequest
) -> None:
    assert httpx.get(f"{site.url}/inventory/balances/", auth=("nobody\0", "x")).status_code == 401
    with site.client("clerk") as client:
        stock = driver.ticket("box office", TICKETS)
        key = {"Idempotency-Key": '"print"'}
        assert client.post("balances/acquire/", json=stock, headers=key).status_code == 201

    sellers = drive(site, "clerk", "sell")

    owned = balances(site)
    by_hold = sum(quantity for subject, (quantity, _) in owned.items() if "client" in subject)
    assert sum(seller["sold"] for seller in sellers) == TICKETS
    assert owned["box office"] == (0, 0)
    assert 0 < by_hold < TICKETS
    # Every client asked for the same: it was done once, and all got the one answer.
    assert owned["pool"] == (driver.SHARED, 0)
    assert len({json.dumps(seller["shared"]) for seller in sellers}) == 1
    with site.client("clerk") as client:
        consumed = client.get("entries/", params={"kind": "consume", "page_size": 200}).json()
        held = client.get("entries/", params={"kind": "hold", "page_size": 200}).json()
        assert len(consumed["results"]) + len(held["results"]) == TICKETS
        assert len(held["results"]) == by_hold
    site.manage("verify_inventory")

    empty = _requests_a_second(site, "clerk", EMPTY)
    figures = [
        f"{acquires:,.0f} as {user}, {empty / acquires:.1f} times the cost"
        for user in ("clerk", "root")
        if (acquires := _requests_a_second(site, user, ACQUIRE))
    ]
    request.config.stash.setdefault(FIGURES, []).append(
        f"Served by {request.node.callspec.params['site']}, requests a second: {empty:,.0f} empty "
        f"ones; acquires: {'; '.join(figures)}"
    )


def _requests_a_second(site: Site, user: str, path: str) -> float:
    # Once to fill caches and make balances, and once to count.
    drive(site, user, "load", path, "0.3")
    clients = drive(site, user, "load", path, str(LOAD_SECONDS))
    assert all(client["statuses"].keys() == {"201"} for client in clients), clients
    return float(sum(client["statuses"]["201"] / client["seconds"] for client in clients))
