"""The command that people run, for messages, pages, mails and the trail: an installed wheel has no manage.py."""

from __future__ import annotations

from pathlib import Path

# The wheel's own files (docs/adr/0022); a checkout has none of them.
IS_INSTALLED = (Path(__file__).resolve().parents[1] / "config" / "wheel").is_dir()
PROGRAM = "keyward" if IS_INSTALLED else "manage.py"
