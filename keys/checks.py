"""What `check --deploy --database default` says about secrets nobody can read; `serve` does not start with them."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import ProgrammingError

from keys.services import resealing


@register(Tags.database, deploy=True)
def check_rings(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    if "default" not in (databases or ()):
        return []
    try:
        return [Error(line, id="keyward.E001") for line in resealing.list_unreadable()]
    except ProgrammingError:
        # Tables are missing: config/checks.py says so.
        return []
