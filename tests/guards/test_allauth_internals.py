"""One module alone imports the private modules of django-allauth."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ONLY_FILE = "accounts/allauth_internals.py"


def list_python_files() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).exists()]


def find_internal_imports(source: str) -> Iterator[str]:
    """Yield the private modules that the source imports; what does not name allauth is not parsed."""
    if "allauth" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in modules if name.startswith("allauth.") and "internal" in name.split("."))


def test_one_file_alone_imports_private_modules_of_allauth() -> None:
    importing = {
        str(file.relative_to(ROOT)) for file in list_python_files() if any(find_internal_imports(file.read_text()))
    }
    assert importing == {ONLY_FILE}


@pytest.mark.parametrize(
    "line",
    [
        "from allauth.mfa.totp.internal.auth import TOTP",
        "from allauth.account import internal",
        "import allauth.core.internal.cryptokit",
    ],
)
def test_each_way_of_importing_a_private_module_is_seen(line: str) -> None:
    assert list(find_internal_imports(line))
