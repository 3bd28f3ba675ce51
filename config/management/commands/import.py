"""django-import-export's `import`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    instead = "Use the import of IP lists on their pages and in the administration; import_api for APIs."
