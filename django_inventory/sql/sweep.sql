-- The sweep: record overdue holds of the next p_balances balances after p_after_id, at most p_holds, the longest
-- overdue first; balances that somebody else has locked are left to them. Returns [last balance seen,
-- number, holds].
CREATE FUNCTION @schema@.django_inventory_sweep(
    p_now timestamptz, p_after_id bigint, p_balances integer, p_holds integer
) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
    locked bigint[];
    due record;
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
            SELECT h.balance_id, row_number() OVER (ORDER BY h.expires_at, h.id) AS number
            FROM @schema@.django_inventory_hold h
            WHERE h.balance_id = ANY (locked) AND h.status = 'active' AND h.expires_at <= p_now
            ORDER BY h.expires_at, h.id
            LIMIT p_holds
        ) oldest
        GROUP BY oldest.balance_id
        ORDER BY min(oldest.number)
    LOOP
        answers := answers || @schema@.django_inventory_expire(due.balance_id, p_now, due.holds);
        v_number := v_number + due.holds;
    END LOOP;
    RETURN json_build_array(ids[array_upper(ids, 1)], v_number, array_to_json(answers));
END
$$;
