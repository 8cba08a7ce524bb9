"""What the ledger's checks of arguments look like as JSON Schema, for the API's description.

Owns no rule: every limit is imported from where it is checked, and tests hold the patterns against
the checks.
"""

from __future__ import annotations

from typing import Any, Final

from django_inventory.arguments import MAX_IDENTIFIER_LENGTH, MAX_TTL
from django_inventory.values import MAX_QUANTITY

Schema = dict[str, Any]

# What str.strip() strips, but for the control characters, which are refused anywhere.
_BLANKS: Final = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_CONTROLS: Final = r"\u0000-\u001f\u007f-\u009f"

IDENTIFIER_SCHEMA: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_IDENTIFIER_LENGTH,
    "pattern": (rf"^[^{_CONTROLS}{_BLANKS}]([^{_CONTROLS}]*[^{_CONTROLS}{_BLANKS}])?$"),
}
"""A subject, item or key."""

TEXT_SCHEMA: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_IDENTIFIER_LENGTH,
    "pattern": rf"^[^{_CONTROLS}]*$",
}
"""A part of an identifier, or a reference."""

REFERENCE_SCHEMA: Final[Schema] = {**TEXT_SCHEMA, "minLength": 0, "default": ""}
QUANTITY_SCHEMA: Final[Schema] = {
    "type": "integer",
    "format": "int64",
    "minimum": 1,
    "maximum": MAX_QUANTITY,
}
TTL_SCHEMA: Final[Schema] = {
    "type": "integer",
    "format": "int64",
    "minimum": 1,
    "maximum": int(MAX_TTL.total_seconds()),
}

# The two forms that ``keys`` reads, with the limits of an identifier: an atom is a character that
# is no blank, or an escaped quote or backslash.
_ATOM: Final = r'([!#-\[\]-~]|\\["\\])'
HEADER_SCHEMA: Final[Schema] = {
    "type": "string",
    "pattern": (
        rf'^("{_ATOM}(( |{_ATOM}){{0,{MAX_IDENTIFIER_LENGTH - 2}}}{_ATOM})?"'
        rf"|[!#-+\--:<-\[\]-~]{{1,{MAX_IDENTIFIER_LENGTH}}})$"
    ),
}
PRIMARY_KEY_SCHEMA: Final[Schema] = {
    "type": "integer",
    "format": "int64",
    "minimum": 1,
    "maximum": MAX_QUANTITY,
}
UUID_SCHEMA: Final[Schema] = {"type": "string", "format": "uuid"}
