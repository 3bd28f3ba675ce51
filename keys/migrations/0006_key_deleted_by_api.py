"""An index for the APIs that an account had keys of."""

from __future__ import annotations

from django.db import migrations, models

from core.online_migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("keys", "0005_docs_links")]

    operations = [
        AddIndexConcurrently(
            "key",
            models.Index(
                fields=["account", "api"], name="key_deleted_by_api", condition=models.Q(deleted_at__isnull=False)
            ),
        ),
    ]
