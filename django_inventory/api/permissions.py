"""What a caller may do: one Django permission for each verb and each kind of read."""

from __future__ import annotations

from typing import Any, Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

VERB_PERMISSIONS: Final = {
    "acquire": "django_inventory.acquire_balance",
    "consume": "django_inventory.consume_balance",
    "transfer": "django_inventory.transfer_balance",
    "hold": "django_inventory.place_hold",
    "commit": "django_inventory.commit_hold",
    "release": "django_inventory.release_hold",
    "extend": "django_inventory.extend_hold",
}
"""By an operation's kind, the permission to ask for it."""

VIEW_BALANCE: Final = "django_inventory.view_balance"
VIEW_HOLD: Final = "django_inventory.view_hold"
VIEW_ENTRY: Final = "django_inventory.view_entry"


class HasVerbPermission(BasePermission):
    """Every verb and every read needs its Django permission; a batch those of all its verbs.

    A method that a route does not have needs none, so that its answer is 405 for everybody.
    """

    message = "A permission for this is missing."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the caller has all that ``view.required_permissions()`` names."""
        return bool(request.user.has_perms(view.required_permissions()))
