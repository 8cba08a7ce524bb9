"""The tables: fields and constraints, so that the database itself refuses an impossible state.

Owns what SQL can say of the invariants. Workflow belongs in ``ledgers``: no code but a ledger
writes to these tables.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from django_inventory.arguments import MAX_IDENTIFIER_LENGTH
from django_inventory.exceptions import EntryImmutable
from django_inventory.fields import ExactCharField
from django_inventory.ids import uuid7
from django_inventory.querysets import BalanceQuerySet, EntryQuerySet, HoldQuerySet
from django_inventory.values import MAX_QUANTITY, HoldStatus

HOLD_STATUSES = [
    (HoldStatus.ACTIVE.value, _("active")),
    (HoldStatus.COMMITTED.value, _("committed")),
    (HoldStatus.RELEASED.value, _("released")),
    (HoldStatus.EXPIRED.value, _("expired")),
]
KINDS = [
    ("acquire", _("acquire")),
    ("consume", _("consume")),
    ("transfer", _("transfer")),
    ("hold", _("hold")),
    ("commit", _("commit")),
    ("release", _("release")),
    ("extend", _("extend")),
    ("expire", _("expire")),
]
MAX_KIND_LENGTH = 16
MAX_FINGERPRINT_LENGTH = 255


class Balance(models.Model):
    """What one subject owns of one item: a projection of the journal, kept for fast reads."""

    subject = ExactCharField(_("subject"), max_length=MAX_IDENTIFIER_LENGTH)
    item = ExactCharField(_("item"), max_length=MAX_IDENTIFIER_LENGTH)
    quantity = models.BigIntegerField(
        _("quantity"), default=0, help_text=_("The free part, in the item's smallest unit.")
    )
    on_hold = models.BigIntegerField(
        _("on hold"), default=0, help_text=_("The part that active holds reserve.")
    )
    next_expiry_at = models.DateTimeField(
        _("next expiry"),
        null=True,
        blank=True,
        help_text=_("When the first of its active holds expires."),
    )
    version = models.BigIntegerField(
        _("version"), default=0, help_text=_("The sequence of its last journal entry.")
    )
    created_at = models.DateTimeField(_("created"))
    updated_at = models.DateTimeField(_("updated"))

    objects = BalanceQuerySet.as_manager()

    class Meta:
        verbose_name = _("balance")
        verbose_name_plural = _("balances")
        # None to add, change or delete, which nobody may: a right to do so would be a lie.
        default_permissions = ("view",)
        permissions = [
            ("acquire_balance", "Can acquire for a balance"),
            ("consume_balance", "Can consume from a balance"),
            ("transfer_balance", "Can transfer between balances"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "item"], name="inventory_balance_subject_item_unique"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=0), name="inventory_balance_quantity_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(on_hold__gte=0), name="inventory_balance_on_hold_not_negative"
            ),
            models.CheckConstraint(
                # Not quantity + on_hold, which would overflow before it could be compared.
                condition=Q(quantity__lte=MAX_QUANTITY - F("on_hold")),
                name="inventory_balance_total_within_limit",
            ),
            models.CheckConstraint(
                condition=Q(version__gte=0), name="inventory_balance_version_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(on_hold=0, next_expiry_at__isnull=True)
                | Q(on_hold__gt=0, next_expiry_at__isnull=False),
                name="inventory_balance_next_expiry_with_holds",
            ),
            models.CheckConstraint(
                condition=~Q(subject="") & ~Q(item=""), name="inventory_balance_names_not_empty"
            ),
        ]
        indexes = [
            models.Index(fields=["item", "subject"], name="inventory_balance_item"),
            models.Index(fields=["next_expiry_at"], name="inventory_balance_next_expiry"),
        ]

    def __str__(self) -> str:
        # No quantity: what is stored takes no account of holds whose expiry is not recorded yet.
        return f"{self.subject}: {self.item}"


class Hold(models.Model):
    """A reservation of a part of a balance, until it is committed, released or expires."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # No index of its own: one of those below begins with it. So too in Entry.
    balance = models.ForeignKey(
        Balance,
        on_delete=models.PROTECT,
        related_name="holds",
        db_index=False,
        verbose_name=_("balance"),
    )
    quantity = models.BigIntegerField(
        _("quantity"), help_text=_("What was reserved at first, in the item's smallest unit.")
    )
    remaining = models.BigIntegerField(_("remaining"), help_text=_("What is reserved now."))
    status = ExactCharField(_("status"), max_length=MAX_KIND_LENGTH, choices=HOLD_STATUSES)
    expires_at = models.DateTimeField(_("expires"))
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    key = ExactCharField(_("key"), max_length=MAX_IDENTIFIER_LENGTH)
    reference = ExactCharField(
        _("reference"), max_length=MAX_IDENTIFIER_LENGTH, blank=True, default=""
    )
    metadata = models.JSONField(_("metadata"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        default_permissions = ("view",)
        permissions = [
            ("place_hold", "Can place a hold"),
            ("commit_hold", "Can commit a hold"),
            ("release_hold", "Can release a hold"),
            ("extend_hold", "Can extend a hold"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=1), name="inventory_hold_quantity_positive"
            ),
            models.CheckConstraint(
                condition=Q(remaining__gte=0, remaining__lte=F("quantity")),
                name="inventory_hold_remaining_within_quantity",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in HoldStatus]),
                name="inventory_hold_status_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    status=HoldStatus.ACTIVE.value, remaining__gt=0, resolved_at__isnull=True
                )
                | (~Q(status=HoldStatus.ACTIVE.value) & Q(remaining=0, resolved_at__isnull=False)),
                name="inventory_hold_active_or_resolved",
            ),
        ]
        indexes = [
            # Finds a balance's overdue holds, and the earliest expiry that is left.
            models.Index(
                fields=["balance", "status", "expires_at"], name="inventory_hold_by_expiry"
            ),
        ]

    def __str__(self) -> str:
        # Neither status nor what remains, for the same reason as on a balance.
        return str(self.pk)

    def remaining_at(self, now: datetime) -> int:
        """Return what it reserves at ``now``: nothing once it has expired, recorded or not."""
        return self.remaining if self.expires_at > now else 0


