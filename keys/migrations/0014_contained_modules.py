"""Modules may contain others, and the epoch moves when that changes."""

from __future__ import annotations

import importlib

from django.db import migrations, models

epoch = importlib.import_module("keys.migrations.0002_epoch")

MODULE = next(watched for watched in epoch.WATCHED if watched.table == "keys_module")
# The trigger of migration 0002 looks at one column more from here on.
WIDER = MODULE._replace(columns=(*MODULE.columns, "contained"), operations=("update",))


class Migration(migrations.Migration):
    dependencies = [("keys", "0013_epoch_of_many")]
    operations = [
        migrations.AddField(
            "module",
            "contained",
            models.JSONField(default=list, db_default=models.Value([], models.JSONField())),
        ),
        migrations.RunSQL(
            [
                statement
                for trigger, create in epoch.triggers(WIDER).items()
                for statement in (
                    f"DROP TRIGGER {trigger} ON {WIDER.table}",
                    create,
                    epoch.always(WIDER.table, trigger),
                )
            ]
        ),
    ]
