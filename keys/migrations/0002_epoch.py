"""The epoch: one number that moves in the transaction of every change that may affect a decision.

Gateways decide from memory and write their rows only if the epoch is still the one they decided under. The triggers are
row-level constraint triggers, deferred to the commit, so that a transaction holds the epoch's row for an instant only;
`WHEN` names the deciding columns, so that a sign-in bumps nothing. The token is random at each bump: a database that
was restored or promoted is never mistaken for the one a process knew.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import migrations


class Watched(NamedTuple):
    """A table whose change may affect a decision: what kind of thing it is part of, and which column names that.

    `columns` are those that decide or are handed on by the gateway. Not every operation needs a trigger: a row of an
    account or a user is there before any key and held in place by it, and TRUNCATE reaches every table that refers to
    the one it names.
    """

    table: str
    kind: str
    id_column: str
    columns: tuple[str, ...]
    operations: tuple[str, ...]


ROWS = ("insert", "update", "delete")
ROWS_AND_TRUNCATE = (*ROWS, "truncate")

WATCHED = (
    Watched(
        "keys_key",
        "key",
        "id",
        (
            *("public_id", "account_id", "api_id", "owner_id", "name", "enabled", "expires_at", "all_modules"),
            *("mask_phone", "hlr_lookup", "recordings", "deleted_at"),
        ),
        ROWS,
    ),
    Watched("keys_secret", "key", "key_id", ("key_id", "digest", "pepper_id", "retires_at"), ROWS_AND_TRUNCATE),
    Watched("keys_address", "key", "key_id", ("key_id", "network"), ROWS_AND_TRUNCATE),
    Watched("keys_keymodule", "key", "key_id", ("key_id", "module_id"), ROWS_AND_TRUNCATE),
    Watched("keys_api", "api", "id", ("slug", "policy"), ROWS),
    Watched("keys_module", "api", "api_id", ("api_id", "slug"), ROWS),
    Watched(
        "keys_route",
        "module",
        "module_id",
        ("module_id", "method", "template", "conditions", "adds_leads", "recording"),
        ROWS_AND_TRUNCATE,
    ),
    Watched("keys_enablement", "account", "account_id", ("account_id", "api_id"), ROWS_AND_TRUNCATE),
    Watched(
        "accounts_account", "account", "id", ("slug", "status", "mask_phone", "mask_digits", "mask_side"), ("update",)
    ),
    Watched("accounts_user", "owner", "id", ("is_active", "nickname"), ("update",)),
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
    IF TG_TABLE_NAME = 'keys_key' AND TG_OP = 'INSERT' THEN
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
    table = watched.table
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in watched.columns)
    made = {}
    for operation in watched.operations:
        name = f"{table}_epoch_{operation}"
        if operation == "truncate":
            made[name] = (
                f"CREATE TRIGGER {name} AFTER TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION key_epoch_watch_truncate()"
            )
        else:
            made[name] = (
                f"CREATE CONSTRAINT TRIGGER {name} AFTER {operation.upper()} ON {table}"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
                f" {f'WHEN ({changed})' if operation == 'update' else ''}"
                f" EXECUTE FUNCTION key_epoch_watch('{watched.kind}', '{watched.id_column}')"
            )
    return made


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
