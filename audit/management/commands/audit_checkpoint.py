"""manage.py audit_checkpoint: print a signed checkpoint of the trail, to be kept elsewhere."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.management.checkpoints import write_line
from audit.trail import checkpoints, verification_state
from core import signed_json


class Command(BaseCommand):
    help = "Write a signed checkpoint of the audit trail, for `audit_verify --anchor`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, metavar="FILE", help="append to this file instead of standard output")
        parser.add_argument("--public-key", action="store_true", help="write the public key instead, in PEM")

    def handle(self, *args: Any, out: Path | None, public_key: bool, **options: Any) -> None:
        text = signed_json.format_public_pem(settings.CHECKPOINT_KEY).strip() if public_key else _checkpoint()
        write_line(text, out, self.stdout)


def _checkpoint() -> str:
    state = verification_state.read_state()
    if state and state.problems:
        raise CommandError(
            f"No checkpoint is signed over what was found and not acknowledged: {'; '.join(state.problems)}."
        )
    return checkpoints.format_checkpoint(checkpoints.build_checkpoint())
