"""The stylesheets and scripts that every page loads, as one file each."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from config import places
from config.static_bundles import BUNDLES, BundleFinder, remove_comments


@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_bundle_has_its_parts_in_their_order(bundle: str) -> None:
    found = finders.find(bundle)
    assert found is not None
    text, folder = Path(found).read_text(), (places.FILES / "static" / bundle).parent
    parts = [(folder / name).with_suffix(Path(bundle).suffix) for name in BUNDLES[bundle]]
    places_in_it = [text.index(remove_comments(part)) for part in parts]
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


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("a.css", "/* Two\n   lines. */\n\na { color: red /* as said */ }\n/* End */\n", "a { color: red  }\n"),
        (
            "a.js",
            "// First.\nconst a = 'https://x'; // stays\n  // Own line.\n  go();\n",
            "const a = 'https://x'; // stays\n  go();\n",
        ),
    ],
)
def test_comments_are_not_served(name: str, text: str, left: str, tmp_path: Path) -> None:
    part = tmp_path / name
    part.write_text(text)
    assert remove_comments(part) == left
