"""One permission for each verb, and none for what nobody may do."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("django_inventory", "0003_post_function")]

    operations = [
        migrations.AlterModelOptions(
            name="balance",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("acquire_balance", "Can acquire for a balance"),
                    ("consume_balance", "Can consume from a balance"),
                    ("transfer_balance", "Can transfer between balances"),
                ],
                "verbose_name": "balance",
                "verbose_name_plural": "balances",
            },
        ),
        migrations.AlterModelOptions(
            name="hold",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("place_hold", "Can place a hold"),
                    ("commit_hold", "Can commit a hold"),
                    ("release_hold", "Can release a hold"),
                    ("extend_hold", "Can extend a hold"),
                ],
                "verbose_name": "hold",
                "verbose_name_plural": "holds",
            },
        ),
        migrations.AlterModelOptions(
            name="entry",
            options={
                "base_manager_name": "objects",
                "default_permissions": ("view",),
                "verbose_name": "entry",
                "verbose_name_plural": "entries",
            },
        ),
        migrations.AlterModelOptions(
            name="idempotencyrecord",
            options={
                "default_permissions": ("view",),
                "verbose_name": "idempotency record",
                "verbose_name_plural": "idempotency records",
            },
        ),
    ]
