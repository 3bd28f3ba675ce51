"""What must never be in the source, planted: randomness that can be predicted, and secrets that are somebody's."""

from __future__ import annotations

import base64
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.crypto.secrets import generate_token, parse_token

ROOT = Path(__file__).resolve().parents[2]
# The one that the documentation works its examples with; it opens nothing.
PUBLISHED = "kw_Example12345_ThisSecretIsPublishedForTestsOnl4OVm7o"
TOKEN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{1,20}_[A-Za-z0-9]{12}_[A-Za-z0-9]{38}(?![A-Za-z0-9])")
PRIVATE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}")
RING = re.compile(r"(?<![\w:])\d{1,4}:[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])")


def secrets_in(text: str) -> list[str]:
    tokens = [token for token in TOKEN.findall(text) if parse_token(token) is not None and token != PUBLISHED]
    return [*tokens, *PRIVATE.findall(text), *RING.findall(text)]


def source() -> Iterator[Path]:
    """Yield the files of the repository, without what .gitignore names."""
    for path in ROOT.iterdir():
        if path.name == ".ci" or not (path.name == "var" or path.name.startswith(".")):
            yield from (file for file in [path, *path.rglob("*")] if file.is_file() and file.suffix != ".pyc")


def test_no_secret_is_in_the_source() -> None:
    looked_at = {file: secrets_in(file.read_text(errors="replace")) for file in source()}
    assert len(looked_at) > 500
    assert {str(file): found for file, found in looked_at.items() if found} == {}


@pytest.mark.quality(24)
@pytest.mark.parametrize(
    "planted",
    [
        f'TOKEN = "{generate_token("kw").token}"',
        f"curl -H 'Authorization: Bearer {generate_token('acme').token}' https://api.example.com/",
        f"SEALING_KEYS=1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        # In two pieces, or this file would hold what it looks for.
        "-----BEGIN " + f"PRIVATE KEY-----\n{base64.b64encode(secrets.token_bytes(48)).decode()}\n",
    ],
    ids=["a token", "a token in a command", "a ring", "a private key"],
)
def test_a_planted_secret_is_found(planted: str) -> None:
    assert secrets_in(f"# before\n{planted}\n# after\n")


@pytest.mark.quality(24)
@pytest.mark.parametrize(
    "room",
    [
        "config/secrets.py",
        "keys/crypto/secrets.py",
        "keys/views/listing.py",
        "core/page_guard.py",
        "gateway/log_rows.py",
    ],
)
@pytest.mark.parametrize("planted", ["random.choice('ab')", "random.randbytes(32)", "random.Random(1).random()"])
def test_planted_randomness_is_refused_in_every_room(planted: str, room: str) -> None:
    command = [str(Path(sys.executable).parent / "ruff"), "check", "--stdin-filename", room, "-"]
    code = f"import random\n\nVALUE = {planted}\n"
    done = subprocess.run(command, input=code, capture_output=True, text=True, cwd=ROOT, check=False)
    assert "S311" in done.stdout
