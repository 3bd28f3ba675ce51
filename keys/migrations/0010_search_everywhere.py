"""The indexes by which Support finds a key in whichever account it is. Words of all accounts carry the number 0."""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Right


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("keys", "0009_nonces")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY key_everywhere_by_words ON keys_key USING gin (key_words(0, name))"
            " WHERE deleted_at IS NULL"
        ),
        AddIndexConcurrently(
            "key",
            models.Index(Right("public_id", 4), name="key_everywhere_by_last4", condition=Q(deleted_at=None)),
        ),
    ]
