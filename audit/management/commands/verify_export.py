"""manage.py verify_export FILE MANIFEST: verify an exported file against its signed manifest."""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.exports.description import describe_manifest
from audit.exports.manifest import KIND
from core import signed_json


class Command(BaseCommand):
    help = (
        "Verify an exported file against its signed manifest and print the manifest's statements. Exit with 1 unless "
        "it is exactly the exported file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("manifest", type=Path)
        parser.add_argument(
            "--public-key",
            type=Path,
            metavar="FILE",
            help="public key in PEM; by default, that of the current CHECKPOINT_KEY",
        )

    def handle(self, *args: Any, file: Path, manifest: Path, public_key: Path | None, **options: Any) -> None:
        try:
            pem = (
                public_key.read_bytes()
                if public_key
                else signed_json.format_public_pem(settings.CHECKPOINT_KEY).encode()
            )
            key = signed_json.parse_public_pem(pem)
        except (OSError, signed_json.BadSignature) as error:
            raise CommandError(f"{public_key} cannot be used: {error}") from error
        try:
            statement = signed_json.parse(manifest.read_bytes())
            signed_json.verify(statement, kind=KIND, public_key=key)
            with open(file, "rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except signed_json.BadSignature as error:
            raise CommandError(f"The manifest {manifest} is NOT good: {error}.") from error
        except OSError as error:
            raise CommandError(f"{manifest} or {file} cannot be read: {error}") from error
        if digest != statement["sha256"]:
            raise CommandError(f"{file} is NOT the exported file: its SHA-256 is {digest}, not {statement['sha256']}.")
        self.stdout.write(f"Good: {file} is export {statement['number']}, whole and unchanged.")
        for line in describe_manifest(statement):
            self.stdout.write(line)
