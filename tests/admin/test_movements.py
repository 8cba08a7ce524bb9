"""The forms that move quantities: what they post, what they refuse, and that each counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry

from django_inventory import ledger
from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Balance, Entry, Hold, IdempotencyRecord
from tests.admin.conftest import MOVES, VIEWS, client_of, make_user
from tests.admin.pages import ADMIN, APP, key_in, messages_of, movement_data, text_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

    from django_inventory.operations import Operation
    from tests.admin.conftest import Story

Standing = dict[tuple[str, str], tuple[int, int]]


def standing() -> Standing:
    return {
        (balance.subject, balance.item): (balance.quantity, balance.on_hold)
        for balance in ledger.balances("shop") + ledger.balances("bob")
    }


@pytest.mark.parametrize(
    ("verb", "after", "told"),
    [
        ("acquire", {"shop": (61, 20), "bob": (7, 0)}, "Acquired 3 of gold for shop."),
        ("consume", {"shop": (55, 20), "bob": (7, 0)}, "Consumed 3 of gold from shop."),
        ("transfer", {"shop": (55, 20), "bob": (10, 0)}, "Transferred 3 of gold from shop to bob."),
        ("hold", {"shop": (55, 23), "bob": (7, 0)}, "Put 3 of gold on hold for shop."),
    ],
)
def test_a_movement_is_posted_told_and_logged(
    verb: str,
    after: dict[str, tuple[int, int]],
    told: str,
    *,
    mover: Client,
    mover_user: User,
    story: Story,
) -> None:
    response: Any = mover.post(f"{APP}/balance/{verb}/", movement_data(verb), follow=True)

    assert response.redirect_chain == [(f"{APP}/balance/{story.balance.pk}/change/", 302)]
    free, held = after["shop"]
    assert standing() == {(subject, "gold"): after[subject] for subject in after}
    (message,) = messages_of(response)
    assert message.startswith(told)
    assert message.endswith(f"shop has {free} of gold free and {held} on hold.")
    entry = Entry.objects.filter(kind=verb).latest("pk")
    assert (entry.reference, entry.actor) == ("order 9", f"auth.user:{mover_user.pk}")
    record = IdempotencyRecord.objects.latest("pk")
    assert (record.scope, record.kind) == (f"admin:{mover_user.pk}", verb)
    log = LogEntry.objects.get()
    assert (log.user, log.object_id) == (mover_user, str(story.balance.pk))
    assert log.change_message.startswith(told)
    assert log.change_message.endswith("order 9")


def test_a_hold_lasts_as_long_as_the_form_says(mover: Client, story: Story) -> None:
    mover.post(f"{APP}/balance/hold/", movement_data("hold", duration="2", unit="days"))

    hold = Hold.objects.latest("pk")
    assert (hold.expires_at - hold.created_at).total_seconds() == 2 * 86_400


def test_what_nobody_had_before_gets_a_balance(mover: Client, db: None) -> None:
    data = movement_data("acquire", subject="carol", item="sword")
    response: Any = mover.post(f"{APP}/balance/acquire/", data, follow=True)

    balance = Balance.objects.get()
    assert response.redirect_chain[0][0] == f"{APP}/balance/{balance.pk}/change/"
    assert (balance.subject, balance.item, balance.quantity) == ("carol", "sword", 3)


# Once ---------------------------------------------------------------------------------------------


def test_a_form_that_is_sent_twice_counts_once_and_says_so(mover: Client, story: Story) -> None:
    url = f"{APP}/balance/acquire/"
    data = movement_data("acquire", key_in(mover.get(url)))

    mover.post(url, data, follow=True)
    entries = Entry.objects.count()
    again: Any = mover.post(url, data, follow=True)

    assert standing()["shop", "gold"] == (61, 20)
    assert Entry.objects.count() == entries
    assert LogEntry.objects.count() == 1
    (message,) = messages_of(again)
    assert message.startswith("This form had been sent before, and it counts once. Acquired 3 ")


def test_every_rendering_has_a_key_of_its_own(mover: Client, story: Story) -> None:
    url = f"{APP}/balance/acquire/"

    assert key_in(mover.get(url)) != key_in(mover.get(url))


def test_the_key_survives_a_refusal(mover: Client, story: Story) -> None:
    url = f"{APP}/balance/consume/"
    key = key_in(mover.get(url))

    refused: Any = mover.post(url, movement_data("consume", key, quantity="59"))
    assert key_in(refused) == key
    assert mover.post(url, movement_data("consume", key)).status_code == 302


def test_a_form_that_was_changed_after_it_was_sent_is_told_and_gets_a_new_key(
    mover: Client, story: Story
) -> None:
    url = f"{APP}/balance/acquire/"
    key = key_in(mover.get(url))
    mover.post(url, movement_data("acquire", key))

    changed: Any = mover.post(url, movement_data("acquire", key, quantity="4"))

    assert changed.status_code == 200
    assert "sent before with another quantity" in text_of(changed)
    assert standing()["shop", "gold"] == (61, 20)
    assert key_in(changed) != key
    mover.post(url, movement_data("acquire", key_in(changed), quantity="4"))
    assert standing()["shop", "gold"] == (65, 20)


def test_the_key_of_one_user_is_another_than_that_of_another(mover: Client, story: Story) -> None:
    other = client_of(make_user("other", *VIEWS, *MOVES))
    data = movement_data("acquire", str(uuid4()))

    mover.post(f"{APP}/balance/acquire/", data)
    other.post(f"{APP}/balance/acquire/", data)

    assert standing()["shop", "gold"] == (64, 20)


# Refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["consume", "transfer", "hold"])
def test_a_shortage_is_told_at_the_quantity_with_what_is_free(
    verb: str, mover: Client, story: Story
) -> None:
    before = (standing(), Entry.objects.count(), IdempotencyRecord.objects.count())

    response: Any = mover.post(f"{APP}/balance/{verb}/", movement_data(verb, quantity="59"))

    assert response.status_code == 200
    assert response.context["form"].errors == {"quantity": ["Only 58 of gold are free for shop."]}
    assert (standing(), Entry.objects.count(), IdempotencyRecord.objects.count()) == before
    assert not LogEntry.objects.exists()


def test_an_overflow_is_told_at_the_quantity_with_the_room_that_is_left(
    mover: Client, story: Story
) -> None:
    data = movement_data("acquire", quantity=str(2**63 - 1))
    response: Any = mover.post(f"{APP}/balance/acquire/", data)

    assert response.context["form"].errors == {
        "quantity": ["shop has room for 9,223,372,036,854,775,729 more of gold."]
    }


@pytest.mark.parametrize(
    ("verb", "changes", "field"),
    [
        ("acquire", {"reference": ""}, "reference"),
        ("acquire", {"reference": "  "}, "reference"),
        ("acquire", {"reference": "x" * 256}, "reference"),
        ("acquire", {"reference": "a\x07b"}, "reference"),
        ("acquire", {"reference": "a\x00b"}, "reference"),
        ("acquire", {"subject": ""}, "subject"),
        ("acquire", {"subject": "x" * 256}, "subject"),
        ("acquire", {"subject": "a\tb"}, "subject"),
        ("acquire", {"item": "a\x85b"}, "item"),
        ("acquire", {"quantity": ""}, "quantity"),
        ("acquire", {"quantity": "0"}, "quantity"),
        ("acquire", {"quantity": "-1"}, "quantity"),
        ("acquire", {"quantity": "1.5"}, "quantity"),
        ("acquire", {"quantity": "1e3"}, "quantity"),
        ("acquire", {"quantity": str(2**63)}, "quantity"),
        ("acquire", {"quantity": "9" * 5000}, "quantity"),
        ("acquire", {"key": "not a key"}, "key"),
        ("acquire", {"key": "", "reference": "x"}, "key"),
        ("transfer", {"destination": "shop"}, "destination"),
        ("transfer", {"source": "a\tb"}, "source"),
        ("hold", {"duration": "0"}, "duration"),
        ("hold", {"duration": "52596001"}, "duration"),
        ("hold", {"duration": "52596000", "unit": "days"}, "__all__"),
        ("hold", {"unit": "centuries"}, "unit"),
    ],
)
def test_what_cannot_be_right_is_told_at_its_field(
    verb: str, changes: dict[str, str], field: str, mover: Client, story: Story
) -> None:
    entries = Entry.objects.count()

    data = movement_data(verb) | changes
    response: Any = mover.post(f"{APP}/balance/{verb}/", data)

    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert Entry.objects.count() == entries


def test_a_busy_database_is_told_and_the_same_form_may_be_sent_again(
    mover: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_busy(*_: Operation, **__: Any) -> None:
        msg = "deadlock"
        raise LedgerBusy(msg)

    data = movement_data("acquire")
    with monkeypatch.context() as patched:
        patched.setattr(DatabaseLedger, "_post", be_busy)
        response: Any = mover.post(f"{APP}/balance/acquire/", data)

    assert "The database is busy. Nothing was counted" in text_of(response)
    assert key_in(response) == data["key"]
    assert mover.post(f"{APP}/balance/acquire/", data).status_code == 302


def test_the_log_entry_and_the_movement_are_there_together_or_not_at_all(
    mover: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        msg = "the disk is full"
        raise OSError(msg)

    before = standing()
    monkeypatch.setattr(LogEntry.objects.__class__, "log_actions", fail)

    with pytest.raises(OSError, match="the disk is full"):
        mover.post(f"{APP}/balance/acquire/", movement_data("acquire"))

    assert standing() == before


# Around -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["acquire", "consume", "transfer", "hold"])
def test_a_form_knows_the_balance_that_it_was_opened_from(
    verb: str, mover: Client, story: Story
) -> None:
    response: Any = mover.get(f"{APP}/balance/{verb}/?subject=shop&item=gold")

    form = response.context["form"]
    assert form["source" if verb == "transfer" else "subject"].value() == "shop"
    assert form["item"].value() == "gold"
    assert "shop has 58 of gold free and 20 on hold." in text_of(response)


def test_who_may_not_see_balances_is_not_told_what_they_are(story: Story) -> None:
    blind = client_of(make_user("blind", "acquire_balance"))
    url = f"{APP}/balance/acquire/"

    assert "58" not in text_of(blind.get(f"{url}?subject=shop&item=gold"))
    response: Any = blind.post(url, movement_data("acquire"))
    assert response["Location"] == url


def test_a_strange_address_does_no_harm(mover: Client, story: Story) -> None:
    for query in ("subject=%00&item=%FF", "subject=" + "x" * 300, "subject=&item=", "item=a%0Ab"):
        assert mover.get(f"{APP}/balance/hold/?{query}").status_code == 200


def test_the_index_links_to_the_dashboard(mover: Client, story: Story) -> None:
    assert f'href="{APP}/balance/dashboard/"' in mover.get(f"{APP}/").content.decode()
    assert mover.get(f"{ADMIN}/").status_code == 200
