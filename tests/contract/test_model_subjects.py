"""A saved model instance in the place of a subject: who it is, and which instances are none."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group, User
from django.test.utils import isolate_apps
from django.utils.functional import SimpleLazyObject

from django_inventory.exceptions import InvalidIdentifier
from tests.contract.calls import call, gold, make, stock
from tests.contract.journal import journal
from tests.contract.refusals import assert_all_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import DjangoDbBlocker

    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Engine

FIELDS = [
    ("acquire", "subject"),
    ("consume", "subject"),
    ("transfer", "source"),
    ("transfer", "destination"),
    ("hold", "subject"),
    ("commit", "to"),
    *[
        (verb, "actor")
        for verb in ("acquire", "consume", "transfer", "hold", "commit", "release", "extend")
    ],
]
each_field = pytest.mark.parametrize(("verb", "field"), FIELDS)


@pytest.fixture
def alias(engine: Engine, request: pytest.FixtureRequest) -> Iterator[str]:
    """The database of the engine; for memory, which has none, the default one."""
    request.getfixturevalue("django_db_setup")
    blocker: DjangoDbBlocker = request.getfixturevalue("django_db_blocker")
    with blocker.unblock():
        alias = engine.alias or "default"
        yield alias
        User.objects.using(alias).all().delete()
        Group.objects.using(alias).all().delete()


@pytest.fixture
def user(alias: str) -> User:
    return User.objects.using(alias).create(username="alice")


@pytest.fixture
def subject(user: User) -> str:
    return f"auth.user:{user.pk}"


@isolate_apps("tests")
def as_proxy(user: User) -> User:
    class Player(User):
        class Meta:
            app_label = "tests"
            proxy = True

    return Player.objects.using(user._state.db).get(pk=user.pk)


def as_lazy(user: User) -> Any:
    return SimpleLazyObject(lambda: user)


def as_deferred(user: User) -> User:
    return User.objects.using(user._state.db).only("pk").get(pk=user.pk)


@each_field
def test_a_saved_instance_is_named_by_model_and_pk(
    engine: Engine, ledger: Ledger, user: User, verb: str, field: str
) -> None:
    subject = f"auth.user:{user.pk}"
    ledger.acquire("first", user, "gold", 10)
    hold_id = stock(ledger)
    call(ledger, verb, hold_id, **{field: user})
    lines = journal(engine)[3:]
    names = [line.actor if field == "actor" else line.subject for line in lines]
    assert subject in names
    assert call(ledger, verb, hold_id, **{field: subject}).replayed
    assert getattr(make(verb, hold_id, **{field: user}), field) == subject


@pytest.mark.parametrize("stand_in", [as_proxy, as_lazy, as_deferred])
@pytest.mark.parametrize(
    ("verb", "field"), [("acquire", "subject"), ("transfer", "destination"), ("commit", "actor")]
)
def test_whatever_stands_in_for_an_instance_has_its_name(
    ledger: Ledger, user: User, stand_in: Callable[[User], Any], verb: str, field: str
) -> None:
    hold_id = stock(ledger)
    call(ledger, verb, hold_id, **{field: user})
    assert call(ledger, verb, hold_id, **{field: stand_in(user)}).replayed


def test_an_instance_and_its_name_have_one_balance(
    ledger: Ledger, user: User, subject: str
) -> None:
    ledger.acquire("k1", user, "gold", 3)
    ledger.acquire("k2", subject, "gold", 4)
    assert ledger.balance(user, "gold") == gold(subject, 7)
    assert ledger.balance(subject, "gold") == gold(subject, 7)
    assert ledger.balances(as_lazy(user)) == [gold(subject, 7)]
    assert ledger.balances(as_proxy(user)) == [gold(subject, 7)]


def test_models_with_the_same_pk_are_two_subjects(ledger: Ledger, alias: str) -> None:
    user = User.objects.using(alias).create(pk=41, username="alice")
    group = Group.objects.using(alias).create(pk=41, name="alice")
    ledger.acquire("k1", user, "gold", 3)
    ledger.acquire("k2", group, "gold", 4)
    assert ledger.balance(user, "gold") == gold("auth.user:41", 3)
    assert ledger.balance(group, "gold") == gold("auth.group:41", 4)
    assert ledger.transfer("k3", user, group, "gold", 1).balances == (
        gold("auth.user:41", 2),
        gold("auth.group:41", 5),
    )


@each_field
def test_an_instance_that_is_no_row_is_refused(
    engine: Engine, ledger: Ledger, alias: str, verb: str, field: str
) -> None:
    hold_id = stock(ledger)
    deleted = Group.objects.using(alias).create(name="gone")
    deleted.delete()
    no_rows: list[object] = [
        User(username="new"),
        User(pk=41, username="new, with a pk"),
        Group(pk=41),
        SimpleLazyObject(lambda: User(pk=41)),
        deleted,
        User,
        Group.objects,
        Group.objects.using(alias),
    ]
    assert_all_refused(
        engine,
        InvalidIdentifier,
        ((field, partial(call, ledger, verb, hold_id, **{field: value})) for value in no_rows),
    )


@pytest.mark.parametrize(
    ("verb", "field"), [("acquire", "item"), ("acquire", "key"), ("acquire", "reference")]
)
def test_an_instance_is_neither_item_nor_key_nor_reference(
    ledger: Ledger, user: User, verb: str, field: str
) -> None:
    with pytest.raises(ValueError, match=field):
        call(ledger, verb, **{field: user})


def test_reads_refuse_an_instance_that_is_no_row(
    engine: Engine, ledger: Ledger, alias: str
) -> None:
    assert_all_refused(
        engine,
        InvalidIdentifier,
        [
            ("subject", lambda: ledger.balance(User(pk=41), "gold")),
            ("subject", lambda: ledger.balances(User(pk=41))),
        ],
    )
