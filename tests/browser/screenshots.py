"""Make the screenshots of the documentation: ``python -m tests.browser.screenshots [FOLDER]``.

Writes ``admin-balance.png``, ``admin-holds.png`` and ``admin-dashboard.png``, each also in the
dark, and ``example-home.png`` to ``docs/images`` or the folder that is named.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.browser.chromium import chromium, log_in
from tests.browser.shop import CLERK, PASSWORD, make_shop, replay_shopping, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, ViewportSize

IMAGES: Final = Path(__file__).resolve().parents[2] / "docs" / "images"
SIZE: ViewportSize = {"width": 1440, "height": 1100}
HOME_SIZE: ViewportSize = {"width": 1100, "height": 1000}
PAGES: Final = {
    "admin-balance": "balance/?subject=shop&item=sku:lamp",
    "admin-holds": "hold/",
    "admin-dashboard": "balance/dashboard/?item=sku:lamp",
}


def main() -> None:
    """Make a shop and take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    with tempfile.TemporaryDirectory() as work:
        database = Path(work) / "shop.sqlite3"
        make_shop(database)
        with served(database) as url, chromium() as browser:
            for target in take_pictures(browser, url, folder):
                sys.stdout.write(f"{target}\n")
            # Not before: what it adds is years old, and not what the admin's pictures are to show.
            replay_shopping(database)
            sys.stdout.write(f"{take_picture_of_home(browser, url, folder)}\n")


def take_pictures(browser: Browser, url: str, folder: Path) -> Iterator[Path]:
    """Write a picture of each page of the shop there, in the light and in the dark."""
    yield from _shoot(browser.new_page(viewport=SIZE), url, folder, "")
    dark = browser.new_page(viewport=SIZE, color_scheme="dark")
    yield from _shoot(dark, url, folder, "-dark")


def take_picture_of_home(browser: Browser, url: str, folder: Path) -> Path:
    """Write a picture of the example's own page."""
    page = browser.new_page(viewport=HOME_SIZE)
    page.goto(url)
    target = folder / "example-home.png"
    page.screenshot(path=target, full_page=True)
    page.close()
    return target


def _shoot(page: Page, url: str, folder: Path, suffix: str) -> Iterator[Path]:
    log_in(page, url, CLERK, PASSWORD)
    for name, path in PAGES.items():
        page.goto(f"{url}/admin/django_inventory/{path}")
        if name == "admin-balance":
            page.locator("#result_list tbody th a").click()
            # A click does not wait for the page that it leads to.
            page.locator(".inventory-chart").wait_for()
        target = folder / f"{name}{suffix}.png"
        page.screenshot(path=target, full_page=name == "admin-dashboard")
        yield target
    page.close()


if __name__ == "__main__":
    main()
