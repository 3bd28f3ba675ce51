"""The stylesheets and scripts that every page loads, as one file each."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from config import places
from config.static_bundles import BUNDLES, BundleFinder


@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_bundle_has_its_parts_in_their_order(bundle: str) -> None:
    found = finders.find(bundle)
    assert found is not None
    text, folder = Path(found).read_text(), (places.FILES / "static" / bundle).parent
    places_in_it = [
        text.index((folder / name).with_suffix(Path(bundle).suffix).read_text()) for name in BUNDLES[bundle]
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
