"""Links with which anyone can read a key's documentation without signing in."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0004_key_by_rotation"),
    ]

    operations = [
        migrations.CreateModel(
            name="DocsLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.BinaryField(db_comment="SHA-256 of the link's token", unique=True)),
                ("created_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="docs_links", to="keys.key"
                    ),
                ),
            ],
        ),
    ]
