"""The admin site in a real browser, in the example project, by its demo users."""

from __future__ import annotations

import csv
import json
import zlib
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.browser.chromium import log_in
from tests.browser.screenshots import take_pictures
from tests.browser.shop import AUDITOR, BOSS, CLERK, PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

APP: Final = "/admin/django_inventory"
AXE: Final = (files("axe_playwright_python") / "axe.min.js").read_text()
PAGES: Final = {
    "app": f"{APP}/",
    "balances": f"{APP}/balance/",
    "balance": f"{APP}/balance/?q=shop&item=sku:lamp",
    "holds": f"{APP}/hold/",
    "hold": f"{APP}/hold/?state=active",
    "entries": f"{APP}/entry/?created={datetime.now(UTC):%Y}",
    "entry": f"{APP}/entry/1/change/",
    "records": f"{APP}/idempotencyrecord/",
    "record": f"{APP}/idempotencyrecord/1/change/",
    "dashboard": f"{APP}/balance/dashboard/",
    "acquire": f"{APP}/balance/acquire/",
    "hold form": f"{APP}/balance/hold/?subject=shop&item=sku:lamp",
    "refusal": f"{APP}/balance/consume/?subject=shop&item=sku:lamp",
}
FIRST_OF_LIST: Final = {"balance", "hold"}


def open_balance(page: Page, shop: str, item: str = "sku:lamp") -> None:
    page.goto(f"{shop}{APP}/balance/?subject=shop&item={item}")
    page.locator("#result_list tbody th a").click()


def figure(page: Page, name: str) -> str:
    box = page.locator(".inventory-figures > div", has=page.get_by_text(name, exact=True))
    return box.locator("dd").first.inner_text()


def test_a_clerk_acquires_through_the_form(page: Page, shop: str) -> None:
    log_in(page, shop, CLERK, PASSWORD)
    open_balance(page, shop)
    before = int(figure(page, "Free"))

    page.get_by_role("link", name="Acquire", exact=True).click()
    assert page.get_by_label("Subject").input_value() == "shop"
    page.get_by_label("Quantity").fill("12")
    page.get_by_role("button", name="Acquire").click()
    assert page.locator(".errorlist").inner_text() == "This field is required."
    page.get_by_label("Reference").fill("found in the cellar")
    page.get_by_role("button", name="Acquire").click()

    assert "Acquired 12 of sku:lamp for shop." in page.locator(".messagelist").inner_text()
    assert int(figure(page, "Free")) == before + 12
    last = page.locator("table", has_text="Reference").last.locator("tbody tr").first
    assert "found in the cellar" in last.inner_text()
    assert "clerk" in last.inner_text()


def test_a_form_that_is_sent_twice_counts_once(page: Page, shop: str) -> None:
    log_in(page, shop, CLERK, PASSWORD)
    open_balance(page, shop, "sku:chair")
    before = int(figure(page, "Free"))
    page.get_by_role("link", name="Acquire", exact=True).click()
    page.get_by_label("Quantity").fill("5")
    page.get_by_label("Reference").fill("twice")

    page.get_by_role("button", name="Acquire").dblclick()
    page.wait_for_url("**/change/")

    assert int(figure(page, "Free")) == before + 5


def test_a_form_that_reaches_the_server_twice_at_once_counts_once(page: Page, shop: str) -> None:
    log_in(page, shop, CLERK, PASSWORD)
    open_balance(page, shop, "sku:lamp")
    before = int(figure(page, "Free"))
    page.get_by_role("link", name="Acquire", exact=True).click()
    page.get_by_label("Quantity").fill("7")
    page.get_by_label("Reference").fill("twice at once")

    # Which of two navigations a browser keeps is its own affair; these two both arrive. So it is
    # with their messages, which Django keeps in one cookie: tests/admin reads them.
    answers = page.evaluate(
        """() => {
            const form = document.querySelector(".inventory-form");
            const send = () => fetch("", {method: "POST", body: new FormData(form)});
            return Promise.all([send(), send()].map(
                answer => answer.then(a => [a.status, a.redirected, new URL(a.url).pathname])
            ));
        }"""
    )

    # A form that is refused is shown again, at its own address.
    first, second = answers
    assert first[:2] == [200, True]
    assert "/acquire/" not in first[2]
    assert second == first
    open_balance(page, shop, "sku:lamp")
    assert int(figure(page, "Free")) == before + 7
    assert page.get_by_role("cell", name="twice at once", exact=True).count() == 1


