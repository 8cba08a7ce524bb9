"""Which subjects a user of the HTTP API may see and name.

``INVENTORY["API_SUBJECT_SCOPE"]`` names this function. Staff is not narrowed; everybody else is
narrowed to the customer that they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from rest_framework.request import Request


def subjects_of(request: Request) -> Collection[str] | None:
    if request.user.is_staff:
        return None
    return [f"customer:{request.user.get_username()}"]
