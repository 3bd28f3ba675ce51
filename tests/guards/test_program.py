"""Texts that people read name the command that they have: an installed wheel has no manage.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.program import IS_INSTALLED, PROGRAM
from tests.docs.test_commands import BLOCK

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "gateway", "keys", "accounts", "audit", "core")
# core/program.py decides; the message about a missing Django is a checkout's alone.
ALLOWED = {("core/program.py", "manage.py"), ("config/command_line.py", "Django is not installed for this Python.")}
# What `keyward init` writes for operators; what builds the wheel and the image is none of it.
BUILD = {"wheel.py", "__pycache__", "Dockerfile", "Dockerfile.dockerignore"}
FILES = [path for path in (ROOT / "deploy").rglob("*") if path.is_file() and not {path.name, path.parent.name} & BUILD]

# What is done in a checkout.
OF_A_CHECKOUT = {"production", "auditors", "architecture"}
DOCUMENTS = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.stem not in OF_A_CHECKOUT]


def list_texts(source: str) -> Iterator[str]:
    """Yield the string constants that are no docstrings."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def list_wrong(path: Path) -> list[str]:
    name = str(path.relative_to(ROOT))
    return [
        text
        for text in list_texts(path.read_text())
        if "manage.py" in text and not any(name == file and text.startswith(start) for file, start in ALLOWED)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_message_names_the_program_of_a_checkout(package: str) -> None:
    found = {str(path): wrong for path in (ROOT / package).rglob("*.py") if (wrong := list_wrong(path))}
    assert found == {}, "use core.program.PROGRAM"


def test_no_page_mail_or_deployed_file_names_it() -> None:
    templates = [path for path in (ROOT / "templates").rglob("*") if path.is_file()]
    assert templates
    assert [str(path) for path in [*templates, *FILES] if "manage.py" in path.read_text()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_for_operators_tells_to_run_it(document: Path) -> None:
    """Blocks that a test runs in this checkout are its alone."""
    text = BLOCK.sub("", document.read_text())
    assert re.findall(r"(?:\./)?manage\.py\s(?!help`)\w+.*", text) == [], f"write `keyward` in {document.name}"


def test_a_message_is_found() -> None:
    source = '"""manage.py x: a docstring."""\n\ndef f():\n    """manage.py y."""\n    return f"Run manage.py {1}."\n'
    assert [text for text in list_texts(source) if "manage.py" in text] == ["Run manage.py "]


def test_a_checkout_is_run_by_manage_py() -> None:
    assert (IS_INSTALLED, PROGRAM) == (False, "manage.py")
