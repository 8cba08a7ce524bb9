-- A batch: many operations in one transaction, in order, all or none or each alone.

-- The operations of a batch as rows. What each field means: see django_inventory_operation.
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

-- Take all locks of a batch in the one order. Returns the ids of the balances made for it, and
-- whether each of its keys is new and no two are the same; and who owns nothing of what it is to give,
-- as subject and item joined by the character "unit separator" (31).
CREATE FUNCTION @schema@.django_inventory_prepare(
    p_operations jsonb,
    p_scope text,
    p_now timestamptz,
    p_is_atomic boolean,
    OUT made bigint[],
    OUT are_all_new boolean,
    OUT absent text[]
)
LANGUAGE plpgsql
-- One plan a session. Else PostgreSQL plans anew for each batch, which takes half of the time of small
-- ones. The tables may be small when it plans and grow after that, so whatever it believes the plan has
-- to go to each row by its key: nothing is scanned, and LATERAL with OFFSET 0 leaves it no other order.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    subjects text[];
    items text[];
    is_credited boolean[];
    claimed bigint;
    known text[];
    v_locked bigint;
    v_there bigint;
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
            AND r.key = ANY (ARRAY(
                SELECT o.value ->> 'key' FROM jsonb_array_elements(p_operations) o))
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
        CROSS JOIN LATERAL (
            SELECT h.* FROM @schema@.django_inventory_hold h WHERE h.id = f.hold_id OFFSET 0) h
        CROSS JOIN LATERAL (
            SELECT b.* FROM @schema@.django_inventory_balance b
            WHERE b.id = h.balance_id OFFSET 0) b
        WHERE h.status = 'active'
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
        LEFT JOIN LATERAL (
            SELECT b.id FROM @schema@.django_inventory_balance b
            WHERE b.subject = p.subject AND b.item = p.item OFFSET 0
        ) b ON true
        -- Where each operation stands alone, all: that one of them owns nothing has to stay true until
        -- what the others do is seen.
        WHERE (p.is_credited OR NOT p_is_atomic) AND b.id IS NULL
        ORDER BY p.subject COLLATE "C", p.item COLLATE "C"
        ON CONFLICT (subject, item) DO NOTHING
        RETURNING id
    )
    SELECT array_agg(inserted.id) INTO made FROM inserted;

    SELECT count(*) INTO v_locked
    FROM (
        SELECT b.id
        FROM unnest(subjects, items) p (subject, item)
        CROSS JOIN LATERAL (
            SELECT b.id FROM @schema@.django_inventory_balance b
            WHERE b.subject = p.subject AND b.item = p.item OFFSET 0) b
        ORDER BY b.id
        OFFSET 0
    ) wanted
    CROSS JOIN LATERAL (
        SELECT b.id FROM @schema@.django_inventory_balance b
        WHERE b.id = wanted.id
        FOR NO KEY UPDATE
    ) locked;
    IF v_locked < cardinality(subjects) THEN
        SELECT count(b.id),
               array_agg(p.subject || chr(31) || p.item) FILTER (WHERE b.id IS NULL)
        INTO v_there, absent
        FROM unnest(subjects, items) p (subject, item)
        LEFT JOIN LATERAL (
            SELECT b.id FROM @schema@.django_inventory_balance b
            WHERE b.subject = p.subject AND b.item = p.item OFFSET 0
        ) b ON true;
        -- Whoever made it may have filled it from those that are locked now, so it is not empty.
        IF v_there > v_locked THEN
            RAISE EXCEPTION USING ERRCODE = 'serialization_failure',
                MESSAGE = 'a balance was made while this call waited for another one';
        END IF;
    END IF;
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
LANGUAGE plpgsql
-- See django_inventory_prepare.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
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
        LEFT JOIN LATERAL (
            SELECT h.* FROM @schema@.django_inventory_hold h WHERE h.id = o.hold OFFSET 0
        ) h ON true
        LEFT JOIN LATERAL (
            SELECT b.* FROM @schema@.django_inventory_balance b
            WHERE b.id = h.balance_id OFFSET 0
        ) b ON true
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
        CROSS JOIN LATERAL (
            SELECT b.* FROM @schema@.django_inventory_balance b
            WHERE b.subject = leg.subject AND b.item = leg.item OFFSET 0
        ) b
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
        CROSS JOIN LATERAL (
            SELECT h.ctid FROM @schema@.django_inventory_hold h WHERE h.id = r.hold OFFSET 0
        ) place
        WHERE h.ctid = place.ctid AND r.side = 1 AND (SELECT is_regular FROM regular)
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
        CROSS JOIN LATERAL (
            SELECT b.ctid FROM @schema@.django_inventory_balance b
            WHERE b.id = r.balance_id OFFSET 0
        ) place
        WHERE b.ctid = place.ctid AND r.is_last AND (SELECT is_regular FROM regular)
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

-- Post operations, all or none or each alone. Never raises for a refusal and leaves nothing of one.
-- Each is a JSON object with the fields of django_inventory_operation, without those that are NULL.
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
    op @schema@.django_inventory_operation;
    preparation record;
    answers json[];
    bulk json;
    v_is_absent boolean;
    v_code text;
    v_detail text;
BEGIN
    preparation := @schema@.django_inventory_prepare(
        p_operations, p_scope, p_now, p_is_atomic);
    IF preparation.are_all_new AND preparation.absent IS NULL THEN
        bulk := @schema@.django_inventory_bulk(p_operations, p_now);
        IF bulk IS NOT NULL THEN
            RETURN bulk;
        END IF;
    END IF;
    FOR op IN
        SELECT r.*
        FROM jsonb_array_elements(p_operations) WITH ORDINALITY o
        CROSS JOIN LATERAL
            jsonb_populate_record(NULL::@schema@.django_inventory_operation, o.value) r
        ORDER BY o.ordinality
    LOOP
        v_is_absent := op.subject || chr(31) || op.item = ANY (preparation.absent);
        IF p_is_atomic THEN
            answers := answers || @schema@.django_inventory_do(
                op, p_scope, p_now, true, v_is_absent);
        ELSE
            BEGIN
                answers := answers || @schema@.django_inventory_do(
                    op, p_scope, p_now, true, v_is_absent);
            EXCEPTION WHEN SQLSTATE 'DI001' THEN
                GET STACKED DIAGNOSTICS v_code = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
                answers := answers || json_build_object('code', v_code, 'detail', v_detail::json);
                DELETE FROM @schema@.django_inventory_idempotencyrecord r
                WHERE r.scope = p_scope AND r.key = op.key AND r.operation_id = op.id;
            END;
        END IF;
        v_index := v_index + 1;
    END LOOP;
    DELETE FROM @schema@.django_inventory_balance b
    WHERE b.id = ANY (preparation.made) AND b.version = 0;
    RETURN array_to_json(answers);
EXCEPTION
    WHEN SQLSTATE 'DI001' THEN
        GET STACKED DIAGNOSTICS v_code = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
        RETURN json_build_object('code', v_code, 'detail', v_detail::json, 'index', v_index);
    WHEN deadlock_detected OR serialization_failure OR lock_not_available THEN
        RETURN json_build_object('code', 'ledger_busy', 'detail', SQLERRM);
END
$$;
