-- Hours in [since, until) in which a key, or without one an account, had many more refusals than before: at least `floor`, and
-- at least `factor` times as many as in the most refused hour of the `days` before. Read from the sums of sealed hours: the
-- hours that are asked about, and of those that pass the floor the days before, by the index of the key or the account.
WITH risen AS (
    SELECT account_id, key_id, hour, sum(calls)::bigint AS calls
    FROM audit_rollup
    WHERE hour >= %(since)s AND hour < %(until)s AND account_id IS NOT NULL AND key_id <> '' AND reason <> ALL (%(allowed)s)
    GROUP BY 1, 2, 3 HAVING sum(calls) >= %(key_floor)s
    UNION ALL
    SELECT account_id, '', hour, sum(calls)::bigint
    FROM audit_rollup
    WHERE hour >= %(since)s AND hour < %(until)s AND account_id IS NOT NULL AND reason <> ALL (%(allowed)s)
    GROUP BY 1, 3 HAVING sum(calls) >= %(account_floor)s
)
SELECT risen.account_id, risen.key_id, risen.hour, risen.calls, before.calls, reasons.calls
FROM risen
CROSS JOIN LATERAL (
    SELECT coalesce(max(calls), 0)::bigint AS calls FROM (
        SELECT sum(calls) AS calls FROM audit_rollup
        WHERE key_id = risen.key_id AND risen.key_id <> '' AND hour < risen.hour
            AND hour >= risen.hour - %(days)s * interval '1 day' AND reason <> ALL (%(allowed)s)
        GROUP BY hour
        UNION ALL
        SELECT sum(calls) FROM audit_rollup
        WHERE account_id = risen.account_id AND risen.key_id = '' AND hour < risen.hour
            AND hour >= risen.hour - %(days)s * interval '1 day' AND reason <> ALL (%(allowed)s)
        GROUP BY hour
    ) AS hours
) AS before
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(reason, calls) AS calls FROM (
        SELECT reason, sum(calls)::bigint AS calls FROM audit_rollup
        WHERE account_id = risen.account_id AND hour = risen.hour AND reason <> ALL (%(allowed)s)
            AND (risen.key_id = '' OR key_id = risen.key_id)
        GROUP BY reason
    ) AS named
) AS reasons
WHERE risen.calls >= %(factor)s * before.calls
ORDER BY risen.hour, risen.account_id, risen.key_id;