class IdempotencyRecord(models.Model):
    """What a key was used for. The answer is not stored: the journal is the answer."""

    scope = ExactCharField(_("scope"), max_length=MAX_IDENTIFIER_LENGTH, blank=True, default="")
    key = ExactCharField(_("key"), max_length=MAX_IDENTIFIER_LENGTH)
    kind = ExactCharField(_("kind"), max_length=MAX_KIND_LENGTH, choices=KINDS)
    fingerprint = ExactCharField(
        _("fingerprint"),
        max_length=MAX_FINGERPRINT_LENGTH,
        help_text=_("A digest of each argument, side by side."),
    )
    operation_id = models.UUIDField(_("operation"))
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("idempotency record")
        verbose_name_plural = _("idempotency records")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "key"], name="inventory_idempotencyrecord_scope_key_unique"
            ),
            models.CheckConstraint(
                condition=~Q(key=""), name="inventory_idempotencyrecord_key_not_empty"
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="inventory_record_created")]

    def __str__(self) -> str:
        return f"{self.scope}/{self.key}" if self.scope else self.key


class Entry(models.Model):
    """One line of the journal: one operation's effect on one balance. Never changed or deleted."""

    balance = models.ForeignKey(
        Balance,
        on_delete=models.PROTECT,
        related_name="entries",
        db_index=False,
        verbose_name=_("balance"),
    )
    sequence = models.BigIntegerField(
        _("sequence"), help_text=_("1, 2, 3, ... for each balance, without gaps.")
    )
    operation_id = models.UUIDField(_("operation"))
    kind = ExactCharField(_("kind"), max_length=MAX_KIND_LENGTH, choices=KINDS)
    key = ExactCharField(_("key"), max_length=MAX_IDENTIFIER_LENGTH, blank=True, default="")
    hold = models.ForeignKey(
        Hold,
        on_delete=models.PROTECT,
        related_name="entries",
        null=True,
        blank=True,
        verbose_name=_("hold"),
    )
    hold_remaining = models.BigIntegerField(
        _("hold's remaining"), null=True, blank=True, help_text=_("After this entry.")
    )
    hold_expires_at = models.DateTimeField(
        _("hold's expiry"), null=True, blank=True, help_text=_("After this entry.")
    )
    quantity_delta = models.BigIntegerField(_("quantity change"))
    on_hold_delta = models.BigIntegerField(_("on hold change"))
    quantity_after = models.BigIntegerField(_("quantity after"))
    on_hold_after = models.BigIntegerField(_("on hold after"))
    actor = ExactCharField(_("actor"), max_length=MAX_IDENTIFIER_LENGTH, blank=True, default="")
    reference = ExactCharField(
        _("reference"), max_length=MAX_IDENTIFIER_LENGTH, blank=True, default=""
    )
    metadata = models.JSONField(_("metadata"), null=True, blank=True)
    effective_at = models.DateTimeField(
        _("effective"), help_text=_("When it took effect; an expiry may be recorded later.")
    )
    created_at = models.DateTimeField(_("created"))

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        default_permissions = ("view",)
        base_manager_name = "objects"
        constraints = [
            models.UniqueConstraint(
                fields=["balance", "sequence"], name="inventory_entry_balance_sequence_unique"
            ),
            models.CheckConstraint(
                condition=Q(sequence__gte=1), name="inventory_entry_sequence_positive"
            ),
            models.CheckConstraint(
                condition=Q(quantity_after__gte=0), name="inventory_entry_quantity_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(on_hold_after__gte=0), name="inventory_entry_on_hold_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(quantity_after__lte=MAX_QUANTITY - F("on_hold_after")),
                name="inventory_entry_total_within_limit",
            ),
            models.CheckConstraint(
                condition=Q(sequence__gt=1)
                | Q(quantity_after=F("quantity_delta"), on_hold_after=F("on_hold_delta")),
                name="inventory_entry_first_starts_from_zero",
            ),
            models.CheckConstraint(
                condition=Q(
                    hold__isnull=True, hold_remaining__isnull=True, hold_expires_at__isnull=True
                )
                # A CHECK passes where it is unknown, so NULL has to be refused by name.
                | Q(
                    hold__isnull=False,
                    hold_remaining__isnull=False,
                    hold_remaining__gte=0,
                    hold_expires_at__isnull=False,
                ),
                name="inventory_entry_hold_complete",
            ),
            models.CheckConstraint(
                condition=Q(effective_at=F("created_at"))
                | Q(kind="expire", effective_at__lte=F("created_at")),
                name="inventory_entry_effective_when_created",
            ),
            models.CheckConstraint(
                # What each verb does to the two parts of a balance.
                condition=Q(
                    kind="acquire", quantity_delta__gt=0, on_hold_delta=0, hold__isnull=True
                )
                | Q(kind="consume", quantity_delta__lt=0, on_hold_delta=0, hold__isnull=True)
                | (Q(kind="transfer", on_hold_delta=0, hold__isnull=True) & ~Q(quantity_delta=0))
                | Q(
                    kind="hold",
                    on_hold_delta__gt=0,
                    quantity_delta=-F("on_hold_delta"),
                    hold__isnull=False,
                )
                | Q(
                    kind="commit",
                    on_hold_delta__lt=0,
                    quantity_delta__gte=0,
                    quantity_delta__lt=-F("on_hold_delta"),
                    hold__isnull=False,
                )
                | Q(kind="commit", on_hold_delta=0, quantity_delta__gt=0, hold__isnull=False)
                | Q(
                    kind__in=["release", "expire"],
                    on_hold_delta__lt=0,
                    quantity_delta=-F("on_hold_delta"),
                    hold__isnull=False,
                )
                | Q(kind="extend", quantity_delta=0, on_hold_delta=0, hold__isnull=False),
                name="inventory_entry_deltas_match_kind",
            ),
        ]
        indexes = [
            models.Index(fields=["operation_id"], name="inventory_entry_operation"),
            models.Index(fields=["created_at", "id"], name="inventory_entry_created"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.quantity_delta:+d}/{self.on_hold_delta:+d}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the entry; refuse to change one.

        Raises:
            EntryImmutable: it is in the journal already.
        """
        if not self._state.adding:
            raise EntryImmutable
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse.

        Raises:
            EntryImmutable: always.
        """
        raise EntryImmutable
