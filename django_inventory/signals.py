"""What the ledger tells the rest of the project, after commit and robustly.

A receiver that fails is logged by Django and disturbs nobody. Our own code listens to none of
these.
"""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

operation_posted: Final = Signal()
"""Sent for each operation that acted, never for a replay. Arguments: ``receipt``."""

hold_expired: Final = Signal()
"""Sent for each hold whose expiry was recorded. Arguments: ``hold``, a ``HoldSnapshot``."""
