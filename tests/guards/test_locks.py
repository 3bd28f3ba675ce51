"""One lock for running, one for testing: the same versions in both, every file with its hash."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (
    "requirements.txt",
    "requirements-test.txt",
    "deploy/requirements-build.txt",
    "tests/tools/requirements.txt",
    "benchmarks/peers/requirements.txt",
)


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.\-\[\]]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_what_is_tested_is_what_runs() -> None:
    running, testing = pins("requirements.txt"), pins("requirements-test.txt")
    assert running
    assert {name: testing.get(name) for name in running} == running


def test_the_image_is_built_by_what_is_tested() -> None:
    building, testing = pins("deploy/requirements-build.txt"), pins("requirements-test.txt")
    assert "hatchling" in building
    assert {name: testing.get(name) for name in building} == building


def test_every_pin_has_a_hash() -> None:
    for lock in LOCKS:
        text = (ROOT / lock).read_text()
        entries = re.split(r"\n(?=\S)", text)
        assert [entry.split("\n")[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def list_requirements(name: str) -> list[Requirement]:
    """Return what a package needs on this platform; nothing of one that only another platform installs."""
    try:
        needed = map(Requirement, metadata.requires(name) or ())
    except metadata.PackageNotFoundError:
        return []
    return [each for each in needed if not each.marker or each.marker.evaluate({"extra": ""})]


def test_what_every_pinned_package_needs_is_pinned() -> None:
    pinned = {canonicalize_name(name.partition("[")[0]) for name in pins("requirements-test.txt")}
    needed = {(name, str(each.name)) for name in pinned for each in list_requirements(name)}
    assert {pair for pair in needed if canonicalize_name(pair[1]) not in pinned} == set()
