"""Lists: filters, order, pages, statements, and what they say between expiry and sweep."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.conftest import Caller, place_hold
from tests.api.factories import NOW, BalanceFactory, EntryFactory, HoldFactory, UserFactory
from tests.servers import find_servers

if TYPE_CHECKING:
    from factory.django import DjangoModelFactory
    from pytest_django import Settings

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Clock

LISTS: dict[str, tuple[type[DjangoModelFactory[Any]], int]] = {
    "balances": (BalanceFactory, 2),
    "holds": (HoldFactory, 2),
    "entries": (EntryFactory, 1),
}
"""By list, what fills it, and its statements: the rows and, with numbered pages, their count."""


@pytest.fixture
def reader(db: None) -> Caller:
    """A superuser, of whom no permissions are looked up."""
    return Caller(UserFactory.create(is_superuser=True))


def results(caller: Caller, path: str, **query: Any) -> list[dict[str, Any]]:
    response = caller.get(path, **query)
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def subjects(caller: Caller, **query: Any) -> list[str]:
    return [row["subject"] for row in results(caller, "balances/", **query)]


@pytest.mark.parametrize("name", LISTS)
def test_as_many_statements_for_a_hundred_rows_as_for_one(reader: Caller, name: str) -> None:
    factory, expected = LISTS[name]
    for rows in (1, 100):
        factory.create_batch(rows - factory._meta.model._base_manager.count())
        with CaptureQueriesContext(connection) as captured:
            assert len(results(reader, f"{name}/", page_size=100)) == rows
        assert len(captured) == expected, captured.captured_queries


@pytest.mark.parametrize("name", LISTS)
def test_one_row_is_one_statement(reader: Caller, name: str) -> None:
    row = LISTS[name][0].create()
    with CaptureQueriesContext(connection) as captured:
        assert reader.get(f"{name}/{row.pk}/").status_code == 200
    assert len(captured) == 1


@pytest.mark.parametrize("name", LISTS)
def test_pages_are_bounded(reader: Caller, name: str) -> None:
    LISTS[name][0].create_batch(60)

    assert len(results(reader, f"{name}/")) == 50
    assert len(results(reader, f"{name}/", page_size=200)) == 60
    assert reader.get(f"{name}/", page_size=201).status_code == 400


@pytest.mark.parametrize("name", LISTS)
def test_every_row_is_on_one_page(reader: Caller, name: str) -> None:
    rows = LISTS[name][0].create_batch(7)
    url: str | None = f"/inventory/{name}/?page_size=3"
    pages = []
    while url:
        page = reader.http.get(url).json()
        pages.append([row["id"] for row in page["results"]])
        url = page["next"]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert {str(pk) for page in pages for pk in page} == {str(row.pk) for row in rows}


def test_the_pages_of_the_journal_stay_while_it_grows(reader: Caller) -> None:
    first = [entry.pk for entry in EntryFactory.create_batch(4)]
    page = reader.get("entries/", page_size=2).json()
    EntryFactory.create_batch(3)

    following = reader.http.get(page["next"]).json()

    assert [entry["id"] for entry in page["results"]] == first[:1:-1]
    assert [entry["id"] for entry in following["results"]] == first[1::-1]
    back = reader.http.get(following["previous"]).json()
    assert back["results"] == page["results"]


def test_the_journal_can_be_followed_from_its_beginning(reader: Caller) -> None:
    pks = [entry.pk for entry in EntryFactory.create_batch(5)]
    page = reader.get("entries/", page_size=3, ordering="id").json()

    assert [entry["id"] for entry in page["results"]] == pks[:3]
    following = reader.http.get(page["next"]).json()
    assert [entry["id"] for entry in following["results"]] == pks[3:]
    assert following["next"] is None


@pytest.fixture(params=list(find_servers().databases))
def names(request: pytest.FixtureRequest, settings: Settings) -> None:
    """A balance for each of some names that are easily taken for one another, on every database."""
    options = {**settings.INVENTORY["OPTIONS"], "using": request.param}
    settings.INVENTORY = {"OPTIONS": options}
    for subject in ("Alice", "alice", "alice 2", "alicé", "al_ce", "al%ce", "bob", "b,ob"):
        BalanceFactory.build(subject=subject, item=f"of {subject}").save(using=request.param)


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"subject": "alice"}, {"alice"}),
        ({"subject": "ALICE"}, set()),
        ({"subject__startswith": "alice"}, {"alice", "alice 2"}),
        ({"subject__startswith": "alice "}, {"alice 2"}),
        ({"subject__startswith": "A"}, {"Alice"}),
        ({"subject__startswith": "al_"}, {"al_ce"}),
        ({"subject__startswith": "al%"}, {"al%ce"}),
        ({"subject__startswith": "alicé"}, {"alicé"}),
        ({"subject__startswith": "zz"}, set()),
        ({"subject__in": ["alice", "b,ob", "nobody"]}, {"alice", "b,ob"}),
        ({"subject__in": "b,ob"}, {"b,ob"}),
        ({"item": "of bob"}, {"bob"}),
        ({"item__startswith": "of b"}, {"bob", "b,ob"}),
        ({"item__in": ["of bob", "of alice"]}, {"bob", "alice"}),
        ({"item__startswith": "of", "subject__startswith": "b"}, {"bob", "b,ob"}),
        ({"subject": "alice", "item": "of bob"}, set()),
    ],
)
def test_names_are_compared_exactly(
    reader: Caller, names: None, query: dict[str, Any], expected: set[str]
) -> None:
    assert set(subjects(reader, **query)) == expected


@pytest.mark.django_db(databases="__all__")
def test_order(reader: Caller, names: None) -> None:
    by_name = sorted(subjects(reader))

    assert subjects(reader, ordering="subject") == by_name
    assert subjects(reader, ordering="-subject") == by_name[::-1]
    assert subjects(reader, ordering="item") == by_name
    assert subjects(reader, ordering="-item") == by_name[::-1]
    assert subjects(reader, ordering="id") == subjects(reader)
    assert subjects(reader, ordering="-id") == subjects(reader)[::-1]


def test_what_is_owned_no_longer(reader: Caller) -> None:
    BalanceFactory.create(subject="free")
    BalanceFactory.create(
        subject="held", quantity=0, on_hold=1, next_expiry_at=NOW + timedelta(seconds=1)
    )
    BalanceFactory.create(subject="gone", quantity=0)

    assert subjects(reader, non_zero="true") == ["free", "held"]
    assert subjects(reader, non_zero="false") == ["gone"]
    assert subjects(reader) == ["free", "held", "gone"]


@pytest.fixture
def holds(ledger: Ledger, clock: Clock) -> dict[str, str]:
    """A hold of every status, and one that is overdue but not swept; each in a subject's name."""
    ids = {}
    for subject, ttl in (("swept", 1), ("overdue", 10), ("active", 60), ("done", 60), ("freed", 9)):
        ledger.acquire(f"stock {subject}", subject, "gold", 10)
        ids[subject] = place_hold(ledger, subject, "gold", 4, ttl)
    ledger.commit(ids["done"])
    ledger.release(ids["freed"])
    clock.advance(seconds=1)
    assert ledger.expire_holds() == 1
    clock.advance(seconds=9)
    return ids


