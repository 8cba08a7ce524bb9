-- The ledger inside PostgreSQL: one call posts one operation or a batch.
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

-- The operations of a batch as rows. What each field means: see django_inventory_step.
CREATE FUNCTION @schema@.django_inventory_operations(p_operations jsonb)
RETURNS TABLE (
    number bigint, id uuid, kind text, key text, fingerprint text, subject text, item text,
    quantity bigint, ttl bigint, new_hold uuid, hold uuid, "to" text, keep boolean,
    reference text, metadata jsonb, actor text
)
LANGUAGE sql IMMUTABLE ROWS 1000 AS $$
    SELECT o.ordinality, o.id, o.kind, o.key, o.fingerprint, o.subject, o.item,
           o.quantity, o.ttl, o.new_hold, o.hold, o."to", coalesce(o.keep, false),
           coalesce(o.reference, ''), o.metadata, coalesce(o.actor, '')
    FROM ROWS FROM (
        jsonb_to_recordset(p_operations) AS (
            id uuid, kind text, key text, fingerprint text, subject text, item text,
            quantity bigint, ttl bigint, new_hold uuid, hold uuid, "to" text, keep boolean,
            reference text, metadata jsonb, actor text)
    ) WITH ORDINALITY o
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

-- Lock one balance and return it, made at zero if it is missing and may be made. NULL id: none.
CREATE FUNCTION @schema@.django_inventory_lock(
    p_subject text, p_item text, p_may_make boolean, p_now timestamptz
) RETURNS @schema@.django_inventory_balance
LANGUAGE plpgsql AS $$
DECLARE
    balance @schema@.django_inventory_balance;
BEGIN
    SELECT * INTO balance FROM @schema@.django_inventory_balance b
    WHERE b.subject = p_subject AND b.item = p_item
    FOR NO KEY UPDATE;
    IF NOT FOUND AND p_may_make THEN
        INSERT INTO @schema@.django_inventory_balance
            (subject, item, quantity, on_hold, version, created_at, updated_at)
        VALUES (p_subject, p_item, 0, 0, 0, p_now, p_now)
        ON CONFLICT (subject, item) DO NOTHING;
        SELECT * INTO balance FROM @schema@.django_inventory_balance b
        WHERE b.subject = p_subject AND b.item = p_item
        FOR NO KEY UPDATE;
    END IF;
    RETURN balance;
END
$$;

-- Change a balance and journal that: the only place where a quantity moves.
CREATE FUNCTION @schema@.django_inventory_move(
    INOUT balance @schema@.django_inventory_balance,
    p_operation_id uuid,
    p_kind text,
    p_key text,
    p_quantity_delta bigint,
    p_on_hold_delta bigint,
    p_next_expiry_at timestamptz,
    p_hold_id uuid,
    p_hold_remaining bigint,
    p_hold_expires_at timestamptz,
    op jsonb,
    p_now timestamptz
)
LANGUAGE plpgsql AS $$
BEGIN
    -- Not quantity + on_hold + deltas, which would overflow before it could be compared.
    IF p_quantity_delta + p_on_hold_delta > 9223372036854775807 - balance.quantity - balance.on_hold
    THEN
        PERFORM @schema@.django_inventory_refuse('quantity_overflow', json_build_array(
            balance.subject, balance.item, p_quantity_delta,
            9223372036854775807 - balance.quantity - balance.on_hold));
    END IF;
    balance.quantity := balance.quantity + p_quantity_delta;
    balance.on_hold := balance.on_hold + p_on_hold_delta;
    balance.next_expiry_at := CASE WHEN balance.on_hold > 0 THEN p_next_expiry_at END;
    balance.version := balance.version + 1;
    balance.updated_at := p_now;
    UPDATE @schema@.django_inventory_balance b
    SET quantity = balance.quantity,
        on_hold = balance.on_hold,
        next_expiry_at = balance.next_expiry_at,
        version = balance.version,
        updated_at = p_now
    WHERE b.id = balance.id;
    INSERT INTO @schema@.django_inventory_entry
        (balance_id, sequence, operation_id, kind, key, hold_id, hold_remaining, hold_expires_at,
         quantity_delta, on_hold_delta, quantity_after, on_hold_after,
         actor, reference, metadata, effective_at, created_at)
    VALUES
        (balance.id, balance.version, p_operation_id, p_kind, coalesce(p_key, ''),
         p_hold_id, p_hold_remaining, p_hold_expires_at,
         p_quantity_delta, p_on_hold_delta, balance.quantity, balance.on_hold,
         coalesce(op ->> 'actor', ''), coalesce(op ->> 'reference', ''), op -> 'metadata',
         p_now, p_now);
END
$$;

-- Record overdue holds of a locked balance, each as an operation of its own, the longest overdue
-- first; p_limit NULL for all. Returns the balance as it stands then, and the holds.
CREATE FUNCTION @schema@.django_inventory_expire(
    INOUT balance @schema@.django_inventory_balance,
    p_now timestamptz,
    p_limit bigint,
    OUT expired json
)
LANGUAGE plpgsql AS $$
DECLARE
    expired_ids uuid[];
    freed bigint;
    entries bigint;
