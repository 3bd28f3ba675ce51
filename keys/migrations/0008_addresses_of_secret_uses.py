"""From which addresses a secret was last used. The default is the database's: a gateway that was started before does
not name the column."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):
    dependencies = [("keys", "0007_search")]
    operations = [
        migrations.AddField(
            "secretuse",
            "addresses",
            models.JSONField(default=dict, db_default=Value({}, models.JSONField())),
        ),
    ]
