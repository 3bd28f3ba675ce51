"""`collectstatic`, which also records what was collected, so that `serve` recognises files of another version."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.contrib.staticfiles.management.commands import collectstatic

from config.static_build import record_fingerprint


class Command(collectstatic.Command):
    def collect(self) -> dict[str, Any]:
        with nullcontext() if self.dry_run else record_fingerprint():
            return super().collect()
