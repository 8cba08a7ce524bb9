"""The fields of bodies: each says once what the API's description tells of it.

Owns no check: what comes in is checked by the operations' dataclasses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import ISO_8601, serializers

from django_inventory.api.patterns import (
    IDENTIFIER_SCHEMA,
    QUANTITY_SCHEMA,
    REFERENCE_SCHEMA,
    TTL_SCHEMA,
)
from django_inventory.models import KINDS
from django_inventory.values import MAX_QUANTITY, HoldStatus

BIGINT_SCHEMA = {"type": "integer", "format": "int64"}


@extend_schema_field(IDENTIFIER_SCHEMA)
class IdentifierField(serializers.CharField):
    """A subject, item or key."""


@extend_schema_field(QUANTITY_SCHEMA)
class QuantityField(serializers.IntegerField):
    """A quantity to move."""


@extend_schema_field(TTL_SCHEMA)
class TTLField(serializers.IntegerField):
    """Whole seconds."""


@extend_schema_field(REFERENCE_SCHEMA)
class ReferenceField(serializers.CharField):
    """Free text."""


@extend_schema_field({"type": "object", "additionalProperties": {}})
class MetadataField(serializers.JSONField):
    """A JSON object."""


class WordsField(serializers.CharField):
    """One of a few words. The API's description names each such choice, so that it stays apart.

    drf-spectacular would name it after the field and warn where a project's own ``status`` has
    other choices.

    Attributes:
        component_name: what the description calls the choice.
        words: the words.
    """

    component_name: str
    words: Sequence[str]


class InstantField(serializers.DateTimeField):
    """A time in UTC, whatever time zone is active: a replay must equal the first answer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(format=ISO_8601, default_timezone=UTC, **options)


@extend_schema_field({**BIGINT_SCHEMA, "minimum": 0, "maximum": MAX_QUANTITY})
class AmountField(serializers.IntegerField):
    """A part of a balance."""


@extend_schema_field({**BIGINT_SCHEMA, "minimum": -MAX_QUANTITY, "maximum": MAX_QUANTITY})
class DeltaField(serializers.IntegerField):
    """A change of a part of a balance."""


@extend_schema_field({**BIGINT_SCHEMA, "minimum": 1, "maximum": MAX_QUANTITY})
class PrimaryKeyField(serializers.IntegerField):
    """The number of a row."""


class StatusField(WordsField):
    """A hold's status."""

    component_name = "InventoryHoldStatus"
    words = [status.value for status in HoldStatus]


class ResolutionField(WordsField):
    """How a hold was resolved, where that refuses something."""

    component_name = "InventoryHoldResolution"
    words = [HoldStatus.COMMITTED.value, HoldStatus.RELEASED.value]


class KindField(WordsField):
    """A verb, or expire."""

    component_name = "InventoryKind"
    words = [kind for kind, _ in KINDS]


class KeyField(serializers.CharField):
    """A key as it is kept; null where there is none."""

    def to_representation(self, value: Any) -> Any:
        """Return None for the empty text that stands for no key in the tables."""
        return value or None
