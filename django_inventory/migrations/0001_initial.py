"""The tables, with every invariant that SQL can say."""

from __future__ import annotations

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import django_inventory.fields
import django_inventory.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Balance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "subject",
                    django_inventory.fields.ExactCharField(max_length=255, verbose_name="subject"),
                ),
                (
                    "item",
                    django_inventory.fields.ExactCharField(max_length=255, verbose_name="item"),
                ),
                (
                    "quantity",
                    models.BigIntegerField(
                        default=0,
                        help_text="The free part, in the item's smallest unit.",
                        verbose_name="quantity",
                    ),
                ),
                (
                    "on_hold",
                    models.BigIntegerField(
                        default=0,
                        help_text="The part that active holds reserve.",
                        verbose_name="on hold",
                    ),
                ),
                (
                    "next_expiry_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the first of its active holds expires.",
                        null=True,
                        verbose_name="next expiry",
                    ),
                ),
                (
                    "version",
                    models.BigIntegerField(
                        default=0,
                        help_text="The sequence of its last journal entry.",
                        verbose_name="version",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created")),
                ("updated_at", models.DateTimeField(verbose_name="updated")),
            ],
            options={
                "verbose_name": "balance",
                "verbose_name_plural": "balances",
                "indexes": [
                    models.Index(fields=["item", "subject"], name="inventory_balance_item"),
                    models.Index(fields=["next_expiry_at"], name="inventory_balance_next_expiry"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("subject", "item"), name="inventory_balance_subject_item_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("quantity__gte", 0)),
                        name="inventory_balance_quantity_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("on_hold__gte", 0)),
                        name="inventory_balance_on_hold_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "quantity__lte",
                                django.db.models.expressions.CombinedExpression(
                                    models.Value(9223372036854775807), "-", models.F("on_hold")
                                ),
                            )
                        ),
                        name="inventory_balance_total_within_limit",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("version__gte", 0)),
                        name="inventory_balance_version_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("next_expiry_at__isnull", True), ("on_hold", 0)),
                            models.Q(("next_expiry_at__isnull", False), ("on_hold__gt", 0)),
                            _connector="OR",
                        ),
                        name="inventory_balance_next_expiry_with_holds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("subject", ""), _negated=True),
                            models.Q(("item", ""), _negated=True),
                        ),
                        name="inventory_balance_names_not_empty",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=django_inventory.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "quantity",
                    models.BigIntegerField(
                        help_text="What was reserved at first, in the item's smallest unit.",
                        verbose_name="quantity",
                    ),
                ),
                (
                    "remaining",
                    models.BigIntegerField(
                        help_text="What is reserved now.", verbose_name="remaining"
                    ),
                ),
                (
                    "status",
                    django_inventory.fields.ExactCharField(
                        choices=[
                            ("active", "active"),
                            ("committed", "committed"),
                            ("released", "released"),
                            ("expired", "expired"),
                        ],
                        max_length=16,
                        verbose_name="status",
                    ),
                ),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                (
                    "resolved_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="resolved"),
                ),
                ("key", django_inventory.fields.ExactCharField(max_length=255, verbose_name="key")),
                (
                    "reference",
                    django_inventory.fields.ExactCharField(
                        blank=True, default="", max_length=255, verbose_name="reference"
                    ),
                ),
                ("metadata", models.JSONField(blank=True, null=True, verbose_name="metadata")),
                ("created_at", models.DateTimeField(verbose_name="created")),
                (
                    "balance",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="holds",
                        to="django_inventory.balance",
                        verbose_name="balance",
                    ),
                ),
            ],
            options={
                "verbose_name": "hold",
                "verbose_name_plural": "holds",
                "indexes": [
                    models.Index(
                        fields=["balance", "status", "expires_at"], name="inventory_hold_by_expiry"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("quantity__gte", 1)),
                        name="inventory_hold_quantity_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("remaining__gte", 0), ("remaining__lte", models.F("quantity"))
                        ),
                        name="inventory_hold_remaining_within_quantity",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["active", "committed", "released", "expired"])
                        ),
                        name="inventory_hold_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("remaining__gt", 0),
                                ("resolved_at__isnull", True),
                                ("status", "active"),
                            ),
                            models.Q(
                                models.Q(("status", "active"), _negated=True),
                                ("remaining", 0),
                                ("resolved_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="inventory_hold_active_or_resolved",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sequence",
                    models.BigIntegerField(
                        help_text="1, 2, 3, ... for each balance, without gaps.",
                        verbose_name="sequence",
                    ),
                ),
                ("operation_id", models.UUIDField(verbose_name="operation")),
                (
                    "kind",
                    django_inventory.fields.ExactCharField(
                        choices=[
                            ("acquire", "acquire"),
                            ("consume", "consume"),
                            ("transfer", "transfer"),
                            ("hold", "hold"),
                            ("commit", "commit"),
                            ("release", "release"),
                            ("extend", "extend"),
                            ("expire", "expire"),
                        ],
                        max_length=16,
                        verbose_name="kind",
                    ),
                ),
                (
                    "key",
                    django_inventory.fields.ExactCharField(
                        blank=True, default="", max_length=255, verbose_name="key"
                    ),
                ),
                (
                    "hold_remaining",
                    models.BigIntegerField(
                        blank=True,
                        help_text="After this entry.",
                        null=True,
                        verbose_name="hold's remaining",
                    ),
                ),
                (
                    "hold_expires_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="After this entry.",
                        null=True,
                        verbose_name="hold's expiry",
                    ),
                ),
                ("quantity_delta", models.BigIntegerField(verbose_name="quantity change")),
                ("on_hold_delta", models.BigIntegerField(verbose_name="on hold change")),
                ("quantity_after", models.BigIntegerField(verbose_name="quantity after")),
                ("on_hold_after", models.BigIntegerField(verbose_name="on hold after")),
                (
                    "actor",
                    django_inventory.fields.ExactCharField(
                        blank=True, default="", max_length=255, verbose_name="actor"
                    ),
                ),
                (
                    "reference",
                    django_inventory.fields.ExactCharField(
                        blank=True, default="", max_length=255, verbose_name="reference"
                    ),
                ),
                ("metadata", models.JSONField(blank=True, null=True, verbose_name="metadata")),
                (
                    "effective_at",
                    models.DateTimeField(
                        help_text="When it took effect; an expiry may be recorded later.",
                        verbose_name="effective",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created")),
                (
                    "balance",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="django_inventory.balance",
                        verbose_name="balance",
                    ),
                ),
                (
                    "hold",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="django_inventory.hold",
                        verbose_name="hold",
                    ),
                ),
            ],
            options={
                "verbose_name": "entry",
                "verbose_name_plural": "entries",
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["operation_id"], name="inventory_entry_operation"),
                    models.Index(fields=["created_at", "id"], name="inventory_entry_created"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("balance", "sequence"),
                        name="inventory_entry_balance_sequence_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("sequence__gte", 1)),
                        name="inventory_entry_sequence_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("quantity_after__gte", 0)),
                        name="inventory_entry_quantity_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("on_hold_after__gte", 0)),
                        name="inventory_entry_on_hold_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "quantity_after__lte",
                                django.db.models.expressions.CombinedExpression(
                                    models.Value(9223372036854775807),
                                    "-",
                                    models.F("on_hold_after"),
                                ),
                            )
                        ),
                        name="inventory_entry_total_within_limit",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sequence__gt", 1),
                            models.Q(
                                ("on_hold_after", models.F("on_hold_delta")),
                                ("quantity_after", models.F("quantity_delta")),
                            ),
                            _connector="OR",
                        ),
                        name="inventory_entry_first_starts_from_zero",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("hold__isnull", True),
                                ("hold_expires_at__isnull", True),
                                ("hold_remaining__isnull", True),
                            ),
                            models.Q(
                                ("hold__isnull", False),
                                ("hold_expires_at__isnull", False),
                                ("hold_remaining__gte", 0),
                                ("hold_remaining__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="inventory_entry_hold_complete",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("effective_at", models.F("created_at")),
                            models.Q(
                                ("effective_at__lte", models.F("created_at")), ("kind", "expire")
                            ),
                            _connector="OR",
                        ),
                        name="inventory_entry_effective_when_created",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("hold__isnull", True),
                                ("kind", "acquire"),
                                ("on_hold_delta", 0),
                                ("quantity_delta__gt", 0),
                            ),
                            models.Q(
                                ("hold__isnull", True),
                                ("kind", "consume"),
                                ("on_hold_delta", 0),
                                ("quantity_delta__lt", 0),
                            ),
                            models.Q(
                                ("hold__isnull", True),
                                ("kind", "transfer"),
                                ("on_hold_delta", 0),
                                models.Q(("quantity_delta", 0), _negated=True),
                            ),
                            models.Q(
                                ("hold__isnull", False),
                                ("kind", "hold"),
                                ("on_hold_delta__gt", 0),
                                (
                                    "quantity_delta",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("on_hold_delta"), "*", models.Value(-1)
                                    ),
                                ),
                            ),
                            models.Q(
                                ("hold__isnull", False),
                                ("kind", "commit"),
                                ("on_hold_delta__lt", 0),
                                ("quantity_delta__gte", 0),
                                (
                                    "quantity_delta__lt",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("on_hold_delta"), "*", models.Value(-1)
                                    ),
                                ),
                            ),
                            models.Q(
                                ("hold__isnull", False),
                                ("kind", "commit"),
                                ("on_hold_delta", 0),
                                ("quantity_delta__gt", 0),
                            ),
                            models.Q(
                                ("hold__isnull", False),
                                ("kind__in", ["release", "expire"]),
                                ("on_hold_delta__lt", 0),
                                (
                                    "quantity_delta",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("on_hold_delta"), "*", models.Value(-1)
                                    ),
                                ),
                            ),
                            models.Q(
                                ("hold__isnull", False),
                                ("kind", "extend"),
                                ("on_hold_delta", 0),
                                ("quantity_delta", 0),
                            ),
                            _connector="OR",
                        ),
                        name="inventory_entry_deltas_match_kind",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IdempotencyRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "scope",
                    django_inventory.fields.ExactCharField(
                        blank=True, default="", max_length=255, verbose_name="scope"
                    ),
                ),
                ("key", django_inventory.fields.ExactCharField(max_length=255, verbose_name="key")),
                (
                    "kind",
                    django_inventory.fields.ExactCharField(
                        choices=[
                            ("acquire", "acquire"),
                            ("consume", "consume"),
                            ("transfer", "transfer"),
                            ("hold", "hold"),
                            ("commit", "commit"),
                            ("release", "release"),
                            ("extend", "extend"),
                            ("expire", "expire"),
                        ],
                        max_length=16,
                        verbose_name="kind",
                    ),
                ),
                (
                    "fingerprint",
                    django_inventory.fields.ExactCharField(
                        help_text="A digest of each argument, side by side.",
                        max_length=255,
                        verbose_name="fingerprint",
                    ),
                ),
                ("operation_id", models.UUIDField(verbose_name="operation")),
                ("created_at", models.DateTimeField(verbose_name="created")),
            ],
            options={
                "verbose_name": "idempotency record",
                "verbose_name_plural": "idempotency records",
                "indexes": [models.Index(fields=["created_at"], name="inventory_record_created")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("scope", "key"), name="inventory_idempotencyrecord_scope_key_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("key", ""), _negated=True),
                        name="inventory_idempotencyrecord_key_not_empty",
                    ),
                ],
            },
        ),
    ]
