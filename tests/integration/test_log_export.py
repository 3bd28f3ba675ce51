"""The export through the whole stack, up to real gunicorn and a reader that hangs up."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from audit.exports import file, formats
from audit.exports.columns import CALLS
from audit.models import Call, Event
from core.permissions import Role
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call, more_calls

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("signed_in")]
FORMULAS = [
    "=1+1", "=cmd|' /C calc'!A0", "=HYPERLINK(\"http://evil\")", "==", "= 1", "=\t1", "=1,2", "=\"a\"", "='x'", "=@A1",
    "@SUM(1)", "@", "@=1", "@A1", "@\"x\"",
    "\t=1", "\t", "\r=1", "\r", "\n=1", "\n", "\r\n=1",
    "+1+1", "+", "++1", "+A1", "+1a", "+1 ", "+(1)", "+1.2.3", "+.5", "+cmd|' /C calc'!A0", "+1-1", "+X1", "+1\n",
    "-1-1", "-", "--1", "-A1", "-1a", "-(1)", "-SUM(A1)", "-1e", "-1\n+1",
]  # fmt: skip
HARMLESS = ["1+1", "a=1", " =1", "'=1", "é=", "", "x@y.example", "a\r\nb", 'a"b', "a,b", ";", "\u200b", "a\tb"]
NUMBERS = ["+447911123456", "-5", "+1", "-1.50", "447911123456", "0049151123456", "+0", "1e5"]
TYPED_BY_PEOPLE = [
    "account", "api", "key_id", "key_name", "owner", "credential", "method", "host", "path", "query", "module", "rule",
    "proxy", "user_agent",
]  # fmt: skip


def export(client: Client, **data: str):
    response = client.post("/logs/export/", {"format": "csv"} | data)
    assert response.status_code == 200, response.content
    return response, response.getvalue()


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def get_event_data(name: str) -> dict:
    return json.loads(Event.objects.filter(name=name).latest("seq").body)["data"]


def text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_the_file_holds_the_accounts_rows_in_order_and_every_column(client, acme):
    now = datetime.now(UTC)
    for n in range(300):
        a_call(
            acme,
            time=now - timedelta(seconds=n),
            path=f"/customers/{n}",
            client_address=None if n % 7 else "2001:db8::1",
        )
    a_call(
        acme,
        time=now - timedelta(hours=1),
        decision="denied",
        reason="key_disabled",
        mask=True,
        user_agent="ü\U0001f511",
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_call SET status = 200, duration_ms = 12.5, bytes = 9 WHERE path = '/customers/5'")
    a_call(an_account("bolt"), path="/secret")
    a_call(None, folded=100)
    a_call(acme, folded=7, path="/folded")

    _, content = export(client)

    expected = Call.objects.filter(account_id=acme.pk).order_by("-time", "-request_id")
    assert [list(row.values()) for row in rows_of(content)] == [
        [text(getattr(call, name)) for name in CALLS.columns] for call in expected
    ]
    assert content.startswith(
        b"time,account,api,key_id,key_name,owner,credential,method,host,path,query,module,client_address,decision,reason,"
        b"rule,mask,hlr,proxy,user_agent,request_id,status,duration_ms,bytes,count\r\n"
    )
    assert content.count(b"\n") == content.count(b"\r\n") == 303
    assert [row["count"] for row in rows_of(content) if row["path"] == "/folded"] == ["7"]
    assert content.endswith(b"\r\n")


def test_the_answer_is_a_download_with_a_name_that_says_what_it_is(client, acme):
    response, _ = export(client, **{"from": "2026-11-01T00:00", "to": "2026-11-20T12:00"})

    number = Event.objects.get(name="export.started", account_id=acme.pk).number
    assert response["Content-Disposition"] == (
        f'attachment; filename="keyward-acme-api-log-20261101T000000Z-20261120T120000Z-{number}.csv"'
    )
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Cache-Control"] == "no-store"


def test_a_mark_for_excel_comes_first_when_asked_for(client):
    assert export(client)[1].startswith(b"time,")
    assert export(client, bom="on")[1].startswith(b"\xef\xbb\xbftime,")


@pytest.mark.parametrize(("name", "sign"), [("comma", ","), ("semicolon", ";"), ("tab", "\t")])
def test_the_separator_is_the_chosen_one(client, acme, name, sign):
    a_call(acme, user_agent=f"a{sign}b")
    content = export(client, separator=name)[1].decode()

    [row] = csv.DictReader(io.StringIO(content), delimiter=sign)
    assert (row["user_agent"], row["decision"]) == (f"a{sign}b", "allowed")
    assert client.post("/logs/export/", {"format": "csv", "separator": "pipe"}).status_code == 400
    assert not Event.objects.filter(name="export.started", body__contains="pipe").exists()


def test_start_and_end_are_events(client, acme):
    for _ in range(3):
        a_call(acme)

    response = client.post("/logs/export/", {"format": "csv", "decision": "allowed", "range": "24h"})
    assert not Event.objects.filter(name="export.finished", account_id=acme.pk).exists()
    started = Event.objects.get(name="export.started", account_id=acme.pk)
    content = response.getvalue()

    start = get_event_data("export.started")
    since = datetime.fromisoformat(start.pop("since"))
    assert abs(started.at - since - timedelta(hours=24)) < timedelta(seconds=10)
    assert start == {
        "log": "API log",
        "format": "csv",
        "filters": {"decision": "allowed", "range": "24h"},
        "account": "acme",
        "until": None,
        "filters_in_words": {"Decision": "Allowed"},
        "masking": "Not masked.",
        "columns": list(CALLS.columns),
        "version": settings.VERSION,
    }
    finished = get_event_data("export.finished")
    assert finished["started"] == started.number
    assert finished["rows"] == 3 == len(rows_of(content))
    assert finished["sha256"] == hashlib.sha256(content).hexdigest()
    assert not Event.objects.filter(name="export.incomplete", account_id=acme.pk).exists()


@pytest.mark.quality(20)
def test_formulas_are_neutralised_in_every_column_and_numbers_left_alone(client, acme, figure: Callable[[str], None]):
    for payload in FORMULAS + HARMLESS + NUMBERS:
        columns: dict[str, Any] = dict.fromkeys(TYPED_BY_PEOPLE, payload)
        a_call(acme, **columns | {"path": payload, "decision": "denied", "reason": payload or "-"})

    rows = rows_of(export(client)[1])[::-1]

    cells = 0
    for payload, row in zip(FORMULAS + HARMLESS + NUMBERS, rows, strict=True):
        expected = f"'{payload}" if payload in FORMULAS else payload
        assert {row[name] for name in TYPED_BY_PEOPLE} == {expected}, payload
        if payload:
            assert row["reason"] == expected
        cells += len(TYPED_BY_PEOPLE) + 1
    assert len(FORMULAS) >= 40
    figure(
        f"{len(FORMULAS)} formulas x {len(TYPED_BY_PEOPLE) + 1} columns neutralised, {len(NUMBERS)} numbers unaltered"
    )


def test_phone_numbers_are_masked_in_the_file_as_on_the_page(client, acme):
    acme.mask_phone, acme.mask_digits, acme.mask_side = True, 3, "first"
    acme.save()
    a_call(acme, path="/leads/447911123456", query="from=%2B4915112345678", key_name="447911123456")

    row = rows_of(export(client)[1])[0]

    assert (row["path"], row["query"], row["key_name"]) == (
        "/leads/447XXXXXXXXX", "from=%2B491XXXXXXXXXX", "447911123456"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"decision": "maybe"}, "maybe"),
        ({"decison": "denied"}, "There is no filter"),
        ({"format": "pdf"}, "pdf"),
        ({"format": ""}, "required"),
    ],
)
def test_a_file_that_cannot_be_made_is_refused_before_anything_is_recorded(client, acme, data, problem):
    response = client.post("/logs/export/", {"format": "csv"} | data)

    assert response.status_code == 400
    assert problem in response.content.decode()
    assert not Event.objects.filter(name="export.started", account_id=acme.pk).exists()


def test_the_dialog_carries_the_pages_filters(client):
    page = client.get("/logs/export/?decision=denied&key=a%22b").content.decode()

    assert '<input type="hidden" name="decision" value="denied">' in page
    assert '<input type="hidden" name="key" value="a&quot;b">' in page
    assert client.get("/logs/export/?decision=maybe").status_code == 400


def test_a_download_that_is_broken_off_is_recorded(client, acme):
    more_calls(a_call(acme), 1999)
    response = client.post("/logs/export/", {"format": "csv"})
    stream = iter(response.streaming_content)
    next(stream), next(stream)

    response.close()

    assert get_event_data("export.incomplete")["reason"] == "the download was broken off"
    assert 0 < get_event_data("export.incomplete")["rows"] < 2000
    assert not Event.objects.filter(name="export.finished", account_id=acme.pk).exists()


def test_a_download_that_nobody_began_to_read_is_recorded(client):
    response = client.post("/logs/export/", {"format": "csv"})

    response.close()

    assert get_event_data("export.incomplete")["rows"] == 0


def test_an_error_midway_is_raised_so_that_the_connection_is_cut_and_is_recorded(client, acme, monkeypatch):
    more_calls(a_call(acme), 999)
    monkeypatch.setattr(formats, "EXPORT_TIMEOUT_SECONDS", 0)
    response = client.post("/logs/export/", {"format": "csv"})

    with pytest.raises(formats.ExportTimeout):
        response.getvalue()

    assert get_event_data("export.incomplete")["reason"] == "ExportTimeout in the server"


def test_a_finish_that_cannot_be_recorded_breaks_the_file(client, acme, monkeypatch):
    response = client.post("/logs/export/", {"format": "csv"})
    monkeypatch.setattr(file, "record", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        response.getvalue()


def test_only_those_who_may_export_can(acme):
    for role, status in ((Role.AUDITOR, 200), (Role.ACCOUNT_READER, 403)):
        client = Client()
        client.force_login(a_user(acme, f"Bob {role.value}".replace(" ", "-"), role))
        response = client.post("/logs/export/", {"format": "csv"})
        response.close()
        assert response.status_code == status
        assert ("/logs/export/" in client.get("/logs/").content.decode()) == (status == 200)
