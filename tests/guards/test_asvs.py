"""The table of OWASP ASVS in docs/security.md: each id is one of the standard's, each test is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "security.md"
STANDARD = Path(__file__).with_name("asvs-5.0.txt")
ROW = re.compile(r"^\| (V[\d.]+) \| ([^|]+) \| `([^`]+)` \|$", re.MULTILINE)
AT_LEAST = 90


@cache
def list_tests(path: Path) -> set[str]:
    if not path.exists():
        return set()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, functions)}


def list_problems(document: str) -> list[str]:
    """Return what is wrong with the table's rows."""
    known = {line.split()[0] for line in STANDARD.read_text().splitlines() if not line.startswith("#")}
    rows = ROW.findall(document)
    ids = [identifier for identifier, _, _ in rows]
    problems = [f"{identifier} is none of the standard's" for identifier in ids if identifier not in known]
    problems += [f"{identifier} is there twice" for identifier in sorted({each for each in ids if ids.count(each) > 1})]
    for _, _, test in rows:
        file, _, name = test.partition("::")
        if not name.startswith("test_") or name not in list_tests(ROOT / file):
            problems.append(f"{test} is no test")
    return problems


def test_every_row_names_a_requirement_and_a_test() -> None:
    text = DOCUMENT.read_text()
    assert list_problems(text) == []
    # No row is passed over because it is written in another way.
    assert len(ROW.findall(text)) == len(re.findall(r"^\| V\d", text, re.MULTILINE)) >= AT_LEAST


def test_the_list_is_the_whole_standard() -> None:
    lines = [line.split() for line in STANDARD.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == len({identifier for identifier, _ in lines}) == 345
    assert {level for _, level in lines} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "| V1.99.1 | x | `tests/guards/test_asvs.py::test_the_list_is_the_whole_standard` |",
            "V1.99.1 is none of the",
        ),
        ("| V1.1.1 | x | `tests/guards/test_asvs.py::test_nothing` |", "test_asvs.py::test_nothing is no test"),
        ("| V1.1.1 | x | `tests/guards/test_none.py::test_nothing` |", "test_none.py::test_nothing is no test"),
        ("| V1.1.1 | x | `tests/guards/test_asvs.py::list_tests` |", "test_asvs.py::list_tests is no test"),
    ],
)
def test_a_planted_row_is_found(row: str, message: str) -> None:
    assert any(message in problem for problem in list_problems(row))
