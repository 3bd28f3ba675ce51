"""A secret's last use goes with the secret, by the database itself: a gateway may be writing it at that moment, and
then the deletion waits for the row and takes it along instead of failing."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

CASCADE = """
DO $$
DECLARE
    made_by_django text := (
        SELECT conname FROM pg_constraint WHERE conrelid = 'keys_secretuse'::regclass AND contype = 'f'
    );
BEGIN
    EXECUTE format('ALTER TABLE keys_secretuse DROP CONSTRAINT %I', made_by_django);
    ALTER TABLE keys_secretuse ADD CONSTRAINT secret_use_follows_its_secret
        FOREIGN KEY (secret_id) REFERENCES keys_secret (id) ON DELETE CASCADE;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0002_epoch")]
    operations = [
        migrations.AlterField(
            "secretuse",
            "secret",
            models.OneToOneField(
                on_delete=django.db.models.deletion.DO_NOTHING,
                primary_key=True,
                related_name="use",
                serialize=False,
                to="keys.secret",
            ),
        ),
        migrations.RunSQL(CASCADE),
    ]