def test_a_shortage_is_told_with_what_is_free(page: Page, shop: str) -> None:
    log_in(page, shop, CLERK, PASSWORD)
    open_balance(page, shop, "sku:desk")

    page.get_by_role("link", name="Consume", exact=True).click()
    page.get_by_label("Quantity").fill("999")
    page.get_by_label("Reference").fill("too many")
    page.get_by_role("button", name="Consume").click()

    row = page.locator(".inventory-row.errors")
    assert "of sku:desk are free for shop." in row.inner_text()
    assert row.locator("input").get_attribute("name") == "quantity"


def test_the_picture_is_there_and_can_be_read_as_a_table(page: Page, shop: str) -> None:
    log_in(page, shop, AUDITOR, PASSWORD)
    open_balance(page, shop)

    picture = page.get_by_role("img", name="sku:lamp of shop over time")
    box = picture.bounding_box()
    assert box is not None
    assert box["width"] > 400
    free = picture.locator(".inventory-area-free").bounding_box()
    assert free is not None
    assert free["height"] > 50
    page.get_by_text("The same as a table").click()
    assert page.locator(".inventory-details tbody tr").first.is_visible()


def test_a_hold_is_released_from_the_list(page: Page, shop: str) -> None:
    log_in(page, shop, CLERK, PASSWORD)
    page.goto(f"{shop}{APP}/hold/?state=active&item=sku:chair")
    row = page.locator("#result_list tbody tr")
    assert "for bob" in row.inner_text()

    row.locator("input[type=checkbox]").check()
    page.get_by_label("Action:").select_option(label="Release selected holds")
    page.locator("button[name=index]").click()
    page.get_by_label("Reference").fill("bob called")
    page.get_by_role("button", name="Release").click()

    assert "Done for 1 hold." in page.locator(".messagelist").inner_text()
    assert "Released: the quantity is free again." in page.locator("#content-main").inner_text()
    page.goto(f"{shop}{APP}/hold/?state=active&item=sku:chair")
    assert page.locator("#result_list").count() == 0


def test_the_entries_are_exported(page: Page, shop: str) -> None:
    log_in(page, shop, AUDITOR, PASSWORD)
    page.goto(f"{shop}{APP}/entry/")
    page.locator(".inventory-filter").get_by_label("reference").fill("delivery 1")
    page.locator(".inventory-filter", has=page.get_by_label("reference")).get_by_role(
        "button", name="Filter"
    ).click()

    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()

    assert download.value.suggested_filename.endswith(".csv")
    with Path(download.value.path()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["item"], row["quantity_delta"]) for row in rows] == [
        ("sku:lamp", "120"),
        ("sku:chair", "40"),
        ("sku:desk", "12"),
    ]


def test_the_dashboard_is_read(page: Page, shop: str) -> None:
    log_in(page, shop, AUDITOR, PASSWORD)
    page.goto(f"{shop}{APP}/")
    page.get_by_role("link", name="Dashboard").click()

    assert figure(page, "Overdue holds") == "1"
    assert page.get_by_role("img", name="Operations per hour").is_visible()
    assert page.locator(".inventory-bar").count() == 24
    page.locator("#inventory-item").fill("sku:chair")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/dashboard/?item=sku%3Achair")
    holders = page.get_by_role("region", name="Who has most").locator("tbody a")
    assert holders.all_inner_texts() == ["shop"]
    figures = page.locator(".inventory-figures")
    figures.get_by_role("link", name="1", exact=True).last.click()
    assert "overdue for" in page.locator("#result_list tbody").inner_text()


