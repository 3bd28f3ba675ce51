"""A database that does not answer: every page says so, and the start ends with one line."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from core.permissions import Role
from tests.factories.accounts import a_user, an_account
from tests.gateways import ROOT, free_port

NOWHERE = {"host": "127.0.0.1", "port": "9", "dbname": "none", "user": "nobody", "connect_timeout": 1}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/", "/keys/", "/logs/", "/audit/", "/users/"])
def test_a_page_says_that_the_database_does_not_answer(path: str, monkeypatch: Any) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(a_user(an_account(), "alice", Role.ADMINISTRATOR))
    connection.close()
    with monkeypatch.context() as lost:
        lost.setattr(connection, "get_connection_params", lambda: NOWHERE)
        response = client.get(path)
    assert response.status_code == 503
    assert "The database is unavailable" in response.content.decode()
    assert client.get(path).status_code == 200


def test_serve_without_a_database_ends_with_one_line() -> None:
    environment = os.environ | {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "PORT": str(free_port()),
        "GATEWAY_PORT": str(free_port()),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("The database does not answer")
