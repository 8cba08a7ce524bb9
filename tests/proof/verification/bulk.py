"""Long, valid histories, written by PostgreSQL itself.

Owns the one shape that they have. In each cycle a balance gets 10, holds 4, commits them (with an
odd number) or releases them (with an even one), and the odd one transfers 1 to the even one after
it. In the end each even balance has 3 on hold.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.db import connections, transaction

STARTED_AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
ENTRIES_PER_CYCLE: Final = 4

# An id is made of a kind of thing, the balance's number and the cycle's.
_SQL: Final = """
CREATE OR REPLACE FUNCTION pg_temp.id(kind int, balance bigint, cycle bigint)
RETURNS uuid LANGUAGE sql AS $$
    SELECT (lpad(to_hex(kind), 8, '0') || lpad(to_hex(balance), 12, '0')
        || lpad(to_hex(cycle), 12, '0'))::uuid
$$;

INSERT INTO django_inventory_balance
    (id, subject, item, quantity, on_hold, next_expiry_at, version, created_at, updated_at)
SELECT b, 'subject-' || b, 'gold',
    CASE b % 2 WHEN 1 THEN 5 * {cycles} ELSE 11 * {cycles} - 3 END,
    CASE b % 2 WHEN 1 THEN 0 ELSE 3 END,
    CASE b % 2 WHEN 1 THEN NULL ELSE {at} + interval '1 day' END,
    4 * {cycles} + (b + 1) % 2, {at}, {at}
FROM generate_series(1, {balances}) b;

INSERT INTO django_inventory_hold
    (id, balance_id, quantity, remaining, status, expires_at, resolved_at, key, reference, metadata,
    created_at)
SELECT pg_temp.id(2, b, c), b, 4, 0, CASE b % 2 WHEN 1 THEN 'committed' ELSE 'released' END,
    {at} + interval '1 hour', {at}, 'hold-' || b || '-' || c, '', NULL::jsonb, {at}
FROM generate_series(1, {balances}) b, generate_series(0, {cycles} - 1) c
UNION ALL
SELECT pg_temp.id(2, b, {cycles}), b, 3, 3, 'active', {at} + interval '1 day', NULL, 'last-' || b,
    '', NULL::jsonb, {at}
FROM generate_series(2, {balances}, 2) b;

INSERT INTO django_inventory_entry
    (balance_id, sequence, operation_id, kind, key, hold_id, hold_remaining, hold_expires_at,
    quantity_delta, on_hold_delta, quantity_after, on_hold_after, actor, reference, metadata,
    effective_at, created_at)
SELECT b, 4 * c + step,
    CASE step WHEN 4 THEN pg_temp.id(14, (b + 1) / 2, c) ELSE pg_temp.id(10 + step, b, c) END,
    CASE step WHEN 1 THEN 'acquire' WHEN 2 THEN 'hold' WHEN 4 THEN 'transfer'
        ELSE CASE b % 2 WHEN 1 THEN 'commit' ELSE 'release' END END,
    CASE step WHEN 1 THEN 'acquire-' || b || '-' || c WHEN 2 THEN 'hold-' || b || '-' || c
        ELSE '' END,
    CASE WHEN step IN (2, 3) THEN pg_temp.id(2, b, c) END,
    CASE step WHEN 2 THEN 4 WHEN 3 THEN 0 END,
    CASE WHEN step IN (2, 3) THEN {at} + interval '1 hour' END,
    quantity, on_hold, before + after, CASE step WHEN 2 THEN 4 ELSE 0 END, '', '',
    CASE step WHEN 1 THEN '{{"line": 1}}'::jsonb END, {at}, {at}
FROM (
    SELECT b, c, step, c * CASE b % 2 WHEN 1 THEN 5 ELSE 11 END AS before,
        CASE step WHEN 1 THEN 10 WHEN 2 THEN -4 WHEN 3 THEN 4 * ((b + 1) % 2)
            ELSE 1 - 2 * (b % 2) END AS quantity,
        CASE step WHEN 2 THEN 4 WHEN 3 THEN -4 ELSE 0 END AS on_hold,
        CASE step WHEN 1 THEN 10 WHEN 2 THEN 6 WHEN 3 THEN 6 + 4 * ((b + 1) % 2)
            ELSE CASE b % 2 WHEN 1 THEN 5 ELSE 11 END END AS after
    FROM generate_series(1, {balances}) b, generate_series(0, {cycles} - 1) c,
        generate_series(1, 4) step
) AS steps
UNION ALL
SELECT b, 4 * {cycles} + 1, pg_temp.id(15, b, 0), 'hold', 'last-' || b, pg_temp.id(2, b, {cycles}),
    3, {at} + interval '1 day', -3, 3, 11 * {cycles} - 3, 3, '', '', NULL::jsonb, {at}, {at}
FROM generate_series(2, {balances}, 2) b;

INSERT INTO django_inventory_idempotencyrecord
    (scope, key, kind, fingerprint, operation_id, created_at)
SELECT '', key, kind, '', operation_id, created_at FROM django_inventory_entry WHERE key <> '';

ANALYZE django_inventory_balance, django_inventory_hold, django_inventory_entry,
    django_inventory_idempotencyrecord;
"""


def write_history(alias: str, *, balances: int, cycles: int) -> int:
    """Fill the empty tables of a PostgreSQL database, and return how many entries there are.

    Args:
        balances: how many there are to be; an even number.
        cycles: how many times each of them gets 10.
    """
    at = f"timestamptz '{STARTED_AT.isoformat()}'"
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        # Foreign keys are right by construction; to check a million of them takes long.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_SQL.format(balances=balances, cycles=cycles, at=at))
    return balances * cycles * ENTRIES_PER_CYCLE + balances // 2
