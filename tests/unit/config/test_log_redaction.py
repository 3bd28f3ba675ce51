"""What opens a page by its URL alone is in no line of Keyward's own log."""

from __future__ import annotations

import secrets

import pytest

from config.logs import redact_event


@pytest.mark.parametrize("path", ["/docs/{}/", "/docs/{}/call-download/", "/invitation/{}/"])
def test_the_token_of_a_link_is_not_logged(path: str) -> None:
    token = secrets.token_urlsafe(32)
    line = redact_event(None, "warning", {"event": f"Not Found: {path.format(token)}", "args": [path.format(token)]})
    assert token not in str(line)
    assert path.format("[secret]") in str(line["event"])


def test_other_paths_are_logged_as_they_are() -> None:
    path = "/keys/0123456789ab/docs/links/"
    assert redact_event(None, "warning", {"event": path}) == {"event": path}
