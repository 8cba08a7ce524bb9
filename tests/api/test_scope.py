"""API_SUBJECT_SCOPE: what narrows a caller, what it may return, and what says that it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from django_inventory import conf
from tests.api.conftest import Caller, code, place_hold
from tests.api.factories import UserFactory
from tests.api.project import subjects_of

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_inventory.ledgers import Ledger


def set_scope(settings: Settings, path: Any) -> None:
    settings.INVENTORY = {**settings.INVENTORY, "API_SUBJECT_SCOPE": path}


def findings() -> list[checks.CheckMessage]:
    """Return what our checks say without asking a database."""
    messages = checks.run_checks(databases=[])
    return [message for message in messages if str(message.id).startswith("inventory.")]


def test_by_default_nobody_is_narrowed() -> None:
    assert conf.api_subject_scope() is None


def test_lists_have_what_is_the_callers_own(
    settings: Settings, caller: Caller, ledger: Ledger
) -> None:
    for subject in ("alice", "bob", "carol"):
        ledger.acquire(f"stock {subject}", subject, "gold", 10)
        place_hold(ledger, subject, "gold", 4)
    set_scope(settings, "tests.api.project.subjects_of")
    assert caller.user is not None
    caller.user.last_name = "alice carol"

    for path, count in (("balances/", 2), ("holds/", 2), ("entries/", 4)):
        found = caller.get(path).json()["results"]
        assert len(found) == count
        assert {row["subject"] for row in found} == {"alice", "carol"}
        assert caller.get(path, subject="bob").json()["results"] == []
        assert caller.get(path, subject__startswith="b").json()["results"] == []
        assert len(caller.get(path, subject__in=["bob", "carol"]).json()["results"]) == count // 2


def test_to_no_subjects_nothing_is_there(
    settings: Settings, caller: Caller, ledger: Ledger
) -> None:
    ledger.acquire("stock", "alice", "gold", 10)
    set_scope(settings, "tests.api.project.no_subjects")

    assert caller.get("balances/").json()["count"] == 0
    body = {"subject": "alice", "item": "gold", "quantity": 1}
    assert code(caller.post("balances/acquire/", body, "k")) == (403, "subject_forbidden")


def test_a_text_is_no_collection_of_subjects(settings: Settings, caller: Caller) -> None:
    set_scope(settings, "tests.api.project.wrong_subjects")

    with pytest.raises(ImproperlyConfigured, match="a collection of subjects"):
        caller.get("balances/")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (17, "must be a dotted path"),
        ("tests.api.project.missing", "cannot be imported"),
        ("nowhere", "cannot be imported"),
        ("tests.api.project.NOT_CALLABLE", "is no callable"),
    ],
)
def test_a_wrong_setting_is_told_by_a_check(settings: Settings, path: Any, message: str) -> None:
    set_scope(settings, path)

    (found,) = findings()

    assert found.id == "inventory.E007"
    assert found.is_serious()
    assert message in found.msg


def test_a_right_setting_is_found_and_checked(settings: Settings) -> None:
    set_scope(settings, "tests.api.project.subjects_of")

    assert conf.api_subject_scope() is subjects_of
    assert not findings()


def test_model_instances_are_subjects_too(
    settings: Settings, caller: Caller, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = UserFactory.create()
    ledger.acquire("stock", other, "gold", 3)
    monkeypatch.setattr("tests.api.project.no_subjects", lambda _request: {other})
    set_scope(settings, "tests.api.project.no_subjects")

    (balance,) = caller.get("balances/").json()["results"]

    assert balance["subject"] == f"auth.user:{other.pk}"
