"""A transaction that changes very much says so once: a list of a million changes, which every gateway would have to
read, says no more than that everything may have changed."""

from __future__ import annotations

from django.db import migrations

# Of one transaction; each that follows is known to be told of already. The count is for the transaction alone, and
# whatever else it might be set to, the epoch moves, and nothing is left out unless 'everything' stands there.
MAX_KEYS = 1_000

FUNCTION = f"""
CREATE INDEX key_change_n_kind ON key_change (n, kind);
DROP INDEX key_change_n;
CREATE OR REPLACE FUNCTION key_epoch_move(kind text, id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    now_at bigint;
    moves integer := coalesce(nullif(current_setting('keyward.epoch_moves', true), ''), '0')::integer + 1;
BEGIN
    UPDATE key_epoch SET n = n + 1, token = gen_random_uuid() WHERE xmin <> pg_current_xact_id()::xid;
    IF FOUND THEN
        DELETE FROM key_change c USING key_epoch e WHERE c.n < e.n - 10000;
    END IF;
    SELECT e.n INTO now_at FROM key_epoch e;
    PERFORM set_config('keyward.epoch_moves', moves::text, true);
    IF moves > {MAX_KEYS} THEN
        IF EXISTS (SELECT FROM key_change c WHERE c.n = now_at AND c.kind = 'everything') THEN
            RETURN;
        END IF;
        key_epoch_move.kind := 'everything';
        key_epoch_move.id := '';
    END IF;
    INSERT INTO key_change SELECT e.n, e.token, key_epoch_move.kind, key_epoch_move.id FROM key_epoch e;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0012_words")]
    operations = [migrations.RunSQL(FUNCTION)]
