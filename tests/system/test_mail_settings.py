"""From whom mails come, as EMAIL_URL says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASK = "from config import settings; print(settings.EMAIL_BACKEND.split('.')[-2], settings.DEFAULT_FROM_EMAIL)"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "console Keyward <keyward@keys.example.com>"),
        ("smtp+tls://mailer:secret@mail.example.com:587", "smtp Keyward <keyward@keys.example.com>"),
        ("smtp+tls://robot%40example.com:secret@mail.example.com:587", "smtp Keyward <robot@example.com>"),
        ("smtp+tls://mailer:secret@mail.example.com:587/?from=keys@example.com", "smtp Keyward <keys@example.com>"),
    ],
)
def test_the_sender_is_named_or_made_of_the_portals_host(url: str, message: str, tmp_path: Path) -> None:
    given = {"EMAIL_URL": url, "BASE_URL": "https://keys.example.com", "KEYWARD_VAR": str(tmp_path / "var")}
    done = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, cwd=ROOT, env=os.environ | given, check=True
    )

    assert done.stdout.strip() == message
