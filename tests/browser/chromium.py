"""Debian's Chromium, driven by Playwright: where it is, how it is started, who is logged in."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

FLAGS: Final = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    # Its own temporary files: a container's shared memory may be too small.
    "--disable-dev-shm-usage",
    "--disable-sync",
]


def missing() -> str:
    """Return what of Chromium and the Python packages is not there; nothing if all is."""
    wanted = {
        "chromium": shutil.which("chromium"),
        "playwright": find_spec("playwright"),
        "axe-playwright-python": find_spec("axe_playwright_python"),
    }
    return ", ".join(name for name, found in wanted.items() if not found)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium for as long as the block lasts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS, chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, url: str, name: str, password: str) -> None:
    """Log in to the admin site of the address."""
    page.goto(f"{url}/admin/login/?next=/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/admin/")
