"""Reads of the tables: what is free and on hold at an instant, and a journal that stays as it is.

Owns how expiry shows in queries. Must not lock or write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.apps import apps
from django.db import models
from django.db.models import Case, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from django_inventory.exceptions import EntryImmutable
from django_inventory.values import HoldStatus

if TYPE_CHECKING:
    from django_inventory.models import Balance, Entry, Hold  # noqa: F401 - in annotations


def _overdue_quantity(now: datetime) -> Case:
    """Return what a balance's overdue holds reserve; nothing is looked up where there are none."""
    overdue = (
        apps.get_model("django_inventory", "Hold")
        ._base_manager.filter(
            balance=OuterRef("pk"), status=HoldStatus.ACTIVE.value, expires_at__lte=now
        )
        .values("balance")
        .annotate(total=Sum("remaining"))
        .values("total")
    )
    return Case(
        When(next_expiry_at__lte=now, then=Coalesce(Subquery(overdue), Value(0))),
        default=Value(0),
        output_field=models.BigIntegerField(),
    )


class BalanceQuerySet(models.QuerySet["Balance"]):
    """Balances."""

    def at(self, now: datetime) -> Self:
        """Annotate ``free_quantity`` and ``held_quantity``: what is free and on hold at ``now``.

        A hold whose time is over counts as free, whether or not its expiry has been recorded.
        Holds are looked at only where ``next_expiry_at`` has passed.
        """
        overdue = _overdue_quantity(now)
        return self.annotate(
            free_quantity=F("quantity") + overdue, held_quantity=F("on_hold") - overdue
        )

    def snapshot_rows_at(self, now: datetime) -> models.QuerySet[Balance, tuple[Any, ...]]:
        """Ask for the fields of a ``BalanceSnapshot`` at ``now``, in code point order of item."""
        overdue = _overdue_quantity(now)
        return self.order_by("item", "subject").values_list(
            "subject", "item", F("quantity") + overdue, F("on_hold") - overdue
        )

    def non_zero(self) -> Self:
        """Leave out what is owned no longer."""
        return self.exclude(quantity=0, on_hold=0)


class HoldQuerySet(models.QuerySet["Hold"]):
    """Holds."""

    def active_at(self, now: datetime) -> Self:
        """Keep the holds that reserve something at ``now``."""
        return self.filter(status=HoldStatus.ACTIVE, expires_at__gt=now)

    def overdue_at(self, now: datetime) -> Self:
        """Keep the holds whose time is over at ``now`` while their expiry is not recorded yet."""
        return self.filter(status=HoldStatus.ACTIVE, expires_at__lte=now)

    def expired_at(self, now: datetime) -> Self:
        """Keep the holds whose time is over at ``now``, recorded or not."""
        return self.filter(
            Q(status=HoldStatus.EXPIRED) | Q(status=HoldStatus.ACTIVE, expires_at__lte=now)
        )


class EntryQuerySet(models.QuerySet["Entry"]):
    """Journal entries, which are never changed or deleted.

    Raises:
        EntryImmutable: from every method that would.
    """

    def once_an_operation(self) -> Self:
        """Leave out the receiver's entry of what changed hands, so that each operation is one row.

        Counting operation ids without their repetitions would sort them all.
        """
        return self.exclude(
            Q(kind="transfer", quantity_delta__gt=0) | Q(kind="commit", on_hold_delta=0)
        )

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise EntryImmutable

    def bulk_create(  # noqa: PLR0917 - Django's order
        self,
        objs: Iterable[Entry],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,  # noqa: FBT001, FBT002
        update_conflicts: bool = False,  # noqa: FBT001, FBT002
        update_fields: Collection[str] | None = None,  # noqa: ARG002
        unique_fields: Collection[str] | None = None,  # noqa: ARG002
    ) -> list[Entry]:
        """Add entries; refuse to change the ones they conflict with."""
        if update_conflicts:
            raise EntryImmutable
        return super().bulk_create(objs, batch_size, ignore_conflicts)

    update = _refuse
    aupdate = _refuse
    bulk_update = _refuse
    abulk_update = _refuse
    update_or_create = _refuse
    aupdate_or_create = _refuse
    delete = _refuse
    adelete = _refuse
    _raw_delete = _refuse
    _update = _refuse
