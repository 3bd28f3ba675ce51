"""`serve`: the portal, the gateway and the hourly `maintain`, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import subprocess
import sys
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
from config.serve.supervisor import ROOT, PlaneFailed, StopRequested, Supervisor, is_ready, raise_on_stop_signals
from config.static_build import collect_static

MAINTAIN_INTERVAL_SECONDS = 3600.0
logger = structlog.get_logger("keyward.serve")


class Command(BaseCommand):
    help = "Serve the portal and the gateway, and run maintain hourly."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--prepare", action="store_true", help="first migrate, collect static files and load the demo, where needed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with raise_on_stop_signals():
                self._serve(prepare=options["prepare"])
        except StopRequested:
            return
        except PlaneFailed as error:
            raise CommandError(str(error)) from error

    def _serve(self, *, prepare: bool) -> None:
        if prepare:
            self._prepare_installation()
        # A database that does not answer ends the start with one line (manage.py).
        if problems := preflight.list_problems():
            raise Misconfigured("\n".join(problems))
        for connection in connections.all():
            connection.close()
        self._ensure_database()
        self._maintain: subprocess.Popen[bytes] | None = None
        self._maintain_due = time.monotonic()
        self._maintain_output = TemporaryFile()  # noqa: SIM115 - for as long as this process serves
        try:
            Supervisor(self._on_tick).run(self._are_planes_ready, self._announce)
        finally:
            if self._maintain is not None and self._maintain.poll() is None:
                self._maintain.terminate()
                self._maintain.wait()

    def _prepare_installation(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        collect_static()
        if settings.KEYWARD_MODE == "demo" and demo_load.is_database_empty():
            demo_load.load_demo()

    def _are_planes_ready(self) -> bool:
        gateway = settings.GATEWAY_SOCKET or (settings.GATEWAY_BIND[0], settings.GATEWAY_PORT)
        return all(is_ready(place) for place in ((settings.BIND[0], settings.PORT), gateway))

    def _announce(self) -> None:
        self.stdout.write(f"Portal: {settings.BASE_URL}")
        port = f"http://localhost:{settings.GATEWAY_PORT}"
        self.stdout.write(f"Gateway: {settings.GATEWAY_SOCKET or port}")
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
        if self._maintain is None and time.monotonic() >= self._maintain_due:
            self._maintain_due = time.monotonic() + MAINTAIN_INTERVAL_SECONDS
            self._maintain = subprocess.Popen(
                [
                    sys.executable,
                    str(ROOT / "manage.py"),
                    "maintain",
                    "--checkpoints",
                    str(settings.VAR / "checkpoints.jsonl"),
                ],
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
