"""Whatever is wrong in the tables is found, named, and repaired if it can be.

The tables are spoiled with raw SQL, past all constraints and triggers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_inventory.ledgers.verification import Verification
from tests.contract.engines import Clock, DatabaseEngine
from tests.proof.conftest import DATABASES
from tests.proof.verification.corruptions import IN_BALANCES, IN_HOLDS, IN_KEYS, Corruption, Found
from tests.proof.verification.corruptions_of_journal import IN_ENTRIES
from tests.proof.verification.story import Story, tell_story
from tests.servers import ALIASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker

    from django_inventory.ledgers.verification import Mismatch

CORRUPTIONS = (*IN_BALANCES, *IN_HOLDS, *IN_KEYS, *IN_ENTRIES)
CASES = [
    pytest.param(database, corruption, id=f"{database}-{corruption.id}")
    for database in DATABASES
    for corruption in CORRUPTIONS
    if corruption.only_on in {"", database}
]


@pytest.fixture(scope="module")
def story(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Story]:
    """Books that are told once: each test undoes what it does to them."""
    name = request.param
    engine = DatabaseEngine(name, ALIASES[name], Clock())
    with django_db_blocker.unblock():
        try:
            yield tell_story(ALIASES[name])
        finally:
            engine.empty()


def verify(story: Story, *, repair: bool = False) -> list[Mismatch]:
    return list(Verification(using=story.alias, repair=repair).mismatches())


def found(mismatches: list[Mismatch]) -> list[Found]:
    return sorted(
        Found(m.code, m.name, m.field, m.expected, m.found, m.is_repairable) for m in mismatches
    )


@pytest.mark.parametrize("story", DATABASES, indirect=True)
def test_sound_books_are_found_sound(story: Story) -> None:
    before = story.content()
    with story.spoiled():
        assert verify(story) == []
        assert verify(story, repair=True) == []
        assert story.content() == before


@pytest.mark.parametrize(("story", "corruption"), CASES, indirect=["story"])
def test_what_is_wrong_is_found_and_repaired(story: Story, corruption: Corruption) -> None:
    with story.spoiled(*corruption.statements):
        spoiled = story.content()
        expected = corruption.expected_of(story)
        first = verify(story)
        assert found(first) == expected
        assert not any(mismatch.is_repaired for mismatch in first)
        assert story.content() == spoiled

        repaired = verify(story, repair=True)
        assert found(repaired) == expected
        assert all(mismatch.is_repaired == mismatch.is_repairable for mismatch in repaired)
        assert story.content()["entry"] == spoiled["entry"]
        assert story.content()["idempotencyrecord"] == spoiled["idempotencyrecord"]
        assert found(verify(story)) == [one for one in expected if not one.is_repairable]
