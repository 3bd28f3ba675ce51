"""Faults under the portal: what was asked for is done with its event, or not at all."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from accounts.models import User
from audit.models import Event
from config.portal_metrics.counters import PortalCollector
from keys.models import Key
from tests.databases import migrated_database
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call, more_calls
from tests.factories.keys import CreatedKey
from tests.faults.test_statements import SERIALIZATION, trigger
from tests.gateways import conninfo, free_port, wait_for_lock, wait_for_statements
from tests.integration.test_log_export_server import Portal, ends, portal, request_export

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "maintenance"]),
    pytest.mark.skipif(not settings.EMBEDDED_DATABASE, reason="somebody else's server: it is not to be disturbed"),
    pytest.mark.quality(19),
]
DISABLED = "key.disabled"


@pytest.fixture
def client(alice: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    return client


def disable(client: Client, made: CreatedKey) -> int:
    return client.post(f"/keys/{made.key.public_id}/disable/", {"yes": "on", "confirmed": "yes"}).status_code


def is_disabled(made: CreatedKey) -> tuple[bool, int]:
    """Return whether the key is disabled, and how many events say so."""
    events = Event.objects.filter(name=DISABLED, target_id=made.key.public_id).count()
    return not Key.objects.get(pk=made.key.pk).enabled, events


@pytest.mark.fault(16)
def test_a_serialization_failure_changes_nothing(
    client: Client, made: CreatedKey, figure: Callable[[str], None]
) -> None:
    with trigger("audit_event", SERIALIZATION):
        assert disable(client, made) == 503
        assert is_disabled(made) == (False, 0)
    assert disable(client, made) == 302
    assert is_disabled(made) == (True, 1)
    figure("serialization failure: 503, nothing changed; the same again is done")


@pytest.mark.fault(15)
def test_of_two_in_a_deadlock_one_goes_on_and_nothing_is_half_done(
    client: Client, made: CreatedKey, figure: Callable[[str], None]
) -> None:
    answers: list[int] = []

    def ask() -> None:
        answers.append(disable(client, made))
        for connection in connections.all():
            connection.close()

    with psycopg.connect(conninfo()) as other:
        other.execute("SELECT seq FROM audit_head FOR UPDATE")
        asking = threading.Thread(target=ask)
        asking.start()
        wait_for_lock()
        began = time.monotonic()
        try:
            other.execute("SELECT 1 FROM keys_key WHERE public_id = %s FOR UPDATE", [made.key.public_id])
            cancelled = "the portal's request"
        except psycopg.errors.DeadlockDetected:
            cancelled = "the other"
        other.rollback()
        asking.join(60)
    seconds = time.monotonic() - began
    assert (answers, is_disabled(made)) == (
        ([503], (False, 0)) if cancelled == "the portal's request" else ([302], (True, 1))
    )
    if answers == [503]:
        assert disable(client, made) == 302
    assert is_disabled(made) == (True, 1)
    figure(f"deadlock: {cancelled} was cancelled, answered within {seconds:.1f} s, nothing half done")


@contextmanager
def held_head() -> Iterator[psycopg.Connection[Any]]:
    """Within, no event can be written until the connection rolls back."""
    with psycopg.connect(conninfo()) as other:
        other.execute("SELECT seq FROM audit_head FOR UPDATE")
        yield other


def begin_reveal(server: Portal, client: Client, made: CreatedKey) -> http.client.HTTPConnection:
    """Send the request for a token and return its connection."""
    path = f"/keys/{made.key.public_id}/reveal/"
    client.get(path)
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(
        "POST",
        path,
        f"password={PASSWORD.replace(' ', '+')}&csrfmiddlewaretoken={cookies['csrf']}",
        {
            "Host": "localhost",
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    return connection


@pytest.mark.fault(4)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_token_is_shown_with_its_event_or_not_at_all(
    number: signal.Signals, client: Client, made: CreatedKey, figure: Callable[[str], None]
) -> None:
    subprocess.run([sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"], check=True)
    with portal(900) as server, held_head() as other:
        connection = begin_reveal(server, client, made)
        wait_for_lock()
        for pid in [server.process.pid] if number == signal.SIGTERM else [server.process.pid, *server.workers]:
            os.kill(pid, number)
        # The server has time to begin its stop.
        time.sleep(0.5)
        other.rollback()
        try:
            page = connection.getresponse().read().decode()
        except (http.client.HTTPException, ConnectionError):
            page = ""
        connection.close()
    wait_for_statements()
    is_recorded = Event.objects.filter(name="key.revealed", target_id=made.key.public_id).exists()
    is_shown = made.token in page
    # A stopping server answers what it was asked.
    assert is_shown == is_recorded == (number == signal.SIGTERM)
    seen = f"{'shown' if is_shown else 'not shown'}, {'recorded' if is_recorded else 'not recorded'}"
    figure(f"{number.name} during a reveal: {seen}")


@pytest.mark.fault(3)
def test_a_stopping_server_ends_an_export_whole_or_visibly(alice: User, figure: Callable[[str], None]) -> None:
    account = alice.account
    more_calls(a_call(account), 30_000, user_agent="x" * 900)
    with portal(900) as server, request_export(server, account) as response:
        response.read(10)
        server.process.terminate()
        try:
            lines = response.read().count(b"\r\n")
        except (http.client.HTTPException, ConnectionError):
            lines = -1
        server.process.wait(60)
    outcome = ends(account)
    assert outcome == ([("export.finished", 30_001)] if lines > 0 else [("export.incomplete", outcome[0][1])])
    assert lines in (-1, 30_002)
    figure(f"SIGTERM during an export: {'whole' if lines > 0 else 'cut'}, and the trail says {outcome[0][0]}")


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        pytest.param("down", "ALTER TABLE django_cache RENAME TO cache_aside", marks=pytest.mark.fault(19)),
        pytest.param("slow", "LOCK TABLE django_cache IN ACCESS EXCLUSIVE MODE", marks=pytest.mark.fault(20)),
    ],
)
def test_without_its_cache_the_limits_hold(
    name: str, statement: str, alice: User, figure: Callable[[str], None]
) -> None:
    client = Client(raise_request_exception=False)
    with psycopg.connect(conninfo("maintenance")) as other:
        other.execute(statement)
        if name == "down":
            other.commit()
        try:
            began = time.monotonic()
            answers = [client.post("/login/", {"login": alice.email, "password": "wrong"}) for _ in range(6)]
            seconds = time.monotonic() - began
            right = client.post("/login/", {"login": alice.email, "password": PASSWORD})
        finally:
            other.rollback()
            if name == "down":
                other.execute("ALTER TABLE cache_aside RENAME TO django_cache")
                other.commit()
    assert {answer.status_code for answer in answers} == {200}
    assert "Too many" in right.content.decode()
    assert "_auth_user_id" not in client.session
    figure(f"cache {name}: 6 wrong sign-ins in {seconds:.1f} s, then the right password waits too")


@pytest.mark.fault(26)
def test_without_the_mail_server_the_password_is_changed_and_the_log_says_it(
    client: Client, alice: User, settings: Any, caplog: pytest.LogCaptureFixture, figure: Callable[[str], None]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    before = count_failed_mails()
    new = "another long passphrase"
    began = time.monotonic()
    assert client.post("/profile/password/", {"password": PASSWORD, "new_password": new}).status_code == 302
    seconds = time.monotonic() - began
    alice.refresh_from_db()
    assert alice.check_password(new)
    assert Event.objects.filter(name="password.changed").exists()
    assert "refused" in caplog.text.lower()
    assert count_failed_mails() == before + 1
    figure(f"mail server down: done in {seconds:.1f} s, recorded; log and metrics have the mail that was not sent")


def count_failed_mails() -> float:
    [mails] = [metric for metric in PortalCollector().collect() if metric.name == "keyward_portal_mails"]
    return next(float(sample.value) for sample in mails.samples if sample.labels == {"result": "failed"})


@pytest.mark.fault(25)
def test_without_room_for_checkpoints_maintain_fails_and_the_next_run_writes_one(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with migrated_database("checkpoints"):
        with pytest.raises((CommandError, OSError), match="No space left on device"):
            call_command("maintain", checkpoints=Path("/dev/full"), verbosity=0)
        call_command("maintain", checkpoints=tmp_path / "checkpoints", verbosity=0)
    assert len((tmp_path / "checkpoints").read_text().splitlines()) == 1
    figure("no room for checkpoints: maintain fails by name, its work stays done, the next run writes one")