def test_who_may_only_view_has_no_buttons(page: Page, shop: str) -> None:
    log_in(page, shop, AUDITOR, PASSWORD)
    open_balance(page, shop)

    assert page.locator(".inventory-primary").count() == 0
    page.goto(f"{shop}{APP}/hold/")
    assert page.get_by_label("Action:").count() == 0


def lines_of(picture: Path) -> set[bytes]:
    """Return the different lines of pixels of a PNG."""
    content = picture.read_bytes()
    width = int.from_bytes(content[16:20])
    data, place = b"", 8
    while place < len(content):
        length = int.from_bytes(content[place : place + 4])
        if content[place + 4 : place + 8] == b"IDAT":
            data += content[place + 8 : place + 8 + length]
        place += length + 12
    pixels = zlib.decompress(data)
    step = 1 + 3 * width
    return {pixels[start : start + step] for start in range(0, len(pixels), step)}


def test_the_screenshots_of_the_documentation_show_something(
    browser: Browser, shop: str, tmp_path: Path
) -> None:
    pictures = list(take_pictures(browser, shop, tmp_path))

    assert len(pictures) == 6
    # A picture that was taken before the page was there has a handful.
    assert {picture.name for picture in pictures if len(lines_of(picture)) < 300} == set()


@pytest.mark.parametrize("path", [PAGES["balance"], PAGES["dashboard"], PAGES["acquire"]])
def test_a_page_says_its_title_once_and_its_buttons_look_like_buttons(
    path: str, page: Page, shop: str
) -> None:
    """Django's own style sheet and the place of its titles differ from version to version."""
    log_in(page, shop, BOSS, PASSWORD)
    page.goto(shop + path)
    if path == PAGES["balance"]:
        assert lines_under(page) <= {"none"}
        page.locator("#result_list tbody th a").first.click()
        page.locator(".inventory-figures").wait_for()
    shown = [one for one in page.locator("h1").all() if one.is_visible()]
    # Beside the site's own name, in some versions.
    titles = [
        one.inner_text() for one in shown if one.locator("xpath=ancestor::header").count() == 0
    ]
    assert len(titles) == 1, titles
    assert lines_under(page) <= {"none"}


def lines_under(page: Page) -> set[str]:
    """Return how the buttons' texts are decorated."""
    lines: list[str] = page.locator("a.inventory-tool").evaluate_all(
        "buttons => buttons.map(button => getComputedStyle(button).textDecorationLine)"
    )
    return set(lines)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 420)])
def test_pages_are_accessible(scheme: Any, width: int, browser: Browser, shop: str) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 1000}, reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    log_in(page, shop, BOSS, PASSWORD)
    found: dict[str, Any] = {}
    for name, path in PAGES.items():
        page.goto(shop + path)
        if name in FIRST_OF_LIST:
            page.locator("#result_list tbody th a").first.click()
            # A click does not wait for the page that it leads to.
            page.locator(".inventory-figures").wait_for()
        if name == "refusal":
            page.get_by_role("button", name="Consume").click()
            page.locator(".errornote").wait_for()
        if name == "holds":
            found |= violations(page, f"{name} list", scheme)
            page.locator("#result_list tbody input[type=checkbox]").first.check()
            page.get_by_label("Action:").select_option(label="Commit selected holds")
            page.locator("button[name=index]").click()
            page.locator(".inventory-form").wait_for()
        found |= violations(page, name, scheme)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found[f"{name}: wider than the window"] = width
    context.close()

    assert found == {}, json.dumps(found, indent=1)


def violations(page: Page, name: str, scheme: str) -> dict[str, Any]:
    """Return the serious and critical violations that axe-core finds on the page."""
    page.evaluate(AXE)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if scheme == "dark":
        # The other rules know neither colours nor widths.
        options["runOnly"] = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]
    results: Any = page.evaluate("options => axe.run(options)", options)
    return {
        f"{name}: {violation['id']}": [node["html"] for node in violation["nodes"]]
        for violation in results["violations"]
        if violation["impact"] in {"serious", "critical"}
    }
