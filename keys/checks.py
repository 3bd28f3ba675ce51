"""Register the deployment check that reports secrets no configured key or pepper can read."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import ProgrammingError


@register(Tags.database, deploy=True)
def check_rings(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return an error for each key or pepper that stored secrets need and that is missing or wrong. `serve` does not
    start with one."""
    if "default" not in (databases or ()):
        return []
    # Other commands do without the services, whose import takes longer than all models.
    from keys.services import resealing

    try:
        return [Error(line, id="keyward.E001") for line in resealing.list_unreadable()]
    except ProgrammingError:
        # The tables do not exist yet: config/checks.py reports pending migrations.
        return []
