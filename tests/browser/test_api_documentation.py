"""The interactive documentation of the HTTP API: without a network, and by a user who logs in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.browser.shop import CLERK, PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def open_route(page: Page, shop: str, method: str, path: str) -> Locator:
    """Open the documentation, and in it the part about one route."""
    page.goto(f"{shop}/docs/")
    route = page.locator(f".opblock-{method}", has=page.locator(f'[data-path="{path}"]'))
    route.locator(".opblock-summary-control").click()
    return route


def test_it_asks_nobody_else(page: Page, shop: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    route = open_route(page, shop, "get", "/inventory/balances/")

    route.get_by_text("Whose: how the subject begins.").wait_for()
    assert len(asked) > 3
    assert [url for url in asked if not url.startswith((f"{shop}/", "data:"))] == []


def test_an_operation_is_tried_out_and_sent_again(page: Page, shop: str) -> None:
    route = open_route(page, shop, "post", "/inventory/balances/acquire/")
    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".modal-ux")
    dialog.locator("[name=username]").fill(CLERK)
    dialog.locator("[name=password]").fill(PASSWORD)
    dialog.get_by_role("button", name="Apply credentials").first.click()
    dialog.get_by_role("button", name="Remove authorization").wait_for()
    dialog.get_by_role("button", name="Close").first.click()

    route.get_by_role("button", name="Try it out").click()
    answers = []
    for _ in range(2):
        with page.expect_response("**/balances/acquire/") as sent:
            route.get_by_role("button", name="Execute").click()
        answers.append(sent.value)

    # As the description has them: the body, and the key in its quotes.
    first, again = answers
    assert first.request.headers["idempotency-key"] == '"delivery-17"'
    assert json.loads(first.request.post_data or "")["reference"] == "delivery note 17"
    assert (first.status, again.status) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    shown = route.locator(".live-responses-table")
    shown.get_by_text("idempotent-replayed: true").wait_for()
