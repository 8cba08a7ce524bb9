-- A journal of %(balances)s balances with %(length)s entries each, as the ledger would have written it:
-- of ten entries of a balance the eighth is a hold of 1, the ninth its release, the others acquire 1,000.
-- Subject s-n has the items i-0 to i-9.

INSERT INTO django_inventory_balance
    (subject, item, quantity, on_hold, version, created_at, updated_at)
SELECT 's-' || b / 10, 'i-' || b %% 10,
       1000 * (8 * (%(length)s / 10) + least(%(length)s %% 10, 7)), 0, %(length)s,
       now() - interval '1 year', now()
FROM generate_series(0, %(balances)s - 1) b;

CREATE TEMPORARY TABLE numbered AS
SELECT row_number() OVER (ORDER BY id) - 1 AS number, id FROM django_inventory_balance;

INSERT INTO django_inventory_hold
    (id, balance_id, quantity, remaining, status, expires_at, resolved_at, key, reference, created_at)
SELECT ('10000000-0000-7000-8000-' || lpad(to_hex(j * %(balances)s::bigint + n.number), 12, '0'))::uuid,
       n.id, 1, 0, 'released',
       t.instant + interval '15 minutes', t.instant + interval '1 minute',
       'g-' || j || '-' || n.number, '', t.instant
FROM generate_series(1, %(length)s) j
CROSS JOIN numbered n
CROSS JOIN LATERAL (SELECT now() - interval '1 year' + make_interval(mins => j) AS instant) t
WHERE j %% 10 = 8;

INSERT INTO django_inventory_entry
    (balance_id, sequence, operation_id, kind, key, hold_id, hold_remaining, hold_expires_at,
     quantity_delta, on_hold_delta, quantity_after, on_hold_after,
     actor, reference, effective_at, created_at)
SELECT n.id, j,
       ('00000000-0000-7000-8000-' || lpad(to_hex(j * %(balances)s::bigint + n.number), 12, '0'))::uuid,
       CASE j %% 10 WHEN 8 THEN 'hold' WHEN 9 THEN 'release' ELSE 'acquire' END,
       CASE j %% 10 WHEN 9 THEN '' ELSE 'g-' || j || '-' || n.number END,
       CASE WHEN j %% 10 IN (8, 9) THEN
           ('10000000-0000-7000-8000-'
            || lpad(to_hex((j - j %% 10 + 8) * %(balances)s::bigint + n.number), 12, '0'))::uuid
       END,
       CASE j %% 10 WHEN 8 THEN 1 WHEN 9 THEN 0 END,
       CASE j %% 10
           WHEN 8 THEN t.instant + interval '15 minutes'
           WHEN 9 THEN t.instant + interval '14 minutes'
       END,
       CASE j %% 10 WHEN 8 THEN -1 WHEN 9 THEN 1 ELSE 1000 END,
       CASE j %% 10 WHEN 8 THEN 1 WHEN 9 THEN -1 ELSE 0 END,
       1000 * (8 * (j / 10) + least(j %% 10, 7)) - (j %% 10 = 8)::integer,
       (j %% 10 = 8)::integer,
       '', '', t.instant, t.instant
FROM generate_series(1, %(length)s) j
CROSS JOIN numbered n
CROSS JOIN LATERAL (SELECT now() - interval '1 year' + make_interval(mins => j) AS instant) t
ORDER BY j, n.number;

INSERT INTO django_inventory_idempotencyrecord
    (scope, key, kind, fingerprint, operation_id, created_at)
SELECT '', e.key, e.kind, repeat('0123456789abcdef', 5), e.operation_id, e.created_at
FROM django_inventory_entry e
WHERE e.key <> ''
ORDER BY e.id;
