"""The stylesheets that every page loads, as one file."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from config import places
from config.stylesheet_bundle import BUNDLES, BundleFinder


def test_a_bundle_has_its_parts_in_their_order() -> None:
    found = finders.find("css/base.css")
    assert found is not None
    text = Path(found).read_text()
    places_in_it = [
        text.index((places.FILES / f"static/css/{name}.css").read_text()) for name in BUNDLES["css/base.css"]
    ]
    assert places_in_it == sorted(places_in_it)
    assert finders.find("css/other.css") is None


def test_a_changed_part_is_in_the_bundle_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "static" / "css").mkdir(parents=True)
    parts = [tmp_path / "static" / "css" / f"{name}.css" for name in BUNDLES["css/panels.css"]]
    monkeypatch.setattr(places, "FILES", tmp_path)
    finder = BundleFinder()
    for color in ("red", "blue"):
        for part in parts:
            part.write_text(f"a {{ color: {color} }}")
        assert Path(finder.find("css/panels.css")).read_text().count(color) == len(parts)
