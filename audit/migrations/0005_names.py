"""What the models are called on Support's pages; nothing in the database changes."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_unmatched")]
    operations = [
        migrations.AlterModelOptions(
            "call", {"managed": False, "verbose_name": "API call", "verbose_name_plural": "API calls"}
        ),
        migrations.AlterModelOptions(
            "event", {"managed": False, "verbose_name": "audit event", "verbose_name_plural": "audit events"}
        ),
    ]
