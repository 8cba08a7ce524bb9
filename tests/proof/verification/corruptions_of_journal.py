"""The ways in which the journal itself can be wrong, and what must be said of each.

An entry can be changed only past the database's own guards; where the journal still fits together
it is believed, where it contradicts itself nothing is repaired.
"""

from __future__ import annotations

from typing import Final

from tests.proof.verification.corruptions import (
    Corruption,
    balance,
    beyond_repair,
    delete_entry,
    hold,
    journal,
    set_entry,
    told,
)

HALF: Final = 2**62
ENTRY_COLUMNS: Final = (
    "balance_id, sequence, operation_id, kind, [key], hold_id, hold_remaining, hold_expires_at, "
    "quantity_delta, on_hold_delta, quantity_after, on_hold_after, actor, reference, metadata, "
    "effective_at, created_at"
)
PAIR: Final = "one, or two that cancel out"

IN_ENTRIES: Final = (
    Corruption(
        "quantity_delta",
        (set_entry("quantity_delta = 21", 1),),
        (journal("alice", "quantity_after of entry 1", 21, 20),),
    ),
    Corruption(
        "on_hold_delta",
        (set_entry("on_hold_delta = 9", 2),),
        (
            journal("alice", "on_hold_after of entry 2", 9, 8),
            journal("alice", "kind of entry 2", "one for -8 and +9 with a hold", "hold"),
            journal("alice", "hold_remaining of entry 2", 9, 8),
            *told(hold("{first}", "quantity", 9, 8)),
        ),
    ),
    Corruption(
        "quantity_after in the middle",
        (set_entry("quantity_after = 10", 3),),
        (
            journal("alice", "quantity_after of entry 3", 9, 10),
            journal("alice", "quantity_after of entry 4", 10, 9),
        ),
    ),
    Corruption(
        "quantity_after at the end",
        (set_entry("quantity_after = 9", 7),),
        (
            journal("alice", "quantity_after of entry 7", 8, 9),
            *told(balance("alice", "quantity", 9, 8)),
        ),
    ),
    Corruption(
        "on_hold_after at the end",
        (set_entry("on_hold_after = 4", 7),),
        (
            journal("alice", "on_hold_after of entry 7", 3, 4),
            *told(balance("alice", "on_hold", 4, 3)),
        ),
    ),
    Corruption(
        "delta and after-value agree on a lie",
        (
            set_entry("quantity_after = quantity_after + 10", 1),
            set_entry("quantity_delta = quantity_delta + 10", 1),
        ),
        (journal("alice", "quantity_after of entry 2", 22, 12),),
    ),
    Corruption(
        "first entry deleted",
        (delete_entry(1),),
        (
            journal("alice", "sequence of entry 2", 1, 2),
            journal("alice", "quantity_after of entry 2", -8, 12),
            beyond_repair("key", " / a1", "operation", "there", "missing"),
        ),
    ),
    Corruption(
        "entry deleted in the middle",
        (delete_entry(5),),
        (
            journal("alice", "sequence of entry 6", 5, 6),
            journal("alice", "quantity_after of entry 6", 9, 12),
            journal("alice", "on_hold_after of entry 6", 6, 3),
            *told(
                balance("alice", "next_expiry_at", "{in_2h}", "{in_3h}"),
                hold("{second}", "remaining", 3, 0),
                hold("{second}", "status", "active", "released"),
                hold("{second}", "resolved_at", None, "{start}"),
            ),
        ),
    ),
    Corruption(
        "entry without any effect deleted",
        (delete_entry(6),),
        (
            journal("alice", "sequence of entry 7", 6, 7),
            *told(
                balance("alice", "next_expiry_at", "{in_1h}", "{in_3h}"),
                hold("{first}", "expires_at", "{in_1h}", "{in_3h}"),
            ),
        ),
    ),
    Corruption(
        "last entry deleted",
        (delete_entry(3, "bob"),),
        (
            balance("bob", "version", 2, 3),
            balance("bob", "on_hold", 2, 0),
            balance("bob", "next_expiry_at", "{later_1h}", None),
            hold("{fourth}", "remaining", 2, 0),
            hold("{fourth}", "status", "active", "committed"),
            hold("{fourth}", "resolved_at", None, "{later}"),
            beyond_repair("key", " / c4", "operation", "there", "missing"),
        ),
    ),
    Corruption(
        "giver's side of a transfer deleted",
        (delete_entry(7),),
        (
            balance("alice", "version", 6, 7),
            balance("alice", "quantity", 12, 8),
            beyond_repair("operation", "{t1}", "entries of transfer", PAIR, "1 with a sum of 4"),
        ),
    ),
    Corruption(
        "receiver's side of a transfer deleted",
        (delete_entry(4, "carol"),),
        (
            balance("carol", "version", 3, 4),
            balance("carol", "quantity", 7, 11),
            beyond_repair("operation", "{t1}", "entries of transfer", PAIR, "1 with a sum of -4"),
        ),
    ),
    Corruption(
        "receiver's side of a commit deleted",
        (delete_entry(1, "bob"),),
        (
            # What is left looks like a commit to nobody.
            journal("bob", "sequence of entry 2", 1, 2),
            journal("bob", "quantity_after of entry 2", -2, 3),
        ),
    ),
    Corruption(
        "all entries of a balance deleted",
        ("DELETE FROM django_inventory_entry WHERE balance_id = %(bob)s",),
        (
            balance("bob", "version", 0, 3),
            balance("bob", "quantity", 0, 3),
            beyond_repair("hold", "{fourth}", "entry", "there", "missing"),
            beyond_repair("key", " / h4", "operation", "there", "missing"),
            beyond_repair("key", " / c4", "operation", "there", "missing"),
        ),
    ),
    Corruption(
        "gap in the sequence",
        (set_entry("sequence = 9", 7),),
        (
            journal("alice", "sequence of entry 9", 7, 9),
            *told(balance("alice", "version", 9, 7)),
        ),
    ),
    Corruption(
        "sequence from zero",
        (set_entry("sequence = 0", 1),),
        (
            journal("alice", "sequence of entry 0", 1, 0),
            journal("alice", "sequence of entry 2", 1, 2),
        ),
    ),
    Corruption(
        "two entries swapped",
        (
            set_entry("sequence = 99", 5),
            set_entry("sequence = 5", 6),
            set_entry("sequence = 6", 99),
        ),
        (
            journal("alice", "quantity_after of entry 5", 9, 12),
            journal("alice", "on_hold_after of entry 5", 6, 3),
            journal("alice", "quantity_after of entry 6", 15, 12),
            journal("alice", "on_hold_after of entry 6", 0, 3),
        ),
    ),
    Corruption(
        "entry twice",
        (
            (
                f"INSERT INTO django_inventory_entry ({ENTRY_COLUMNS}) SELECT {ENTRY_COLUMNS} "  # noqa: S608
                "FROM django_inventory_entry WHERE balance_id = %(alice)s AND sequence = 6"
            ),
        ),
        (
            journal("alice", "sequence of entry 6", 7, 6),
            beyond_repair(
                "operation", "{extended}", "entries of extend", PAIR, "2 with a sum of 0"
            ),
        ),
        # Elsewhere there is no way around the unique index but to drop it for good.
        only_on="postgresql",
    ),
    Corruption(
        "entry of another balance",
        (set_entry("balance_id = %(bob)s", 7),),
        (
            balance("alice", "version", 6, 7),
            balance("alice", "quantity", 12, 8),
            journal("bob", "sequence of entry 7", 4, 7),
            journal("bob", "quantity_after of entry 7", -1, 8),
            journal("bob", "on_hold_after of entry 7", 0, 3),
            *told(
                balance("bob", "version", 7, 3),
                balance("bob", "quantity", 8, 3),
                balance("bob", "on_hold", 3, 0),
            ),
        ),
    ),
    Corruption(
        "entry of no balance",
        (set_entry("balance_id = 999999", 4, "carol"),),
        (
            balance("carol", "version", 3, 4),
            balance("carol", "quantity", 7, 11),
            beyond_repair("journal", "balance 999999", "row", "there", "missing, with 1 entries"),
        ),
    ),
    Corruption(
        "kind turned round",
        (set_entry("kind = 'consume'", 1),),
        (
            journal("alice", "kind of entry 1", "one for +20 and +0 with no hold", "consume"),
            beyond_repair("key", " / a1", "kind", "consume", "acquire"),
        ),
    ),
    Corruption(
        "kind of one side",
        (set_entry("kind = 'acquire'", 4, "carol"),),
        (
            beyond_repair("operation", "{t1}", "entries of acquire", PAIR, "2 with a sum of 0"),
            beyond_repair("operation", "{t1}", "kind", "transfer", "acquire"),
        ),
    ),
    Corruption(
        "kind that fits as well",
        (set_entry("kind = 'expire'", 5),),
        (
            hold("{second}", "status", "expired", "released"),
            journal("alice", "effective_at of entry 5", "{in_2h}", "{start}"),
        ),
    ),
    Corruption(
        "kind that nobody knows",
        (set_entry("kind = 'gift'", 1),),
        (
            journal("alice", "kind of entry 1", "one for +20 and +0 with no hold", "gift"),
            beyond_repair("key", " / a1", "kind", "gift", "acquire"),
        ),
    ),
    Corruption(
        "operation of one side",
        (set_entry("operation_id = %(stranger)s", 4, "carol"),),
        (
            beyond_repair("operation", "{t1}", "entries of transfer", PAIR, "1 with a sum of -4"),
            beyond_repair(
                "operation", "{stranger}", "entries of transfer", PAIR, "1 with a sum of 4"
            ),
        ),
    ),
    Corruption(
        "two operations in one",
        (set_entry("operation_id = %(a2)s", 1),),
        (
            beyond_repair("operation", "{a2}", "entries of acquire", PAIR, "2 with a sum of 27"),
            beyond_repair("operation", "{a2}", "key", "a1", "a2"),
            beyond_repair("operation", "{a2}", "reference", "delivery", ""),
            beyond_repair("operation", "{a2}", "actor", "clerk", ""),
            beyond_repair("key", " / a1", "operation", "there", "missing"),
        ),
    ),
    Corruption(
        "hold of an entry",
        (set_entry("hold_id = %(second)s", 6),),
        (
            journal("alice", "hold of entry 6", "one that is active", "{second}"),
            *told(
                balance("alice", "next_expiry_at", "{in_1h}", "{in_3h}"),
                hold("{first}", "expires_at", "{in_1h}", "{in_3h}"),
            ),
        ),
    ),
    Corruption(
        "hold that is not there",
        (set_entry("hold_id = %(stranger)s", 2, "carol"),),
        (
            journal("carol", "hold of entry 3", "one that is active", "{third}"),
            *told(
                balance("carol", "next_expiry_at", "{later}", None),
                hold("{stranger}", "row", "there", "missing"),
            ),
            beyond_repair("hold", "{third}", "entry", "there", "missing"),
        ),
    ),
    Corruption(
        "hold held twice",
        (set_entry("hold_id = %(first)s", 3),),
        (
            journal("alice", "hold of entry 3", "a new one", "{first}"),
            journal("alice", "hold of entry 4", "one that is active", "{first}"),
            journal("alice", "hold of entry 5", "one that is active", "{second}"),
            journal("alice", "hold of entry 6", "one that is active", "{first}"),
            beyond_repair("hold", "{second}", "entry", "there", "missing"),
            *told(
                balance("alice", "next_expiry_at", None, "{in_3h}"),
                hold("{first}", "key", "h2", "h1"),
                hold("{first}", "reference", "", "basket"),
                hold("{first}", "metadata", None, "{{'n': 1}}"),
            ),
        ),
    ),
    Corruption(
        "hold of an entry missing",
        (set_entry("hold_id = NULL, hold_remaining = NULL, hold_expires_at = NULL", 5),),
        (
            journal("alice", "kind of entry 5", "one for +3 and -3 with no hold", "release"),
            *told(
                balance("alice", "next_expiry_at", "{in_2h}", "{in_3h}"),
                hold("{second}", "remaining", 3, 0),
                hold("{second}", "status", "active", "released"),
                hold("{second}", "resolved_at", None, "{start}"),
            ),
        ),
    ),
    Corruption(
        "hold_remaining",
        (set_entry("hold_remaining = 4", 4),),
        (
            journal("alice", "hold_remaining of entry 4", 3, 4),
            journal("alice", "hold_remaining of entry 6", 4, 3),
            beyond_repair("operation", "{c1}", "hold_remaining", 4, 3),
        ),
    ),
    Corruption(
        "hold_remaining missing",
        (set_entry("hold_remaining = NULL, hold_expires_at = NULL", 5),),
        (
            journal("alice", "hold_remaining of entry 5", 0, None),
            journal("alice", "hold_expires_at of entry 5", "{in_2h}", None),
        ),
    ),
    Corruption(
        "hold_expires_at",
        (set_entry("hold_expires_at = %(in_1h)s", 5),),
        (
            journal("alice", "hold_expires_at of entry 5", "{in_2h}", "{in_1h}"),
            *told(hold("{second}", "expires_at", "{in_1h}", "{in_2h}")),
        ),
    ),
    Corruption(
        "what a hold was extended to",
        (set_entry("hold_expires_at = %(in_2h)s", 6),),
        (
            # Nothing contradicts the journal in that, so it is believed.
            balance("alice", "next_expiry_at", "{in_2h}", "{in_3h}"),
            hold("{first}", "expires_at", "{in_2h}", "{in_3h}"),
        ),
    ),
    Corruption(
        "hold of the receiver's side",
        (set_entry("hold_id = %(second)s, hold_remaining = 1", 1, "bob"),),
        (
            beyond_repair("operation", "{c1}", "hold_id", "{first}", "{second}"),
            beyond_repair("operation", "{c1}", "hold_remaining", 3, 1),
        ),
    ),
    Corruption(
        "what a hold was made with",
        (set_entry("[key] = 'h9', reference = 'bag', metadata = NULL", 2),),
        (
            hold("{first}", "key", "h9", "h1"),
            hold("{first}", "reference", "bag", "basket"),
            hold("{first}", "metadata", None, "{{'n': 1}}"),
            beyond_repair("key", " / h1", "key", "h9", "h1"),
        ),
    ),
    Corruption(
        "notes of one side",
        (
            set_entry(
                "[key] = 't9', reference = 'x', actor = 'y', metadata = '{\"z\": 1}'", 4, "carol"
            ),
        ),
        (
            beyond_repair("operation", "{t1}", "key", "t1", "t9"),
            beyond_repair("operation", "{t1}", "reference", "", "x"),
            beyond_repair("operation", "{t1}", "actor", "", "y"),
            beyond_repair("operation", "{t1}", "metadata", None, "{{'z': 1}}"),
        ),
    ),
    Corruption(
        "key of an entry",
        (set_entry("[key] = 'a9'", 1),),
        (beyond_repair("key", " / a1", "key", "a9", "a1"),),
    ),
    Corruption(
        "created_at of what resolved a hold",
        (set_entry("created_at = %(later)s, effective_at = %(later)s", 5),),
        (hold("{second}", "resolved_at", "{later}", "{start}"),),
    ),
    Corruption(
        "effective_at",
        (set_entry("effective_at = %(in_1h)s", 1),),
        (journal("alice", "effective_at of entry 1", "{start}", "{in_1h}"),),
    ),
    Corruption(
        "effective_at of an expiry",
        (set_entry("effective_at = %(start)s", 3, "carol"),),
        (journal("carol", "effective_at of entry 3", "{later}", "{start}"),),
    ),
    Corruption(
        "more than 64 bits",
        (
            set_entry(f"quantity_delta = {HALF}", 7),
            set_entry(f"quantity_delta = {HALF}", 4, "carol"),
        ),
        (
            journal("alice", "quantity_after of entry 7", HALF + 12, 8),
            journal("carol", "quantity_after of entry 4", HALF + 7, 11),
            beyond_repair(
                "operation", "{t1}", "entries of transfer", PAIR, f"2 with a sum of {2 * HALF}"
            ),
        ),
    ),
)
