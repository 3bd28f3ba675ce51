"""Each release has a section of the changelog, and what changes now has the next version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.releases import RELEASES

ROOT = Path(__file__).resolve().parents[2]
SECTION = re.compile(
    r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?\n(?P<text>.*?)(?=^## \[|\Z)", re.M | re.S
)


def read_version() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_each_release_has_a_section() -> None:
    first, *released = SECTION.finditer((ROOT / "CHANGELOG.md").read_text())
    assert (first["version"], first["date"]) == ("Unreleased", None)
    assert all(section["date"] for section in released)
    # The commit of a release cannot name itself in tests/releases.py.
    versions = [section["version"] for section in released if section["version"] != read_version()]
    assert versions == [release.version for release in reversed(RELEASES)]


def test_the_version_comes_after_the_last_release() -> None:
    last, now = (tuple(map(int, text.split(".")[:3])) for text in (RELEASES[-1].version, read_version()))
    assert last < now
