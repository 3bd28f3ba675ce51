"""Build the triggers that advance the epoch (keys/sql/epoch.sql) when a change may affect a decision.

They are row-level constraint triggers, deferred to the commit, so that a transaction locks the epoch's row only
briefly. `WHEN` lists the columns that matter, so that a sign-in does not advance the epoch. A migration that changes
what is watched drops the triggers of the table and creates them again with `build_statements`.
"""

from __future__ import annotations

from typing import NamedTuple


class Watched(NamedTuple):
    """A table whose changes may affect a decision, with the kind of object that it belongs to and the column that
    identifies it.

    `columns` are those that the decision reads or the gateway hands to the upstream. Not every operation needs a
    trigger: a row of an account or a user exists before any key and is protected by foreign keys, and TRUNCATE cascades
    to every table that refers to the one named.
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
            "public_id",
            "account_id",
            "api_id",
            "owner_id",
            "name",
            "enabled",
            "expires_at",
            "all_modules",
            "mask_phone",
            "hlr_lookup",
            "recordings",
            "deleted_at",
            "username",
        ),
        ROWS,
    ),
    Watched(
        "keys_secret",
        "key",
        "key_id",
        ("key_id", "digest", "pepper_id", "retires_at", "ends_on_use"),
        ROWS_AND_TRUNCATE,
    ),
    Watched("keys_address", "key", "key_id", ("key_id", "network"), ROWS_AND_TRUNCATE),
    Watched("keys_keymodule", "key", "key_id", ("key_id", "module_id"), ROWS_AND_TRUNCATE),
    Watched("keys_api", "api", "id", ("slug", "policy"), ROWS),
    Watched("keys_module", "api", "api_id", ("api_id", "slug", "contained"), ROWS),
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
    Watched("keys_iplistentry", "ip_list", "ip_list_id", ("ip_list_id", "network", "enabled"), ROWS_AND_TRUNCATE),
    Watched("keys_keyiplist", "key", "key_id", ("key_id", "ip_list_id"), ROWS_AND_TRUNCATE),
)


def build_triggers(watched: Watched) -> dict[str, str]:
    """Return the CREATE TRIGGER statements of one table by trigger name; each name ends in the operation that it
    watches."""
    table = watched.table
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in watched.columns)
    triggers = {}
    for operation in watched.operations:
        name = f"{table}_epoch_{operation}"
        if operation == "truncate":
            triggers[name] = (
                f"CREATE TRIGGER {name} AFTER TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION key_epoch_watch_truncate()"
            )
        else:
            triggers[name] = (
                f"CREATE CONSTRAINT TRIGGER {name} AFTER {operation.upper()} ON {table}"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
                f" {f'WHEN ({changed})' if operation == 'update' else ''}"
                f" EXECUTE FUNCTION key_epoch_watch('{watched.kind}', '{watched.id_column}')"
            )
    return triggers


def enable_always(table: str, trigger: str) -> str:
    """Return the statement that also fires the trigger in replication sessions (`session_replication_role =
    replica`)."""
    return f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"


def build_statements(*watched: Watched) -> list[str]:
    """Return the statements that create all triggers of these tables."""
    return [
        statement
        for table in watched
        for trigger, create in build_triggers(table).items()
        for statement in (create, enable_always(table.table, trigger))
    ]
