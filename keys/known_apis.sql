-- The APIs that an account is enabled for, and those of its live and of its deleted keys: each of these found by its
-- index after the one before, because DISTINCT, a join and EXISTS read all keys of the account.
WITH RECURSIVE live (api) AS (
    (SELECT api_id FROM keys_key WHERE account_id = %(account)s AND deleted_at IS NULL ORDER BY api_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT api_id FROM keys_key WHERE account_id = %(account)s AND deleted_at IS NULL AND api_id > live.api
        ORDER BY api_id LIMIT 1
    ) FROM live WHERE live.api IS NOT NULL
),
deleted (api) AS (
    (SELECT api_id FROM keys_key WHERE account_id = %(account)s AND deleted_at IS NOT NULL ORDER BY api_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT api_id FROM keys_key WHERE account_id = %(account)s AND deleted_at IS NOT NULL AND api_id > deleted.api
        ORDER BY api_id LIMIT 1
    ) FROM deleted WHERE deleted.api IS NOT NULL
),
known (api) AS (
    SELECT api FROM live WHERE api IS NOT NULL UNION SELECT api FROM deleted WHERE api IS NOT NULL
    UNION SELECT api_id FROM keys_enablement WHERE account_id = %(account)s
)
