"""The shapes of bodies: those that go out are made here, those that come in are described.

What comes in is checked by the operations' dataclasses (``parsing``), so that no limit is written
twice; the request serializers tell the API's description which members there are, and tests hold
them against the dataclasses. Must not look anything up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from drf_spectacular.utils import (
    PolymorphicProxySerializer,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import ISO_8601, serializers

from django_inventory.api.parsing import MAX_BATCH_OPERATIONS
from django_inventory.api.patterns import (
    IDENTIFIER_SCHEMA,
    QUANTITY_SCHEMA,
    REFERENCE_SCHEMA,
    TTL_SCHEMA,
)
from django_inventory.models import KINDS, Hold
from django_inventory.rules import HoldState
from django_inventory.values import MAX_QUANTITY, HoldSnapshot, HoldStatus, Receipt

BIGINT_SCHEMA = {"type": "integer", "format": "int64"}


# What comes in ------------------------------------------------------------------------------


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


# What goes out ------------------------------------------------------------------------------


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


@extend_schema_serializer(component_name="InventoryBalanceSnapshot")
class BalanceSnapshotSerializer(serializers.Serializer[Any]):
    """What a subject owned of an item, right after an operation."""

    subject = serializers.CharField()
    item = serializers.CharField()
    quantity = AmountField(help_text="The free part.")
    on_hold = AmountField(help_text="The part that active holds reserve.")


@extend_schema_serializer(component_name="InventoryHoldSnapshot")
class HoldSnapshotSerializer(serializers.Serializer[HoldSnapshot]):
    """A hold, right after an operation."""

    id = serializers.UUIDField()
    subject = serializers.CharField()
    item = serializers.CharField()
    quantity = AmountField(help_text="What was reserved at first.")
    remaining = AmountField(help_text="What is reserved; 0 once the hold is resolved.")
    status = StatusField()
    expires_at = InstantField(help_text="The first instant at which it no longer counts.")


@extend_schema_serializer(component_name="InventoryReceipt")
class ReceiptSerializer(serializers.Serializer[Any]):
    """What an operation did. Sent again with its key, it is answered with the same."""

    operation_id = serializers.UUIDField(help_text="Which entries of the journal it wrote.")
    kind = KindField(help_text="The verb; expire where a hold was released that had expired.")
    key = serializers.CharField(
        allow_null=True, help_text="The idempotency key under which it was done."
    )
    balances = BalanceSnapshotSerializer(
        many=True,
        help_text="As they stood right after: the owner's; of a transfer the source's and the "
        "destination's; of a commit to somebody the holder's and the receiver's.",
    )
    hold = HoldSnapshotSerializer(allow_null=True, help_text="Where the operation concerns one.")


# One for all, since making a serializer takes longer than using it; showing changes nothing in it.
_receipt_serializer = ReceiptSerializer()


def show_receipt(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as it is sent; without ``replayed``, so that a replay is the same."""
    shown: dict[str, Any] = _receipt_serializer.to_representation(receipt)
    return shown


@extend_schema_serializer(component_name="InventoryBalance")
class BalanceSerializer(serializers.Serializer[Any]):
    """What a subject owns of an item now: holds whose time is over count as free."""

    id = PrimaryKeyField()
    subject = serializers.CharField()
    item = serializers.CharField()
    quantity = AmountField(source="free_quantity", help_text="The free part.")
    on_hold = AmountField(source="held_quantity", help_text="The part that active holds reserve.")
    version = AmountField(help_text="The sequence of its last journal entry.")
    created_at = InstantField()
    updated_at = InstantField()


@extend_schema_serializer(component_name="InventoryHold")
class HoldSerializer(serializers.Serializer[Hold]):
    """A hold as it stands now: expired once its time is over, recorded or not."""

    id = serializers.UUIDField()
    subject = serializers.CharField(source="balance.subject")
    item = serializers.CharField(source="balance.item")
    quantity = AmountField(help_text="What was reserved at first.")
    remaining = AmountField(help_text="What is reserved now; 0 once the hold is resolved.")
    status = StatusField()
    expires_at = InstantField(help_text="The first instant at which it no longer counts.")
    resolved_at = InstantField(
        allow_null=True, help_text="When it was committed, released or expired."
    )
    key = serializers.CharField(help_text="The idempotency key under which it was placed.")
    reference = serializers.CharField()
    metadata = MetadataField(allow_null=True)
    created_at = InstantField()

    def to_representation(self, instance: Hold) -> dict[str, Any]:
        """Return the hold as of the instant that the context calls ``now``."""
        status = HoldStatus(instance.status)
        snapshot = HoldState(
            instance.pk,
            instance.balance.subject,
            instance.balance.item,
            instance.quantity,
            instance.remaining,
            status,
            instance.expires_at,
        ).snapshot_at(self.context["now"])
        shown = super().to_representation(instance)
        shown["status"] = snapshot.status.value
        shown["remaining"] = snapshot.remaining
        if snapshot.status is HoldStatus.EXPIRED:
            # Not when somebody recorded it, so that recording it changes nothing here.
            shown["resolved_at"] = shown["expires_at"]
        return shown


