"""The export behind real gunicorn threads: the reader must see whether a file is whole."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from django.test import Client

from accounts.models import Account, User
from audit.models import Event
from core.permissions import Role
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call, more_calls
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 3000
WORKER = "config.serve.portal_worker.PortalWorker"


@pytest.fixture
def acme() -> Account:
    acme = an_account()
    more_calls(a_call(acme), ROWS - 1)
    return acme


class Portal(NamedTuple):
    port: int
    process: subprocess.Popen[str]

    @property
    def workers(self) -> list[int]:
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    @property
    def memory(self) -> int:
        """The most that its workers ever had, in MB."""
        measured = [Path(f"/proc/{pid}/status").read_text() for pid in self.workers]
        return sum(int(found[1]) for text in measured if (found := re.search(r"VmHWM:\s+(\d+) kB", text))) // 1024


def signed_in(account: Account) -> Client:
    client = Client()
    user = User.objects.filter(account=account).first() or a_user(account, "Alice", Role.ADMINISTRATOR)
    client.force_login(user)
    return client


@contextmanager
def portal(longest: int, stalled: int = 60) -> Iterator[Portal]:
    """Gunicorn as in production, on a port of the system's choice, exporting for at most `longest` seconds, and to a
    reader that takes nothing for at most `stalled`."""
    application = f"tests.export_application:portal({longest}, {stalled})"
    command = [sys.executable, "-m", "gunicorn", "-k", WORKER, "--threads", "4", "-b", "127.0.0.1:0", application]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONWARNINGS": ""})
    try:
        for line in server.stderr:
            if port := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
                yield Portal(int(port[1]), server)
                break
        else:
            pytest.fail("gunicorn did not start")
    finally:
        server.terminate()
        server.stderr.close()
        server.wait(30)


@contextmanager
def request_export(portal: Portal, account: Account, format: str = "csv") -> Iterator[http.client.HTTPResponse]:
    client = signed_in(account)
    client.get("/logs/export/")
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=600)
    connection.request(
        "POST",
        "/logs/export/",
        f"format={format}&csrfmiddlewaretoken={cookies['csrf']}",
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
    with portal(900) as server, request_export(server, acme) as response:
        content = response.read()

    assert (response.status, response.headers["Content-Encoding"]) == (200, "identity")
    assert content.count(b"\r\n") == ROWS + 1
    assert ends(acme) == [("export.finished", ROWS)]


def test_a_file_that_breaks_off_in_the_server_breaks_off_for_the_reader(acme):
    cut = pytest.raises((http.client.IncompleteRead, ConnectionError))
    with portal(0) as server, request_export(server, acme) as response, cut:
        response.read()

    assert [name for name, _ in ends(acme)] == ["export.incomplete"]


@pytest.mark.fault(18)
def test_a_reader_that_hangs_up_is_recorded(acme, figure: Callable[[str], None]):
    more_calls(a_call(acme), 10 * ROWS, user_agent="x" * 900)
    with portal(900) as server, request_export(server, acme) as response:
        response.read(10)

    [(name, rows)] = ends(acme)
    assert name == "export.incomplete"
    figure(f"the reader hung up: {name} after {rows} of {11 * ROWS} rows")


@pytest.mark.fault(17)
def test_a_reader_that_stalls_is_cut_off_and_recorded(acme, figure: Callable[[str], None]):
    more_calls(a_call(acme), 10 * ROWS, user_agent="x" * 900)
    with portal(900, stalled=2) as server, request_export(server, acme) as response:
        response.read(10)
        [(name, rows)] = wait_until(lambda: ends(acme), seconds=60)
        assert name == "export.incomplete"
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
    figure(f"the reader took nothing for 2 s: cut off, {name} after {rows} of {11 * ROWS} rows")


@pytest.mark.quality(20)
def test_a_killed_server_leaves_a_start_without_an_end_which_reads_as_incomplete(acme, figure: Callable[[str], None]):
    more_calls(a_call(acme), 10 * ROWS, user_agent="x" * 900)
    with portal(900) as server, request_export(server, acme) as response:
        response.read(10)
        for pid in (server.process.pid, *server.workers):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()

    assert ends(acme) == []
    started = Event.objects.get(name="export.started", account_id=acme.pk)
    measured = "No end is recorded"
    assert measured in signed_in(acme).get("/audit/").content.decode()
    assert measured in signed_in(acme).get(f"/audit/{started.number}/").content.decode()
    with portal(900) as server, request_export(server, acme) as response:
        response.read()
    page = signed_in(acme).get("/audit/?event=export.started").content.decode()
    assert page.count("started an export") == 2
    assert page.count(measured) == 1
    figure("kill -9 in mid-export leaves export.started alone, and the trail says so")


@pytest.mark.quality(20)
def test_the_server_stays_small_however_long_the_file(acme, full: bool, figure: Callable[[str], None]):
    rows = 1_000_000 if full else 30_000
    more_calls(a_call(acme), rows - ROWS - 1)
    measured = []
    for format in ("csv", "jsonl", "xlsx"):
        with portal(900) as server, request_export(server, acme, format) as response:
            size = 0
            while block := response.read(1 << 16):
                size += len(block)
            measured.append(f"{server.memory} MB as {format}")
            assert server.memory < 150, measured
    assert [count for _, count in ends(acme)] == [rows] * 3
    figure(f"{rows:,} rows by a server of {', '.join(measured)}")
