"""The epoch moves for IP lists, for usernames, and for how an old secret ends."""

from __future__ import annotations

import importlib

from django.db import migrations

epoch = importlib.import_module("keys.migrations.0002_epoch")

NEW = (
    epoch.Watched(
        "keys_iplistentry",
        "ip_list",
        "ip_list_id",
        ("ip_list_id", "network", "enabled"),
        epoch.ROWS_AND_TRUNCATE,
    ),
    epoch.Watched("keys_keyiplist", "key", "key_id", ("key_id", "ip_list_id"), epoch.ROWS_AND_TRUNCATE),
)
# Triggers of migration 0002 that look at more columns from here on.
WIDER = tuple(
    watched._replace(columns=(*watched.columns, column), operations=("update",))
    for watched, column in (
        (next(w for w in epoch.WATCHED if w.table == "keys_key"), "username"),
        (next(w for w in epoch.WATCHED if w.table == "keys_secret"), "ends_on_use"),
    )
)


class Migration(migrations.Migration):
    dependencies = [("keys", "0004_ip_lists_and_overlap")]
    operations = [
        migrations.RunSQL(
            [
                *(
                    f"DROP TRIGGER {trigger} ON {watched.table}"
                    for watched in WIDER
                    for trigger in epoch.triggers(watched)
                ),
                *(
                    statement
                    for watched in (*NEW, *WIDER)
                    for trigger, create in epoch.triggers(watched).items()
                    for statement in (create, epoch.always(watched.table, trigger))
                ),
            ]
        ),
    ]
