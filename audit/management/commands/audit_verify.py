"""manage.py audit_verify: verify the audit trail, the API log and the digests."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.trail import verification_state
from audit.trail.anchors import BadAnchor, format_anchor, read_anchors
from audit.trail.verdict import Verdict
from audit.trail.verification import verify
from audit.trail.verification_state import UNVERIFIED, VerificationState
from core import signed_json
from core.actor import Actor
from core.program import PROGRAM


class Command(BaseCommand):
    help = (
        "Verify every event of the audit trail, the columns that pages read and the database's objects, then the API "
        "log and its totals against the seals. Exit with 1 and name each problem, or each one that is not acknowledged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor",
            type=Path,
            metavar="FILE",
            help="anchors or checkpoints kept outside the database, one per line; detects a trail that was truncated, "
            "rolled back or rewritten with the key",
        )
        parser.add_argument(
            "--public-key",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="a previous public key that may have signed the checkpoints, besides the current one; may be repeated",
        )
        parser.add_argument("--trail-only", action="store_true", help="do not verify the API log's rows")

    def handle(self, *args: Any, anchor: Path | None, public_key: list[Path], trail_only: bool, **options: Any) -> None:
        anchors = _read_anchor_file(anchor, public_key)
        state = verification_state.read_state() or UNVERIFIED
        verdict = verify(settings.AUDIT_KEYS, state.anchors | anchors, calls=not trail_only, accepted=state.accepted)
        state = verification_state.record_verdict(verdict, whole=not trail_only, by=Actor.from_command("audit_verify"))
        if not verdict.problems:
            self.stdout.write(f"The trail is good: {verdict.events} events.")
            if not trail_only:
                self.stdout.write(f"The API log is as it was sealed: {verdict.seals} seals.")
            if verdict.unproven:
                self.stdout.write(
                    f"{verdict.unproven} seals reach into months that an earlier version dropped: what is left of them "
                    "is checked by later seals alone."
                )
        require_good(verdict, state)
        if state.accepted:
            self.stdout.write(f"Ignored because acknowledged: {len(state.accepted)} problems.")
        self.stdout.write(f"Anchor: {format_anchor(verdict.events, verdict.mac)}")


def require_good(verdict: Verdict, state: VerificationState) -> None:
    """Raise CommandError, so that the command exits 1, if there are problems, new or not acknowledged."""
    if verdict.problems:
        first, *more = (problem.text for problem in verdict.problems)
        more_lines = "".join(f"\nAlso: {text}." for text in more)
        raise CommandError(f"The trail is NOT good: {first}. Events good before it: {verdict.events}.{more_lines}")
    if state.problems:
        problems = "\n".join(f"- {text}" for text in state.problems)
        raise CommandError(
            f"An earlier verification found what nobody has acknowledged ({PROGRAM} audit_acknowledge):\n{problems}"
        )


def _read_anchor_file(path: Path | None, public_keys: list[Path]) -> dict[int, bytes]:
    if path is None:
        return {}
    pem = signed_json.format_public_pem(settings.CHECKPOINT_KEY).encode()
    try:
        keys = [signed_json.parse_public_pem(text) for text in (pem, *(file.read_bytes() for file in public_keys))]
        return read_anchors(path, keys)
    except (OSError, UnicodeDecodeError, BadAnchor, signed_json.BadSignature) as error:
        raise CommandError(f"The anchor file {path} cannot be used: {error}") from error
