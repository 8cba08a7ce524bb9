-- The ledger inside PostgreSQL: what the other files here have in common.
--
-- The same rules as django_inventory/rules.py, verb by verb; the contract suite holds the two
-- together. Refusals are raised with SQLSTATE DI001, the code as message and the data as JSON in
-- DETAIL, which rolls back to the nearest block that handles them: so a refused operation leaves
-- no row and no lock. Locks: keys in code point order, then missing balances in code point order,
-- then existing balances by primary key.
--
-- Every table is named with its schema ("@schema@", filled in at installation), so that nothing
-- depends on the caller's search_path.

CREATE FUNCTION @schema@.django_inventory_refuse(code text, detail json) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'DI001', MESSAGE = code, DETAIL = detail::text;
END
$$;

-- A UUIDv7 (RFC 9562): 48 bits of milliseconds, the version, and what is random in a UUIDv4.
CREATE FUNCTION @schema@.django_inventory_uuid7() RETURNS uuid
LANGUAGE sql VOLATILE AS $$
    SELECT (
        lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
        || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14)
    )::uuid
$$;

-- Instants travel as whole microseconds since 1970.
CREATE FUNCTION @schema@.django_inventory_microseconds(instant timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (extract(epoch FROM instant) * 1000000)::bigint
$$;

-- The receipt of an operation, from the journal. Who gives comes before who gets.
CREATE FUNCTION @schema@.django_inventory_receipt(p_operation_id uuid) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_array(
        p_operation_id,
        min(e.kind),
        min(e.key),
        json_agg(
            json_build_array(b.subject, b.item, e.quantity_after, e.on_hold_after)
            ORDER BY e.quantity_delta + e.on_hold_delta
        ),
        (json_agg(
            CASE WHEN h.id IS NOT NULL THEN json_build_array(
                h.id, hb.subject, hb.item, h.quantity, e.hold_remaining,
                CASE
                    WHEN e.kind = 'release' THEN 'released'
                    WHEN e.kind = 'expire' THEN 'expired'
                    WHEN e.kind = 'commit' AND e.hold_remaining = 0 THEN 'committed'
                    ELSE 'active'
                END,
                @schema@.django_inventory_microseconds(e.hold_expires_at)
            ) END
        )) -> 0,
        true
    )
    FROM @schema@.django_inventory_entry e
    JOIN @schema@.django_inventory_balance b ON b.id = e.balance_id
    LEFT JOIN @schema@.django_inventory_hold h ON h.id = e.hold_id
    LEFT JOIN @schema@.django_inventory_balance hb ON hb.id = h.balance_id
    WHERE e.operation_id = p_operation_id
$$;

-- Record overdue holds of a locked balance, each as an operation of its own, the longest overdue
-- first; p_limit NULL for all. Returns the holds; NULL if there are none.
CREATE FUNCTION @schema@.django_inventory_expire(
    p_balance_id bigint, p_now timestamptz, p_limit bigint
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    balance @schema@.django_inventory_balance;
    expired_ids uuid[];
    freed bigint;
    entries bigint;
    expired json;
BEGIN
    SELECT b.* INTO balance FROM @schema@.django_inventory_balance b WHERE b.id = p_balance_id;
    WITH overdue AS MATERIALIZED (
        SELECT h.id, h.quantity, h.remaining, h.expires_at,
               sum(h.remaining) OVER in_order AS freed,
               row_number() OVER in_order AS number
        FROM @schema@.django_inventory_hold h
        WHERE h.balance_id = balance.id AND h.status = 'active' AND h.expires_at <= p_now
        WINDOW in_order AS (ORDER BY h.expires_at, h.id)
        ORDER BY h.expires_at, h.id
        LIMIT p_limit
    ), recorded AS (
        INSERT INTO @schema@.django_inventory_entry
            (balance_id, sequence, operation_id, kind, key,
             hold_id, hold_remaining, hold_expires_at,
             quantity_delta, on_hold_delta, quantity_after, on_hold_after,
             actor, reference, metadata, effective_at, created_at)
        SELECT balance.id, balance.version + o.number, @schema@.django_inventory_uuid7(), 'expire',
               '', o.id, 0, o.expires_at,
               o.remaining, -o.remaining, balance.quantity + o.freed, balance.on_hold - o.freed,
               '', '', NULL, o.expires_at, p_now
        FROM overdue o
        ORDER BY o.number
    )
    SELECT array_agg(o.id), coalesce(sum(o.remaining), 0), count(*),
           json_agg(
               json_build_array(o.id, balance.subject, balance.item, o.quantity, 0, 'expired',
                                @schema@.django_inventory_microseconds(o.expires_at))
               ORDER BY o.number)
    INTO expired_ids, freed, entries, expired
    FROM overdue o;
    IF entries = 0 THEN
        RETURN NULL;
    END IF;
    UPDATE @schema@.django_inventory_hold h
    SET status = 'expired', remaining = 0, resolved_at = p_now
    WHERE h.id = ANY (expired_ids);
    UPDATE @schema@.django_inventory_balance b
    SET quantity = balance.quantity + freed,
        on_hold = balance.on_hold - freed,
        version = balance.version + entries,
        updated_at = p_now,
        next_expiry_at = (
            SELECT min(h.expires_at) FROM @schema@.django_inventory_hold h
            WHERE h.balance_id = balance.id AND h.status = 'active')
    WHERE b.id = balance.id;
    RETURN expired;
END
$$;
