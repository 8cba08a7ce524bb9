"""Every way that we could think of in which rows can be wrong, and what must be said of each.

Owns the SQL and the exact mismatches. Texts name what a ``Story`` names: ``%(alice)s`` in SQL,
``{alice}`` in what is expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from tests.proof.verification.story import Story


class Found(NamedTuple):
    """A mismatch, but for what repairing has done to it."""

    code: str
    name: str
    field: str
    expected: str
    found: str
    is_repairable: bool


@dataclass(frozen=True)
class Corruption:
    """A way to spoil the books.

    Attributes:
        only_on: the database where it can be done at all; "" for each.
    """

    id: str
    statements: tuple[str, ...]
    expected: tuple[Found, ...]
    only_on: str = ""

    def expected_of(self, story: Story) -> list[Found]:
        """Return what must be found, in no particular order."""
        return sorted(
            found._replace(
                name=found.name.format(**story.names),
                expected=found.expected.format(**story.names),
                found=found.found.format(**story.names),
            )
            for found in self.expected
        )


def balance(owner: str, field: str, expected: object, found: object) -> Found:
    return Found("balance", f"{owner} / gold", field, str(expected), str(found), True)  # noqa: FBT003


def hold(which: str, field: str, expected: object, found: object) -> Found:
    return Found("hold", which, field, str(expected), str(found), True)  # noqa: FBT003


def beyond_repair(code: str, name: str, field: str, expected: object, found: object) -> Found:
    return Found(code, name, field, str(expected), str(found), False)  # noqa: FBT003


def journal(owner: str, field: str, expected: object, found: object) -> Found:
    return beyond_repair("journal", f"{owner} / gold", field, expected, found)


def told(*found: Found) -> tuple[Found, ...]:
    """Return what is found beside a journal that contradicts itself: nothing can be repaired."""
    return tuple(one._replace(is_repairable=False) for one in found)


def set_balance(values: str, owner: str = "alice") -> str:
    return f"UPDATE django_inventory_balance SET {values} WHERE id = %({owner})s"  # noqa: S608


def set_hold(values: str, which: str = "first") -> str:
    return f"UPDATE django_inventory_hold SET {values} WHERE id = %({which})s"  # noqa: S608


def set_entry(values: str, sequence: int, owner: str = "alice") -> str:
    return (
        f"UPDATE django_inventory_entry SET {values} "  # noqa: S608
        f"WHERE balance_id = %({owner})s AND sequence = {sequence}"
    )


def delete_entry(sequence: int, owner: str = "alice") -> str:
    return (
        "DELETE FROM django_inventory_entry "  # noqa: S608
        f"WHERE balance_id = %({owner})s AND sequence = {sequence}"
    )


def set_key(values: str, key: str) -> str:
    return (
        f"UPDATE django_inventory_idempotencyrecord SET {values} "  # noqa: S608
        f"WHERE [key] = '{key}'"
    )


IN_BALANCES: Final = (
    Corruption("quantity", (set_balance("quantity = 9"),), (balance("alice", "quantity", 8, 9),)),
    Corruption(
        "quantity below zero",
        (set_balance("quantity = -1"),),
        (balance("alice", "quantity", 8, -1),),
    ),
    Corruption(
        "quantity at the limit",
        (set_balance("quantity = 9223372036854775807"),),
        (balance("alice", "quantity", 8, 9223372036854775807),),
    ),
    Corruption("on_hold", (set_balance("on_hold = 4"),), (balance("alice", "on_hold", 3, 4),)),
    Corruption(
        "moved from on_hold to quantity",
        (set_balance("quantity = 11, on_hold = 0, next_expiry_at = NULL"),),
        (
            balance("alice", "quantity", 8, 11),
            balance("alice", "on_hold", 3, 0),
            balance("alice", "next_expiry_at", "{in_3h}", None),
        ),
    ),
    Corruption("version", (set_balance("version = 8"),), (balance("alice", "version", 7, 8),)),
    Corruption("version zero", (set_balance("version = 0"),), (balance("alice", "version", 7, 0),)),
    Corruption(
        "next_expiry_at missing",
        (set_balance("next_expiry_at = NULL"),),
        (balance("alice", "next_expiry_at", "{in_3h}", None),),
    ),
    Corruption(
        "next_expiry_at early",
        (set_balance("next_expiry_at = %(in_1h)s"),),
        (balance("alice", "next_expiry_at", "{in_3h}", "{in_1h}"),),
    ),
    Corruption(
        "next_expiry_at without holds",
        (set_balance("next_expiry_at = %(in_1h)s", "carol"),),
        (balance("carol", "next_expiry_at", None, "{in_1h}"),),
    ),
    Corruption(
        "two balances swapped",
        (set_balance("quantity = 3", "carol"), set_balance("quantity = 11", "bob")),
        (balance("carol", "quantity", 11, 3), balance("bob", "quantity", 3, 11)),
    ),
    Corruption(
        "balance out of nothing",
        (
            (
                "INSERT INTO django_inventory_balance (subject, item, quantity, on_hold, version, "
                "created_at, updated_at) VALUES ('mallory', 'gold', 5, 0, 1, %(start)s, %(start)s)"
            ),
        ),
        (balance("mallory", "quantity", 0, 5), balance("mallory", "version", 0, 1)),
    ),
    Corruption(
        "balance deleted",
        ("DELETE FROM django_inventory_balance WHERE id = %(alice)s",),
        (beyond_repair("journal", "balance {alice}", "row", "there", "missing, with 7 entries"),),
    ),
)

IN_HOLDS: Final = (
    Corruption("remaining", (set_hold("remaining = 4"),), (hold("{first}", "remaining", 3, 4),)),
    Corruption("remaining 0", (set_hold("remaining = 0"),), (hold("{first}", "remaining", 3, 0),)),
    Corruption(
        "quantity of a hold", (set_hold("quantity = 9"),), (hold("{first}", "quantity", 8, 9),)
    ),
    Corruption(
        "status",
        (set_hold("status = 'released'"),),
        (hold("{first}", "status", "active", "released"),),
    ),
    Corruption(
        "unknown status",
        (set_hold("status = 'lost'"),),
        (hold("{first}", "status", "active", "lost"),),
    ),
    Corruption(
        "expired before its time",
        (set_hold("status = 'expired', remaining = 0, resolved_at = %(later)s"),),
        (
            hold("{first}", "status", "active", "expired"),
            hold("{first}", "remaining", 3, 0),
            hold("{first}", "resolved_at", None, "{later}"),
        ),
    ),
    Corruption(
        "released hold active again",
        (set_hold("status = 'active', remaining = 3, resolved_at = NULL", "second"),),
        (
            hold("{second}", "status", "released", "active"),
            hold("{second}", "remaining", 0, 3),
            hold("{second}", "resolved_at", "{start}", None),
        ),
    ),
    Corruption(
        "committed taken for released",
        (set_hold("status = 'released'", "fourth"),),
        (hold("{fourth}", "status", "committed", "released"),),
    ),
    Corruption(
        "expires_at",
        (set_hold("expires_at = %(in_1h)s"),),
        (hold("{first}", "expires_at", "{in_3h}", "{in_1h}"),),
    ),
    Corruption(
        "resolved_at of an active hold",
        (set_hold("resolved_at = %(start)s"),),
        (hold("{first}", "resolved_at", None, "{start}"),),
    ),
    Corruption(
        "resolved_at",
        (set_hold("resolved_at = %(in_1h)s", "third"),),
        (hold("{third}", "resolved_at", "{later}", "{in_1h}"),),
    ),
    Corruption(
        "hold of another balance",
        (set_hold("balance_id = %(bob)s"),),
        (hold("{first}", "balance_id", "{alice}", "{bob}"),),
    ),
    Corruption(
        "hold of no balance",
        (set_hold("balance_id = 999999"),),
        (hold("{first}", "balance_id", "{alice}", 999999),),
    ),
    Corruption("key of a hold", (set_hold("[key] = 'h9'"),), (hold("{first}", "key", "h1", "h9"),)),
    Corruption(
        "reference of a hold",
        (set_hold("reference = 'Basket'"),),
        (hold("{first}", "reference", "basket", "Basket"),),
    ),
    Corruption(
        "metadata of a hold",
        (set_hold("metadata = '{\"n\": 2}'"),),
        (hold("{first}", "metadata", "{{'n': 1}}", "{{'n': 2}}"),),
    ),
    Corruption(
        "metadata of a hold missing",
        (set_hold("metadata = NULL"),),
        (hold("{first}", "metadata", "{{'n': 1}}", None),),
    ),
    Corruption(
        "created_at of a hold",
        (set_hold("created_at = %(later)s"),),
        (hold("{first}", "created_at", "{start}", "{later}"),),
    ),
    Corruption(
        "active hold deleted",
        ("DELETE FROM django_inventory_hold WHERE id = %(first)s",),
        (hold("{first}", "row", "there", "missing"),),
    ),
    Corruption(
        "resolved hold deleted",
        ("DELETE FROM django_inventory_hold WHERE id = %(second)s",),
        (hold("{second}", "row", "there", "missing"),),
    ),
    Corruption(
        "hold out of nothing",
        (
            (
                "INSERT INTO django_inventory_hold (id, balance_id, quantity, remaining, status, "
                "expires_at, [key], reference, created_at) VALUES "
                "(%(stranger)s, %(carol)s, 1, 1, 'active', %(in_1h)s, 'h9', '', %(start)s)"
            ),
        ),
        (beyond_repair("hold", "{stranger}", "entry", "there", "missing"),),
    ),
)

IN_KEYS: Final = (
    Corruption(
        "operation of a key",
        (set_key("operation_id = %(stranger)s", "a1"),),
        (beyond_repair("key", " / a1", "operation", "there", "missing"),),
    ),
    Corruption(
        "operation of another key",
        (set_key("operation_id = %(a2)s", "a1"),),
        (beyond_repair("key", " / a1", "key", "a2", "a1"),),
    ),
    Corruption(
        "kind of a key",
        (set_key("kind = 'consume'", "a1"),),
        (beyond_repair("key", " / a1", "kind", "acquire", "consume"),),
    ),
    Corruption(
        "name of a key",
        (set_key("[key] = 'a9', scope = 'shop'", "a1"),),
        (beyond_repair("key", "shop / a9", "key", "a1", "a9"),),
    ),
)
