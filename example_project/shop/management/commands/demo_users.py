"""``manage.py demo_users``: users to try the site and the API with, each with other permissions."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management.base import BaseCommand

PASSWORD = "demo"  # noqa: S105 - for everybody to know
VIEWS = ["view_balance", "view_hold", "view_entry", "view_idempotencyrecord"]
PERMISSIONS = {
    "clerk": [
        *VIEWS,
        "acquire_balance",
        "consume_balance",
        "transfer_balance",
        "place_hold",
        "commit_hold",
        "release_hold",
        "extend_hold",
    ],
    "till": ["view_balance", "view_hold", "place_hold", "commit_hold", "release_hold"],
    "auditor": VIEWS,
    # Narrowed to the subject customer:alice, by shop/scope.py.
    "alice": [*VIEWS, "consume_balance"],
    # The superuser, who needs none.
    "boss": [],
}
CUSTOMERS = {"alice"}
SUPERUSER = "boss"


class Command(BaseCommand):
    """Make the users that are missing, and set passwords and permissions of all."""

    help = __doc__

    def handle(self, **_: Any) -> None:
        for name, codenames in PERMISSIONS.items():
            user, _is_new = get_user_model().objects.get_or_create(username=name)
            user.is_staff = name not in CUSTOMERS
            user.is_superuser = name == SUPERUSER
            user.set_password(PASSWORD)
            user.save()
            user.user_permissions.set(
                Permission.objects.filter(
                    content_type__app_label="django_inventory", codename__in=codenames
                )
            )
            self.stdout.write(f"{name:8}  {', '.join(codenames) or 'everything'}")
        self.stdout.write(f"The password of each is {PASSWORD!r}. Not for a server!")
