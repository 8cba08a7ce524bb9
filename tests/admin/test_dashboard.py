"""The dashboard: how the ledger is doing, as far as the user may know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache

from django_inventory import ledger
from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import KINDS, Entry
from tests.admin.conftest import client_of, make_user
from tests.admin.pages import APP, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings

    from tests.admin.conftest import Story

URL = f"{APP}/balance/dashboard/"
KEY = "django_inventory.verification"


@pytest.fixture(autouse=True)
def _no_result() -> Iterator[None]:
    cache.delete(KEY)
    yield
    cache.delete(KEY)


def figures(response: Any) -> dict[str, str]:
    return {figure["name"]: figure["value"] for figure in response.context["figures"]}


def test_the_figures(viewer: Client, story: Story) -> None:
    response = viewer.get(URL)

    assert figures(response) == {"Balances": "2", "Active holds": "1", "Overdue holds": "1"}
    assert "the expiry of the oldest is 1\N{NO-BREAK SPACE}hour old" in response.content.decode()
    ledger.expire_holds()
    swept = viewer.get(URL)
    assert figures(swept) == {"Balances": "2", "Active holds": "1", "Overdue holds": "0"}
    assert "Every expiry is recorded." in text_of(swept)


def test_counting_stops_at_a_bound(
    viewer: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_inventory.admin.dashboard.MOST_COUNTED", 2)

    assert figures(viewer.get(URL))["Balances"] == "more than 1"


def test_operations_are_counted_by_the_hour(viewer: Client, settings: Settings) -> None:
    # At 12:00 UTC it is 17:45 in the tests' time zone, 45 minutes into the hour.
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    settings.INVENTORY = {"OPTIONS": {"clock": lambda: now}}

    def at(key: str, moment: datetime) -> DatabaseLedger:
        ledger = DatabaseLedger(clock=lambda: moment)
        ledger.acquire(key, "alice", "gold", 5)
        return ledger

    at("in this hour", now - timedelta(minutes=45)).transfer("t", "alice", "bob", "gold", 1)
    at("in the hour before", now - timedelta(minutes=46))
    at("at the start of the first hour", now - timedelta(hours=23, minutes=45))
    at("before that", now - timedelta(hours=23, minutes=46))

    response: Any = viewer.get(URL)

    # The transfer is one operation, though it has two entries.
    assert "4 operations in the last 24 hours." in text_of(response)
    rows = response.context["operations_rows"]
    assert len(rows) == 24
    assert [row for row in rows if row[1] != "0"] == [
        ("18:00", "1"),
        ("16:00", "1"),
        ("17:00", "2"),
    ]


def test_each_operation_counts_once_whatever_it_is(viewer: Client, story: Story) -> None:
    ledger.commit(story.active, quantity=1, keep_remainder=True, to="bob", key="part")
    ledger.commit(story.active, quantity=2, keep_remainder=True, key="consumed part")
    ledger.extend(story.active, 60)
    ledger.commit(story.active, quantity=3, to="carol")
    ledger.transfer("back", "carol", "shop", "gold", 1)
    freed = ledger.hold("freed", "shop", "gold", 1, 60).hold
    assert freed is not None
    ledger.release(freed.id)
    ledger.expire_holds()
    # Two of the story's are older than a day.
    operations = set(Entry.objects.values_list("operation_id", flat=True))
    assert set(Entry.objects.values_list("kind", flat=True)) == {kind for kind, _ in KINDS}

    page = text_of(viewer.get(URL))

    assert f"{len(operations) - 2} operations in the last 24 hours." in page


def test_the_biggest_holders_of_an_item(viewer: Client, story: Story) -> None:
    ledger.acquire("a", "carol", "gem", 500)

    holders = viewer.get(f"{URL}?item=gold").context["holders"]
    by_default = viewer.get(URL).context

    assert [
        (holder["subject"], holder["free"], holder["held"], holder["total"]) for holder in holders
    ] == [
        ("shop", "58", "20", "78"),
        ("bob", "7", "0", "7"),
    ]
    assert by_default["item"] == "gem"
    assert by_default["items"] == ["gem", "gold"]
    assert [holder["subject"] for holder in by_default["holders"]] == ["carol"]


@pytest.mark.parametrize("item", ["nothing", "%00", "x" * 300, "%20%20", "<b>"])
def test_an_item_that_nobody_has(item: str, viewer: Client, db: None) -> None:
    assert "Nobody has any of it." in text_of(viewer.get(f"{URL}?item={item}"))


def test_an_empty_ledger(viewer: Client, db: None) -> None:
    response = viewer.get(URL)

    assert figures(response) == {"Balances": "0", "Active holds": "0", "Overdue holds": "0"}
    assert "0 operations in the last 24 hours." in text_of(response)


def test_what_a_user_may_not_see_is_left_out(story: Story) -> None:
    response: Any = client_of(make_user("blind", "view_balance")).get(URL)

    assert figures(response) == {"Balances": "2"}
    assert "Operations per hour" not in text_of(response)


# Verification ------------------------------------------------------------------------------------


def test_no_verification_is_known(viewer: Client, db: None) -> None:
    page = text_of(viewer.get(URL))

    assert "No result is known. manage.py verify_inventory holds all" in page
    assert "not shared between processes" in page


def test_a_shared_cache_is_taken_for_one(
    viewer: Client, db: None, settings: Settings, tmp_path: Path
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(tmp_path),
        }
    }

    assert "not shared between processes" not in text_of(viewer.get(URL))


@pytest.mark.parametrize(
    ("mismatches", "repaired", "told"),
    [
        (0, 0, "The books balance: nothing differs from the journal."),
        (1, 0, "1 thing differed from the journal, 0 of which were repaired."),
        (3, 3, "3 things differed from the journal, 3 of which were repaired."),
    ],
)
def test_the_last_verification_is_told(
    mismatches: int, repaired: int, told: str, viewer: Client, db: None
) -> None:
    finished_at = datetime.now(UTC) - timedelta(hours=2)
    result = {
        "finished_at": finished_at.isoformat(),
        "entries": 1234,
        "mismatches": mismatches,
        "repaired": repaired,
    }
    cache.set(KEY, result, None)

    response = viewer.get(URL)

    assert told in text_of(response)
    assert "1,234 entries were verified 2\N{NO-BREAK SPACE}hours ago" in response.content.decode()
    css_class = "inventory-done" if mismatches == repaired else "inventory-refused"
    assert f'class="{css_class}">{told}' in response.content.decode()


@pytest.mark.parametrize(
    "result",
    [
        "nonsense",
        {},
        {"finished_at": "nonsense", "entries": 1, "mismatches": 0, "repaired": 0},
        {"finished_at": "2026-03-01T12:00:00", "entries": 1, "mismatches": 0, "repaired": 0},
        {"finished_at": "2026-03-01T12:00:00Z", "entries": None, "mismatches": 0, "repaired": 0},
    ],
)
def test_a_result_of_another_form_is_none(result: Any, viewer: Client, db: None) -> None:
    cache.set(KEY, result, None)

    assert "No result is known." in text_of(viewer.get(URL))
