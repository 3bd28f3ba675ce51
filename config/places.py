"""Where Keyward's files are: in a checkout at its top, in an installed wheel in `config/wheel` (docs/adr/0022)."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

# What Python imports the packages from: the checkout, or site-packages.
ROOT = Path(__file__).resolve().parent.parent
WHEEL = Path(__file__).resolve().with_name("wheel")
IS_INSTALLED = WHEEL.is_dir()
# Templates, static files and deploy/.
FILES = WHEEL if IS_INSTALLED else ROOT


def read_version() -> str:
    """Return the version, which is a line of pyproject.toml; the wheel has it in its metadata."""
    if IS_INSTALLED:
        return version("keyward")
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def get_default_var() -> Path:
    """Return where Keyward writes unless KEYWARD_VAR says: beside the code of a checkout, or in the working folder."""
    return (Path.cwd() if IS_INSTALLED else ROOT) / "var"
