"""The log lines of the code, and those of docs/logs.md: each event with its level, logger and fields."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "logs.md"
PACKAGES = ("config", "gateway", "keys", "accounts", "audit", "core")
LOGGER = re.compile(r"structlog\.get_logger\(\"(keyward\.\w+)\"\)")
# What any line may have.
COMMON = {"timestamp", "level", "logger", "event"}
LEVELS = {"info", "warning", "error"}
# Parameters of gateway.error_log.report that are not fields, and the fields that it adds.
NO_FIELDS = {"traceback", "exc_info"}
OF_ERRORS = {"error", "detail"}
# What is added where it applies: to any line, and to those of libraries.
ADDED = {"request_id", "repeated"}
OF_LIBRARIES = {"request_id", "exception"}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Line(NamedTuple):
    logger: str
    level: str
    event: str
    fields: frozenset[str]


def list_code_lines() -> set[Line]:
    """Return what the packages log, by their sources."""
    return {line for package in PACKAGES for path in (ROOT / package).rglob("*.py") for line in _parse(path)}


def _parse(path: Path) -> Iterator[Line]:
    source = path.read_text()
    logger = LOGGER.search(source)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        fields = {keyword.arg for keyword in node.keywords if keyword.arg}
        if logger and re.fullmatch(r"(log|logger)\.\w+", name) and name.split(".")[1] in LEVELS:
            yield Line(logger[1], name.split(".")[1], _get_text(node.args[0]), frozenset(fields))
        elif name.split(".")[-1] in ("report", "_report") and len(node.args) >= 2:
            level = ast.unparse(node.args[0]).strip("'").lower()
            if level in LEVELS:
                added = OF_ERRORS if len(node.args) > 2 else set()
                added = added | ({"exception"} if "traceback" in fields else set())
                yield Line("keyward.gateway", level, _get_text(node.args[1]), frozenset(fields - NO_FIELDS | added))


def _get_text(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant), f"an event is a constant text: {ast.unparse(node)}"
    return str(node.value)


def list_documented_lines() -> set[Line]:
    """Return the rows of the table of events."""
    section = PAGE.read_text().split("\n## Events\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in section.splitlines() if row.startswith("| `")
    ]
    return {
        Line(logger.strip("`"), level, event.strip("`"), frozenset(re.findall(r"`(\w+)`", fields)))
        for event, logger, level, fields, _ in rows
    }


def find_problems(text: str) -> str:
    """Return in what a line that was logged in production is not as docs/logs.md says; empty if in nothing."""
    try:
        line = json.loads(text)
    except ValueError:
        return "not JSON"
    if missing := COMMON - set(line):
        return f"{min(missing)} is missing"
    if not TIMESTAMP.fullmatch(line["timestamp"]) or line["level"] not in LEVELS:
        return "timestamp or level is not as documented"
    if not line["logger"].startswith("keyward."):
        allowed = COMMON | OF_LIBRARIES
        return "".join(f"{name} is not documented. " for name in sorted(set(line) - allowed))
    documented = {
        row.fields for row in list_documented_lines() if row[:3] == (line["logger"], line["level"], line["event"])
    }
    if not documented:
        return "no such line is documented"
    fields = max(documented, key=lambda each: len(each & set(line)))
    unknown = set(line) - COMMON - ADDED - fields
    absent = fields - set(line)
    return "".join(
        [
            *(f"{name} is not documented. " for name in sorted(unknown)),
            *(f"{name} is missing. " for name in sorted(absent)),
        ]
    )