def held_by(caller: Caller, **query: Any) -> set[str]:
    return {hold["subject"] for hold in results(caller, "holds/", **query)}


def test_holds_by_their_status_as_of_now(reader: Caller, holds: dict[str, str]) -> None:
    assert held_by(reader, status="active") == {"active"}
    assert held_by(reader, status="expired") == {"swept", "overdue"}
    assert held_by(reader, status="committed") == {"done"}
    assert held_by(reader, status="released") == {"freed"}
    assert held_by(reader) == set(holds)


def test_between_expiry_and_sweep(
    reader: Caller, holds: dict[str, str], ledger: Ledger, clock: Clock
) -> None:
    """An overdue hold is expired and its quantity free, in details and lists, to the instant."""

    def shown() -> tuple[Any, ...]:
        (balance,) = results(reader, "balances/", subject="overdue")
        (hold,) = results(reader, "holds/", subject="overdue")
        assert reader.get(f"holds/{holds['overdue']}/").json() == hold
        assert reader.get(f"balances/{balance['id']}/").json() == balance
        return (
            (balance["quantity"], balance["on_hold"]),
            (hold["status"], hold["remaining"], hold["expires_at"], hold["resolved_at"]),
        )

    clock.set(NOW + timedelta(seconds=10, microseconds=-1))
    expires_at = "2026-03-01T12:30:25.123456Z"
    assert shown() == ((6, 4), ("active", 4, expires_at, None))
    clock.set(NOW + timedelta(seconds=10))
    unswept = shown()
    assert unswept == ((10, 0), ("expired", 0, expires_at, expires_at))
    clock.advance(seconds=5)
    assert ledger.expire_holds() == 1
    assert shown() == unswept


