"""Writers die by SIGKILL and PostgreSQL crashes, again and again; no key acts twice or never.

What is left in the tables is, entry by entry, what a MemoryLedger has in which the same was done
once and undisturbed.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from django.db import connections

from tests.proof.profiles import amount
from tests.proof.servers.engines import DATABASE_LEDGER, POSTGRES_LEDGERS, on_ledgers
from tests.proof.servers.ordeals import (
    WriterProcess,
    assert_all_is_as_if_nothing_had_happened,
    assert_life_goes_on,
    crash_again_and_again,
    figures_of,
    kill_again_and_again,
)
from tests.proof.servers.own_databases import JOURNAL_MODES, OWN, own_postgres, own_sqlite

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

    from tests.proof.report import Report

pytestmark = pytest.mark.crowded

WRITERS = ("ann", "bob", "cid")
LOAD = 30
"""Intents between two crashes."""


def kill_writer(alias: str, ledger: str, report: Report, database: str) -> None:
    kills = amount(ci=40, long=400)
    writer = WriterProcess(connections[alias].settings_dict, ledger, "ann")
    kill_again_and_again(writer, kills, random.Random())  # noqa: S311 - no secret
    assert_all_is_as_if_nothing_had_happened(alias, [writer])
    assert_life_goes_on(alias, [writer])
    report.add(
        f"killed writers, {report.name(database, ledger)}", kills=kills, **figures_of([writer])
    )


@on_ledgers
def test_killed_writers_on_a_server(alias: str, ledger: str, report: Report) -> None:
    kill_writer(alias, ledger, report, alias)


@pytest.mark.parametrize("journal_mode", JOURNAL_MODES)
def test_killed_writers_on_sqlite(
    journal_mode: str, report: Report, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock(), own_sqlite(journal_mode):
        kill_writer(OWN, DATABASE_LEDGER, report, "sqlite")


@pytest.mark.parametrize("ledger", POSTGRES_LEDGERS)
def test_crashes_of_postgresql(
    ledger: str, report: Report, django_db_blocker: DjangoDbBlocker
) -> None:
    crashes = amount(ci=5, long=25)
    with django_db_blocker.unblock(), own_postgres() as server:
        writers = [WriterProcess(server.settings(), ledger, name) for name in WRITERS]
        crash_again_and_again(writers, server.crash_and_restart, crashes, LOAD)
        assert_all_is_as_if_nothing_had_happened(OWN, writers)
        assert_life_goes_on(OWN, writers)
    name = report.name("postgresql", ledger)
    report.add(f"crashes of PostgreSQL, {name}", crashes=crashes, **figures_of(writers))
