"""What Schemathesis is told beside the description: which bodies are wrong beyond what it can say.

A transfer to oneself, a part-commit without a key, and metadata that is too deep, too large or has
NUL in it. Such bodies are tested elsewhere; here they would count as right ones that were refused.
"""

from __future__ import annotations

from typing import Any

import schemathesis

from django_inventory.arguments import check_metadata
from django_inventory.exceptions import InvalidOperation


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leave out a request whose body is wrong in such a way."""
    body = case.body
    if not isinstance(body, dict):
        return True
    key = (case.headers or {}).get("Idempotency-Key")
    operations = body.get("operations")
    if not isinstance(operations, list):
        return not _is_wrong(body, key)
    return not any(
        _is_wrong(operation, operation.get("key"))
        for operation in operations
        if isinstance(operation, dict)
    )


def _is_wrong(operation: dict[str, Any], key: object) -> bool:
    if "source" in operation and operation["source"] == operation.get("destination"):
        return True
    if operation.get("keep_remainder") is True and key is None:
        return True
    metadata = operation.get("metadata")
    try:
        check_metadata(metadata)
    except InvalidOperation:
        # What is no object is wrong by the description already.
        return isinstance(metadata, dict)
    return False
