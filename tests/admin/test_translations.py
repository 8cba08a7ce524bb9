"""Every text of the pages can be translated: in a language that marks its texts, none is bare."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.core.cache import cache
from django.utils import translation

from django_inventory import ledger
from django_inventory.exceptions import LedgerBusy
from django_inventory.ledgers import DatabaseLedger
from django_inventory.ledgers.verification import RESULT_CACHE_KEY
from tests.admin.pages import APP, PAGES, action_data, key_in, movement_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from tests.admin.conftest import Story

TOLD_BY_ATTRIBUTES: Final = ("alt", "aria-label", "placeholder", "title")
NO_PROSE: Final = frozenset({"script", "style", "code"})
# Ids, the ends of ids, digests.
IDS: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8,}\b")
# Data, and the one word of Django's own pages that is not translated.
STORY: Final = ("bob", "gold", "shop", "basket", "delivery", "gift", "importer", "order", "sale")
USERS: Final = ("auth", "user", "mover", "root", "viewer")
DATA: Final = frozenset({*STORY, *USERS, "Search"})


class Prose(HTMLParser):
    """What a page says, in its text and in the attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.texts += [text for name in TOLD_BY_ATTRIBUTES if (text := values.get(name))]
        if values.get("type") == "submit":
            self.texts.append(values.get("value") or "")
        if tag in NO_PROSE:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in NO_PROSE:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.texts.append(data)


def bare_words(content: str) -> set[str]:
    """Return the words of a page that come from no translation and are no data."""
    prose = Prose()
    prose.feed(content)
    text = IDS.sub("", " | ".join(prose.texts))
    marked = 1
    while marked:
        text, marked = re.subn("\u27e6[^\u27e6\u27e7]*\u27e7", "", text)
    return set(re.findall(r"[^\W\d_]{2,}", text)) - DATA


@pytest.fixture
def language(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A language whose texts are the English ones in brackets."""

    def mark(text: str) -> str:
        return f"\u27e6{text}\u27e7" if text else text

    def plural(singular: str, several: str, number: int) -> str:
        return mark(singular if number == 1 else several)

    # Where all functions of the module are looked up, and those of templates.
    made = translation._trans  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
    monkeypatch.setattr(made, "gettext", mark, raising=False)
    monkeypatch.setattr(made, "ngettext", plural, raising=False)
    monkeypatch.setattr(made, "pgettext", lambda _, text: mark(text), raising=False)
    monkeypatch.setattr(made, "npgettext", lambda _, *texts: plural(*texts), raising=False)
    yield
    cache.delete(RESULT_CACHE_KEY)


def said_by(client: Client, path: str, data: dict[str, Any] | None = None) -> set[str]:
    """Return the bare words of a page, or of the page that follows a form."""
    url = f"{APP}/{path}"
    response: Any = client.get(url) if data is None else client.post(url, data, follow=True)
    assert response.status_code == 200
    return bare_words(response.content.decode())


def test_words_that_are_not_translated_are_found() -> None:
    assert bare_words('<p title="Bare title">\u27e6told\u27e7 Bare text, gold</p>') == {
        "Bare",
        "title",
        "text",
    }


@pytest.mark.parametrize("page", [name for name in PAGES if name != "export"])
def test_pages(page: str, superuser: Client, story: Story, language: None) -> None:
    content = superuser.get(PAGES[page](story)).content.decode()

    assert "\u27e6" in content
    assert bare_words(content) == set()


@pytest.mark.parametrize("mismatches", [0, 1, 3])
def test_the_verification(mismatches: int, viewer: Client, story: Story, language: None) -> None:
    result = {"finished_at": "2026-01-01T00:00:00+00:00", "entries": 9, "repaired": 0}
    cache.set(RESULT_CACHE_KEY, {**result, "mismatches": mismatches})

    assert said_by(viewer, "balance/dashboard/") == set()


@pytest.mark.parametrize("verb", ["acquire", "consume", "transfer", "hold"])
def test_movements(verb: str, mover: Client, story: Story, language: None) -> None:
    data = movement_data(verb)

    assert said_by(mover, f"balance/{verb}/", data) == set()
    # Again, which is told, and then with another quantity, which is refused.
    assert said_by(mover, f"balance/{verb}/", data) == set()
    assert said_by(mover, f"balance/{verb}/", {**data, "quantity": "2", "item": "other"}) == set()


@pytest.mark.parametrize(
    ("verb", "changes"),
    [
        ("consume", {"quantity": "99"}),
        ("consume", {"quantity": "0"}),
        ("consume", {"quantity": "many"}),
        ("consume", {"subject": "bob\nby"}),
        ("consume", {"reference": "order\n9"}),
        ("consume", {"reference": ""}),
        ("acquire", {"quantity": str(2**63 - 1)}),
        ("transfer", {"destination": "shop"}),
        ("hold", {"duration": "52596000", "unit": "days"}),
    ],
)
def test_refusals(
    verb: str, changes: dict[str, str], mover: Client, story: Story, language: None
) -> None:
    response = mover.post(f"{APP}/balance/{verb}/", movement_data(verb, **changes))

    content = response.content.decode()
    assert "errornote" in content
    assert bare_words(content) == set()


def test_a_busy_database(
    mover: Client, story: Story, language: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise LedgerBusy("deadlock")

    monkeypatch.setattr(DatabaseLedger, "post", busy)

    assert said_by(mover, "balance/acquire/", movement_data("acquire")) == set()


@pytest.mark.parametrize("verb", ["release", "commit", "extend"])
def test_what_came_of_holds(verb: str, mover: Client, story: Story, language: None) -> None:
    gone = ledger.hold("gone", "shop", "gold", 1, timedelta(hours=1)).hold
    freed = ledger.hold("freed", "shop", "gold", 1, timedelta(hours=1)).hold
    assert gone is not None
    assert freed is not None
    ledger.commit(gone.id)
    ledger.release(freed.id)
    unknown = "00000000-0000-7000-8000-000000000000"
    data = action_data(verb, story.active, story.overdue, gone.id, freed.id)
    data["hold"].append(unknown)

    assert said_by(mover, f"hold/{verb}/", data) == set()
    assert said_by(mover, f"hold/{verb}/", data) == set()


def test_refusals_of_a_single_hold(mover: Client, story: Story, language: None) -> None:
    key = key_in(mover.get(f"{APP}/hold/commit/?hold={story.active}"))
    for changes in ({"quantity": "99"}, {"to": "shop"}, {"to": "bob\nby"}):
        data = action_data("commit", story.active, key=key, **changes)
        assert said_by(mover, "hold/commit/", data) == set()
    part = action_data("commit", story.active, key=key, quantity="1", keep_remainder="on", to="bob")
    assert said_by(mover, "hold/commit/", part) == set()


def test_a_list_that_is_not_counted_in_full(
    viewer: Client, story: Story, language: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_inventory.admin.readonly.MAX_COUNTED", 1)

    assert said_by(viewer, "entry/?q=shop") == set()
