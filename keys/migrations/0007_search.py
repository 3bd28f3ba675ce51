"""The list's rows of the keys that are there already, and the indexes that its filters and its search use: words of
names, owners, API IDs, states. Nothing waits for them: the indexes are made concurrently."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Lower, Right

# `ON CONFLICT`: the triggers have been at work since the migration before.
ROWS = """
INSERT INTO keys_keylisting (key_id, account_id, owner_name, secret_made_at, used_at, used_from)
SELECT k.id, k.account_id, lower(u.nickname), coalesce(s.created_at, k.created_at), last.used_at, last.address
FROM keys_key k
JOIN accounts_user u ON u.id = k.owner_id
LEFT JOIN keys_secret s ON s.key_id = k.id AND s.retires_at IS NULL
LEFT JOIN LATERAL (
    SELECT used.used_at, used.address FROM keys_secret any_s JOIN keys_secretuse used ON used.secret_id = any_s.id
    WHERE any_s.key_id = k.id ORDER BY used.used_at DESC LIMIT 1
) AS last ON true
WHERE k.deleted_at IS NULL
ON CONFLICT DO NOTHING
"""

# Words are in small letters and carry the account's number, so that a search meets no other account's keys. The query
# wants every word of the text, the last as the start of one; of a text without words it is NULL, which nothing matches.
FUNCTIONS = """
CREATE FUNCTION key_words(account bigint, name text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(ARRAY(
        SELECT account || '/' || word FROM regexp_split_to_table(lower(name), '[^[:alnum:]]+') AS word WHERE word <> ''
    ))
$$;
CREATE FUNCTION key_words_wanted(account bigint, typed text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(
        format('''%s/%s''%s', account, word, CASE WHEN next IS NULL THEN ':*' END), ' & '
    )::tsquery
    FROM (
        SELECT word, lead(word) OVER (ORDER BY place) AS next
        FROM regexp_split_to_table(lower(typed), '[^[:alnum:]]+') WITH ORDINALITY AS split (word, place)
        WHERE word <> ''
    ) AS words
$$;
"""


def of_live_keys(name: str, *expressions: models.expressions.Combinable | str, **more: Any) -> AddIndexConcurrently:
    options: dict[str, Any] = {"condition": Q(deleted_at=None)} | more
    return AddIndexConcurrently("key", models.Index(*expressions, name=name, **options))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("keys", "0006_listing")]
    operations = [
        migrations.RunSQL(ROWS),
        migrations.RunSQL(FUNCTIONS),
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY key_by_words ON keys_key USING gin (key_words(account_id, name))"
            " WHERE deleted_at IS NULL"
        ),
        of_live_keys("key_by_creation", fields=["account", "created_at", "id"]),
        RemoveIndexConcurrently("key", "key_list"),
        of_live_keys("key_by_name", F("account"), Lower("name"), F("id")),
        of_live_keys("key_by_api", fields=["account", "api"]),
        of_live_keys("key_by_expiry", fields=["account", "expires_at"]),
        of_live_keys("key_disabled", fields=["account"], condition=Q(deleted_at=None, enabled=False)),
        of_live_keys("key_by_last4", F("account"), Right("public_id", 4)),
    ]
