"""The epoch: one number that moves in the transaction of every change that may affect a decision.

Gateways decide from memory and write their rows only if the epoch is still the one they decided under. The triggers are
row-level constraint triggers, deferred to the commit, so that a transaction holds the epoch's row for an instant only;
`WHEN` names the deciding columns, so that a sign-in bumps nothing. The token is random at each bump: a database that was
restored or promoted is never mistaken for the one a process knew.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import migrations


class Watched(NamedTuple):
    """A table whose change may affect a decision: what kind of thing it is part of, and which column names that.

    `columns` are those that decide or are handed on by the gateway. Where only updates matter, a key that could be
    affected by more cannot exist yet, or holds the row in place.
    """

    table: str
    kind: str
    id_column: str
    columns: tuple[str, ...]
    only_updates: bool = False


WATCHED = (
    Watched(
        "keys_key",
        "key",
        "id",
        (
            *("public_id", "account_id", "api_id", "owner_id", "name", "enabled", "expires_at", "all_modules"),
            *("mask_phone", "hlr_lookup", "recordings", "deleted_at"),
        ),
    ),
    Watched("keys_secret", "key", "key_id", ("key_id", "digest", "pepper_id", "retires_at")),
    Watched("keys_address", "key", "key_id", ("key_id", "network")),
    Watched("keys_keymodule", "key", "key_id", ("key_id", "module_id")),
    Watched("keys_api", "api", "id", ("slug", "policy")),
    Watched("keys_module", "api", "api_id", ("api_id", "slug")),
    Watched(
        "keys_route", "module", "module_id", ("module_id", "method", "template", "conditions", "adds_leads", "recording")
    ),
    Watched("keys_enablement", "account", "account_id", ("account_id", "api_id")),
    Watched("accounts_account", "account", "id", ("slug", "status", "mask_phone", "mask_digits", "mask_side"), True),
    Watched("accounts_user", "owner", "id", ("is_active", "nickname"), True),
)

TABLES = """
CREATE TABLE key_epoch (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    n bigint NOT NULL,
    token uuid NOT NULL
);
CREATE TABLE key_change (
    n bigint NOT NULL,
    token uuid NOT NULL,
    kind text NOT NULL,
    id text NOT NULL
);
CREATE INDEX key_change_n ON key_change (n);
INSERT INTO key_epoch (n, token) VALUES (0, gen_random_uuid());
INSERT INTO key_change SELECT n, token, 'start', '' FROM key_epoch;
"""

# Runs as its owner, because the application's role may only read these tables. A row version made by this very
# transaction means that the epoch has been moved already. The list keeps the last 10,000 moves; a process that is
# further behind finds its own epoch gone from it and drops everything.
FUNCTION = """
CREATE FUNCTION key_epoch_move(kind text, id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE key_epoch SET n = n + 1, token = gen_random_uuid() WHERE xmin <> pg_current_xact_id()::xid;
    IF FOUND THEN
        DELETE FROM key_change c USING key_epoch e WHERE c.n < e.n - 10000;
    END IF;
    INSERT INTO key_change SELECT e.n, e.token, key_epoch_move.kind, key_epoch_move.id FROM key_epoch e;
END $$;

CREATE FUNCTION key_epoch_watch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    before text := to_jsonb(OLD) ->> TG_ARGV[1];
    after text := to_jsonb(NEW) ->> TG_ARGV[1];
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM key_epoch_move(TG_ARGV[0], before);
    END IF;
    IF TG_OP <> 'DELETE' AND after IS DISTINCT FROM before THEN
        PERFORM key_epoch_move(TG_ARGV[0], after);
    END IF;
    -- Gateways remember API IDs that they found unknown.
    IF TG_TABLE_NAME = 'keys_key' AND (TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.public_id <> OLD.public_id)) THEN
        PERFORM key_epoch_move('public_id', NEW.public_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION key_epoch_watch_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM key_epoch_move('everything', '');
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION key_epoch_move(text, text) FROM PUBLIC;
"""


def triggers(watched: Watched) -> dict[str, str]:
    """The statement that makes each trigger of one table, by the trigger's name, which ends in what it watches."""
    table, call = watched.table, f"key_epoch_watch('{watched.kind}', '{watched.id_column}')"
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in watched.columns)
    when = {"insert": "", "delete": "", "update": f"WHEN ({changed})"}
    deferred = {
        f"{table}_epoch_{operation}": f"CREATE CONSTRAINT TRIGGER {table}_epoch_{operation} AFTER {operation} ON {table}"
        f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {condition} EXECUTE FUNCTION {call}"
        for operation, condition in when.items()
        if operation == "update" or not watched.only_updates
    }
    name = f"{table}_epoch_truncate"
    return deferred | {
        name: f"CREATE TRIGGER {name} AFTER TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION key_epoch_watch_truncate()"
    }


def always(table: str, trigger: str) -> str:
    """Fires in a session that replays for replication too."""
    return f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"


class Migration(migrations.Migration):
    dependencies = [("keys", "0001_initial"), ("accounts", "0001_accounts_and_users")]
    operations = [
        migrations.RunSQL([TABLES, FUNCTION]),
        migrations.RunSQL(
            [
                statement
                for watched in WATCHED
                for trigger, create in triggers(watched).items()
                for statement in (create, always(watched.table, trigger))
            ]
        ),
    ]
