"""An index for keys whose secret is changed by a schedule."""

from __future__ import annotations

from django.db import migrations, models

from core.online_migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("keys", "0003_scheduled_rotation")]

    operations = [
        AddIndexConcurrently(
            "key",
            models.Index(
                fields=["account"],
                name="key_by_rotation",
                condition=models.Q(deleted_at=None, rotation_days__isnull=False),
            ),
        ),
    ]
