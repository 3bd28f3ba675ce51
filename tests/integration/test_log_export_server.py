"""The export behind real gunicorn threads: the reader must see whether a file is whole."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.test import Client

from accounts.models import Account
from accounts.permissions import Role
from audit.models import Event
from tests.logbook import a_call, more_calls
from tests.people import a_user, an_account

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 3000


@pytest.fixture
def acme() -> Account:
    acme = an_account()
    more_calls(a_call(acme), ROWS - 1)
    return acme


@contextmanager
def portal(longest: int) -> Iterator[int]:
    """gunicorn as in production, on a port of the system's choice, exporting for at most `longest` seconds."""
    application = f"tests.exporting:portal({longest})"
    command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "4", "-b", "127.0.0.1:0", application]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONWARNINGS": ""})
    try:
        for line in server.stderr:
            if port := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
                yield int(port[1])
                break
        else:
            pytest.fail("gunicorn did not start")
    finally:
        server.terminate()
        server.stderr.close()
        server.wait(30)


@contextmanager
def asked(port: int, account: Account) -> Iterator[http.client.HTTPResponse]:
    client = Client()
    client.force_login(a_user(account, "Alice", Role.ADMINISTRATOR))
    client.get("/logs/export/")
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(
        "POST",
        "/logs/export/",
        f"format=csv&csrfmiddlewaretoken={cookies['csrf']}",
        {
            "Host": "localhost",
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept-Encoding": "gzip",
        },
    )
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def ends(account: Account) -> list[tuple[str, int]]:
    events = Event.objects.filter(name__in=["export.finished", "export.incomplete"], account_id=account.pk)
    return [(event.name, json.loads(event.body)["data"]["rows"]) for event in events]


def test_a_whole_file_ends_well_and_is_not_compressed(acme):
    with portal(900) as port, asked(port, acme) as response:
        content = response.read()

    assert (response.status, response.headers["Content-Encoding"]) == (200, "identity")
    assert content.count(b"\r\n") == ROWS + 1
    assert ends(acme) == [("export.finished", ROWS)]


def test_a_file_that_breaks_off_in_the_server_breaks_off_for_the_reader(acme):
    cut = pytest.raises((http.client.IncompleteRead, ConnectionError))
    with portal(0) as port, asked(port, acme) as response, cut:
        response.read()

    assert [name for name, _ in ends(acme)] == ["export.incomplete"]


def test_a_reader_that_hangs_up_is_recorded(acme):
    more_calls(a_call(acme), 10 * ROWS, user_agent="x" * 900)
    with portal(900) as port, asked(port, acme) as response:
        response.read(10)

    assert [name for name, _ in ends(acme)] == ["export.incomplete"]
