"""`serve`: the portal, the gateway and the hourly `maintain`, or one of the planes, until Ctrl-C or SIGTERM. SIGHUP
replaces the planes' processes, in the environment and from the code as they are then, without refusing a call."""

from __future__ import annotations

import subprocess
import time
from tempfile import TemporaryFile
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
from config.serve.listeners import list_places
from config.serve.planes import GATEWAY, PLANES
from config.serve.supervisor import PlaneFailed, StopRequested, Supervisor, handle_signals
from config.static_build import collect_static

MAINTAIN_INTERVAL_SECONDS = 3600.0
logger = structlog.get_logger("keyward.serve")


class Command(BaseCommand):
    help = (
        "Serve the portal and the gateway, and run maintain hourly; or one plane alone, without maintain. "
        "SIGHUP reloads without refusing a call."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        # The name is read before the settings are, too (config/command_line.py).
        parser.add_argument("plane", nargs="?", choices=[plane.name for plane in PLANES], help="serve this plane alone")
        parser.add_argument(
            "--prepare", action="store_true", help="first migrate, collect static files and load the demo, where needed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._planes = [plane for plane in PLANES if options["plane"] in (None, plane.name)]
        self._supervisor = Supervisor(self._planes, self._on_tick)
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
        # A database that does not answer ends the start with one line (manage.py).
        if problems := preflight.list_problems(self._planes):
            raise Misconfigured("\n".join(problems))
        for connection in connections.all():
            connection.close()
        self._ensure_database()
        self._maintain: subprocess.Popen[bytes] | None = None
        self._maintain_due = time.monotonic()
        self._maintain_output = TemporaryFile()  # noqa: SIM115 - for as long as this process serves
        try:
            self._supervisor.run(self._are_planes_ready, self._announce)
        finally:
            if self._maintain is not None and self._maintain.poll() is None:
                self._maintain.terminate()
                self._maintain.wait()

    def _are_planes_ready(self) -> bool:
        return all(is_ready(list_places(plane)[0]) for plane in self._planes)

    def _request_reload(self) -> None:
        self._supervisor.reload_requested = True

    def _prepare_installation(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        collect_static()
        if settings.KEYWARD_MODE == "demo" and demo_load.is_database_empty():
            demo_load.load_demo()

    def _announce(self) -> None:
        gateway = settings.GATEWAY_SOCKET or f"http://localhost:{settings.GATEWAY_PORT}"
        for plane in self._planes:
            self.stdout.write(f"{plane.name.title()}: {gateway if plane is GATEWAY else settings.BASE_URL}")
        for line in demo_load.list_instructions():
            self.stdout.write(line)
        self.stdout.write("Ready")
        self.stdout.flush()

    def _on_tick(self) -> None:
        try:
            self._ensure_database()
        except OperationalError as error:
            # What it lacks may come back, such as room on its disk; until then nothing is let through.
            logger.error("the database cannot be started again now", detail=str(error))
        if self._maintain is not None and self._maintain.poll() is not None:
            self._log_maintain_result()
        if self._planes == list(PLANES) and self._maintain is None and time.monotonic() >= self._maintain_due:
            self._maintain_due = time.monotonic() + MAINTAIN_INTERVAL_SECONDS
            self._maintain = subprocess.Popen(
                [
                    *(self._supervisor.origin.program.python, "-m", "config", "maintain"),
                    *("--checkpoints", str(settings.VAR / "checkpoints.jsonl")),
                ],
                cwd=self._supervisor.origin.program.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._maintain_output,
                start_new_session=True,
            )

    def _log_maintain_result(self) -> None:
        """Log what the `maintain` that has ended said, as one line among the others."""
        assert self._maintain is not None
        self._maintain_output.seek(0)
        output = " ".join(self._maintain_output.read(10_000).decode("utf-8", "replace").split())
        if self._maintain.returncode:
            logger.error("maintain failed", status=self._maintain.returncode, detail=output)
        elif output:
            logger.warning("maintain finished", detail=output)
        self._maintain_output.seek(0)
        self._maintain_output.truncate()
        self._maintain = None

    def _ensure_database(self) -> None:
        """Start the embedded server, or start it again if it was killed."""
        if settings.EMBEDDED_DATABASE:
            start_embedded_database()