@extend_schema_serializer(component_name="InventoryEntry")
class EntrySerializer(serializers.Serializer[Any]):
    """One line of the journal: one operation's effect on one balance."""

    id = PrimaryKeyField()
    operation_id = serializers.UUIDField(help_text="The same on all lines of one operation.")
    kind = KindField()
    balance = PrimaryKeyField(source="balance_id")
    subject = serializers.CharField(source="balance.subject")
    item = serializers.CharField(source="balance.item")
    sequence = PrimaryKeyField(help_text="1, 2, 3, ... on each balance, without gaps.")
    key = KeyField(allow_null=True, help_text="The idempotency key, if there was one.")
    hold = serializers.UUIDField(source="hold_id", allow_null=True)
    hold_remaining = AmountField(allow_null=True, help_text="What the hold reserved after this.")
    hold_expires_at = InstantField(allow_null=True, help_text="When it expired, after this.")
    quantity_delta = DeltaField(help_text="The change of the free part.")
    on_hold_delta = DeltaField(help_text="The change of the part on hold.")
    quantity_after = AmountField(help_text="The free part after this.")
    on_hold_after = AmountField(help_text="The part on hold after this.")
    actor = serializers.CharField(help_text="Who did it; empty for an expiry.")
    reference = serializers.CharField()
    metadata = MetadataField(allow_null=True)
    effective_at = InstantField(help_text="When it took effect; an expiry is recorded later.")
    created_at = InstantField(help_text="When it was written.")


@extend_schema_serializer(component_name="InventoryShortage")
class ShortageSerializer(serializers.Serializer[Any]):
    """A balance that had too little free. In a batch both numbers are the whole batch's."""

    subject = serializers.CharField()
    item = serializers.CharField()
    # All that a batch asks for may be more than one balance could hold.
    requested = serializers.IntegerField(min_value=1)
    available = serializers.IntegerField(min_value=0)


class ProblemMembersSerializer(serializers.Serializer[Any]):
    """What problems carry, depending on their code."""

    index = serializers.IntegerField(
        required=False, min_value=0, help_text="In a batch: the position of the refused operation."
    )
    # Named as the member is, which hides an attribute that this description does not need.
    field = serializers.CharField(required=False, help_text="The argument that is wrong.")
    shortages = ShortageSerializer(
        required=False, many=True, help_text="insufficient_quantity: every balance that is short."
    )
    subject = serializers.CharField(required=False, help_text="quantity_overflow: whose balance.")
    item = serializers.CharField(required=False, help_text="quantity_overflow: of which item.")
    requested = AmountField(required=False, help_text="quantity_overflow: the credit.")
    available = AmountField(required=False, help_text="quantity_overflow: the room that is left.")
    hold_id = serializers.UUIDField(required=False, help_text="hold_*: the hold.")
    hold_status = ResolutionField(required=False, help_text="hold_resolved: how it was resolved.")
    expires_at = InstantField(required=False, help_text="hold_expired: when.")
    key = serializers.CharField(required=False, help_text="idempotency_conflict: the key.")


@extend_schema_serializer(component_name="InventoryProblem")
class ProblemSerializer(ProblemMembersSerializer):
    """A refusal, by RFC 9457. Nothing was changed."""

    type = serializers.CharField(help_text="The code as a URI.")
    title = serializers.CharField(help_text="The code in words.")
    status = serializers.IntegerField(min_value=400, max_value=599)
    detail = serializers.CharField(help_text="What was wrong this time, for people.")
    code = serializers.CharField(help_text="What programs read.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the members whose names mean something else to a serializer."""
        return {
            **super().get_fields(),
            "fields": serializers.ListField(
                child=serializers.CharField(),
                required=False,
                help_text="idempotency_conflict: the arguments that differ.",
            ),
            "errors": serializers.DictField(
                required=False, help_text="invalid_parameter: by parameter, what is wrong."
            ),
        }


@extend_schema_serializer(component_name="InventoryReceipts")
class ReceiptsSerializer(serializers.Serializer[Any]):
    """What an atomic batch did, in the order of its operations."""

    receipts = ReceiptSerializer(many=True)


@extend_schema_serializer(component_name="InventoryResult")
class ResultSerializer(serializers.Serializer[Any]):
    """What one operation of a batch that is not atomic came to."""

    status = serializers.IntegerField(help_text="The status that it would have got by itself.")
    receipt = ReceiptSerializer(required=False, help_text="What it did.")
    problem = ProblemSerializer(required=False, help_text="Why it was refused.")


@extend_schema_serializer(component_name="InventoryResults")
class ResultsSerializer(serializers.Serializer[Any]):
    """What the operations of a batch that is not atomic came to, in their order."""

    results = ResultSerializer(many=True)
