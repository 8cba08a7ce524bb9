-- One operation: acquire, consume, hold, transfer, commit, release, extend.
--
-- Each verb tries to do its work at once, with its conditions in the WHERE of the UPDATE, and asks
-- what was in the way only where that found no row. So the usual case is three or four statements,
-- each with a plan that is made once a session.

-- An operation. The ledger gives it its id, and to a `hold` the id of the hold that it makes. ttl is in
-- microseconds. What a verb has not is NULL.
CREATE TYPE @schema@.django_inventory_operation AS (
    kind text, id uuid, key text, fingerprint text, subject text, item text, quantity bigint,
    "to" text, ttl bigint, hold uuid, new_hold uuid, keep boolean,
    reference text, metadata jsonb, actor text
);

-- Put an entry into the journal.
CREATE FUNCTION @schema@.django_inventory_record(
    op @schema@.django_inventory_operation,
    p_now timestamptz,
    p_balance_id bigint,
    p_sequence bigint,
    p_quantity_delta bigint,
    p_on_hold_delta bigint,
    p_quantity_after bigint,
    p_on_hold_after bigint,
    p_hold_id uuid,
    p_hold_remaining bigint,
    p_hold_expires_at timestamptz
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO @schema@.django_inventory_entry
        (balance_id, sequence, operation_id, kind, key, hold_id, hold_remaining, hold_expires_at,
         quantity_delta, on_hold_delta, quantity_after, on_hold_after,
         actor, reference, metadata, effective_at, created_at)
    VALUES
        (p_balance_id, p_sequence, op.id, op.kind, coalesce(op.key, ''),
         p_hold_id, p_hold_remaining, p_hold_expires_at,
         p_quantity_delta, p_on_hold_delta, p_quantity_after, p_on_hold_after,
         coalesce(op.actor, ''), coalesce(op.reference, ''), op.metadata, p_now, p_now);
END
$$;

-- Acquire, consume or hold. Returns [receipt, expired holds, ...].
CREATE FUNCTION @schema@.django_inventory_move(
    op @schema@.django_inventory_operation, p_now timestamptz
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    v_free CONSTANT bigint := CASE op.kind WHEN 'acquire' THEN op.quantity ELSE -op.quantity END;
    v_held CONSTANT bigint := CASE op.kind WHEN 'hold' THEN op.quantity ELSE 0 END;
    v_expires_at CONSTANT timestamptz := p_now + make_interval(secs => 0.000001) * op.ttl;
    v_id bigint;
    v_version bigint;
    v_quantity bigint;
    v_on_hold bigint;
    v_hold json;
    balance record;
    answer json[] := '{}';
BEGIN
    LOOP
        UPDATE @schema@.django_inventory_balance b
        SET quantity = b.quantity + v_free,
            on_hold = b.on_hold + v_held,
            next_expiry_at = least(b.next_expiry_at, v_expires_at),
            version = b.version + 1,
            updated_at = p_now
        WHERE b.subject = op.subject AND b.item = op.item
            AND (b.next_expiry_at IS NULL OR b.next_expiry_at > p_now)
            AND b.quantity >= -v_free
            -- Not the sum of all, which would overflow before it could be compared.
            AND v_free <= 9223372036854775807 - b.quantity - b.on_hold
        RETURNING b.id, b.version, b.quantity, b.on_hold
        INTO v_id, v_version, v_quantity, v_on_hold;
        EXIT WHEN FOUND;

        SELECT b.id, b.quantity, b.on_hold, b.next_expiry_at INTO balance
        FROM @schema@.django_inventory_balance b
        WHERE b.subject = op.subject AND b.item = op.item
        FOR NO KEY UPDATE;
        IF balance.next_expiry_at <= p_now THEN
            answer := answer || @schema@.django_inventory_expire(balance.id, p_now, NULL);
        ELSIF op.kind <> 'acquire' AND coalesce(balance.quantity, 0) < op.quantity THEN
            PERFORM @schema@.django_inventory_refuse('insufficient_quantity', json_build_array(
                op.subject, op.item, op.quantity, coalesce(balance.quantity, 0)));
        ELSIF v_free > 9223372036854775807 - balance.quantity - balance.on_hold THEN
            PERFORM @schema@.django_inventory_refuse('quantity_overflow', json_build_array(
                op.subject, op.item, op.quantity,
                9223372036854775807 - balance.quantity - balance.on_hold));
        ELSIF balance.id IS NULL THEN
            INSERT INTO @schema@.django_inventory_balance AS b
                (subject, item, quantity, on_hold, version, created_at, updated_at)
            VALUES (op.subject, op.item, op.quantity, 0, 1, p_now, p_now)
            ON CONFLICT (subject, item) DO NOTHING
            RETURNING b.id, b.version, b.quantity, b.on_hold
            INTO v_id, v_version, v_quantity, v_on_hold;
            EXIT WHEN FOUND;
        END IF;
    END LOOP;

    IF op.kind = 'hold' THEN
        INSERT INTO @schema@.django_inventory_hold
            (id, balance_id, quantity, remaining, status, expires_at, key, reference, metadata,
             created_at)
        VALUES
            (op.new_hold, v_id, v_held, v_held, 'active', v_expires_at, op.key,
             coalesce(op.reference, ''), op.metadata, p_now);
        v_hold := json_build_array(
            op.new_hold, op.subject, op.item, v_held, v_held, 'active',
            @schema@.django_inventory_microseconds(v_expires_at));
    END IF;
    INSERT INTO @schema@.django_inventory_entry
        (balance_id, sequence, operation_id, kind, key, hold_id, hold_remaining, hold_expires_at,
         quantity_delta, on_hold_delta, quantity_after, on_hold_after,
         actor, reference, metadata, effective_at, created_at)
    VALUES
        (v_id, v_version, op.id, op.kind, coalesce(op.key, ''),
         op.new_hold, nullif(v_held, 0), v_expires_at,
         v_free, v_held, v_quantity, v_on_hold,
         coalesce(op.actor, ''), coalesce(op.reference, ''), op.metadata, p_now, p_now);
    RETURN array_to_json(json_build_array(
        op.id, op.kind, op.key,
        json_build_array(json_build_array(op.subject, op.item, v_quantity, v_on_hold)),
        v_hold, false) || answer);
END
$$;

-- Lock the balances of who gives and who gets, by primary key; the latter is made if it is missing.
-- A NULL id of the giver: it owns nothing. are_overdue: one of them has holds that are. The rest is what
-- they own, as of the lock.
CREATE FUNCTION @schema@.django_inventory_lock_pair(
    p_giver text,
    p_taker text,
    p_item text,
    p_now timestamptz,
    OUT giver_id bigint,
    OUT giver_quantity bigint,
    OUT giver_on_hold bigint,
    OUT taker_id bigint,
    OUT taker_quantity bigint,
    OUT taker_on_hold bigint,
    OUT are_overdue boolean
)
LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        SELECT min(locked.id) FILTER (WHERE locked.subject = p_giver),
               min(locked.quantity) FILTER (WHERE locked.subject = p_giver),
               min(locked.on_hold) FILTER (WHERE locked.subject = p_giver),
               min(locked.id) FILTER (WHERE locked.subject = p_taker),
               min(locked.quantity) FILTER (WHERE locked.subject = p_taker),
               min(locked.on_hold) FILTER (WHERE locked.subject = p_taker),
               coalesce(bool_or(locked.next_expiry_at <= p_now), false)
        INTO giver_id, giver_quantity, giver_on_hold, taker_id, taker_quantity, taker_on_hold,
            are_overdue
        FROM (
            SELECT b.id, b.subject, b.quantity, b.on_hold, b.next_expiry_at
            FROM @schema@.django_inventory_balance b
            WHERE b.item = p_item AND b.subject IN (p_giver, p_taker)
                -- Else nothing is locked: what is missing has to be made before.
                AND EXISTS (
                    SELECT FROM @schema@.django_inventory_balance t
                    WHERE t.subject = p_taker AND t.item = p_item)
            ORDER BY b.id
            FOR NO KEY UPDATE
        ) locked;
        EXIT WHEN taker_id IS NOT NULL;
        INSERT INTO @schema@.django_inventory_balance
            (subject, item, quantity, on_hold, version, created_at, updated_at)
        VALUES (p_taker, p_item, 0, 0, 0, p_now, p_now)
        ON CONFLICT (subject, item) DO NOTHING;
    END LOOP;
END
$$;

-- Credit a locked balance, and journal that.
CREATE FUNCTION @schema@.django_inventory_credit(
    op @schema@.django_inventory_operation,
    p_now timestamptz,
    p_balance_id bigint,
    p_quantity bigint,
    p_hold_id uuid,
    p_hold_remaining bigint,
    p_hold_expires_at timestamptz,
    OUT quantity_after bigint,
    OUT on_hold_after bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
    balance record;
BEGIN
    UPDATE @schema@.django_inventory_balance b
    SET quantity = b.quantity + p_quantity, version = b.version + 1, updated_at = p_now
    WHERE b.id = p_balance_id AND p_quantity <= 9223372036854775807 - b.quantity - b.on_hold
    RETURNING b.version, b.quantity, b.on_hold INTO v_version, quantity_after, on_hold_after;
    IF NOT FOUND THEN
        SELECT b.* INTO balance
        FROM @schema@.django_inventory_balance b WHERE b.id = p_balance_id;
        PERFORM @schema@.django_inventory_refuse('quantity_overflow', json_build_array(
            balance.subject, balance.item, p_quantity,
            9223372036854775807 - balance.quantity - balance.on_hold));
    END IF;
    PERFORM @schema@.django_inventory_record(
        op, p_now, p_balance_id, v_version, p_quantity, 0, quantity_after, on_hold_after,
        p_hold_id, p_hold_remaining, p_hold_expires_at);
END
$$;

-- Transfer. Returns [receipt, expired holds, ...].
--
-- Both balances change in one statement and so do both entries come: PostgreSQL reads the constraints of
-- a table once a statement, which costs more than the rows do.
CREATE FUNCTION @schema@.django_inventory_transfer(
    op @schema@.django_inventory_operation, p_now timestamptz
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    pair record;
    answer json[] := '{}';
BEGIN
    LOOP
        pair := @schema@.django_inventory_lock_pair(op.subject, op."to", op.item, p_now);
        EXIT WHEN NOT pair.are_overdue;
        answer := answer || @schema@.django_inventory_expire(pair.giver_id, p_now, NULL)
            || @schema@.django_inventory_expire(pair.taker_id, p_now, NULL);
    END LOOP;
    IF coalesce(pair.giver_quantity, 0) < op.quantity THEN
        PERFORM @schema@.django_inventory_refuse('insufficient_quantity', json_build_array(
            op.subject, op.item, op.quantity, coalesce(pair.giver_quantity, 0)));
    ELSIF op.quantity > 9223372036854775807 - pair.taker_quantity - pair.taker_on_hold THEN
        PERFORM @schema@.django_inventory_refuse('quantity_overflow', json_build_array(
            op."to", op.item, op.quantity,
            9223372036854775807 - pair.taker_quantity - pair.taker_on_hold));
    END IF;
    WITH moved AS (
        UPDATE @schema@.django_inventory_balance b
        SET quantity = b.quantity
                + CASE b.id WHEN pair.giver_id THEN -op.quantity ELSE op.quantity END,
            version = b.version + 1,
            updated_at = p_now
        WHERE b.id IN (pair.giver_id, pair.taker_id)
        RETURNING b.id, b.version, b.quantity, b.on_hold, b.id = pair.taker_id AS is_taker
    )
    INSERT INTO @schema@.django_inventory_entry
        (balance_id, sequence, operation_id, kind, key, quantity_delta, on_hold_delta,
         quantity_after, on_hold_after, actor, reference, metadata, effective_at, created_at)
    SELECT m.id, m.version, op.id, op.kind, op.key,
           CASE WHEN m.is_taker THEN op.quantity ELSE -op.quantity END, 0,
           m.quantity, m.on_hold, coalesce(op.actor, ''), coalesce(op.reference, ''), op.metadata,
           p_now, p_now
    FROM moved m
    ORDER BY m.is_taker;
    RETURN array_to_json(json_build_array(
        op.id, op.kind, op.key,
        json_build_array(
            json_build_array(
                op.subject, op.item, pair.giver_quantity - op.quantity, pair.giver_on_hold),
            json_build_array(
                op."to", op.item, pair.taker_quantity + op.quantity, pair.taker_on_hold)),
        NULL, false) || answer);
END
$$;

-- What a resolved hold answers: the receipt of what resolved it, or a refusal.
CREATE FUNCTION @schema@.django_inventory_answer_resolved(
    op @schema@.django_inventory_operation, hold @schema@.django_inventory_hold
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    holders_entry @schema@.django_inventory_entry;
    v_receiver text;
    is_same boolean;
BEGIN
    SELECT e.* INTO holders_entry FROM @schema@.django_inventory_entry e
    WHERE e.hold_id = hold.id AND e.hold_remaining = 0 AND e.on_hold_delta <> 0;
    IF op.kind = 'commit' AND hold.status = 'committed' THEN
        SELECT b.subject INTO v_receiver
        FROM @schema@.django_inventory_entry e
        JOIN @schema@.django_inventory_balance b ON b.id = e.balance_id
        WHERE e.operation_id = holders_entry.operation_id AND e.on_hold_delta = 0;
        -- A commit that would keep a remainder is never the same: two equal ones are both meant.
        is_same := NOT coalesce(op.keep, false)
            AND CASE
                WHEN op.quantity IS NULL THEN holders_entry.quantity_delta = 0
                ELSE op.quantity = -(holders_entry.quantity_delta + holders_entry.on_hold_delta)
            END
            AND v_receiver IS NOT DISTINCT FROM op."to"
            AND holders_entry.reference = coalesce(op.reference, '')
            AND holders_entry.metadata IS NOT DISTINCT FROM op.metadata;
    ELSE
        is_same := op.kind = 'release' AND hold.status IN ('released', 'expired');
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

-- Commit, release or extend. Returns [receipt, expired holds, ...].
CREATE FUNCTION @schema@.django_inventory_resolve(
    op @schema@.django_inventory_operation, p_now timestamptz
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    hold record;
    stored @schema@.django_inventory_hold;
    pair record;
    taker record;
    v_taker_id bigint;
    v_are_overdue boolean;
    v_moved bigint;
    v_kept bigint;
    v_freed bigint;
    v_status text;
    v_expires_at timestamptz;
    v_version bigint;
    v_quantity bigint;
    v_on_hold bigint;
    v_balances json;
    answer json[] := '{}';
BEGIN
    LOOP
        -- Lock the balances. What is read of the hold may be from before the wait for a lock.
        IF op."to" IS NULL THEN
            SELECT h.balance_id, h.quantity, h.remaining, h.expires_at,
                   b.subject, b.item, b.next_expiry_at
            INTO hold
            FROM @schema@.django_inventory_hold h
            JOIN @schema@.django_inventory_balance b ON b.id = h.balance_id
            WHERE h.id = op.hold AND h.status = 'active'
            FOR NO KEY UPDATE OF b;
            v_are_overdue := hold.next_expiry_at <= p_now;
        ELSE
            -- Which balance a hold is on never changes, so that can be read before the lock.
            SELECT h.balance_id, h.quantity, h.remaining, h.expires_at, b.subject, b.item
            INTO hold
            FROM @schema@.django_inventory_hold h
            JOIN @schema@.django_inventory_balance b ON b.id = h.balance_id
            WHERE h.id = op.hold AND h.status = 'active';
            IF FOUND THEN
                pair := @schema@.django_inventory_lock_pair(
                    hold.subject, op."to", hold.item, p_now);
                v_taker_id := pair.taker_id;
                v_are_overdue := pair.are_overdue;
            END IF;
        END IF;
        IF hold.balance_id IS NULL THEN
            SELECT h.* INTO stored FROM @schema@.django_inventory_hold h WHERE h.id = op.hold;
            IF NOT FOUND THEN
                PERFORM @schema@.django_inventory_refuse('hold_unknown', json_build_array(op.hold));
            END IF;
            -- Made for nothing, if somebody has resolved the hold in the meantime.
            DELETE FROM @schema@.django_inventory_balance b
            WHERE b.id = v_taker_id AND b.version = 0;
            RETURN array_to_json(
                @schema@.django_inventory_answer_resolved(op, stored) || answer);
        ELSIF v_are_overdue THEN
            -- Not where somebody has resolved the hold in the meantime: then this call changes nothing.
            IF EXISTS (
                SELECT FROM @schema@.django_inventory_hold h
                WHERE h.id = op.hold AND h.status = 'active'
            ) THEN
                answer := answer || @schema@.django_inventory_expire(hold.balance_id, p_now, NULL)
                    || @schema@.django_inventory_expire(v_taker_id, p_now, NULL);
            END IF;
            CONTINUE;
        END IF;

        v_moved := CASE op.kind WHEN 'commit' THEN coalesce(op.quantity, hold.remaining) ELSE 0 END;
        v_kept := CASE
            WHEN op.kind = 'extend' THEN hold.remaining
            WHEN op.keep THEN hold.remaining - v_moved
            ELSE 0
        END;
        v_freed := hold.remaining - v_moved - v_kept;
        v_expires_at := coalesce(
            p_now + make_interval(secs => 0.000001) * op.ttl, hold.expires_at);
        v_status := CASE
            WHEN v_kept > 0 THEN 'active'
            WHEN op.kind = 'release' THEN 'released'
            ELSE 'committed'
        END;
        UPDATE @schema@.django_inventory_hold h
        SET remaining = v_kept,
            status = v_status,
            expires_at = v_expires_at,
            resolved_at = CASE WHEN v_kept = 0 THEN p_now END
        WHERE h.id = op.hold AND h.status = 'active' AND h.remaining = hold.remaining
            AND h.expires_at = hold.expires_at AND h.expires_at > p_now
            AND v_moved <= h.remaining;
        EXIT WHEN FOUND;

        -- Else it has changed while this waited for the lock.
        SELECT h.* INTO stored FROM @schema@.django_inventory_hold h WHERE h.id = op.hold;
        IF stored.status = 'active' AND op.quantity > stored.remaining THEN
            PERFORM @schema@.django_inventory_refuse('invalid_quantity',
                json_build_array(stored.remaining));
        ELSIF stored.status = 'active' AND stored.expires_at <= p_now THEN
            answer := answer || @schema@.django_inventory_expire(hold.balance_id, p_now, NULL);
        END IF;
    END LOOP;
    IF op."to" = hold.subject THEN
        PERFORM @schema@.django_inventory_refuse('invalid_operation', json_build_array());
    END IF;

    UPDATE @schema@.django_inventory_balance b
    SET quantity = b.quantity + v_freed,
        on_hold = b.on_hold - v_freed - v_moved,
        next_expiry_at = CASE
            WHEN b.on_hold = v_freed + v_moved THEN NULL
            WHEN b.next_expiry_at < hold.expires_at AND b.next_expiry_at <= v_expires_at
            THEN b.next_expiry_at
            ELSE (
                SELECT min(h.expires_at) FROM @schema@.django_inventory_hold h
                WHERE h.balance_id = hold.balance_id AND h.status = 'active')
        END,
        version = b.version + 1,
        updated_at = p_now
    WHERE b.id = hold.balance_id
    RETURNING b.version, b.quantity, b.on_hold INTO v_version, v_quantity, v_on_hold;
    PERFORM @schema@.django_inventory_record(
        op, p_now, hold.balance_id, v_version, v_freed, -(v_freed + v_moved), v_quantity, v_on_hold,
        op.hold, v_kept, v_expires_at);
    IF v_taker_id IS NULL THEN
        v_balances := json_build_array(
            json_build_array(hold.subject, hold.item, v_quantity, v_on_hold));
    ELSE
        taker := @schema@.django_inventory_credit(
            op, p_now, v_taker_id, v_moved, op.hold, v_kept, v_expires_at);
        v_balances := json_build_array(
            json_build_array(hold.subject, hold.item, v_quantity, v_on_hold),
            json_build_array(op."to", hold.item, taker.quantity_after, taker.on_hold_after));
    END IF;
    RETURN array_to_json(json_build_array(
        op.id, op.kind, op.key, v_balances,
        json_build_array(
            op.hold, hold.subject, hold.item, hold.quantity, v_kept, v_status,
            @schema@.django_inventory_microseconds(v_expires_at)),
        false) || answer);
END
$$;

-- What a key answers that was used before: the receipt of then, or a refusal.
CREATE FUNCTION @schema@.django_inventory_answer_known(
    op @schema@.django_inventory_operation, p_scope text
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    known record;
BEGIN
    SELECT r.kind, r.fingerprint, r.operation_id INTO known
    FROM @schema@.django_inventory_idempotencyrecord r
    WHERE r.scope = p_scope AND r.key = op.key;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'serialization_failure',
            MESSAGE = 'the key was just pruned';
    ELSIF known.kind <> op.kind OR known.fingerprint <> op.fingerprint THEN
        PERFORM @schema@.django_inventory_refuse('idempotency_conflict',
            json_build_array(op.key, known.kind, known.fingerprint));
    END IF;
    RETURN json_build_array(@schema@.django_inventory_receipt(known.operation_id));
END
$$;

-- Do one operation, its key included. Returns [receipt, expired holds, ...]. p_is_claimed: the batch has
-- inserted its keys already. p_is_absent: the batch has found that the giver owns nothing, and has no
-- lock on that. Then nothing is looked up, since somebody may have made its balance by now.
CREATE FUNCTION @schema@.django_inventory_do(
    op @schema@.django_inventory_operation,
    p_scope text,
    p_now timestamptz,
    p_is_claimed boolean,
    p_is_absent boolean
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    v_claimed_by uuid;
    v_answer json;
    v_answered_by uuid;
BEGIN
    IF p_is_claimed THEN
        SELECT r.operation_id INTO v_claimed_by
        FROM @schema@.django_inventory_idempotencyrecord r
        WHERE r.scope = p_scope AND r.key = op.key;
    END IF;
    -- Not there although claimed: it was claimed for an operation of this batch that was refused.
    IF v_claimed_by IS NULL AND op.key IS NOT NULL THEN
        INSERT INTO @schema@.django_inventory_idempotencyrecord
            (scope, key, kind, fingerprint, operation_id, created_at)
        VALUES (p_scope, op.key, op.kind, op.fingerprint, op.id, p_now)
        ON CONFLICT (scope, key) DO NOTHING
        RETURNING operation_id INTO v_claimed_by;
    END IF;
    IF op.key IS NOT NULL AND v_claimed_by IS DISTINCT FROM op.id THEN
        RETURN @schema@.django_inventory_answer_known(op, p_scope);
    ELSIF p_is_absent THEN
        PERFORM @schema@.django_inventory_refuse('insufficient_quantity', json_build_array(
            op.subject, op.item, op.quantity, 0));
    ELSIF op.hold IS NULL THEN
        RETURN CASE op.kind
            WHEN 'transfer' THEN @schema@.django_inventory_transfer(op, p_now)
            ELSE @schema@.django_inventory_move(op, p_now)
        END;
    END IF;
    v_answer := @schema@.django_inventory_resolve(op, p_now);
    IF op.key IS NOT NULL THEN
        v_answered_by := v_answer -> 0 ->> 0;
        IF v_answered_by <> op.id THEN
            -- An earlier operation is the answer, so that is what the key stands for.
            UPDATE @schema@.django_inventory_idempotencyrecord r
            SET operation_id = v_answered_by
            WHERE r.scope = p_scope AND r.key = op.key;
        END IF;
    END IF;
    RETURN v_answer;
END
$$;

-- Post one operation. p_fields: the scope, the time and the operation's fields in their order, joined
-- by the character "unit separator" (31), which nothing in them may contain; empty for NULL. So a call
-- has one plain parameter: which spares the parser more than it costs here. Never raises for a refusal
-- and leaves nothing of one. Returns what django_inventory_do returns, or {code, detail, index}.
CREATE FUNCTION @schema@.django_inventory_post_one(p_fields text) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    fields CONSTANT text[] := string_to_array(p_fields, chr(31), '');
    op CONSTANT @schema@.django_inventory_operation := ROW(
        fields[3], fields[4], fields[5], fields[6], fields[7], fields[8], fields[9], fields[10],
        fields[11], fields[12], fields[13], fields[14], fields[15], fields[16], fields[17]
    )::@schema@.django_inventory_operation;
    v_code text;
    v_detail text;
BEGIN
    RETURN @schema@.django_inventory_do(
        op, coalesce(fields[1], ''), fields[2]::timestamptz, false, false);
EXCEPTION
    WHEN SQLSTATE 'DI001' THEN
        GET STACKED DIAGNOSTICS v_code = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
        RETURN json_build_object('code', v_code, 'detail', v_detail::json, 'index', 0);
    WHEN deadlock_detected OR serialization_failure OR lock_not_available THEN
        RETURN json_build_object('code', 'ledger_busy', 'detail', SQLERRM);
END
$$;
