"""Who may see and do what: the same Django permissions as over HTTP, for every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_inventory.models import Entry, Hold
from tests.admin.conftest import MOVES, VIEWS, client_of, make_user
from tests.admin.pages import ADMIN, PAGES, action_data, movement_data

if TYPE_CHECKING:
    from tests.admin.conftest import Story

LISTS = ("balance", "hold", "entry", "idempotencyrecord")
PERMISSION_OF_MOVEMENT = {
    "acquire": "acquire_balance",
    "consume": "consume_balance",
    "transfer": "transfer_balance",
    "hold": "place_hold",
}
PERMISSION_OF_ACTION = {
    "release": "release_hold",
    "commit": "commit_hold",
    "extend": "extend_hold",
}


@pytest.mark.parametrize("page", PAGES)
def test_strangers_are_asked_to_log_in(page: str, story: Story) -> None:
    response = Client().get(PAGES[page](story))

    assert response.status_code == 302
    assert response["Location"].startswith(f"{ADMIN}/login/")


@pytest.mark.parametrize("page", PAGES)
def test_customers_are_asked_to_log_in(page: str, story: Story) -> None:
    customer = client_of(make_user("customer", *VIEWS, *MOVES, is_staff=False))

    assert customer.get(PAGES[page](story)).status_code == 302


@pytest.mark.parametrize("page", PAGES)
def test_staff_without_permissions_sees_nothing(page: str, story: Story) -> None:
    staff = client_of(make_user("staff"))

    assert staff.get(PAGES[page](story)).status_code in {403, 404}


@pytest.mark.parametrize("page", PAGES)
def test_who_may_view_sees_the_pages_and_no_forms(page: str, viewer: Client, story: Story) -> None:
    is_form = page.startswith(("movement", "action"))

    assert viewer.get(PAGES[page](story)).status_code == (403 if is_form else 200)


@pytest.mark.parametrize("page", PAGES)
def test_who_may_move_sees_all(page: str, mover: Client, story: Story) -> None:
    assert mover.get(PAGES[page](story)).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_superuser_sees_all(page: str, superuser: Client, story: Story) -> None:
    assert superuser.get(PAGES[page](story)).status_code == 200


@pytest.mark.parametrize("verb", PERMISSION_OF_MOVEMENT)
def test_a_movement_needs_its_own_permission(verb: str, story: Story) -> None:
    allowed = PERMISSION_OF_MOVEMENT[verb]
    url = f"{ADMIN}/django_inventory/balance/{verb}/"
    others = client_of(make_user("others", *VIEWS, *(code for code in MOVES if code != allowed)))
    entries = Entry.objects.count()

    assert others.post(url, movement_data(verb)).status_code == 403
    assert Entry.objects.count() == entries

    alone = client_of(make_user("alone", allowed))

    assert alone.post(url, movement_data(verb)).status_code == 302
    assert Entry.objects.count() > entries


@pytest.mark.parametrize("verb", PERMISSION_OF_ACTION)
def test_an_action_needs_its_own_permission(verb: str, story: Story) -> None:
    allowed = PERMISSION_OF_ACTION[verb]
    url = f"{ADMIN}/django_inventory/hold/{verb}/"
    others = client_of(make_user("others", *VIEWS, *(code for code in MOVES if code != allowed)))
    entries = Entry.objects.count()

    assert others.post(url, action_data(verb, story.active)).status_code == 403
    assert Entry.objects.count() == entries

    alone = client_of(make_user("alone", "view_hold", allowed))

    assert alone.post(url, action_data(verb, story.active)).status_code == 200
    # The hold, and the expiry of the overdue one, which it has met.
    assert Entry.objects.count() == entries + 2


@pytest.mark.parametrize("verb", PERMISSION_OF_ACTION)
def test_an_action_of_the_list_needs_its_own_permission(verb: str, story: Story) -> None:
    others = make_user("others", *VIEWS, *(c for c in MOVES if c != PERMISSION_OF_ACTION[verb]))
    data = {"action": f"{verb}_holds", "_selected_action": [str(story.active)]}

    client_of(others).post(f"{ADMIN}/django_inventory/hold/", data)

    assert Hold.objects.get(pk=story.active).status == "active"
    page = client_of(others).get(f"{ADMIN}/django_inventory/hold/").content.decode()
    assert f'value="{verb}_holds"' not in page


def test_buttons_are_shown_to_those_who_may_press_them(
    viewer: Client, mover: Client, story: Story
) -> None:
    url = PAGES["balance"](story)

    assert "inventory-primary" not in viewer.get(url).content.decode()
    assert viewer.get(f"{ADMIN}/django_inventory/hold/").content.decode().count("<option") == 0
    page = mover.get(url).content.decode()
    for verb in PERMISSION_OF_MOVEMENT:
        assert f"/balance/{verb}/?subject=shop&amp;item=gold" in page


@pytest.mark.parametrize("name", LISTS)
def test_nobody_adds_changes_or_deletes(name: str, superuser: Client, story: Story) -> None:
    pk: Any = story.active if name == "hold" else 1
    base = f"{ADMIN}/django_inventory/{name}"

    assert superuser.get(f"{base}/add/").status_code == 403
    assert superuser.post(f"{base}/add/", {}).status_code == 403
    assert superuser.post(f"{base}/{pk}/change/", {"quantity": "1"}).status_code == 403
    assert superuser.get(f"{base}/{pk}/delete/").status_code == 403
    assert superuser.post(f"{base}/{pk}/delete/", {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": [str(pk)], "post": "yes"}
    superuser.post(f"{base}/", data)
    assert superuser.get(f"{base}/{pk}/change/").status_code == 200


def test_pages_have_no_field_for_a_quantity(superuser: Client, story: Story) -> None:
    for page in ("balance", "hold", "entry", "record"):
        content = superuser.get(PAGES[page](story)).content.decode()
        assert 'name="quantity"' not in content
        assert 'name="_save"' not in content


def test_forms_want_the_csrf_token(mover_user: User, story: Story) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(mover_user)
    entries = Entry.objects.count()

    movement = strict.post(f"{ADMIN}/django_inventory/balance/acquire/", movement_data("acquire"))
    action = strict.post(
        f"{ADMIN}/django_inventory/hold/release/", action_data("release", story.active)
    )

    assert (movement.status_code, action.status_code) == (403, 403)
    assert Entry.objects.count() == entries


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_forms_know_get_and_post_alone(method: str, mover: Client, story: Story) -> None:
    for page in ("movement acquire", "action release"):
        assert getattr(mover, method)(PAGES[page](story)).status_code == 405


def test_a_get_never_moves_anything(mover: Client, story: Story) -> None:
    entries = Entry.objects.count()

    mover.get(f"{ADMIN}/django_inventory/balance/acquire/", movement_data("acquire"))
    mover.get(f"{ADMIN}/django_inventory/hold/release/", action_data("release", story.active))

    assert Entry.objects.count() == entries
