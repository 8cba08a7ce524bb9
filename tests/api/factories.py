"""Users, and rows for lists: as many as a test wants, without the ledger's work for each."""

# factory-boy says that it is typed, but most of it is not.
# mypy: disable-error-code="attr-defined,no-untyped-call,untyped-decorator"

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import factory
from django.contrib.auth.models import Permission, User

from django_inventory.models import Balance, Entry, Hold
from tests.contract.engines import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = Clock().now


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence("user{}".format)

    @factory.post_generation
    def permissions(self, _create: bool, codenames: Iterable[str] | None, **_: Any) -> None:  # noqa: FBT001 - factory-boy's
        if codenames:
            permissions = Permission.objects.filter(
                content_type__app_label="django_inventory", codename__in=codenames
            )
            assert len(permissions) == len(set(codenames)), f"not all there: {codenames}"
            self.user_permissions.set(permissions)


class BalanceFactory(factory.django.DjangoModelFactory[Balance]):
    class Meta:
        model = Balance

    subject = "alice"
    item = factory.Sequence("item-{:04}".format)
    quantity = 10
    version = 1
    created_at = NOW
    updated_at = NOW


class HoldFactory(factory.django.DjangoModelFactory[Hold]):
    """A hold of 2 on a balance of its own, active unless told otherwise."""

    class Meta:
        model = Hold

    balance = factory.SubFactory(
        BalanceFactory, on_hold=2, next_expiry_at=factory.SelfAttribute("..expires_at")
    )
    quantity = 2
    remaining = 2
    status = "active"
    expires_at = NOW + timedelta(minutes=1)
    key = factory.Sequence("hold-{}".format)
    created_at = NOW


class EntryFactory(factory.django.DjangoModelFactory[Entry]):
    """The acquisition that a balance of its own began with."""

    class Meta:
        model = Entry

    balance = factory.SubFactory(BalanceFactory)
    sequence = 1
    operation_id = factory.LazyFunction(uuid4)
    kind = "acquire"
    key = factory.Sequence("acquire-{}".format)
    quantity_delta = 10
    on_hold_delta = 0
    quantity_after = 10
    on_hold_after = 0
    effective_at = NOW
    created_at = NOW
