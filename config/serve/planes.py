"""The two planes as processes: the command of each, and the variables that are withheld from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Plane:
    name: str
    settings: str
    application: str
    # Variables that the plane does not need, removed from its environment together with their `_FILE`.
    withheld: tuple[str, ...] = ()

    def build_command(self, python: str) -> list[str]:
        return [python, "-m", "gunicorn", "-c", f"python:{self.settings}", self.application]

    def build_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        withheld = {f"{name}{end}" for name in self.withheld for end in ("", "_FILE")}
        plane_environ = {name: value for name, value in environ.items() if name not in withheld}
        return plane_environ | {"KEYWARD_SUPERVISOR": str(os.getpid())}


PORTAL = Plane("portal", "config.serve.gunicorn_portal", "config.wsgi:application")
GATEWAY = Plane(
    "gateway",
    "config.serve.gunicorn_gateway",
    "config.serve.gateway:application",
    withheld=("SEALING_KEYS", "CHECKPOINT_KEY", "MAINTENANCE_DATABASE_URL", "EMAIL_URL", "KEYWARD_DEMO_PASSWORD"),
)
PLANES = (PORTAL, GATEWAY)
