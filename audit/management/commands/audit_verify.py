"""manage.py audit_verify: is the trail as it was written?"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.verification import BadAnchor, anchor_line, read_anchors, verify


class Command(BaseCommand):
    help = "Checks every event of the audit trail. Exits 1 and names the first bad one, if any."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor",
            type=Path,
            metavar="FILE",
            help="anchors kept outside the database, a line each; finds a trail cut short or rewritten with the key",
        )

    def handle(self, *args: Any, anchor: Path | None, **options: Any) -> None:
        verdict = verify(settings.AUDIT_KEYS, _anchors(anchor))
        if verdict.problem:
            raise CommandError(f"The trail is NOT good: {verdict.problem}. Events good before it: {verdict.events}.")
        self.stdout.write(f"The trail is good: {verdict.events} events.")
        self.stdout.write(f"Anchor: {anchor_line(verdict)}")


def _anchors(path: Path | None) -> dict[int, bytes]:
    if path is None:
        return {}
    try:
        return read_anchors(path)
    except (OSError, UnicodeDecodeError, BadAnchor) as error:
        raise CommandError(f"The anchor file {path} cannot be used: {error}") from error
