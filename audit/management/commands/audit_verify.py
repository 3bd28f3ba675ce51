"""manage.py audit_verify: are the trail and the API log as they were written?"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit import signing, standing
from audit.verification import BadAnchor, anchor_line, read_anchors, verify


class Command(BaseCommand):
    help = (
        "Checks every event of the audit trail, then the API log against its seals. Exits 1 and names the first bad "
        "one, if any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor",
            type=Path,
            metavar="FILE",
            help="anchors or checkpoints kept outside the database, a line each; finds a trail cut short, rolled back "
            "or rewritten with the key",
        )
        parser.add_argument(
            "--public-key",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="checks the checkpoints' signatures, beside the key in use; for each key there was",
        )
        parser.add_argument("--trail-only", action="store_true", help="leave the API log's rows out")

    def handle(self, *args: Any, anchor: Path | None, public_key: list[Path], trail_only: bool, **options: Any) -> None:
        verdict = verify(settings.AUDIT_KEYS, _anchors(anchor, public_key), calls=not trail_only)
        if verdict.problem:
            raise CommandError(f"The trail is NOT good: {verdict.problem}. Events good before it: {verdict.events}.")
        standing.note(verdict)
        self.stdout.write(f"The trail is good: {verdict.events} events.")
        if not trail_only:
            self.stdout.write(f"The API log is as it was sealed: {verdict.seals} seals.")
        self.stdout.write(f"Anchor: {anchor_line(verdict)}")


def _anchors(path: Path | None, public_keys: list[Path]) -> dict[int, bytes]:
    if path is None:
        return {}
    pem = signing.public_pem(settings.CHECKPOINT_KEY).encode()
    try:
        keys = [signing.read_public_pem(text) for text in (pem, *(file.read_bytes() for file in public_keys))]
        return read_anchors(path, keys)
    except (OSError, UnicodeDecodeError, BadAnchor, signing.BadSignature) as error:
        raise CommandError(f"The anchor file {path} cannot be used: {error}") from error
