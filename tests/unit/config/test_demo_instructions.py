"""The request that a demo's start tells you to try goes where the gateway listens."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from config.demo import load


@pytest.mark.parametrize(
    ("socket", "target"),
    [
        ("", ["http://localhost:8765/v1/verify/billing"]),
        ("/run/key ward/gw", ["--unix-socket", "/run/key ward/gw", "http://localhost/v1/verify/billing"]),
    ],
)
def test_the_command_asks_where_the_gateway_listens(
    socket: str, target: list[str], settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GATEWAY_SOCKET, settings.GATEWAY_PORT = socket, 8765
    for name, content in (("NOTES", json.dumps({"users": [], "token": "kw_none"})), ("PASSWORD", "none")):
        monkeypatch.setattr(load, name, tmp_path / name)
        (tmp_path / name).write_text(content, encoding="utf-8")
    (line,) = load.list_instructions()
    assert shlex.split(line)[-len(target) :] == target
