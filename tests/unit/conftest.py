"""Unit tests stay in their own process: whole systems are tested in tests/system."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from typing import Any, NoReturn

import pytest


def refuse(what: str) -> Callable[..., NoReturn]:
    def fail(*args: Any, **kwargs: Any) -> NoReturn:
        pytest.fail(f"a unit test starts {what}: move it to tests/system")

    return fail


@pytest.fixture(autouse=True)
def _own_process(_installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to start a process or a server; the tests' database is there by now."""
    monkeypatch.setattr(subprocess, "Popen", refuse("a process"))
    monkeypatch.setattr(os, "fork", refuse("a process"))
    monkeypatch.setattr(socket.socket, "listen", refuse("a server"))
