"""``django_inventory.health``: do overdue holds pile up?"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError, connections
from django.test import RequestFactory, override_settings

from django_inventory.health import MAX_AGE, OverdueHolds, overdue_holds, overdue_holds_view
from django_inventory.operations import Acquire, Hold
from tests.contract.conftest import clock, engine, ledger
from tests.contract.engines import count_queries
from tests.contract.journal import on_databases, only_on

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock, Engine

__all__ = ["clock", "engine", "ledger"]


def place_holds(ledger: Ledger, number: int) -> None:
    ledger.post([Acquire(f"stock {n}", f"s{n}", "gold", 10) for n in range(number)])
    ledger.post(
        [Hold(f"hold {n}", f"s{n}", "gold", 1, timedelta(minutes=n + 1)) for n in range(number)]
    )


@on_databases
def test_it_counts_what_is_overdue_and_tells_the_oldest(
    engine: Engine, ledger: Ledger, clock: Clock
) -> None:
    assert overdue_holds(using=engine.alias, now=clock()) == OverdueHolds()
    place_holds(ledger, 5)
    start = clock()
    assert overdue_holds(using=engine.alias, now=clock()) == OverdueHolds()
    clock.advance(timedelta(minutes=3))
    overdue = overdue_holds(using=engine.alias, now=clock())
    first = start + timedelta(minutes=1)
    assert overdue == OverdueHolds(
        number=3, oldest_expires_at=first, oldest_age=timedelta(minutes=2)
    )
    ledger.expire_holds()
    assert overdue_holds(using=engine.alias, now=clock()) == OverdueHolds()


@on_databases
def test_it_stops_counting_at_the_limit(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    place_holds(ledger, 5)
    clock.advance(timedelta(hours=1))
    counted = [
        (overdue.number, overdue.has_more)
        for limit in (1, 4, 5, 6, None)
        for overdue in [overdue_holds(using=engine.alias, now=clock(), count_limit=limit)]
    ]
    assert counted == [(1, True), (4, True), (5, False), (5, False), (5, False)]


@on_databases
def test_it_takes_two_statements_at_most(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    with count_queries(engine) as counted:
        overdue_holds(using=engine.alias, now=clock())
    assert counted.count == 1
    place_holds(ledger, 5)
    clock.advance(timedelta(hours=1))
    with count_queries(engine) as counted:
        overdue_holds(using=engine.alias, now=clock())
    assert counted.count == 2


@pytest.mark.parametrize(
    ("age", "is_healthy"),
    [(timedelta(), True), (MAX_AGE, True), (MAX_AGE + timedelta(microseconds=1), False)],
)
def test_healthy_is_not_older_than_the_age(age: timedelta, is_healthy: bool) -> None:  # noqa: FBT001 - parametrized
    assert OverdueHolds(oldest_age=age).is_healthy() is is_healthy
    assert OverdueHolds(oldest_age=age).is_healthy(timedelta(days=1))


def test_a_ledger_without_a_database_is_healthy() -> None:
    with override_settings(INVENTORY={"BACKEND": "django_inventory.ledgers.MemoryLedger"}):
        assert overdue_holds() == OverdueHolds()


@on_databases
def test_the_view_answers_200_or_503(engine: Engine, ledger: Ledger, clock: Clock) -> None:
    place_holds(ledger, 2)
    get = RequestFactory().get("/health/")
    options = {"using": engine.alias, "clock": clock}
    with override_settings(INVENTORY={"OPTIONS": options}):
        clock.advance(timedelta(minutes=11))
        response = overdue_holds_view(get)
        assert response.status_code == 200
        assert json.loads(response.content) == {
            "status": "ok",
            "overdue_holds": 2,
            "has_more": False,
            "oldest_age_seconds": 600.0,
            "max_age_seconds": 600.0,
        }
        assert "no-store" in response["Cache-Control"]
        clock.advance(seconds=1)
        assert overdue_holds_view(get).status_code == 503
        assert json.loads(overdue_holds_view(get).content)["status"] == "overdue"
        assert overdue_holds_view(get, max_age=timedelta(minutes=11)).status_code == 200
        assert overdue_holds_view(RequestFactory().post("/health/")).status_code == 405


@only_on("sqlite")
def test_the_view_answers_503_where_the_database_does_not_answer(engine: Engine) -> None:
    def fail(*_: object) -> None:
        raise OperationalError

    with connections["default"].execute_wrapper(fail):
        response = overdue_holds_view(RequestFactory().get("/health/"))
    assert (response.status_code, json.loads(response.content)) == (503, {"status": "error"})
