"""The list of balances, and the page that tells why one is what it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_inventory import ledger
from django_inventory.admin import readonly
from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Balance
from tests.admin.conftest import client_of, make_user
from tests.admin.pages import APP, text_of

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

    from tests.admin.conftest import Story

URL = f"{APP}/balance/"
HOUR = "\N{NO-BREAK SPACE}hour"


def rows_of(response: Any) -> list[tuple[str, ...]]:
    """Return the list as it is shown."""
    rows = re.findall(r"<tr>(<th class=\"field.*?)</tr>", response.content.decode(), re.DOTALL)
    return [
        tuple(
            " ".join(re.sub(r"<[^>]+>", "", cell).split())
            for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)
        )
        for row in rows
    ]


def make_balances(number: int) -> None:
    for position in range(number):
        ledger.acquire(f"many {position}", f"subject:{position:04}", "coin", position + 1)


# The list ----------------------------------------------------------------------------------------


def test_the_list_counts_overdue_holds_as_free(viewer: Client, story: Story) -> None:
    response = viewer.get(URL)

    assert rows_of(response) == [
        ("bob", "gold", "7", "0", "7", "\N{EN DASH}"),
        (
            "shop",
            "gold",
            "58",
            "20",
            "78",
            f"in 1{HOUR}, 59\N{NO-BREAK SPACE}minutes".replace("\xa0", " "),
        ),
    ]


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("", ["Shop", "bob", "empty", "shop", "shop"]),
        ("q=sho", ["shop", "shop"]),
        ("q=Sho", ["Shop"]),
        ("q=gol", ["Shop", "bob", "shop"]),
        ("q=%20gol%20", ["Shop", "bob", "shop"]),
        ("q=old", []),
        ("q=%25", []),
        ("q=s_op", []),
        ("item=gold", ["Shop", "bob", "shop"]),
        ("item=gol", []),
        ("subject=shop", ["shop", "shop"]),
        ("subject=shop&item=gold", ["shop"]),
        ("holds=yes", ["shop"]),
        ("holds=no", ["Shop", "bob", "empty", "shop"]),
        ("empty=yes", ["empty"]),
        ("empty=no", ["Shop", "bob", "shop", "shop"]),
        ("subject=%00", []),
        ("o=-0", ["shop", "shop", "empty", "bob", "Shop"]),
        ("o=1", ["empty", "shop", "Shop", "bob", "shop"]),
        ("o=nonsense", ["Shop", "bob", "empty", "shop", "shop"]),
        ("p=nonsense", ["Shop", "bob", "empty", "shop", "shop"]),
    ],
)
def test_search_filters_and_order(
    query: str, subjects: list[str], viewer: Client, story: Story
) -> None:
    ledger.acquire("a", "Shop", "gold", 1)
    ledger.acquire("b", "shop", "gems", 1)
    ledger.acquire("c", "empty", "coin", 1)
    ledger.consume("d", "empty", "coin", 1)
    # On hold until just now, and nobody has recorded that.
    ledger.hold("e", "shop", "gems", 1, 0.000001)

    assert [row[0] for row in rows_of(viewer.get(f"{URL}?{query}"))] == subjects


@pytest.mark.parametrize("query", ["nonsense=1", "p=9999", "subject__nonsense=1", "e=1"])
def test_a_strange_address_does_no_harm(query: str, viewer: Client, story: Story) -> None:
    assert viewer.get(f"{URL}?{query}", follow=True).status_code == 200


@pytest.mark.parametrize(
    "path", ["balance/", "hold/", "entry/", "idempotencyrecord/", "balance/dashboard/"]
)
def test_a_page_takes_as_many_statements_for_many_rows_as_for_few(
    path: str, superuser: Client, story: Story
) -> None:
    counts = []
    for number in (2, 40):
        make_balances(number)
        for position in range(number):
            name = f"subject:{position:04}"
            actor = f"auth.user:{position}"
            ledger.hold(f"hold {number} {position}", name, "coin", 1, 600, actor=actor)
            ledger.acquire(f"top up {number} {position}", name, "coin", 2)
            ledger.transfer(f"gift {number} {position}", name, "bob", "coin", 1)
        superuser.get(f"{APP}/{path}")
        with CaptureQueriesContext(connection) as queries:
            response = superuser.get(f"{APP}/{path}")
        assert response.status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[1] <= 12


@pytest.mark.parametrize("path", ["balance/", "hold/", "entry/", "idempotencyrecord/"])
def test_a_list_is_counted_up_to_a_bound(
    path: str, superuser: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_balances(60)
    ledger.acquire("stock", "shop", "coin", 100)
    for position in range(60):
        ledger.hold(f"hold {position}", "shop", "coin", 1, 600)
    monkeypatch.setattr(readonly, "MAX_COUNTED", 55)

    with CaptureQueriesContext(connection) as queries:
        response: Any = superuser.get(f"{APP}/{path}")

    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert counts
    assert all("LIMIT 56" in sql for sql in counts)
    assert "There are more than 55: further pages show" in text_of(response)
    assert response.context["cl"].paginator.num_pages == 2


@pytest.mark.parametrize("path", ["balance/", "hold/", "entry/", "idempotencyrecord/"])
def test_every_row_has_a_page_though_not_all_are_counted(
    path: str, superuser: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_balances(40)
    for position in range(40):
        ledger.hold(f"hold {position}", f"subject:{position:04}", "coin", 1, 600)
    monkeypatch.setattr(readonly, "MAX_COUNTED", 15)
    monkeypatch.setattr(readonly.ReadOnlyAdmin, "list_per_page", 10)
    seen: list[object] = []
    page = last = 1
    while page <= last:
        changes = superuser.get(f"{APP}/{path}?p={page}").context["cl"]
        seen += [row.pk for row in changes.result_list]
        last = changes.paginator.num_pages
        page += 1

    model = changes.model
    assert len(seen) == len(set(seen)) == model.objects.count() > 40
    assert changes.paginator.more_than == ""
    for strange in (last + 1, 10**30, 0, -1):
        assert superuser.get(f"{APP}/{path}?p={strange}").status_code == 302
    assert superuser.get(f"{APP}/{path}?p={'1' * 5000}").status_code == 200


def test_choosing_a_balance_elsewhere_neither_counts_nor_lists_them_all(
    viewer: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the admin of another app asks, whose foreign key to a balance is an autocomplete field.
    make_balances(30)
    monkeypatch.setattr(readonly, "MAX_COUNTED", 25)
    of_hold = "app_label=django_inventory&model_name=hold&field_name=balance"

    with CaptureQueriesContext(connection) as queries:
        found = viewer.get(f"/admin/autocomplete/?{of_hold}&term=subject").json()

    assert len(found["results"]) == 20
    assert found["results"][0]["text"] == "subject:0000: coin"
    read = [each["sql"] for each in queries if "inventory_balance" in each["sql"]]
    assert len(read) == 2
    assert all(re.search("LIMIT 2[06]", sql) for sql in read)


def test_results_are_told_only_where_something_was_sought(viewer: Client, story: Story) -> None:
    assert "2 results (" not in viewer.get(URL).content.decode()
    assert "1 result (" in viewer.get(f"{URL}?q=bob").content.decode()
    assert "1 result (" in viewer.get(f"{URL}?subject=bob").content.decode()


@pytest.mark.parametrize("query", ["", "o=1", "q=subject:00", "subject=shop", "item=gold", "o=-0"])
def test_a_list_is_read_by_an_index_and_never_sorted(
    query: str, viewer: Client, story: Story
) -> None:
    with CaptureQueriesContext(connection) as queries:
        viewer.get(f"{URL}?{query}")

    (page,) = [
        each["sql"]
        for each in queries
        if "free_quantity" in each["sql"] and "COUNT" not in each["sql"]
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {page}")
        plan = " / ".join(row[3] for row in cursor.fetchall())
    assert "USING INDEX inventory_balance" in plan or "sqlite_autoindex" in plan, plan
    if not query.startswith("q="):
        assert "SCAN django_inventory_balance /" not in f"{plan} /"
        assert "USE TEMP B-TREE FOR ORDER BY" not in plan.split("CORRELATED")[0], plan


# The page ----------------------------------------------------------------------------------------


def test_the_page_tells_why_fewer_are_free_than_yesterday(viewer: Client, story: Story) -> None:
    page = text_of(viewer.get(f"{URL}{story.balance.pk}/change/"))

    assert "Free 58 On hold 20 Total 78" in page
    assert "32 fewer are free than 1 day ago: 58 now, 90 then." in page
    why = page.split("Why Times Free On hold Total ")[1].split(" Over time")[0]
    minus = "\N{MINUS SIGN}"
    assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", why) == (
        "At TIME 90 0 90 "
        f"Put on hold: reserved, and free again unless committed in time 2 {minus}50 +50 0 "
        f"Transferred out, to another subject 1 {minus}7 0 {minus}7 "
        f"Consumed: left for good 1 {minus}5 0 {minus}5 "
        f"Expired holds: free again 1 +30 {minus}30 0 "
        "Now, at TIME 58 20 78"
    )


def test_all_unrecorded_expiries_count_however_many(
    viewer: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Before the story's own is over, which the next movement would record.
    at = datetime.now(UTC) - timedelta(minutes=62)
    then = DatabaseLedger(clock=lambda: at)
    for number in range(1, 5):
        then.hold(f"lost {number}", "shop", "gold", 3, 60 * number, reference="lost")
    monkeypatch.setattr("django_inventory.admin.history.MOST_OVERDUE", 2)
    monkeypatch.setattr("django_inventory.admin.balance_page.MOST_OVERDUE", 3)

    page = text_of(viewer.get(f"{URL}{story.balance.pk}/change/"))

    # As much as without them, since all are over.
    assert "Free 58 On hold 20 Total 78" in page
    assert "32 fewer are free than 1 day ago: 58 now, 90 then." in page
    assert re.search("Now, at [^A-Z]* 58 20 78", page)
    assert "Expired holds: free again 5 +42" in page
    assert "more than 2 holds have expired" in page


def test_the_page_leads_to_holds_that_expired_unrecorded(viewer: Client, story: Story) -> None:
    url = f"{URL}{story.balance.pk}/change/"
    told = "1 hold has expired, and what it reserved is free again."
    here = f'href="{APP}/hold/?subject=shop&amp;item=gold&amp;state='

    content = viewer.get(url).content.decode()
    assert told in content
    assert f'{here}overdue"' in content
    assert f'{here}expired">Expired holds: free again' in content
    ledger.expire_holds()
    content = viewer.get(url).content.decode()
    assert told not in content
    assert f'{here}expired">Expired holds: free again' in content


def test_the_page_leaves_out_what_the_user_may_not_see(story: Story) -> None:
    url = f"{URL}{story.balance.pk}/change/"

    alone = text_of(client_of(make_user("a", "view_balance")).get(url))
    holds = text_of(client_of(make_user("b", "view_balance", "view_hold")).get(url))
    entries = text_of(client_of(make_user("c", "view_balance", "view_entry")).get(url))

    for page in (alone, holds, entries):
        assert "Free 58 On hold 20 Total 78" in page
    parts = ("What changed", "Over time", "Active holds", "Last entries")
    assert [part for part in parts if part in alone] == []
    assert [part for part in parts if part in holds] == ["Active holds"]
    assert [part for part in parts if part in entries] == [
        "What changed",
        "Over time",
        "Last entries",
    ]


def test_who_was_at_the_other_end_is_told(viewer: Client, story: Story) -> None:
    ledger.commit(story.active, to="carol")
    bob = Balance.objects.get(subject="bob")

    page = text_of(viewer.get(f"{URL}{story.balance.pk}/change/"))
    assert "commit to carol 0" in page
    assert "transfer to bob" in page
    assert "transfer from shop" in text_of(viewer.get(f"{URL}{bob.pk}/change/"))
    listed = text_of(viewer.get(f"{APP}/entry/"))
    assert "commit from shop" in listed
    assert "transfer to bob" in listed
    of_hold = text_of(viewer.get(f"{APP}/hold/{story.active}/change/"))
    assert "commit from shop carol: gold" in of_hold
    assert "commit to carol shop: gold" in of_hold


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ("7", "58 more are free than 7 days ago: 58 now, 0 then."),
        ("30", "58 more are free than 30 days ago: 58 now, 0 then."),
        ("1", "32 fewer are free than 1 day ago: 58 now, 90 then."),
        ("nonsense", "32 fewer are free than 1 day ago: 58 now, 90 then."),
    ],
)
def test_the_window_is_chosen(days: str, sentence: str, viewer: Client, story: Story) -> None:
    page = text_of(viewer.get(f"{URL}{story.balance.pk}/change/?days={days}"))

    assert sentence in page


def test_nothing_happened(viewer: Client, db: None) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=400)
    DatabaseLedger(clock=lambda: long_ago).acquire("a", "alice", "gold", 5)

    page = text_of(viewer.get(f"{URL}{Balance.objects.get().pk}/change/"))

    assert "As many are free as 1 day ago: 5." in page
    assert "Nothing happened to it in that time." in page
    assert "Nothing is on hold." in page


def test_the_end_of_a_long_journal_is_read_and_no_more(
    viewer: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_inventory.admin.history.MOST_CHANGES", 5)
    monkeypatch.setattr("django_inventory.admin.balance_page.SHOWN_STEPS", 4)
    monkeypatch.setattr("django_inventory.admin.balance_page.SHOWN_ENTRIES", 3)
    for position in range(8):
        ledger.acquire(f"a {position}", "alice", "gold", 1)

    response: Any = viewer.get(f"{URL}{Balance.objects.get().pk}/change/")

    page = text_of(response)
    assert "Free now: 8. At " in page
    assert "as far back as is counted here: 3." in page
    assert "The last changes only." in page
    assert len(response.context["entries"]) == 3
    assert len(response.context["chart_rows"]) == 5


def test_the_page_shows_entries_with_the_people_by_name(
    mover: Client, mover_user: Any, story: Story
) -> None:
    ledger.acquire("by hand", "shop", "gold", 1, reference="found", actor=mover_user)
    ledger.acquire("gone", "shop", "gold", 1, actor="auth.user:987654")
    ledger.acquire("odd", "shop", "gold", 1, actor="auth.user:x")

    page = text_of(mover.get(f"{URL}{story.balance.pk}/change/"))

    assert f"found mover (auth.user:{mover_user.pk})" in page
    assert "auth.user:987654" in page
    assert "auth.user:x" in page


def test_a_late_expiry_tells_both_its_times(viewer: Client, story: Story) -> None:
    ledger.expire_holds()

    page = text_of(viewer.get(f"{URL}{story.balance.pk}/change/"))

    assert "recorded 20" in page
    assert "32 fewer are free than 1 day ago: 58 now, 90 then." in page


def test_the_picture_has_a_title_a_description_and_a_table(viewer: Client, story: Story) -> None:
    content = viewer.get(f"{URL}{story.balance.pk}/change/").content.decode()

    assert 'role="img" aria-labelledby="inventory-chart-title inventory-chart-desc"' in content
    assert "gold of shop over time</title>" in content
    assert content.count('<td class="inventory-number">58</td>') >= 2
    # Nothing that a strict Content-Security-Policy would refuse.
    assert "style=" not in content.split('id="content"')[1]


def test_coordinates_are_written_alike_in_every_language(
    viewer: Client, story: Story, settings: Settings
) -> None:
    settings.LANGUAGE_CODE = "de"
    settings.USE_THOUSAND_SEPARATOR = True
    ledger.acquire("more", "shop", "gold", 1_000_000)

    content = viewer.get(f"{URL}{story.balance.pk}/change/").content.decode()

    assert "1.000.058" in content
    path = re.search(r'class="inventory-area-free" d="M([^"]+)Z"', content)
    assert path
    for corner in path[1].split(" L"):
        assert re.fullmatch(r"[0-9]+(\.[0-9])?,[0-9]+(\.[0-9])?", corner), corner


@pytest.mark.parametrize("quantity", [1, 2**63 - 1])
def test_the_picture_holds_any_quantity(quantity: int, viewer: Client, db: None) -> None:
    ledger.acquire("all", "alice", "gold", quantity)
    ledger.consume("gone", "alice", "gold", quantity)

    response = viewer.get(f"{URL}{Balance.objects.get().pk}/change/")

    assert response.status_code == 200
    assert f"{quantity:,}" in text_of(response)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "'\"><b>x", "a/b?c=d&e#f", "ü 日本"])
def test_any_name_is_shown_as_it_is(name: str, superuser: Client, db: None) -> None:
    ledger.acquire(name, name, name, 5, reference=name, actor=name, metadata={name: name})
    hold = ledger.hold(f"{name} hold", name, name, 1, 600, reference=name, metadata={name: name})
    assert hold.hold is not None
    balance = Balance.objects.get()

    for path in (
        "balance/",
        f"balance/{balance.pk}/change/",
        "hold/",
        f"hold/{hold.hold.id}/change/",
        "entry/",
        "entry/1/change/",
        "idempotencyrecord/",
        "balance/dashboard/",
        f"hold/commit/?hold={hold.hold.id}",
    ):
        content = superuser.get(f"{APP}/{path}").content.decode()
        assert "<script>alert" not in content
        assert "'\"><b>" not in content
    link = re.search(
        r'<a class="inventory-tool inventory-primary" href="([^"]+)">Consume',
        superuser.get(f"{APP}/balance/{balance.pk}/change/").content.decode(),
    )
    assert link
    form: Any = superuser.get(link[1].replace("&amp;", "&")).context["form"]
    assert (form["subject"].value(), form["item"].value()) == (name, name)
