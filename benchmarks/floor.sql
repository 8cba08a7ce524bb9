-- The floor: the least that has the durable effects of the ledger's verbs, in the ledger's own tables
-- with their constraints and indexes. No replay, no expiry, no receipts, no errors with data.

CREATE FUNCTION floor_move(
    p_kind text, p_key text, p_fingerprint text, p_subject text, p_item text, p_delta bigint
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    balance record;
    operation CONSTANT uuid := gen_random_uuid();
BEGIN
    INSERT INTO django_inventory_idempotencyrecord
        (scope, key, kind, fingerprint, operation_id, created_at)
    VALUES ('', p_key, p_kind, p_fingerprint, operation, now())
    ON CONFLICT (scope, key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE django_inventory_balance b
    SET quantity = b.quantity + p_delta, version = b.version + 1, updated_at = now()
    WHERE b.subject = p_subject AND b.item = p_item
    RETURNING b.id, b.version, b.quantity, b.on_hold INTO balance;
    INSERT INTO django_inventory_entry
        (balance_id, sequence, operation_id, kind, key, quantity_delta, on_hold_delta,
         quantity_after, on_hold_after, actor, reference, effective_at, created_at)
    VALUES
        (balance.id, balance.version, operation, p_kind, p_key, p_delta, 0,
         balance.quantity, balance.on_hold, '', '', now(), now());
    RETURN balance.quantity;
END
$$;

CREATE FUNCTION floor_transfer(
    p_key text, p_fingerprint text, p_source text, p_destination text, p_item text, p_quantity bigint
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    balance record;
    operation CONSTANT uuid := gen_random_uuid();
BEGIN
    INSERT INTO django_inventory_idempotencyrecord
        (scope, key, kind, fingerprint, operation_id, created_at)
    VALUES ('', p_key, 'transfer', p_fingerprint, operation, now())
    ON CONFLICT (scope, key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM (
        SELECT FROM django_inventory_balance b
        WHERE b.item = p_item AND b.subject IN (p_source, p_destination)
        ORDER BY b.id
        FOR NO KEY UPDATE
    ) locked;
    WITH moved AS (
        UPDATE django_inventory_balance b
        SET quantity = b.quantity
                + CASE b.subject WHEN p_source THEN -p_quantity ELSE p_quantity END,
            version = b.version + 1,
            updated_at = now()
        WHERE b.item = p_item AND b.subject IN (p_source, p_destination)
        RETURNING b.id, b.subject, b.version, b.quantity, b.on_hold
    )
    INSERT INTO django_inventory_entry
        (balance_id, sequence, operation_id, kind, key, quantity_delta, on_hold_delta,
         quantity_after, on_hold_after, actor, reference, effective_at, created_at)
    SELECT m.id, m.version, operation, 'transfer', p_key,
           CASE m.subject WHEN p_source THEN -p_quantity ELSE p_quantity END, 0,
           m.quantity, m.on_hold, '', '', now(), now()
    FROM moved m;
END
$$;

CREATE FUNCTION floor_hold(
    p_key text, p_fingerprint text, p_subject text, p_item text, p_quantity bigint, p_seconds integer
) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    balance record;
    operation CONSTANT uuid := gen_random_uuid();
    hold CONSTANT uuid := gen_random_uuid();
    expiry CONSTANT timestamptz := now() + make_interval(secs => p_seconds);
BEGIN
    INSERT INTO django_inventory_idempotencyrecord
        (scope, key, kind, fingerprint, operation_id, created_at)
    VALUES ('', p_key, 'hold', p_fingerprint, operation, now())
    ON CONFLICT (scope, key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE django_inventory_balance b
    SET quantity = b.quantity - p_quantity,
        on_hold = b.on_hold + p_quantity,
        next_expiry_at = least(b.next_expiry_at, expiry),
        version = b.version + 1,
        updated_at = now()
    WHERE b.subject = p_subject AND b.item = p_item
    RETURNING b.id, b.version, b.quantity, b.on_hold INTO balance;
    INSERT INTO django_inventory_hold
        (id, balance_id, quantity, remaining, status, expires_at, key, reference, created_at)
    VALUES (hold, balance.id, p_quantity, p_quantity, 'active', expiry, p_key, '', now());
    INSERT INTO django_inventory_entry
        (balance_id, sequence, operation_id, kind, key, hold_id, hold_remaining, hold_expires_at,
         quantity_delta, on_hold_delta, quantity_after, on_hold_after, actor, reference,
         effective_at, created_at)
    VALUES
        (balance.id, balance.version, operation, 'hold', p_key, hold, p_quantity, expiry,
         -p_quantity, p_quantity, balance.quantity, balance.on_hold, '', '', now(), now());
    RETURN hold;
END
$$;

CREATE FUNCTION floor_commit(p_hold uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    hold record;
    balance record;
BEGIN
    SELECT h.* INTO hold
    FROM django_inventory_hold h
    JOIN django_inventory_balance b ON b.id = h.balance_id
    WHERE h.id = p_hold AND h.status = 'active'
    FOR NO KEY UPDATE OF b;
    UPDATE django_inventory_hold h
    SET remaining = 0, status = 'committed', resolved_at = now()
    WHERE h.id = p_hold;
    UPDATE django_inventory_balance b
    SET on_hold = b.on_hold - hold.remaining,
        next_expiry_at = CASE
            WHEN b.on_hold > hold.remaining THEN (
                SELECT min(h.expires_at) FROM django_inventory_hold h
                WHERE h.balance_id = b.id AND h.status = 'active')
        END,
        version = b.version + 1,
        updated_at = now()
    WHERE b.id = hold.balance_id
    RETURNING b.id, b.version, b.quantity, b.on_hold INTO balance;
    INSERT INTO django_inventory_entry
        (balance_id, sequence, operation_id, kind, key, hold_id, hold_remaining, hold_expires_at,
         quantity_delta, on_hold_delta, quantity_after, on_hold_after, actor, reference,
         effective_at, created_at)
    VALUES
        (balance.id, balance.version, gen_random_uuid(), 'commit', '', p_hold, 0, hold.expires_at,
         0, -hold.remaining, balance.quantity, balance.on_hold, '', '', now(), now());
END
$$;
