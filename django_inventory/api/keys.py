"""The ``Idempotency-Key`` header: from its text to a key.

Owns the header's syntax. What a key may consist of is said in ``operations``.

Source: draft-ietf-httpapi-idempotency-key-header, "The Idempotency-Key HTTP Header Field", and
RFC 9651, "Structured Field Values for HTTP", section 3.3.3.
"""

from __future__ import annotations

import re
from typing import Final

from django_inventory.api.errors import RequestRefused
from django_inventory.arguments import check_identifier
from django_inventory.exceptions import InvalidIdentifier

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"

# A string of a structured field: printable ASCII, in which \" and \\ stand for " and \. The item's
# parameters, of which the draft defines none, are not looked at.
QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"(?:;.*)?')
# What clients send that never heard of structured fields: a UUID, an order number. No quotes,
# commas, semicolons or blanks, which a second key or parameters would bring.
BARE: Final = re.compile(r"[!#-+\--:<-\[\]-~]+")


def read_key(header: str | None) -> str | None:
    """Return the key that the header gives, or None without a header.

    Raises:
        RequestRefused: it is malformed, or what it gives is no key.
    """
    if header is None:
        return None
    text = header.strip(" \t")
    if quoted := QUOTED.fullmatch(text):
        key = re.sub(r'\\(["\\])', r"\1", quoted[1])
    elif BARE.fullmatch(text):
        key = text
    else:
        raise RequestRefused(
            "idempotency_key_malformed",
            f'{HEADER} must be a string in quotes, such as "order-17", of printable ASCII.',
        )
    try:
        return check_identifier(HEADER, key)
    except InvalidIdentifier as error:
        raise RequestRefused("idempotency_key_malformed", str(error)) from error
