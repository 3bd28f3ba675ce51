"""URLs of static files, which are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.static_storage import StaticStorage


def collect(storage: StaticStorage) -> None:
    processed = storage.post_process({"a.css": (storage, "a.css")})
    errors = [found for *_, found in processed if isinstance(found, Exception)]
    assert not errors


def test_a_url_is_that_of_the_file_that_was_collected_last(tmp_path: Path) -> None:
    storage = StaticStorage(location=str(tmp_path), base_url="/static/")
    urls = set()
    for color in ("red", "blue"):
        (tmp_path / "a.css").write_text(f"a {{ color: {color} }}")
        collect(storage)
        url = storage.url("a.css")
        assert url == storage.url("a.css")
        assert color in (tmp_path / url.removeprefix("/static/")).read_text()
        urls.add(url)
    assert len(urls) == 2
    with pytest.raises(ValueError, match=r"b\.css"):
        storage.url("b.css")
