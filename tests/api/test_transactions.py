"""A request is one call of the ledger, in no transaction but the ledger's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection, connections

from tests.api.conftest import Caller
from tests.api.factories import UserFactory
from tests.api.routes import GOLD

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.mark.django_db(transaction=True)
def test_atomic_requests_leave_these_views_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        "tests.api.project.no_subjects", lambda _request: seen.append(connection.in_atomic_block)
    )
    settings.INVENTORY = {"API_SUBJECT_SCOPE": "tests.api.project.no_subjects"}
    for alias in connections:
        monkeypatch.setitem(connections[alias].settings_dict, "ATOMIC_REQUESTS", 1)
    caller = Caller(UserFactory.create(is_superuser=True))
    assert caller.post("balances/acquire/", GOLD, "k").status_code == 201
    assert caller.get("balances/").status_code == 200

    assert seen == [False, False]
