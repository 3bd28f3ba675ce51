"""`serve`: run the portal, the gateway and their jobs, or one plane, until Ctrl-C or SIGTERM.

SIGHUP replaces the planes' processes with the current environment and code, without refusing a call.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connections

from config.demo import load as demo_load
from config.embedded.backend.base import start_embedded_database
from config.env import Misconfigured
from config.serve import preflight
from config.serve.health_request import is_ready
from config.serve.job import Job
from config.serve.listeners import format_listen_address, list_listen_addresses
from config.serve.planes import GATEWAY, PLANES
from config.serve.supervisor import PlaneFailed, StopRequested, Supervisor, handle_signals
from config.static_build import collect_static

MAINTAIN_INTERVAL_SECONDS = 3600.0
SEND_INTERVAL_SECONDS = 60.0
# Addresses of this machine alone, by the name that people type.
LOOPBACK = {"127.0.0.1": "localhost", "::1": "localhost"}
logger = structlog.get_logger("keyward.serve")


class Command(BaseCommand):
    help = (
        "Serve the portal and the gateway, and run maintain hourly and send_notices each minute; or one plane alone. "
        "SIGHUP reloads without refusing a call."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        # config/command_line.py reads this argument too, before the settings are loaded.
        parser.add_argument("plane", nargs="?", choices=[plane.name for plane in PLANES], help="serve this plane alone")
        parser.add_argument(
            "--prepare", action="store_true", help="first migrate, collect static files and load the demo, where needed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._planes = [plane for plane in PLANES if options["plane"] in (None, plane.name)]
        self._supervisor = Supervisor(
            self._planes, self._on_tick, shutdown_delay_seconds=settings.SHUTDOWN_DELAY_SECONDS
        )
        try:
            with handle_signals(self._request_reload):
                self._serve(prepare=options["prepare"])
        except StopRequested:
            return
        except PlaneFailed as error:
            raise CommandError(str(error)) from error

    def _serve(self, *, prepare: bool) -> None:
        if prepare:
            self._prepare_installation()
        # If the database does not answer, the start ends with one line (config/command_line.py).
        if problems := preflight.list_problems(self._planes):
            raise Misconfigured("\n".join(problems))
        for connection in connections.all():
            connection.close()
        self._ensure_database()
        self._jobs = _build_jobs() if self._planes == list(PLANES) else []
        try:
            self._supervisor.run(self._are_planes_ready, self._announce)
        finally:
            for job in self._jobs:
                job.stop()

    def _are_planes_ready(self) -> bool:
        return all(is_ready(list_listen_addresses(plane)[0]) for plane in self._planes)

    def _request_reload(self) -> None:
        self._supervisor.reload_requested = True

    def _prepare_installation(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        collect_static()
        if settings.KEYWARD_MODE == "demo" and demo_load.is_database_empty():
            demo_load.load_demo()

    def _announce(self) -> None:
        for plane in self._planes:
            self.stdout.write(
                f"{plane.name.title()}: {list_gateway_addresses() if plane is GATEWAY else settings.BASE_URL}"
            )
        for line in demo_load.list_instructions():
            self.stdout.write(line)
        self.stdout.write("Ready")
        self.stdout.flush()

    def _on_tick(self) -> None:
        try:
            self._ensure_database()
        except OperationalError as error:
            # The cause may go away, such as a full disk. Until then every call is refused.
            logger.error("the database cannot be started again now", detail=str(error))
        for job in self._jobs:
            job.run_if_due(*self._supervisor.origin)

    def _ensure_database(self) -> None:
        """Start the embedded server, or restart it if it was killed."""
        if settings.EMBEDDED_DATABASE:
            start_embedded_database()


def _build_jobs() -> list[Job]:
    """Return the commands that run beside both planes."""
    checkpoints = ("--checkpoints", str(settings.VAR / "checkpoints.jsonl"))
    return [
        Job("maintain", checkpoints, interval_seconds=MAINTAIN_INTERVAL_SECONDS),
        # Later, so that a start is not slowed down by two.
        Job("send_notices", interval_seconds=SEND_INTERVAL_SECONDS, delay_seconds=SEND_INTERVAL_SECONDS),
    ]


def list_gateway_addresses() -> str:
    """Return the URLs on which the gateway listens, or its socket's path."""
    if settings.GATEWAY_SOCKET:
        return str(settings.GATEWAY_SOCKET)
    addresses = [(LOOPBACK.get(address, address), settings.GATEWAY_PORT) for address in settings.GATEWAY_BIND]
    return ", ".join(dict.fromkeys(f"http://{format_listen_address(address)}" for address in addresses))