BEGIN
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
        RETURN;
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
    WHERE b.id = balance.id
    RETURNING b.* INTO balance;
END
$$;

-- Lock the balances of who gives and who gets, by primary key; the latter is made if it is missing.
-- A NULL id of the giver: it owns nothing.
CREATE FUNCTION @schema@.django_inventory_lock_pair(
    p_giver text,
    p_taker text,
    p_item text,
    p_now timestamptz,
    OUT giver @schema@.django_inventory_balance,
    OUT taker @schema@.django_inventory_balance
)
LANGUAGE plpgsql AS $$
DECLARE
    locked @schema@.django_inventory_balance;
BEGIN
    PERFORM 1 FROM @schema@.django_inventory_balance b
    WHERE b.subject = p_taker AND b.item = p_item;
    IF NOT FOUND THEN
        INSERT INTO @schema@.django_inventory_balance
            (subject, item, quantity, on_hold, version, created_at, updated_at)
        VALUES (p_taker, p_item, 0, 0, 0, p_now, p_now)
        ON CONFLICT (subject, item) DO NOTHING;
    END IF;
    FOR locked IN
        SELECT b.* FROM @schema@.django_inventory_balance b
        WHERE b.item = p_item AND b.subject IN (p_giver, p_taker)
        ORDER BY b.id
        FOR NO KEY UPDATE
    LOOP
        IF locked.subject = p_giver THEN
            giver := locked;
        ELSE
            taker := locked;
        END IF;
    END LOOP;
END
$$;

-- Acquire, consume, transfer or hold. Returns [receipt, expired holds].
CREATE FUNCTION @schema@.django_inventory_apply(op jsonb, p_now timestamptz) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    v_kind CONSTANT text := op ->> 'kind';
    v_key CONSTANT text := op ->> 'key';
    v_id CONSTANT uuid := op ->> 'id';
    v_subject CONSTANT text := op ->> 'subject';
    v_item CONSTANT text := op ->> 'item';
    v_quantity CONSTANT bigint := op ->> 'quantity';
    v_hold_id uuid;
    v_expires_at timestamptz;
    balance @schema@.django_inventory_balance;
    taker @schema@.django_inventory_balance;
    both_sides record;
    expiry record;
    v_expired json;
    v_taker_expired json;
    v_hold json;
BEGIN
    IF v_kind = 'transfer' THEN
        both_sides := @schema@.django_inventory_lock_pair(v_subject, op ->> 'to', v_item, p_now);
        balance := both_sides.giver;
        taker := both_sides.taker;
    ELSE
        balance := @schema@.django_inventory_lock(v_subject, v_item, v_kind = 'acquire', p_now);
    END IF;
    IF balance.next_expiry_at <= p_now THEN
        expiry := @schema@.django_inventory_expire(balance, p_now, NULL);
        balance := expiry.balance;
        v_expired := expiry.expired;
    END IF;
    IF taker.next_expiry_at <= p_now THEN
        expiry := @schema@.django_inventory_expire(taker, p_now, NULL);
        taker := expiry.balance;
        v_taker_expired := expiry.expired;
    END IF;

    IF v_kind <> 'acquire' AND coalesce(balance.quantity, 0) < v_quantity THEN
        PERFORM @schema@.django_inventory_refuse('insufficient_quantity', json_build_array(
            v_subject, v_item, v_quantity, coalesce(balance.quantity, 0)));
    END IF;
    IF v_kind = 'acquire' THEN
        balance := @schema@.django_inventory_move(
            balance, v_id, v_kind, v_key, v_quantity, 0, balance.next_expiry_at,
            NULL, NULL, NULL, op, p_now);
    ELSIF v_kind = 'hold' THEN
        v_hold_id := op ->> 'new_hold';
        v_expires_at := p_now + make_interval(secs => 0.000001) * (op ->> 'ttl')::bigint;
        INSERT INTO @schema@.django_inventory_hold
            (id, balance_id, quantity, remaining, status, expires_at, key, reference, metadata,
             created_at)
        VALUES
            (v_hold_id, balance.id, v_quantity, v_quantity, 'active', v_expires_at, v_key,
             coalesce(op ->> 'reference', ''), op -> 'metadata', p_now);
        balance := @schema@.django_inventory_move(
            balance, v_id, v_kind, v_key, -v_quantity, v_quantity,
            least(balance.next_expiry_at, v_expires_at),
            v_hold_id, v_quantity, v_expires_at, op, p_now);
        v_hold := json_build_array(
            v_hold_id, v_subject, v_item, v_quantity, v_quantity, 'active',
            @schema@.django_inventory_microseconds(v_expires_at));
    ELSE
        balance := @schema@.django_inventory_move(
            balance, v_id, v_kind, v_key, -v_quantity, 0, balance.next_expiry_at,
            NULL, NULL, NULL, op, p_now);
    END IF;
    IF v_kind <> 'transfer' THEN
        RETURN json_build_array(
            json_build_array(
                v_id, v_kind, v_key,
                json_build_array(
                    json_build_array(v_subject, v_item, balance.quantity, balance.on_hold)),
                v_hold, false),
            v_expired);
    END IF;
    taker := @schema@.django_inventory_move(
        taker, v_id, v_kind, v_key, v_quantity, 0, taker.next_expiry_at,
        NULL, NULL, NULL, op, p_now);
    RETURN json_build_array(
        json_build_array(
            v_id, v_kind, v_key,
            json_build_array(
                json_build_array(v_subject, v_item, balance.quantity, balance.on_hold),
                json_build_array(taker.subject, v_item, taker.quantity, taker.on_hold)),
            NULL, false),
        v_expired, v_taker_expired);
