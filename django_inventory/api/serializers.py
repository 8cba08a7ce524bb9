"""The bodies that go out: how receipts, balances, holds, entries and problems are shown.

Must not look anything up.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from django_inventory.api.fields import (
    AmountField,
    DeltaField,
    InstantField,
    KeyField,
    KindField,
    MetadataField,
    PrimaryKeyField,
    ResolutionField,
    StatusField,
)
from django_inventory.models import Hold
from django_inventory.rules import HoldState
from django_inventory.values import HoldSnapshot, HoldStatus, Receipt


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
