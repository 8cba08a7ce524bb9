"""Users with different rights, and a ledger with a history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from django_inventory.ledgers import DatabaseLedger
from django_inventory.models import Balance, IdempotencyRecord

if TYPE_CHECKING:
    from uuid import UUID

    from pytest_django import Settings

VIEWS = ("view_balance", "view_hold", "view_entry", "view_idempotencyrecord")
MOVES = (
    "acquire_balance",
    "consume_balance",
    "transfer_balance",
    "place_hold",
    "commit_hold",
    "release_hold",
    "extend_hold",
)


@pytest.fixture(autouse=True)
def urls(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.admin.urls"


def make_user(name: str, *codenames: str, is_staff: bool = True) -> User:
    """Make a user with these permissions of the app, all of which have to be there."""
    user = User.objects.create(username=name, is_staff=is_staff)
    permissions = Permission.objects.filter(
        content_type__app_label="django_inventory", codename__in=codenames
    )
    assert {permission.codename for permission in permissions} == set(codenames)
    user.user_permissions.set(permissions)
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def viewer(db: None) -> Client:
    return client_of(make_user("viewer", *VIEWS))


@pytest.fixture
def mover_user(db: None) -> User:
    return make_user("mover", *VIEWS, *MOVES)


@pytest.fixture
def mover(mover_user: User) -> Client:
    return client_of(mover_user)


@pytest.fixture
def superuser(db: None) -> Client:
    return client_of(User.objects.create(username="root", is_staff=True, is_superuser=True))


class SetClock:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Story:
    """A shop's gold over three days, until now.

    Three days ago 100 came in. Yesterday, before the last 24 hours, 10 were sold. Within them: 5
    were sold, 20 are on hold for 2 hours more, 30 were on hold until an hour ago, which nobody has
    recorded, and 7 went to bob. So 58 + 30 overdue = 58 free, 20 on hold.
    """

    balance: Balance
    active: UUID
    overdue: UUID
    entry: int
    record: int


@pytest.fixture
def story(db: None) -> Story:
    clock = SetClock()
    ledger = DatabaseLedger(clock=clock)
    now = clock.now

    def at(**ago: float) -> None:
        clock.now = now - timedelta(**ago)

    at(days=3)
    ledger.acquire("delivery", "shop", "gold", 100, reference="delivery 17", actor="importer")
    at(hours=30)
    ledger.consume("sale-1", "shop", "gold", 10, reference="order 1")
    at(hours=5)
    ledger.consume("sale-2", "shop", "gold", 5, reference="order 2")
    ledger.transfer("gift", "shop", "bob", "gold", 7, reference="gift")
    active = ledger.hold("basket-1", "shop", "gold", 20, timedelta(hours=7), reference="basket 1")
    at(hours=4)
    overdue = ledger.hold("basket-2", "shop", "gold", 30, timedelta(hours=3), reference="basket 2")
    assert active.hold is not None
    assert overdue.hold is not None
    balance = Balance.objects.get(subject="shop", item="gold")
    entry = balance.entries.get(sequence=1)
    record = IdempotencyRecord.objects.get(key="basket-1")
    return Story(balance, active.hold.id, overdue.hold.id, entry.pk, record.pk)
