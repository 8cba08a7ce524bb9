"""The browser and the shop that it visits.

Where Chromium or its Python packages are missing these tests are not collected, so that a plain run
of the tests needs no browser. ``INVENTORY_REQUIRE_BROWSER`` makes that an error.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import chromium, missing
from tests.browser.shop import make_shop, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

if missing():
    if os.environ.get("INVENTORY_REQUIRE_BROWSER"):
        raise pytest.UsageError(f"The browser tests need {missing()}.")
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def made_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a day of trade, to be copied."""
    database = tmp_path_factory.mktemp("shop") / "shop.sqlite3"
    make_shop(database)
    return database


@pytest.fixture(scope="module")
def shop(made_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the shop, on a database of its own."""
    database = tmp_path_factory.mktemp("served") / "shop.sqlite3"
    shutil.copy(made_shop, database)
    with served(database) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a new visitor. An error in the browser's console fails the test."""
    context = browser.new_context(accept_downloads=True, viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(10_000)
    # Browsers ask for it once; the example has none.
    context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()
    assert errors == []
