"""Entries, idempotency records, and the export of the journal."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_inventory import exporting, ledger
from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Entry, IdempotencyRecord
from tests.admin.conftest import VIEWS, client_of, make_user
from tests.admin.pages import APP, movement_data, text_of
from tests.servers import find_servers

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import Settings

    from tests.admin.conftest import Story

ENTRIES = f"{APP}/entry/"
RECORDS = f"{APP}/idempotencyrecord/"
EXPORT = f"{APP}/entry/export/"


def found(response: Any) -> list[Any]:
    return list(response.context["cl"].result_list)


def exported(client: Client, query: str = "") -> list[dict[str, str]]:
    response: Any = client.get(f"{EXPORT}?{query}")
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("", ["basket-2", "basket-1", "gift", "gift", "sale-2", "sale-1", "delivery"]),
        ("kind__exact=hold", ["basket-2", "basket-1"]),
        ("kind=hold", ["basket-2", "basket-1"]),
        ("subject=bob", ["gift"]),
        ("subject=bob&kind=hold", []),
        ("item=gold&subject=shop&kind__exact=consume", ["sale-2", "sale-1"]),
        ("reference=order+1", ["sale-1"]),
        ("reference=order", []),
        ("hold=nonsense", []),
        ("operation=nonsense", []),
        ("q=bo", ["gift"]),
        ("created=1999", []),
        ("created=nonsense", []),
        ("created=2026-13", []),
        ("created=0000", []),
        ("created=9999-12-31", []),
        ("subject=%00", []),
    ],
)
def test_filters_and_search(query: str, keys: list[str], viewer: Client, story: Story) -> None:
    assert [entry.key for entry in found(viewer.get(f"{ENTRIES}?{query}"))] == keys
    assert [row["key"] for row in exported(viewer, query)] == keys[::-1]


def test_entries_are_found_by_hold_and_operation(viewer: Client, story: Story) -> None:
    ledger.release(story.active)
    gift = Entry.objects.filter(key="gift").first()
    assert gift is not None

    of_hold = found(viewer.get(f"{ENTRIES}?hold={story.active}"))
    of_operation = found(viewer.get(f"{ENTRIES}?operation={gift.operation_id}"))
    searched = found(viewer.get(f"{ENTRIES}?q={gift.operation_id}"))

    assert [entry.kind for entry in of_hold] == ["release", "hold"]
    assert [entry.balance.subject for entry in of_operation] == ["bob", "shop"]
    assert searched == of_operation


def test_an_entry_links_to_balance_hold_and_operation(viewer: Client, story: Story) -> None:
    entry = Entry.objects.get(key="basket-1")
    for url in (ENTRIES, f"{ENTRIES}{entry.pk}/change/"):
        content = viewer.get(url).content.decode()
        assert f'href="{APP}/balance/{story.balance.pk}/change/"' in content
        assert f'href="{APP}/hold/{story.active}/change/"' in content
    assert f'href="{ENTRIES}?operation={entry.operation_id}"' in content


def test_what_is_stored_is_not_shown_where_an_expiry_is_not_recorded(
    viewer: Client, story: Story
) -> None:
    story.balance.refresh_from_db()
    assert (story.balance.quantity, story.balance.on_hold) == (28, 50)
    assert str(story.balance) == "shop: gold"
    assert str(story.balance.holds.get(pk=story.overdue)) == str(story.overdue)
    held = Entry.objects.get(key="basket-2")

    for url in (f"{APP}/balance/{story.balance.pk}/history/", f"{ENTRIES}{held.pk}/change/"):
        page = viewer.get(url).content.decode()
        assert "shop: gold" in page
        assert "28 gold" not in page
        assert "active)" not in page


def test_a_record_links_to_its_balances_and_hold(viewer: Client, story: Story) -> None:
    record = IdempotencyRecord.objects.get(key="basket-1")
    for url in (RECORDS, f"{RECORDS}{record.pk}/change/"):
        content = viewer.get(url).content.decode()
        assert f'href="{APP}/balance/{story.balance.pk}/change/"' in content
        assert f'href="{APP}/hold/{story.active}/change/"' in content


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("kind__exact=transfer", ["gift"]),
        ("key=gift", ["gift"]),
        ("key=gif", []),
        ("scope=web", ["scoped"]),
        ("created=1999", []),
    ],
)
def test_records_are_filtered(query: str, keys: list[str], viewer: Client, story: Story) -> None:
    ledger.scoped("web").acquire("scoped", "shop", "gold", 1)

    assert [record.key for record in found(viewer.get(f"{RECORDS}?{query}"))] == keys


# Time --------------------------------------------------------------------------------------------


def at(text: str, key: str, using: str = "default") -> None:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    ledger = DatabaseLedger(clock=lambda: moment, using=using)
    ledger.acquire(key, "alice", "gold", 1)


def periods(response: Any) -> list[str]:
    (spec,) = [each for each in response.context["cl"].filter_specs if each.title == "time"]
    return [str(choice["display"]).strip() for choice in spec.choices(response.context["cl"])]


ALIASES = list(find_servers().databases)


@pytest.mark.django_db(databases=ALIASES)
@pytest.mark.parametrize("alias", ALIASES)
def test_periods_are_those_of_the_time_zone_on_every_database(
    alias: str, settings: Settings
) -> None:
    # Nepal, 5:45 ahead: the new year begins there at 18:15 UTC. No database computes a date here,
    # so MariaDB needs no time zone tables.
    settings.INVENTORY = {"OPTIONS": {"using": alias}}
    at("2024-12-31T18:14:59", "old year", alias)
    at("2024-12-31T18:15:00", "new year", alias)
    at("2025-03-14T12:00:00", "march", alias)
    viewer = client_of(make_user("viewer", *VIEWS))

    def keys(query: str) -> list[str]:
        return [entry.key for entry in found(viewer.get(f"{ENTRIES}?{query}"))]

    assert keys("created=2024") == ["old year"]
    assert keys("created=2025") == ["march", "new year"]
    assert keys("created=2025-01") == ["new year"]
    assert keys("created=2025-01-01") == ["new year"]
    assert keys("created=2024-12-31") == ["old year"]
    assert keys("created=2025-02") == []
    assert [record.key for record in found(viewer.get(f"{RECORDS}?created=2025-03"))] == ["march"]
    years = periods(viewer.get(ENTRIES))
    assert years[0] == "Any time"
    assert years[-2:] == ["2025", "2024"]
    months = periods(viewer.get(f"{ENTRIES}?created=2024"))
    assert months == ["Any time", "2024", "December 2024"]
    days = periods(viewer.get(f"{ENTRIES}?created=2024-12"))
    assert days == ["Any time", "2024", "December 2024", "Dec. 31, 2024"]
    assert periods(viewer.get(f"{ENTRIES}?created=2024-12-31")) == days
    assert viewer.get(f"{APP}/balance/dashboard/").status_code == 200
    assert viewer.get(f"{APP}/balance/").status_code == 200


def test_the_list_asks_the_database_for_no_dates(viewer: Client, story: Story) -> None:
    with CaptureQueriesContext(connections["default"]) as queries:
        viewer.get(f"{ENTRIES}?created=2026")

    assert not [query for query in queries if "trunc" in query["sql"].lower()]


# Export ------------------------------------------------------------------------------------------


def test_the_export_has_every_column(viewer: Client, story: Story) -> None:
    entry = Entry.objects.get(key="basket-1")

    (row,) = exported(viewer, "reference=basket+1")

    assert row == {
        "id": str(entry.pk),
        "created_at": entry.created_at.isoformat(),
        "effective_at": entry.effective_at.isoformat(),
        "operation_id": str(entry.operation_id),
        "kind": "hold",
        "key": "basket-1",
        "subject": "shop",
        "item": "gold",
        "sequence": "5",
        "quantity_delta": "-20",
        "on_hold_delta": "20",
        "quantity_after": "58",
        "on_hold_after": "20",
        "hold_id": str(story.active),
        "hold_remaining": "20",
        "hold_expires_at": str(entry.hold_expires_at and entry.hold_expires_at.isoformat()),
        "actor": "",
        "reference": "basket 1",
        "metadata": "",
    }


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "=cmd|' /C calc'!A0", "\uff1d1", "'=1", "-", '"=1"']
)
def test_no_cell_is_taken_for_a_formula(text: str, viewer: Client, db: None) -> None:
    ledger.acquire(text, text, text, 1, reference=text, actor=text, metadata={text: text})

    (row,) = exported(viewer)

    marked = text if text.startswith('"') else f"'{text}"
    for name in ("subject", "item", "key", "reference", "actor"):
        assert row[name] == marked
    assert row["quantity_delta"] == "1"


def test_a_reference_that_begins_with_blanks_is_marked_too(viewer: Client, db: None) -> None:
    ledger.acquire("k", "alice", "gold", 1, reference="  =1+1")

    assert exported(viewer)[0]["reference"] == "'  =1+1"


def test_the_export_is_streamed_page_by_page(
    viewer: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 10)
    for position in range(25):
        ledger.acquire(f"k {position}", "alice", "gold", 1)

    response: Any = viewer.get(EXPORT)
    assert response.streaming
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="entries-')
    with CaptureQueriesContext(connections["default"]) as queries:
        chunks = list(response.streaming_content)

    assert len(chunks) == 4
    assert b"".join(chunks).count(b"\n") == 26
    # One for the first page, then two each: what is left of the last instant, and what is later.
    assert len(queries) == 7
    assert all(re.search(r"LIMIT \d\d?$", query["sql"]) for query in queries)


def test_the_export_button_keeps_the_filters(viewer: Client, story: Story) -> None:
    content = viewer.get(f"{ENTRIES}?kind__exact=hold&subject=shop&p=1").content.decode()

    assert f'href="{EXPORT}?kind__exact=hold&amp;subject=shop"' in content


def test_a_strange_export_leads_back_to_the_list(viewer: Client, story: Story) -> None:
    assert viewer.get(f"{EXPORT}?nonsense=1").status_code == 302
    assert viewer.post(EXPORT).status_code == 405


def test_the_export_needs_the_permission_to_view_entries(story: Story) -> None:
    others = client_of(make_user("others", "view_balance", "view_hold"))

    assert others.get(EXPORT).status_code == 403


def test_an_unknown_entry_leads_back(viewer: Client, story: Story) -> None:
    assert viewer.get(f"{ENTRIES}987654/change/").status_code == 302
    assert viewer.get(f"{ENTRIES}{uuid4()}/change/").status_code == 302


def test_what_was_done_from_the_site_is_in_its_history(
    mover: Client, mover_user: User, story: Story
) -> None:
    mover.post(f"{APP}/balance/acquire/", movement_data("acquire"))

    history = text_of(mover.get(f"{APP}/balance/{story.balance.pk}/history/"))
    assert "Acquired 3 of gold for shop. order 9" in history
