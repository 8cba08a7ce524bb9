"""Served for real: gunicorn with several workers, on PostgreSQL, and several clients at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
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
SECONDS_TO_START: Final = 2
ACQUIRE: Final = "/inventory/balances/acquire/"
EMPTY: Final = "/empty/"
GUARDED: Final = "/guarded/"
MAX_COST: Final = {"DatabaseLedger": 10, "PostgresLedger": 5}
"""How many empty requests an acquire may cost at most, by ledger. Three times what is usual, since
others may be at work on the machine."""
REASON: Final = find_servers().left_out.get("postgresql", "")

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

SETTINGS = """
from example.settings import *

ROOT_URLCONF = "served_urls"
INVENTORY = {**INVENTORY, "BACKEND": "django_inventory.ledgers.{backend}"}
"""
URLS = """
from django.urls import path
from example.urls import urlpatterns as example
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class EmptyView(APIView):
    permission_classes = [IsAuthenticated]

    def post(self, request):
        return Response({}, status=201)


class MayAcquire(BasePermission):
    def has_permission(self, request, view):
        return request.user.has_perm("django_inventory.acquire_balance")


class GuardedView(EmptyView):
    permission_classes = [IsAuthenticated, MayAcquire]


urlpatterns = [
    *example,
    path("empty/", EmptyView.as_view()),
    path("guarded/", GuardedView.as_view()),
]
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


@pytest.fixture(scope="module", params=list(MAX_COST))
def backend(request: pytest.FixtureRequest) -> str:
    """The name of the ledger's class."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def site(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The example on PostgreSQL, beside views that do nothing."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "served_settings.py").write_text(SETTINGS.replace("{backend}", backend))
    (folder / "served_urls.py").write_text(URLS)
    with database(f"served_{folder.parent.name}_{backend}".replace("-", "_").lower()) as url:
        prepared = Site(
            url,
            variables={
                "DJANGO_SETTINGS_MODULE": "served_settings",
                "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
            },
        )
        prepared.manage("migrate", "--verbosity=0")
        prepared.manage("demo_users")
        with serve(
            prepared, folder / "log", "--workers=3", "--threads=2", "--keep-alive=30"
        ) as served:
            yield served


def drive(site: Site, mode: str, *arguments: str) -> list[Any]:
    """Run clients of the clerk's at the same time, and return what each has to say."""
    clients = [
        subprocess.Popen(
            [
                *(sys.executable, str(Path(driver.__file__)), mode, site.url, site.token("clerk")),
                *(f"client {number}", *arguments),
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


def test_nothing_is_sold_twice(site: Site) -> None:
    assert httpx.get(f"{site.url}/inventory/balances/", auth=("nobody\0", "x")).status_code == 401
    with site.client("clerk") as client:
        stock = driver.ticket("box office", TICKETS)
        key = {"Idempotency-Key": '"print"'}
        assert client.post("balances/acquire/", json=stock, headers=key).status_code == 201

    sellers = drive(site, "sell")

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


def test_what_a_request_costs(site: Site, backend: str, request: pytest.FixtureRequest) -> None:
    """Beside empty views: one with the same authentication, one with the same permission too."""
    with site.client("clerk") as client:
        made = [
            {"kind": "acquire", "key": f"first {number}", **driver.load_body(number)}
            for number in range(driver.BALANCES)
        ]
        assert client.post("operations/", json={"operations": made}).status_code == 201
    kinds = [
        (EMPTY, "clerk"),
        (GUARDED, "clerk"),
        (ACQUIRE, "clerk"),
        # Of whom Django looks up no permissions.
        (ACQUIRE, "boss"),
    ]
    rounds = measure(site, kinds)

    speeds = [f"{median(speed):,.0f}" for speed in zip(*rounds, strict=True)]
    costs = {
        "boss": median(empty / by_boss for empty, _, _, by_boss in rounds),
        "clerk": median(guarded / by_clerk for _, guarded, by_clerk, _ in rounds),
        "strange": median(empty / by_clerk for empty, _, by_clerk, _ in rounds),
    }
    request.config.stash.setdefault(FIGURES, []).append(
        f"Served by {backend}, a second: {speeds[0]} empty requests and {speeds[3]} acquires by a "
        f"superuser, {costs['boss']:.2f} times the cost; behind a permission {speeds[1]} empty "
        f"requests and {speeds[2]} acquires, {costs['clerk']:.2f} times the cost, and "
        f"{costs['strange']:.2f} times that of an empty request without a permission."
    )
    assert costs["boss"] < MAX_COST[backend]
    assert costs["clerk"] < MAX_COST[backend]


def measure(site: Site, kinds: list[tuple[str, str]]) -> list[list[float]]:
    """Return the requests a second of all clients together, round by round, kind by kind.

    To be compared within a round, so that what else the machine does is in all of it.
    """
    requests = [part for path, user in kinds for part in (path, site.token(user))]
    clients = drive(site, "load", str(time.time() + SECONDS_TO_START), *requests)
    rounds = [
        [sum(speeds) for speeds in zip(*by_client, strict=True)]
        for by_client in zip(*clients, strict=True)
    ]
    # The first one fills caches.
    return rounds[1:]
