"""Static files are collected at the first start, and again only when one of them has changed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.finders import FileSystemFinder

from config.static_build import collect_static, is_collected


@pytest.fixture
def source(tmp_path: Path, settings: Any) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "page.css").write_text("a {}")
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [folder], tmp_path / "collected"
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    return folder


def test_a_changed_file_is_collected_and_an_unchanged_one_is_left(source: Path, settings: Any) -> None:
    collect_static()
    collected = settings.STATIC_ROOT / "page.css"
    assert collected.read_text() == "a {}"
    collected.write_text("left as it is")
    collect_static()
    assert collected.read_text() == "left as it is"
    (source / "page.css").write_text("b {}")
    # As new as only a later change can be, whatever the clock's steps.
    later = (source / "page.css").stat().st_mtime_ns + 10**9
    os.utime(source / "page.css", ns=(later, later))
    os.utime(collected, ns=(0, 0))
    collect_static()
    assert collected.read_text() == "b {}"


class Reversed(FileSystemFinder):
    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[tuple[str, Any]]:
        return reversed([*super().list(ignore_patterns)])


def test_the_order_in_which_files_are_listed_does_not_matter(source: Path, settings: Any) -> None:
    (source / "another.css").write_text("c {}")
    collect_static()
    settings.STATICFILES_FINDERS = [f"{__name__}.Reversed"]
    assert is_collected()
    (source / "another.css").write_text("d {}")
    assert not is_collected()
