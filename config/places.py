"""Where Keyward's files are: at the top of a checkout, or in `config/wheel` of an installed wheel (docs/adr/0022)."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

from core.program import IS_INSTALLED

# The folder from which Python imports the packages: the checkout, or site-packages.
ROOT = Path(__file__).resolve().parent.parent
WHEEL = Path(__file__).resolve().with_name("wheel")
# Templates, static files and deploy/.
FILES = WHEEL if IS_INSTALLED else ROOT


def read_version() -> str:
    """Return the version: the line in pyproject.toml, or the wheel's metadata."""
    if IS_INSTALLED:
        return version("keyward")
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def get_default_var() -> Path:
    """Return the default of KEYWARD_VAR: beside a checkout's code, else in the working folder."""
    return (Path.cwd() if IS_INSTALLED else ROOT) / "var"