def test_holds_by_when_they_expire(reader: Caller, holds: dict[str, str]) -> None:
    at = (NOW + timedelta(seconds=10)).isoformat()

    assert held_by(reader, expires_at__lt=at) == {"swept", "freed"}
    assert held_by(reader, expires_at__gte=at) == {"overdue", "active", "done"}
    assert held_by(reader, expires_at__gte=at, expires_at__lt=at) == set()
    order = [hold["subject"] for hold in results(reader, "holds/", ordering="expires_at")]
    assert order[:3] == ["swept", "freed", "overdue"]
    backwards = results(reader, "holds/", ordering="-expires_at")
    assert [hold["subject"] for hold in backwards][::-1] == order
    assert [h["id"] for h in results(reader, "holds/", ordering="-id")] == [
        h["id"] for h in results(reader, "holds/")
    ][::-1]


def test_holds_by_subject_and_item(reader: Caller, holds: dict[str, str]) -> None:
    assert held_by(reader, subject="active") == {"active"}
    assert held_by(reader, subject__in=["active", "done"]) == {"active", "done"}
    assert held_by(reader, subject__startswith="sw") == {"swept"}
    assert held_by(reader, item="gold", subject="done") == {"done"}
    assert held_by(reader, item="silver") == set()


def test_the_journal_by_all_that_can_be_asked(reader: Caller, ledger: Ledger, clock: Clock) -> None:
    ledger.acquire("a", "alice", "gold", 10, reference="note 1")
    clock.advance(seconds=1)
    transferred = ledger.transfer("t", "alice", "bob", "gold", 3)
    clock.advance(seconds=1)
    hold = place_hold(ledger, "bob", "gold", 2)
    ledger.release(hold)

    def kinds(**query: Any) -> list[tuple[str, str]]:
        entries = results(reader, "entries/", ordering="id", **query)
        return [(entry["kind"], entry["subject"]) for entry in entries]

    everything = [
        ("acquire", "alice"),
        ("transfer", "alice"),
        ("transfer", "bob"),
        ("hold", "bob"),
        ("release", "bob"),
    ]
    assert kinds() == everything
    assert kinds(subject="alice") == everything[:2]
    assert kinds(subject__startswith="b", item="gold") == everything[2:]
    assert kinds(item__in=["silver"]) == []
    assert kinds(kind="transfer") == everything[1:3]
    assert kinds(key="t") == everything[1:3]
    assert kinds(operation_id=str(transferred.operation_id)) == everything[1:3]
    assert kinds(hold=hold) == everything[3:]
    assert kinds(reference="note 1") == everything[:1]
    at = (NOW + timedelta(seconds=1)).isoformat()
    assert kinds(created_at__lt=at) == everything[:1]
    assert kinds(created_at__gte=at) == everything[1:]
    later = (NOW + timedelta(seconds=1, microseconds=1)).isoformat()
    assert kinds(created_at__gte=at, created_at__lt=later) == everything[1:3]


def test_an_expiry_in_the_journal(reader: Caller, holds: dict[str, str]) -> None:
    (entry,) = results(reader, "entries/", kind="expire")

    assert entry["hold"] == holds["swept"]
    assert (entry["hold_remaining"], entry["actor"], entry["key"]) == (0, "", None)
    assert entry["effective_at"] == entry["hold_expires_at"] == "2026-03-01T12:30:16.123456Z"
    assert entry["created_at"] == "2026-03-01T12:30:16.123456Z"


def test_links_keep_the_filters(reader: Caller) -> None:
    BalanceFactory.create_batch(3, subject="a&b c")
    page = reader.get("balances/", subject="a&b c", page_size=2).json()

    assert page["count"] == 3
    following = reader.http.get(page["next"]).json()
    assert len(following["results"]) == 1
    assert following["previous"] == (
        "http://testserver/inventory/balances/?page_size=2&subject=a%26b+c"
    )


def test_a_ledger_without_tables_is_not_shown_as_an_empty_one(
    reader: Caller, settings: Settings
) -> None:
    settings.INVENTORY = {"BACKEND": "django_inventory.ledgers.MemoryLedger"}

    for name in LISTS:
        with pytest.raises(ImproperlyConfigured, match="reads tables"):
            reader.get(f"{name}/")


def test_head_is_get_without_a_body(reader: Caller) -> None:
    BalanceFactory.create()

    response = reader.http.head("/inventory/balances/")

    assert response.status_code == 200
