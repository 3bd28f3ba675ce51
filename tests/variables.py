"""README's table of variables, made from the settings and config/variables.py: `python -m tests.variables`."""

from __future__ import annotations

import os
import re
import runpy
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from config.variables import MEANINGS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
MARKS = ("<!-- variables: made by `python -m tests.variables` -->\n", "<!-- end of variables -->\n")
# Set by Keyward's own processes for each other.
INTERNAL = {"KEYWARD_PLANE", "KEYWARD_READY_FD", "KEYWARD_STOP_FD", "KEYWARD_SUPERVISOR"}
# What the settings hold is not what an operator would write.
DEFAULTS = {
    "KEYWARD_ENV_FILE": "`./keyward.env`, `/etc/keyward/keyward.env`",
    "KEYWARD_VAR": "`var/`",
    "DATABASE_URL": "embedded PostgreSQL",
    "MAINTENANCE_DATABASE_URL": "as `DATABASE_URL`",
    "EMAIL_URL": "the console in the demo",
    "TRUSTED_PROXIES": "none in the demo",
    "KEYWARD_DEMO_PASSWORD": "made",
}
MADE = (
    "GATEWAY_SECRETS",
    "SECRET_KEY",
    "TOKEN_PEPPERS",
    "SEALING_KEYS",
    "SIGNING_KEYS",
    "AUDIT_KEYS",
    "CHECKPOINT_KEY",
)


def read_settings() -> dict[str, Any]:
    """Return the settings of the demo, and in `env` which variables they read."""
    with tempfile.TemporaryDirectory() as var:
        # Without DATABASE_URL the owner's is not read.
        environ = {"KEYWARD_VAR": var, "DATABASE_URL": "postgresql://user:password@localhost/keyward"}
        with mock.patch.dict(os.environ, environ, clear=True):
            return runpy.run_path(str(ROOT / "config" / "settings.py"))


def list_variables(settings: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the variables that the settings read, and those of them that may come from a file."""
    known = settings["env"]._known - INTERNAL
    from_file = {name for name in known if f"{name}_FILE" in known}
    return {name for name in known if name.removesuffix("_FILE") not in from_file} | from_file, from_file


def format_default(name: str, settings: dict[str, Any]) -> str:
    if name in DEFAULTS or name in MADE:
        return DEFAULTS.get(name, "made in the demo")
    value = settings.get(name)
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value or value == 0 else "none"


def build_table() -> str:
    settings = read_settings()
    _, from_file = list_variables(settings)
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, meaning in MEANINGS.items():
        file = f", `{name}_FILE`" if name in from_file else ""
        lines.append(f"| `{name}`{file} | {format_default(name, settings)} | {meaning} |")
    return "\n".join(lines) + "\n"


def replace_table(page: str, table: str) -> str:
    pattern = "(?<=" + re.escape(MARKS[0]) + ").*?(?=" + re.escape(MARKS[1]) + ")"
    return re.sub(pattern, lambda match: table, page, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(replace_table(README.read_text(), build_table()))
