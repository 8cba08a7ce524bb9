"""The addresses of all pages of the app, and what their forms are filled in with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.admin.conftest import Story

ADMIN: Final = "/admin"
APP: Final = f"{ADMIN}/django_inventory"

PAGES: Final[dict[str, Callable[[Story], str]]] = {
    "app": lambda _: f"{APP}/",
    "balances": lambda _: f"{APP}/balance/",
    "balance": lambda story: f"{APP}/balance/{story.balance.pk}/change/",
    "balance history": lambda story: f"{APP}/balance/{story.balance.pk}/history/",
    "holds": lambda _: f"{APP}/hold/",
    "hold": lambda story: f"{APP}/hold/{story.active}/change/",
    "overdue hold": lambda story: f"{APP}/hold/{story.overdue}/change/",
    "entries": lambda _: f"{APP}/entry/",
    "entry": lambda story: f"{APP}/entry/{story.entry}/change/",
    "export": lambda _: f"{APP}/entry/export/",
    "records": lambda _: f"{APP}/idempotencyrecord/",
    "record": lambda story: f"{APP}/idempotencyrecord/{story.record}/change/",
    "dashboard": lambda _: f"{APP}/balance/dashboard/",
    "movement acquire": lambda _: f"{APP}/balance/acquire/",
    "movement consume": lambda _: f"{APP}/balance/consume/?subject=shop&item=gold",
    "movement transfer": lambda _: f"{APP}/balance/transfer/?subject=shop&item=gold",
    "movement hold": lambda _: f"{APP}/balance/hold/",
    "action release": lambda story: f"{APP}/hold/release/?hold={story.active}",
    "action commit": lambda story: f"{APP}/hold/commit/?hold={story.active}",
    "action extend": lambda story: f"{APP}/hold/extend/?hold={story.active}",
}


def movement_data(verb: str, key: str = "", **changes: Any) -> dict[str, Any]:
    """Return a form that is filled in: 3 of the shop's gold, for bob where somebody gets it."""
    data: dict[str, Any] = {
        "key": key or str(uuid4()),
        "item": "gold",
        "quantity": "3",
        "reference": "order 9",
    }
    if verb == "transfer":
        data |= {"source": "shop", "destination": "bob"}
    else:
        data |= {"subject": "shop"}
    if verb == "hold":
        data |= {"duration": "30", "unit": "minutes"}
    return data | changes


def action_data(verb: str, *holds: UUID, key: str = "", **changes: Any) -> dict[str, Any]:
    """Return a form that is filled in for these holds."""
    data: dict[str, Any] = {
        "key": key or str(uuid4()),
        "hold": [str(hold) for hold in holds],
        "reference": "ticket 4",
    }
    if verb == "extend":
        data |= {"duration": "2", "unit": "days"}
    return data | changes


def key_in(response: Any) -> str:
    """Return the key that a form was rendered with."""
    found = re.search(r'name="key" value="([0-9a-f-]+)"', response.content.decode())
    assert found
    return found[1]


def text_of(response: Any) -> str:
    """Return what a page says, without its markup, in one line."""
    main = response.content.decode().split('id="content"')[-1]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def messages_of(response: Any) -> list[str]:
    """Return the messages that a page shows."""
    return [str(message) for message in response.context["messages"]]
