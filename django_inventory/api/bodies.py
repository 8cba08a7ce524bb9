"""The bodies that come in, as the API's description shows them.

They are checked by the operations' dataclasses (``parsing``), so that no limit is written twice;
these serializers tell which members there are, and tests hold them against the dataclasses. Must
not be needed to serve a request.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import (
    PolymorphicProxySerializer,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers

from django_inventory.api.fields import (
    IdentifierField,
    MetadataField,
    QuantityField,
    ReferenceField,
    TTLField,
    WordsField,
)
from django_inventory.api.parsing import MAX_BATCH_OPERATIONS


class RequestSerializer(serializers.Serializer[Any]):
    """A body that is described here and read by ``parsing``."""


class NotesSerializer(RequestSerializer):
    """What every operation takes beside its own arguments."""

    reference = ReferenceField(required=False, help_text="Free text, such as an order number.")
    metadata = MetadataField(
        required=False,
        allow_null=True,
        help_text="A JSON object of at most 65,536 bytes and 20 levels, without NUL in its texts.",
    )


@extend_schema_serializer(component_name="InventoryAcquireRequest")
class AcquireSerializer(NotesSerializer):
    """Credit a quantity."""

    subject = IdentifierField(help_text="Who gets it.")
    item = IdentifierField(help_text="What.")
    quantity = QuantityField(help_text="How much, in the item's smallest unit.")


@extend_schema_serializer(component_name="InventoryConsumeRequest")
class ConsumeSerializer(NotesSerializer):
    """Debit a quantity from what is free."""

    subject = IdentifierField(help_text="Who gives it.")
    item = IdentifierField(help_text="What.")
    quantity = QuantityField(help_text="How much, in the item's smallest unit.")


@extend_schema_serializer(component_name="InventoryTransferRequest")
class TransferSerializer(NotesSerializer):
    """Move a quantity from what one subject has free to another."""

    # A declared field is no attribute of the class, so that it hides nothing of Field's.
    source = IdentifierField(help_text="Who gives it.")  # type: ignore[assignment]
    destination = IdentifierField(help_text="Who gets it; not the source.")
    item = IdentifierField(help_text="What.")
    quantity = QuantityField(help_text="How much, in the item's smallest unit.")


@extend_schema_serializer(component_name="InventoryHoldRequest")
class PlaceHoldSerializer(NotesSerializer):
    """Reserve a quantity of what is free, for a time."""

    subject = IdentifierField(help_text="Whose balance.")
    item = IdentifierField(help_text="What.")
    quantity = QuantityField(help_text="How much, in the item's smallest unit.")
    ttl = TTLField(help_text="For how many seconds from now.")


@extend_schema_serializer(component_name="InventoryCommitRequest")
class CommitSerializer(NotesSerializer):
    """Let what is held leave for good."""

    quantity = QuantityField(
        required=False, allow_null=True, help_text="How much of it; null for all that is held."
    )
    keep_remainder = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Keep the rest on hold instead of releasing it. Needs an idempotency key.",
    )
    to = IdentifierField(
        required=False,
        allow_null=True,
        help_text="Who gets it; not the holder. null: it is consumed.",
    )


@extend_schema_serializer(component_name="InventoryReleaseRequest")
class ReleaseSerializer(NotesSerializer):
    """Give back what is left on hold."""


@extend_schema_serializer(component_name="InventoryExtendRequest")
class ExtendSerializer(NotesSerializer):
    """Let a hold expire later, or sooner."""

    ttl = TTLField(help_text="In how many seconds from now it expires.")


def _one_kind(kind: str) -> WordsField:
    """Make the member that tells a batch's operations apart."""
    options = {"component_name": f"Inventory{kind.title()}Kind", "words": [kind]}
    field_class: type[WordsField] = type(f"{kind.title()}KindField", (WordsField,), options)
    return field_class(help_text=f"Always {kind}.")


class KeyedSerializer(RequestSerializer):
    """What an operation of a batch has that always needs a key."""

    key = IdentifierField(help_text="The idempotency key of this operation.")


class OnHoldSerializer(RequestSerializer):
    """What an operation of a batch has that changes a hold."""

    hold_id = serializers.UUIDField(help_text="The hold; none that this batch makes.")
    key = IdentifierField(
        required=False, allow_null=True, help_text="The idempotency key of this operation, if any."
    )


@extend_schema_serializer(component_name="InventoryAcquireOperation")
class AcquireOperationSerializer(AcquireSerializer, KeyedSerializer):
    """Credit a quantity."""

    kind = _one_kind("acquire")


@extend_schema_serializer(component_name="InventoryConsumeOperation")
class ConsumeOperationSerializer(ConsumeSerializer, KeyedSerializer):
    """Debit a quantity from what is free."""

    kind = _one_kind("consume")


@extend_schema_serializer(component_name="InventoryTransferOperation")
class TransferOperationSerializer(TransferSerializer, KeyedSerializer):
    """Move a quantity from what one subject has free to another."""

    kind = _one_kind("transfer")


@extend_schema_serializer(component_name="InventoryHoldOperation")
class HoldOperationSerializer(PlaceHoldSerializer, KeyedSerializer):
    """Reserve a quantity of what is free, for a time."""

    kind = _one_kind("hold")


@extend_schema_serializer(component_name="InventoryCommitOperation")
class CommitOperationSerializer(CommitSerializer, OnHoldSerializer):
    """Let what is held leave for good."""

    kind = _one_kind("commit")


@extend_schema_serializer(component_name="InventoryReleaseOperation")
class ReleaseOperationSerializer(ReleaseSerializer, OnHoldSerializer):
    """Give back what is left on hold."""

    kind = _one_kind("release")


@extend_schema_serializer(component_name="InventoryExtendOperation")
class ExtendOperationSerializer(ExtendSerializer, OnHoldSerializer):
    """Let a hold expire later, or sooner."""

    kind = _one_kind("extend")


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="InventoryOperation",
        serializers={
            "acquire": AcquireOperationSerializer,
            "consume": ConsumeOperationSerializer,
            "transfer": TransferOperationSerializer,
            "hold": HoldOperationSerializer,
            "commit": CommitOperationSerializer,
            "release": ReleaseOperationSerializer,
            "extend": ExtendOperationSerializer,
        },
        resource_type_field_name="kind",
    )
)
class OperationField(serializers.JSONField):
    """An operation of a batch, told apart by its kind."""


@extend_schema_serializer(component_name="InventoryBatchRequest")
class BatchSerializer(RequestSerializer):
    """Many operations."""

    atomic = serializers.BooleanField(
        required=False, default=True, help_text="All or none; otherwise each stands alone."
    )
    operations = serializers.ListField(
        child=OperationField(), min_length=1, max_length=MAX_BATCH_OPERATIONS
    )
