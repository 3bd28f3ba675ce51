"""Processes start from where the command's path leads, and an installation whose path is a link can be turned."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from config import places
from config.serve import program


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A link to the first of two installations, whose command runs."""
    for version in ("1", "2"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "keyward").touch()
    link = tmp_path / "current"
    link.symlink_to("1")
    monkeypatch.setattr(places, "IS_INSTALLED", True)
    monkeypatch.setattr(sys, "argv", [str(link / "bin" / "keyward"), "serve"])
    return link


def test_a_link_that_is_turned_leads_to_the_other_version(link: Path) -> None:
    first, second = link.parent / "1", link.parent / "2"
    # Not through the link, by which late imports would come from the other version.
    assert program.find_program() == (str(first / "bin" / "python"), str(first))
    link.unlink()
    link.symlink_to("2")
    assert program.find_program() == (str(second / "bin" / "python"), str(second))
    link.unlink()
    with pytest.raises(FileNotFoundError):
        program.find_program()


def test_a_checkout_runs_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", "serve"])
    assert program.find_program() == (sys.executable, str(places.ROOT))


def test_paths_mean_the_same_in_another_folder() -> None:
    given = {"KEYWARD_VAR": "var", "SECRET_KEY_FILE": "/etc/key", "GATEWAY_SOCKET": "", "KEYWARD_ENV_FILE": "none"}
    assert program.find_origin(given).environ == given | {"KEYWARD_VAR": os.path.abspath("var")}
