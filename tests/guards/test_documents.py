"""The documents' table of contents names every document, no link between documents is dead, and the picture of the
packages is as their imports are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests import packages

ROOT = Path(__file__).resolve().parents[2]
CONTENTS = ROOT / "docs" / "README.md"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)|\]\(#([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NAMED_PATH = re.compile(r"`((?:accounts|audit|config|core|docs|gateway|keys|templates|tests)/[\w./-]+)`")
PICTURES = {".png", ".svg"}


def list_tracked(*patterns: str) -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).exists()]


def find_links(document: Path) -> list[tuple[Path, str]]:
    """Return the file and the anchor of each link that stays in the repository."""
    return [
        ((document.parent / target).resolve() if target else document, anchor or own)
        for target, anchor, own in LINK.findall(document.read_text())
        if ":" not in target
    ]


def list_anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings."""
    titles = HEADING.findall(document.read_text())
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_contents_name_every_document() -> None:
    named = {target for target, _ in find_links(CONTENTS)}
    expected = {file for file in list_tracked("docs") if file.suffix not in PICTURES} - {CONTENTS}
    assert not {str(file.relative_to(ROOT)) for file in expected - named}, "docs/README.md lacks these documents"


@pytest.mark.parametrize("document", list_tracked("*.md"), ids=lambda file: str(file.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target, anchor in find_links(document):
        assert target.exists(), f"{document.name} links to {target}, which does not exist"
        assert not anchor or anchor in list_anchors(target), f"{document.name}: {target.name} has no heading #{anchor}"


@pytest.mark.parametrize("document", list_tracked("*.md"), ids=lambda file: str(file.relative_to(ROOT)))
def test_paths_that_documents_name_exist(document: Path) -> None:
    assert not {path for path in NAMED_PATH.findall(document.read_text()) if not (ROOT / path).exists()}


def test_the_picture_of_the_packages_is_up_to_date() -> None:
    page = packages.PAGE.read_text()
    picture = packages.draw(packages.find_imports(packages.list_packages()))
    assert packages.replace_picture(page, picture) == page, "run `python -m tests.packages`"


def test_packages_are_drawn_above_what_they_import() -> None:
    drawn = packages.draw({"core": set(), "audit": {"core"}, "config": {"audit", "core"}})
    assert drawn.splitlines()[2:-1] == [
        "    config[config/]",
        "    audit[audit/]",
        "    core[core/]",
        "    config --> audit",
        "    config --> core",
        "    audit --> core",
    ]


def test_mutual_imports_are_drawn_dashed() -> None:
    assert "    audit <-.-> keys" in packages.draw({"audit": {"keys"}, "keys": {"audit"}})
