"""The list of holds, the page of each, and what can be done to them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_inventory import ledger
from django_inventory.admin import hold_actions
from django_inventory.models import Entry, Hold
from tests.admin.conftest import client_of, make_user
from tests.admin.pages import APP, action_data, key_in, messages_of, text_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

    from tests.admin.conftest import Story

URL = f"{APP}/hold/"


def outcomes_of(response: Any) -> dict[UUID, str]:
    return {outcome.row["id"]: outcome.text for outcome in response.context["outcomes"]}


def state_of(response: Any) -> dict[UUID, tuple[str, str]]:
    """Return by hold what the list says of status and time left."""
    model_admin = response.context["cl"].model_admin
    return {
        hold.pk: (text(model_admin.state(hold)), model_admin.left(hold))
        for hold in response.context["cl"].result_list
    }


def text(html: str) -> str:
    return html.split(">")[1].split("<", maxsplit=1)[0]


def place(quantity: int = 1) -> UUID:
    receipt = ledger.hold(
        f"more {uuid4()}", "shop", "gold", quantity, timedelta(hours=1), reference="more"
    )
    assert receipt.hold is not None
    return receipt.hold.id


# The list ----------------------------------------------------------------------------------------


def test_the_list_tells_the_status_as_of_now(viewer: Client, story: Story) -> None:
    response = viewer.get(URL)

    assert state_of(response) == {
        story.overdue: ("expired, not recorded yet", "overdue for 1\N{NO-BREAK SPACE}hour"),
        story.active: ("active", "1\N{NO-BREAK SPACE}hour, 59\N{NO-BREAK SPACE}minutes"),
    }
    page = text_of(response)
    assert "0 of 30" in page
    assert "20 of 20" in page
    assert "inventory-overdue" in response.content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=active", {"active"}),
        ("state=overdue", {"overdue"}),
        ("state=expired", {"overdue", "swept"}),
        ("state=released", {"released"}),
        ("state=committed", set()),
        ("state=nonsense", {"active", "overdue", "released", "swept"}),
        ("subject=shop", {"active", "overdue"}),
        ("subject=sho", set()),
        ("subject=carol&item=gem", {"released", "swept"}),
        ("item=gold", {"active", "overdue"}),
        ("subject=%00", set()),
        ("q=car", {"released", "swept"}),
        ("q=go", {"active", "overdue"}),
        ("q=Go", set()),
    ],
)
def test_filters_and_search(query: str, found: set[str], viewer: Client, story: Story) -> None:
    ledger.acquire("gems", "carol", "gem", 5)
    released = ledger.hold("released", "carol", "gem", 1, 60).hold
    swept = ledger.hold("swept", "carol", "gem", 1, 0.000001).hold
    assert released is not None
    assert swept is not None
    ledger.release(released.id)
    assert ledger.get_hold(swept.id).status == "expired"
    holds = {
        "active": story.active,
        "overdue": story.overdue,
        "released": released.id,
        "swept": swept.id,
    }

    response: Any = viewer.get(f"{URL}?{query}")

    assert {hold.pk for hold in response.context["cl"].result_list} == {
        holds[name] for name in found
    }


def test_a_hold_is_found_by_its_id(viewer: Client, story: Story) -> None:
    response: Any = viewer.get(f"{URL}?q={story.active}")

    assert [hold.pk for hold in response.context["cl"].result_list] == [story.active]


def test_the_page_of_a_hold_tells_its_life(mover: Client, story: Story) -> None:
    page = text_of(mover.get(f"{URL}{story.active}/change/"))

    assert "Hold on gold of shop" in page
    assert "20 of 20" in page
    assert "basket 1" in page
    for verb in ("release", "commit", "extend"):
        assert (
            f"/hold/{verb}/?hold={story.active}"
            in mover.get(f"{URL}{story.active}/change/").content.decode()
        )
    overdue = mover.get(f"{URL}{story.overdue}/change/").content.decode()
    assert "inventory-primary" not in overdue
    assert "expired, not recorded yet" in overdue


def test_the_page_of_a_hold_leaves_out_entries_that_the_user_may_not_see(story: Story) -> None:
    page = text_of(client_of(make_user("a", "view_hold")).get(f"{URL}{story.active}/change/"))

    assert "20 of 20" in page
    assert "Free after" not in page


def test_an_unknown_hold_leads_back_to_the_list(viewer: Client, story: Story) -> None:
    assert viewer.get(f"{URL}{uuid4()}/change/").status_code == 302
    assert viewer.get(f"{URL}nonsense/change/").status_code == 302


# Actions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "free", "held", "told"),
    [
        ("release", 78, 0, "Released: the quantity is free again."),
        ("commit", 58, 0, "Committed: consumed."),
        ("extend", 58, 20, "Extended. Until "),
    ],
)
def test_one_hold(
    verb: str,
    free: int,
    held: int,
    told: str,
    *,
    mover: Client,
    mover_user: User,
    story: Story,
) -> None:
    response: Any = mover.post(f"{URL}{verb}/", action_data(verb, story.active))

    assert outcomes_of(response)[story.active].startswith(told)
    balance = ledger.balance("shop", "gold")
    assert (balance.quantity, balance.on_hold) == (free, held)
    entry = Entry.objects.filter(kind=verb).latest("pk")
    assert (entry.reference, entry.actor) == ("ticket 4", f"auth.user:{mover_user.pk}")
    log = LogEntry.objects.get()
    assert log.object_id == str(story.active)
    assert log.change_message == f"{verb.capitalize()}: ticket 4"
    assert messages_of(response) == ["Done for 1 hold."]


def test_a_hold_is_committed_to_somebody(mover: Client, story: Story) -> None:
    response: Any = mover.post(f"{URL}commit/", action_data("commit", story.active, to="carol"))

    assert outcomes_of(response) == {story.active: "Committed to carol."}
    assert ledger.balance("carol", "gold").quantity == 20


@pytest.mark.parametrize(
    ("keep", "remaining", "free"), [({}, 0, 73), ({"keep_remainder": "on"}, 15, 58)]
)
def test_a_part_is_committed(
    keep: dict[str, str], remaining: int, free: int, mover: Client, story: Story
) -> None:
    data = action_data("commit", story.active, quantity="5", **keep)
    mover.post(f"{URL}commit/", data)

    assert ledger.get_hold(story.active).remaining == remaining
    assert ledger.balance("shop", "gold").quantity == free


def test_more_than_is_held_is_told_at_the_quantity(mover: Client, story: Story) -> None:
    response: Any = mover.post(f"{URL}commit/", action_data("commit", story.active, quantity="21"))

    assert response.context["form"].errors == {
        "quantity": ["This is no quantity, or more than is on hold."]
    }
    assert ledger.get_hold(story.active).remaining == 20


def test_a_commit_to_the_holder_is_told_at_its_field(mover: Client, story: Story) -> None:
    response: Any = mover.post(f"{URL}commit/", action_data("commit", story.active, to="shop"))

    assert list(response.context["form"].errors) == ["to"]


@pytest.mark.parametrize("verb", ["release", "commit", "extend"])
def test_an_action_of_the_list_asks_for_the_reason_first(
    verb: str, mover: Client, story: Story
) -> None:
    entries = Entry.objects.count()
    chosen = {"action": f"{verb}_holds", "_selected_action": [str(story.active)]}

    response: Any = mover.post(URL, chosen)

    assert response.status_code == 200
    assert Entry.objects.count() == entries
    assert f'action="{URL}{verb}/"' in response.content.decode()
    assert f'name="hold" value="{story.active}"' in response.content.decode()
    refused: Any = mover.post(f"{URL}{verb}/", action_data(verb, story.active, reference=""))
    assert list(refused.context["form"].errors) == ["reference"]
    assert Entry.objects.count() == entries


def test_each_hold_is_reported_what_worked_and_what_did_not_and_why(
    mover: Client, story: Story
) -> None:
    committed, fresh, unknown = place(), place(), uuid4()
    ledger.commit(committed, reference="before")
    holds = [story.active, story.overdue, committed, fresh, unknown]

    response: Any = mover.post(f"{URL}extend/", action_data("extend", *holds))

    outcomes = outcomes_of(response)
    assert outcomes[story.active].startswith("Extended. Until ")
    assert outcomes[fresh].startswith("Extended. Until ")
    assert outcomes[story.overdue].startswith("It expired at ")
    assert outcomes[committed] == "It is committed already."
    assert outcomes[unknown] == "There is no such hold."
    assert messages_of(response) == ["Done for 2 holds.", "Refused for 3 holds."]
    assert LogEntry.objects.count() == 2


def test_a_release_that_is_not_needed_is_no_error(mover: Client, story: Story) -> None:
    response: Any = mover.post(f"{URL}release/", action_data("release", story.overdue))

    assert outcomes_of(response) == {
        story.overdue: "Nothing to do: It had expired: the quantity was free already."
    }
    assert messages_of(response) == ["Nothing was to be done for 1 hold."]
    assert not LogEntry.objects.exists()


def test_a_form_that_is_sent_twice_counts_once_for_each_hold(mover: Client, story: Story) -> None:
    other = place(4)
    form = mover.get(f"{URL}extend/?hold={story.active}&hold={other}")
    data = action_data("extend", story.active, other, key=key_in(form))

    mover.post(f"{URL}extend/", data)
    entries = Entry.objects.count()
    again: Any = mover.post(f"{URL}extend/", data)

    assert Entry.objects.count() == entries
    assert all(text.startswith("Nothing to do: ") for text in outcomes_of(again).values())
    assert LogEntry.objects.count() == 2


def test_a_hold_that_is_named_twice_counts_once(mover: Client, story: Story) -> None:
    response: Any = mover.post(f"{URL}release/", action_data("release", story.active, story.active))

    assert list(outcomes_of(response)) == [story.active]


def test_only_so_many_holds_at_a_time(
    mover: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_inventory.admin.holds.MAX_HOLDS", 1)
    monkeypatch.setattr(hold_actions, "MAX_HOLDS", 1)
    both = [str(story.active), str(story.overdue)]

    response: Any = mover.post(
        URL, {"action": "release_holds", "_selected_action": both}, follow=True
    )

    assert messages_of(response) == ["Choose at most 1 holds at a time."]
    data = action_data("release", story.active, story.overdue)
    assert mover.post(f"{URL}release/", data).status_code == 404


@pytest.mark.parametrize("query", ["", "hold=nonsense", "hold=", f"hold={uuid4()}&hold=x"])
def test_a_strange_address_is_not_found(query: str, mover: Client, story: Story) -> None:
    assert mover.get(f"{URL}release/?{query}").status_code == 404


def test_many_holds_take_as_many_statements_as_a_few(mover: Client, story: Story) -> None:
    counts = []
    # The first time, what Django keeps in memory is read too.
    for number in (1, 2, 12):
        holds = [place() for _ in range(number)]
        with CaptureQueriesContext(connection) as queries:
            mover.post(f"{URL}release/", action_data("release", *holds))
        counts.append(len(queries))

    assert Hold.objects.filter(status="released").count() == 15
    assert counts[1] == counts[2]


def test_the_form_says_what_the_holds_reserve_as_of_now(mover: Client, story: Story) -> None:
    page = mover.get(f"{URL}release/?hold={story.active}&hold={story.overdue}").content.decode()

    cells = re.findall(r'<td class="inventory-number">(\d+)</td>', page)
    assert cells == ["20", "0"]