END
$$;

-- What a resolved hold answers: the receipt of what resolved it, or a refusal.
CREATE FUNCTION @schema@.django_inventory_answer_resolved(
    op jsonb, hold @schema@.django_inventory_hold
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    v_kind CONSTANT text := op ->> 'kind';
    holders_entry @schema@.django_inventory_entry;
    v_receiver text;
    is_same boolean;
BEGIN
    SELECT e.* INTO holders_entry FROM @schema@.django_inventory_entry e
    WHERE e.hold_id = hold.id AND e.hold_remaining = 0 AND e.on_hold_delta <> 0;
    IF v_kind = 'commit' AND hold.status = 'committed' THEN
        SELECT b.subject INTO v_receiver
        FROM @schema@.django_inventory_entry e
        JOIN @schema@.django_inventory_balance b ON b.id = e.balance_id
        WHERE e.operation_id = holders_entry.operation_id AND e.on_hold_delta = 0;
        -- A commit that would keep a remainder is never the same: two equal ones are both meant.
        is_same := NOT coalesce((op ->> 'keep')::boolean, false)
            AND CASE
                WHEN op ? 'quantity' THEN (op ->> 'quantity')::bigint
                    = -(holders_entry.quantity_delta + holders_entry.on_hold_delta)
                ELSE holders_entry.quantity_delta = 0
            END
            AND v_receiver IS NOT DISTINCT FROM op ->> 'to'
            AND holders_entry.reference = coalesce(op ->> 'reference', '')
            AND holders_entry.metadata IS NOT DISTINCT FROM op -> 'metadata';
    ELSE
        is_same := v_kind = 'release' AND hold.status IN ('released', 'expired');
    END IF;
    IF is_same THEN
        RETURN @schema@.django_inventory_receipt(holders_entry.operation_id);
    ELSIF hold.status = 'expired' THEN
        PERFORM @schema@.django_inventory_refuse('hold_expired', json_build_array(
            hold.id, @schema@.django_inventory_microseconds(hold.expires_at)));
    END IF;
    PERFORM @schema@.django_inventory_refuse('hold_resolved',
        json_build_array(hold.id, hold.status));
END
$$;

-- Commit, release or extend. Returns [receipt, expired holds].
CREATE FUNCTION @schema@.django_inventory_apply_to_hold(op jsonb, p_now timestamptz) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    v_kind CONSTANT text := op ->> 'kind';
    v_key CONSTANT text := op ->> 'key';
    v_id CONSTANT uuid := op ->> 'id';
    v_to CONSTANT text := op ->> 'to';
    v_quantity bigint := op ->> 'quantity';
    v_kept bigint := 0;
    v_released bigint;
    v_next_expiry_at timestamptz;
    v_subject text;
    v_item text;
    hold @schema@.django_inventory_hold;
    balance @schema@.django_inventory_balance;
    taker @schema@.django_inventory_balance;
    both_sides record;
    expiry record;
    v_expired json;
    v_taker_expired json;
    v_was_next boolean;
    v_balances json;
BEGIN
    SELECT h.* INTO hold FROM @schema@.django_inventory_hold h WHERE h.id = (op ->> 'hold')::uuid;
    IF NOT FOUND THEN
        PERFORM @schema@.django_inventory_refuse('hold_unknown', json_build_array(op ->> 'hold'));
    END IF;
    IF hold.status = 'active' THEN
        -- Which balance a hold is on never changes, so that can be read before the lock.
        SELECT b.subject, b.item INTO v_subject, v_item
        FROM @schema@.django_inventory_balance b WHERE b.id = hold.balance_id;
        IF v_to IS NULL OR v_to = v_subject THEN
            SELECT b.* INTO balance FROM @schema@.django_inventory_balance b
            WHERE b.id = hold.balance_id FOR NO KEY UPDATE;
        ELSE
            both_sides := @schema@.django_inventory_lock_pair(v_subject, v_to, v_item, p_now);
            balance := both_sides.giver;
            taker := both_sides.taker;
        END IF;
        SELECT h.* INTO hold FROM @schema@.django_inventory_hold h WHERE h.id = hold.id;
    END IF;
    IF hold.status <> 'active' THEN
        -- Made for nothing, if somebody has resolved the hold in the meantime.
        DELETE FROM @schema@.django_inventory_balance b WHERE b.id = taker.id AND b.version = 0;
        RETURN json_build_array(@schema@.django_inventory_answer_resolved(op, hold));
    END IF;
    IF hold.expires_at <= p_now AND v_kind <> 'release' THEN
        PERFORM @schema@.django_inventory_refuse('hold_expired', json_build_array(
            hold.id, @schema@.django_inventory_microseconds(hold.expires_at)));
    END IF;
    IF balance.next_expiry_at <= p_now THEN
        expiry := @schema@.django_inventory_expire(balance, p_now, NULL);
        balance := expiry.balance;
        v_expired := expiry.expired;
        IF hold.expires_at <= p_now THEN
            SELECT h.* INTO hold FROM @schema@.django_inventory_hold h WHERE h.id = hold.id;
            RETURN json_build_array(
                @schema@.django_inventory_answer_resolved(op, hold), v_expired);
        END IF;
    END IF;
    IF taker.next_expiry_at <= p_now THEN
        expiry := @schema@.django_inventory_expire(taker, p_now, NULL);
        taker := expiry.balance;
        v_taker_expired := expiry.expired;
    END IF;

    v_was_next := hold.expires_at = balance.next_expiry_at;
    v_next_expiry_at := balance.next_expiry_at;
    IF v_kind = 'extend' THEN
        v_quantity := 0;
        v_released := 0;
        v_kept := hold.remaining;
        hold.expires_at := p_now + make_interval(secs => 0.000001) * (op ->> 'ttl')::bigint;
        v_next_expiry_at := least(v_next_expiry_at, hold.expires_at);
    ELSIF v_kind = 'release' THEN
        v_quantity := 0;
        v_released := hold.remaining;
    ELSE
        v_quantity := coalesce(v_quantity, hold.remaining);
        IF v_quantity > hold.remaining THEN
            PERFORM @schema@.django_inventory_refuse('invalid_quantity',
                json_build_array(hold.remaining));
        ELSIF v_to = v_subject THEN
            PERFORM @schema@.django_inventory_refuse('invalid_operation', json_build_array());
        END IF;
        IF (op ->> 'keep')::boolean THEN
            v_kept := hold.remaining - v_quantity;
        END IF;
        v_released := hold.remaining - v_quantity - v_kept;
    END IF;
    IF v_kept = 0 THEN
        hold.status := CASE v_kind WHEN 'release' THEN 'released' ELSE 'committed' END;
        hold.resolved_at := p_now;
    END IF;
    hold.remaining := v_kept;
    UPDATE @schema@.django_inventory_hold h
    SET remaining = hold.remaining,
        status = hold.status,
        expires_at = hold.expires_at,
        resolved_at = hold.resolved_at
    WHERE h.id = hold.id;
    IF v_was_next AND balance.on_hold - v_quantity - v_released > 0 THEN
        SELECT min(h.expires_at) INTO v_next_expiry_at
        FROM @schema@.django_inventory_hold h
        WHERE h.balance_id = balance.id AND h.status = 'active';
    END IF;
    balance := @schema@.django_inventory_move(
        balance, v_id, v_kind, v_key, v_released, -(v_quantity + v_released), v_next_expiry_at,
        hold.id, hold.remaining, hold.expires_at, op, p_now);
    IF taker.id IS NOT NULL THEN
        taker := @schema@.django_inventory_move(
            taker, v_id, v_kind, v_key, v_quantity, 0, taker.next_expiry_at,
            hold.id, hold.remaining, hold.expires_at, op, p_now);
        v_balances := json_build_array(
            json_build_array(v_subject, v_item, balance.quantity, balance.on_hold),
            json_build_array(v_to, v_item, taker.quantity, taker.on_hold));
    ELSE
        v_balances := json_build_array(
            json_build_array(v_subject, v_item, balance.quantity, balance.on_hold));
    END IF;
    RETURN json_build_array(
        json_build_array(
            v_id, v_kind, v_key, v_balances,
            json_build_array(
                hold.id, v_subject, v_item, hold.quantity, hold.remaining, hold.status,
                @schema@.django_inventory_microseconds(hold.expires_at)),
            false),
        v_expired, v_taker_expired);
END
$$;

-- Do one operation, its key included. Returns [receipt, expired holds, ...].
--
-- The operation is {kind, key, fingerprint, id, subject, item, quantity, ttl, new_hold, hold, to,
-- keep, reference, metadata, actor}, without what its verb has not and what is null; ttl in
-- microseconds. p_is_claimed: the batch has inserted its keys already.
CREATE FUNCTION @schema@.django_inventory_step(
    op jsonb, p_scope text, p_now timestamptz, p_is_claimed boolean
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    v_key CONSTANT text := op ->> 'key';
    v_id CONSTANT uuid := op ->> 'id';
    known record;
    v_is_ours boolean := true;
    v_answer json;
BEGIN
    IF v_key IS NOT NULL THEN
        IF p_is_claimed THEN
            SELECT r.kind, r.fingerprint, r.operation_id INTO known
            FROM @schema@.django_inventory_idempotencyrecord r
            WHERE r.scope = p_scope AND r.key = v_key;
            v_is_ours := NOT FOUND OR known.operation_id = v_id;
            -- Not there: it was claimed for an operation of this batch that was refused.
            p_is_claimed := FOUND;
        END IF;
        IF NOT p_is_claimed THEN
            INSERT INTO @schema@.django_inventory_idempotencyrecord
                (scope, key, kind, fingerprint, operation_id, created_at)
            VALUES (p_scope, v_key, op ->> 'kind', op ->> 'fingerprint', v_id, p_now)
            ON CONFLICT (scope, key) DO NOTHING;
            v_is_ours := FOUND;
            IF NOT v_is_ours THEN
                SELECT r.kind, r.fingerprint, r.operation_id INTO known
                FROM @schema@.django_inventory_idempotencyrecord r
                WHERE r.scope = p_scope AND r.key = v_key;
                IF NOT FOUND THEN
                    RAISE EXCEPTION USING ERRCODE = 'serialization_failure',
                        MESSAGE = 'the key was just pruned';
                END IF;
            END IF;
        END IF;
        IF NOT v_is_ours THEN
            IF known.kind <> op ->> 'kind' OR known.fingerprint <> op ->> 'fingerprint' THEN
                PERFORM @schema@.django_inventory_refuse('idempotency_conflict',
                    json_build_array(v_key, known.kind, known.fingerprint));
            END IF;
            RETURN json_build_array(@schema@.django_inventory_receipt(known.operation_id));
        END IF;
    END IF;
    IF op ? 'hold' THEN
        v_answer := @schema@.django_inventory_apply_to_hold(op, p_now);
    ELSE
        v_answer := @schema@.django_inventory_apply(op, p_now);
    END IF;
    IF v_key IS NOT NULL AND (v_answer -> 0 ->> 0)::uuid <> v_id THEN
        -- An earlier operation is the answer, so that is what the key stands for.
        UPDATE @schema@.django_inventory_idempotencyrecord r
        SET operation_id = (v_answer -> 0 ->> 0)::uuid
        WHERE r.scope = p_scope AND r.key = v_key;
    END IF;
    RETURN v_answer;
END
$$;

-- Take all locks of a batch in the one order. Returns the ids of the balances made for it, and
-- whether each of its keys is new and no two are the same.
CREATE FUNCTION @schema@.django_inventory_prepare(
    p_operations jsonb,
    p_scope text,
    p_now timestamptz,
    OUT made bigint[],
    OUT are_all_new boolean
)
LANGUAGE plpgsql AS $$
DECLARE
    subjects text[];
    items text[];
    is_credited boolean[];
    claimed bigint;
    known text[];
BEGIN
    INSERT INTO @schema@.django_inventory_idempotencyrecord
        (scope, key, kind, fingerprint, operation_id, created_at)
    SELECT p_scope, first.key, first.kind, first.fingerprint, first.id, p_now
    FROM (
        SELECT DISTINCT ON (o.key COLLATE "C") o.*
        FROM @schema@.django_inventory_operations(p_operations) o
        WHERE o.key IS NOT NULL
        ORDER BY o.key COLLATE "C", o.number
    ) first
    ORDER BY first.key COLLATE "C"
    ON CONFLICT (scope, key) DO NOTHING;
    GET DIAGNOSTICS claimed = ROW_COUNT;
    are_all_new := claimed = (
        SELECT count(*) FROM jsonb_array_elements(p_operations) o WHERE o.value ? 'key');

    -- Without those that only replay what was done before.
    IF NOT are_all_new THEN
        SELECT array_agg(r.key) INTO known
        FROM @schema@.django_inventory_idempotencyrecord r
        WHERE r.scope = p_scope
            AND r.key IN (SELECT o.value ->> 'key' FROM jsonb_array_elements(p_operations) o)
            AND r.operation_id NOT IN (
                SELECT (o.value ->> 'id')::uuid FROM jsonb_array_elements(p_operations) o);
    END IF;

    WITH fresh AS MATERIALIZED (
        SELECT o.kind, o.subject, o.item, o."to" AS taker, o.hold AS hold_id
        FROM @schema@.django_inventory_operations(p_operations) o
        WHERE known IS NULL OR o.key IS NULL OR o.key <> ALL (known)
    ), held AS MATERIALIZED (
        SELECT b.subject, b.item, f.taker
        FROM fresh f
        JOIN @schema@.django_inventory_hold h ON h.id = f.hold_id AND h.status = 'active'
        JOIN @schema@.django_inventory_balance b ON b.id = h.balance_id
    ), touched AS (
        SELECT f.subject, f.item, f.kind = 'acquire' AS is_credited
        FROM fresh f WHERE f.subject IS NOT NULL
        UNION ALL
        SELECT f.taker, f.item, true FROM fresh f WHERE f.kind = 'transfer'
        UNION ALL
        SELECT held.subject, held.item, false FROM held
        UNION ALL
        SELECT held.taker, held.item, true FROM held
        WHERE held.taker IS NOT NULL AND held.taker <> held.subject
    ), places AS (
        SELECT t.subject, t.item, bool_or(t.is_credited) AS is_credited
        FROM touched t GROUP BY t.subject, t.item
    )
    SELECT array_agg(p.subject), array_agg(p.item), array_agg(p.is_credited)
    INTO subjects, items, is_credited
    FROM places p;

    WITH inserted AS (
        INSERT INTO @schema@.django_inventory_balance
            (subject, item, quantity, on_hold, version, created_at, updated_at)
        SELECT p.subject, p.item, 0, 0, 0, p_now, p_now
        FROM unnest(subjects, items, is_credited) p (subject, item, is_credited)
        WHERE p.is_credited AND NOT EXISTS (
            SELECT FROM @schema@.django_inventory_balance b
            WHERE b.subject = p.subject AND b.item = p.item)
        ORDER BY p.subject COLLATE "C", p.item COLLATE "C"
        ON CONFLICT (subject, item) DO NOTHING
        RETURNING id
    )
    SELECT array_agg(inserted.id) INTO made FROM inserted;

    PERFORM FROM (
        SELECT b.id
        FROM @schema@.django_inventory_balance b
        JOIN unnest(subjects, items) p (subject, item)
            ON b.subject = p.subject AND b.item = p.item
        ORDER BY b.id
        FOR NO KEY UPDATE OF b
    ) locked;
END
$$;

-- Do a prepared batch in two statements, if it is regular: all keys new, no hold named twice, nothing
-- overdue, nothing to refuse. Returns the answers, or NULL, having done nothing.
--
-- Everything is carried along in one set of rows and nothing is joined to it but tables by their
-- keys: so the plan cannot go wrong where the statistics are old.
CREATE FUNCTION @schema@.django_inventory_bulk(
    p_operations jsonb, p_now timestamptz
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    v_answers json;
    unsettled bigint[];
BEGIN
    WITH acts AS (
        -- What each operation does to the balance of the subject or holder, and gives to a taker.
        SELECT
            o.*,
            coalesce(b.subject, o.subject) AS giver,
            coalesce(b.item, o.item) AS moved_item,
            coalesce(o.hold, o.new_hold) AS hold_id,
            coalesce(h.quantity, o.quantity) AS held_at_first,
            h.expires_at AS expired_at_before,
            h.status AS status_before,
            CASE
                WHEN o.ttl IS NOT NULL THEN p_now + make_interval(secs => 0.000001) * o.ttl
                ELSE h.expires_at
            END AS expires_at,
            m.moved,
            CASE o.kind
                WHEN 'acquire' THEN o.quantity
                WHEN 'release' THEN h.remaining
                WHEN 'extend' THEN 0
                WHEN 'commit' THEN CASE WHEN o.keep THEN 0 ELSE h.remaining - m.moved END
                ELSE -o.quantity
            END AS quantity_delta,
            CASE o.kind
                WHEN 'hold' THEN o.quantity
                WHEN 'release' THEN -h.remaining
                WHEN 'commit' THEN CASE WHEN o.keep THEN -m.moved ELSE -h.remaining END
                ELSE 0
            END AS on_hold_delta,
            CASE o.kind
                WHEN 'hold' THEN o.quantity
                WHEN 'release' THEN 0
                WHEN 'extend' THEN h.remaining
                WHEN 'commit' THEN CASE WHEN o.keep THEN h.remaining - m.moved ELSE 0 END
            END AS remaining
        FROM @schema@.django_inventory_operations(p_operations) o
        LEFT JOIN @schema@.django_inventory_hold h ON h.id = o.hold
        LEFT JOIN @schema@.django_inventory_balance b ON b.id = h.balance_id
        CROSS JOIN LATERAL (SELECT coalesce(o.quantity, h.remaining) AS moved) m
    ), running AS MATERIALIZED (
        SELECT
            a.number, a.id, a.kind, a.key, a.hold, a.new_hold, a.hold_id, a.held_at_first,
            a.quantity, a.remaining, a.expires_at, a.status_before, a.giver, a."to",
            a.reference, a.metadata, a.actor,
            CASE
                WHEN a.remaining > 0 THEN 'active'
                WHEN a.kind = 'release' THEN 'released'
                ELSE 'committed'
            END AS status,
            leg.*,
            b.id AS balance_id,
            b.next_expiry_at,
            b.version + row_number() OVER up_to_here AS sequence,
            b.quantity + sum(leg.quantity_delta) OVER up_to_here AS quantity_after,
            b.on_hold + sum(leg.on_hold_delta) OVER up_to_here AS on_hold_after,
            row_number() OVER up_to_here = count(*) OVER of_balance AS is_last,
            min(CASE WHEN leg.side = 1 AND a.ttl IS NOT NULL THEN a.expires_at END)
                OVER of_balance AS earliest,
            bool_or(leg.side = 1 AND a.expired_at_before = b.next_expiry_at)
                OVER of_balance AS is_unsettled
        FROM acts a
        CROSS JOIN LATERAL (
            VALUES (1, a.giver, a.moved_item, a.quantity_delta, a.on_hold_delta),
                   (2, a."to", a.moved_item, a.moved, 0)
        ) leg (side, subject, item, quantity_delta, on_hold_delta)
        JOIN @schema@.django_inventory_balance b
            ON b.subject = leg.subject AND b.item = leg.item
        WINDOW of_balance AS (PARTITION BY b.id),
               up_to_here AS (PARTITION BY b.id ORDER BY a.number, leg.side)
    ), regular AS MATERIALIZED (
        SELECT
            count(*) = (
                SELECT sum(1 + (o.value ? 'to')::integer)
                FROM jsonb_array_elements(p_operations) o)
            AND coalesce(bool_and(
                r.quantity_after >= 0
                AND r.quantity_after + r.on_hold_after <= 9223372036854775807
                AND (r.next_expiry_at IS NULL OR r.next_expiry_at > p_now)
                AND (r.hold IS NULL OR (
                    r.status_before = 'active'
                    AND r.remaining >= 0
                    AND r.quantity_delta >= 0
                    AND r."to" IS DISTINCT FROM r.giver))), false)
            AND count(r.hold) FILTER (WHERE r.side = 1)
                = count(DISTINCT r.hold) FILTER (WHERE r.side = 1) AS is_regular
        FROM running r
    ), placed AS (
        INSERT INTO @schema@.django_inventory_hold
            (id, balance_id, quantity, remaining, status, expires_at, key, reference, metadata,
             created_at)
        SELECT r.new_hold, r.balance_id, r.quantity, r.quantity, 'active', r.expires_at, r.key,
               r.reference, r.metadata, p_now
        FROM running r
        WHERE r.kind = 'hold' AND (SELECT is_regular FROM regular)
    ), changed AS (
        UPDATE @schema@.django_inventory_hold h
        SET remaining = r.remaining,
            expires_at = r.expires_at,
            status = r.status,
            resolved_at = CASE WHEN r.remaining = 0 THEN p_now END
        FROM running r
        WHERE h.id = r.hold AND r.side = 1 AND (SELECT is_regular FROM regular)
    ), settled AS (
        UPDATE @schema@.django_inventory_balance b
        SET quantity = r.quantity_after,
            on_hold = r.on_hold_after,
            version = r.sequence,
            updated_at = p_now,
            next_expiry_at = CASE
                WHEN r.on_hold_after > 0 THEN least(b.next_expiry_at, r.earliest)
            END
        FROM running r
        WHERE b.id = r.balance_id AND r.is_last AND (SELECT is_regular FROM regular)
    ), journalled AS (
        INSERT INTO @schema@.django_inventory_entry
            (balance_id, sequence, operation_id, kind, key, hold_id, hold_remaining,
             hold_expires_at, quantity_delta, on_hold_delta, quantity_after, on_hold_after,
             actor, reference, metadata, effective_at, created_at)
        SELECT r.balance_id, r.sequence, r.id, r.kind, coalesce(r.key, ''), r.hold_id,
               r.remaining, CASE WHEN r.hold_id IS NOT NULL THEN r.expires_at END,
               r.quantity_delta, r.on_hold_delta, r.quantity_after, r.on_hold_after,
               r.actor, r.reference, r.metadata, p_now, p_now
        FROM running r
        WHERE (SELECT is_regular FROM regular)
        ORDER BY r.number, r.side
    ), answered AS (
        SELECT
            r.number,
            json_build_array(json_build_array(
                r.id, r.kind, r.key,
                json_agg(
                    json_build_array(r.subject, r.item, r.quantity_after, r.on_hold_after)
                    ORDER BY r.side),
                CASE WHEN r.hold_id IS NOT NULL THEN json_build_array(
                    r.hold_id, r.giver, r.item, r.held_at_first, r.remaining, r.status,
                    @schema@.django_inventory_microseconds(r.expires_at)) END,
                false)) AS answer
        FROM running r
        WHERE (SELECT is_regular FROM regular)
        GROUP BY r.number, r.id, r.kind, r.key, r.hold_id, r.giver, r.item, r.held_at_first,
                 r.remaining, r.status, r.expires_at
    )
    SELECT
        (SELECT array_agg(r.balance_id) FROM running r
         WHERE r.is_last AND r.is_unsettled AND r.on_hold_after > 0
             AND (SELECT is_regular FROM regular)),
        (SELECT json_agg(w.answer ORDER BY w.number) FROM answered w)
    INTO unsettled, v_answers;

    IF unsettled IS NOT NULL THEN
        -- The hold that determined the earliest expiry is gone or has moved.
        UPDATE @schema@.django_inventory_balance b
        SET next_expiry_at = (
            SELECT min(h.expires_at) FROM @schema@.django_inventory_hold h
            WHERE h.balance_id = b.id AND h.status = 'active')
        WHERE b.id = ANY (unsettled);
    END IF;
    RETURN v_answers;
END
$$;

-- Post operations, see django_inventory_step, all or none or each alone. Never raises for a refusal
-- and leaves nothing of one.
--
-- Returns a list with, for each operation, [receipt, expired holds, ...] or {code, detail}; or, if
-- all are refused for one of them, {code, detail, index}. A receipt is [operation id, kind, key,
-- [[subject, item, quantity, on hold], ...], hold, replayed], a hold [id, subject, item, quantity,
-- remaining, status, expiry in microseconds].
CREATE FUNCTION @schema@.django_inventory_post(
    p_operations jsonb, p_scope text, p_now timestamptz, p_is_atomic boolean
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    v_index integer := 0;
    op jsonb;
    preparation record;
    answers json[];
    bulk json;
    v_code text;
    v_detail text;
BEGIN
    IF jsonb_array_length(p_operations) = 1 AND p_is_atomic THEN
        RETURN json_build_array(
            @schema@.django_inventory_step(p_operations -> 0, p_scope, p_now, false));
    END IF;
    preparation := @schema@.django_inventory_prepare(p_operations, p_scope, p_now);
    IF preparation.are_all_new THEN
        bulk := @schema@.django_inventory_bulk(p_operations, p_now);
        IF bulk IS NOT NULL THEN
            RETURN bulk;
        END IF;
    END IF;
    FOR op IN
        SELECT o.value FROM jsonb_array_elements(p_operations) WITH ORDINALITY o
        ORDER BY o.ordinality
    LOOP
        IF p_is_atomic THEN
            answers := answers || @schema@.django_inventory_step(op, p_scope, p_now, true);
        ELSE
            BEGIN
                answers := answers || @schema@.django_inventory_step(op, p_scope, p_now, true);
            EXCEPTION WHEN SQLSTATE 'DI001' THEN
                GET STACKED DIAGNOSTICS v_code = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
                answers := answers || json_build_object('code', v_code, 'detail', v_detail::json);
                DELETE FROM @schema@.django_inventory_idempotencyrecord r
                WHERE r.scope = p_scope AND r.key = op ->> 'key'
                    AND r.operation_id = (op ->> 'id')::uuid;
            END;
        END IF;
        v_index := v_index + 1;
    END LOOP;
    DELETE FROM @schema@.django_inventory_balance b WHERE b.id = ANY (preparation.made) AND b.version = 0;
    RETURN array_to_json(answers);
EXCEPTION
    WHEN SQLSTATE 'DI001' THEN
        GET STACKED DIAGNOSTICS v_code = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
        RETURN json_build_object('code', v_code, 'detail', v_detail::json, 'index', v_index);
    WHEN deadlock_detected OR serialization_failure OR lock_not_available THEN
        RETURN json_build_object('code', 'ledger_busy', 'detail', SQLERRM);
END
$$;

-- Record overdue holds of the next p_balances balances after p_after_id, at most p_holds, the longest
-- overdue first; balances that somebody else has locked are left to them. Returns [last balance seen,
-- number, holds].
CREATE FUNCTION @schema@.django_inventory_sweep(
    p_now timestamptz, p_after_id bigint, p_balances integer, p_holds integer
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
    locked bigint[];
    balance @schema@.django_inventory_balance;
    due record;
    expiry record;
    answers json[] := '{}';
    v_number integer := 0;
BEGIN
    SELECT array_agg(overdue.id ORDER BY overdue.id) INTO ids
    FROM (
        SELECT b.id FROM @schema@.django_inventory_balance b
        WHERE b.next_expiry_at <= p_now AND b.id > p_after_id
        ORDER BY b.id
        LIMIT p_balances
    ) overdue;
    SELECT array_agg(mine.id) INTO locked
    FROM (
        SELECT b.id FROM @schema@.django_inventory_balance b
        WHERE b.id = ANY (ids) AND b.next_expiry_at <= p_now
        ORDER BY b.id
        FOR NO KEY UPDATE SKIP LOCKED
    ) mine;
    FOR due IN
        SELECT oldest.balance_id, count(*) AS holds
        FROM (
            SELECT h.balance_id, row_number() OVER (ORDER BY h.expires_at, h.id) AS number FROM @schema@.django_inventory_hold h
            WHERE h.balance_id = ANY (locked) AND h.status = 'active' AND h.expires_at <= p_now
            ORDER BY h.expires_at, h.id
            LIMIT p_holds
        ) oldest
        GROUP BY oldest.balance_id
        ORDER BY min(oldest.number)
    LOOP
        SELECT b.* INTO balance FROM @schema@.django_inventory_balance b WHERE b.id = due.balance_id;
        expiry := @schema@.django_inventory_expire(balance, p_now, due.holds);
        answers := answers || expiry.expired;
        v_number := v_number + due.holds;
    END LOOP;
    RETURN json_build_array(ids[array_upper(ids, 1)], v_number, array_to_json(answers));
END
$$;
