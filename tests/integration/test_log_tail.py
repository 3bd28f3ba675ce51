"""The live tail: it never leaves rows out without a word; and calls that have no status yet can be found."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.models import Account
from audit.models import Call
from tests.factories.calls import a_call, more_calls

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]
AGO = timedelta(minutes=30)


def newest(acme: Account) -> str:
    call = a_call(acme, time=datetime.now(UTC) - timedelta(hours=2))
    return Call.objects.get(request_id=call).position


def answered(client: Client, address: str) -> tuple[list[str], str, str, str]:
    """Return the positions of the rows, what the gap says, and where it leads: with a script, and without."""
    text = html.unescape(client.get(address).content.decode())
    gap = re.search(r'<tr class="gap" data-gap="([^"]+)"><td[^>]*>(.*?) <a href="([^"]+)"', text)
    rows = re.findall(r'data-position="([^"]+)"', text)
    return (rows, gap[2], gap[1], gap[3]) if gap else (rows, "", "", "")


def test_says_how_many_rows_it_leaves_out_and_leads_to_each_once(client: Client, acme: Account) -> None:
    position = newest(acme)
    burst = a_call(acme, time=datetime.now(UTC) - AGO)
    more_calls(burst, 1_060)
    a_call(acme, time=datetime.now(UTC) - AGO, decision="denied", reason="key_disabled")

    rows, message, more, plain = answered(client, f"/logs/tail/?decision=allowed&newest={position.replace('+', '%2B')}")
    assert (len(rows), message) == (100, "961 more calls arrived in between.")
    # Without the script the link is the list from there on, with the page's filters.
    assert {name: value[0] for name, value in parse_qs(urlsplit(plain).query).items()} == {
        "decision": "allowed",
        "after": rows[-1],
    }
    assert answered(client, plain)[0][0] < rows[-1]
    seen = rows
    while more:
        rows, message, more, _ = answered(client, more)
        seen += rows
    assert len(seen) == len(set(seen)) == 1_061
    assert seen == sorted(seen, reverse=True)
    assert message == ""


def test_says_that_there_are_more_than_it_counts(
    client: Client, acme: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = newest(acme)
    more_calls(a_call(acme, time=datetime.now(UTC) - AGO), 149)
    monkeypatch.setattr("audit.calls.selectors.MAX_ROWS_SCANNED", 20)
    assert answered(client, f"/logs/tail/?newest={position}")[1] == "More than 20 more calls arrived in between."


def test_a_hundred_new_rows_leave_nothing_out(client: Client, acme: Account) -> None:
    position = newest(acme)
    more_calls(a_call(acme, time=datetime.now(UTC) - AGO), 99)
    rows, message, _, _ = answered(client, f"/logs/tail/?newest={position}")
    assert (len(rows), message) == (100, "")
    assert client.get(f"/logs/tail/?newest={position}&before=x").status_code == 400


def test_calls_without_a_status_yet_are_found(client: Client, acme: Account) -> None:
    a_call(acme, path="/waiting")
    a_call(acme, path="/served", status=200, duration_ms=1.5, bytes=7)
    page = client.get("/logs/?status=none").content.decode()
    assert ("/waiting" in page, "/served" in page) == (True, False)
    assert "Status: No status yet" in page
    page = client.get("/logs/?status=2xx").content.decode()
    assert ("/waiting" in page, "/served" in page) == (False, True)
    assert "or none for calls without a status" in client.get("/logs/?status=nil").content.decode()
    assert "<dt>Status</dt><dd>No status yet</dd>" in client.get("/logs/export/?status=none").content.decode()
