"""What the models are called on Support's pages; nothing in the database changes."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("keys", "0010_search_everywhere")]
    operations = [
        migrations.AlterModelOptions("api", {"verbose_name": "API", "verbose_name_plural": "APIs"}),
        migrations.AlterModelOptions("iplist", {"verbose_name": "IP list", "verbose_name_plural": "IP lists"}),
        migrations.AlterModelOptions(
            "iplistentry", {"verbose_name": "IP list entry", "verbose_name_plural": "IP list entries"}
        ),
        migrations.AlterModelOptions("key", {"verbose_name": "API key", "verbose_name_plural": "API keys"}),
    ]
