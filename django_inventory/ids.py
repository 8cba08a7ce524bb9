"""Ids that sort by the time they were made: UUID version 7.

Source: RFC 9562, section 5.7.
"""

from __future__ import annotations

import sys
from uuid import UUID

if sys.version_info >= (3, 14):
    from uuid import uuid7 as _uuid7
else:
    from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """Return a new UUIDv7. A function of our own, so that migrations name one on every Python."""
    return _uuid7()
