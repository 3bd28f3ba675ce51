"""Both logs in every format, what signs them, and what keeps them from taking the portal over."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
from django.test import Client
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from accounts.models import Account
from audit.exports import file
from audit.exports.columns import CALLS, EVENTS
from audit.models import Event
from audit.trail.selectors import list_events
from core.phone_masking import Mask
from tests.factories.calls import a_call

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("signed_in")]
STANDALONE = Path(__file__).parents[2] / "examples" / "verify_export.py"
PHONE = "/leads/447911123456"
HOSTILE = [
    "to=447911123456",
    '"447911123456"',
    '"',
    "\\",
    '\\u0001447911123456\\u0002"',
    "=1+1",
    "00420",
    "ü\U0001f511",
    "a,b",
    "{}",
    "_x0041_",
    "_x0041_x0042_",
    "_x0041__x0042_x000A_x",
    "__x005F_x0041_x0041_x0041",
    " a ",
    '"\\u0001x\\u0002"',
    "line\none",
    "\r\nline\ttwo\r",
    "_x000A_\n",
]


def exported(client: Client, log: str = "logs", **data: str) -> bytes:
    response = client.post(f"/{log}/export/", data)
    assert response.status_code == 200, response.content
    return response.getvalue()


def sheet(content: bytes) -> list[list[str]]:
    """Cells as Excel reads them: what reads them here leaves `_x0041_` as it stands (ECMA-376 ST_Xstring)."""
    book = load_workbook(io.BytesIO(content), read_only=True)
    return [["" if cell is None else unescape(cell) for cell in row] for row in book.active.iter_rows(values_only=True)]


def lines(content: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in content.decode().splitlines()]


def test_json_lines_hold_every_column_with_its_type(client: Client, acme: Account) -> None:
    a_call(acme, mask=True, client_address=None, query='q="x"')
    (row,) = lines(exported(client, format="jsonl"))
    assert list(row) == list(CALLS.columns)
    assert (row["mask"], row["hlr"], row["status"], row["client_address"]) == (True, False, None, None)
    assert row["query"] == 'q="x"'
    assert str(row["time"]).endswith("Z")


def test_hostile_texts_come_back_as_they_were(client: Client, acme: Account) -> None:
    for text in HOSTILE:
        a_call(acme, user_agent=text, query=text)
    rows = lines(exported(client, format="jsonl"))
    assert sorted(str(row["query"]) for row in rows) == sorted(HOSTILE)
    cells = sheet(exported(client, format="xlsx"))
    place = cells[0].index("user_agent")
    assert sorted(row[place] for row in cells[1:]) == sorted(HOSTILE)


@pytest.mark.parametrize("log", ["logs", "audit"])
@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx"])
def test_a_file_without_rows_is_delivered_before_its_end_is_recorded(
    client: Client, acme: Account, log: str, format: str
) -> None:
    """An export without rows is an answer, too."""
    response = client.post(f"/{log}/export/", {"format": format, "from": "2001-01-01T00:00", "to": "2001-01-02T00:00"})
    assert response.status_code == 200
    assert not list_events(acme.pk).filter(name__in=("export.finished", "export.incomplete")).exists()

    content = response.getvalue()

    finished = json.loads(list_events(acme.pk).get(name="export.finished").body)["data"]
    assert (finished["rows"], finished["sha256"]) == (0, hashlib.sha256(content).hexdigest())
    if format == "jsonl":
        assert content == b""
    else:
        assert len(sheet(content) if format == "xlsx" else content.splitlines()) == 1


def test_what_xml_cannot_hold_is_replaced_in_a_sheet_alone(client: Client, acme: Account) -> None:
    text = "a\x03\x04\x0b\x1f\uffffb"
    a_call(acme, user_agent=text)
    cells = sheet(exported(client, format="xlsx"))
    assert cells[1][cells[0].index("user_agent")] == "a" + "\ufffd" * 5 + "b"
    assert lines(exported(client, format="jsonl"))[0]["user_agent"] == text


def test_phone_numbers_are_hidden_in_every_format(client: Client, acme: Account) -> None:
    Account.objects.filter(pk=acme.pk).update(mask_phone=True, mask_digits=4, mask_side="last")
    for text in HOSTILE:
        a_call(acme, path=PHONE, query=text)
    assert {row["path"] for row in lines(exported(client, format="jsonl"))} == {"/leads/XXXXXXXX3456"}
    mask = Mask(4, "last")
    queries = [str(row["query"]) for row in lines(exported(client, format="jsonl"))]
    assert sorted(queries) == sorted(mask.mask(text) for text in HOSTILE)
    cells = sheet(exported(client, format="xlsx"))
    assert {row[cells[0].index("path")] for row in cells[1:]} == {"/leads/XXXXXXXX3456"}


def test_a_sheet_is_text_cell_by_cell(client: Client, acme: Account) -> None:
    a_call(acme, owner="00420", key_name="=1+1", user_agent="+447911123456")
    cells = sheet(exported(client, format="xlsx"))
    assert cells[0] == list(CALLS.columns)
    row = dict(zip(cells[0], cells[1], strict=True))
    assert (row["owner"], row["key_name"], row["user_agent"]) == ("00420", "=1+1", "+447911123456")
    assert {type(cell) for cell in cells[1]} == {str}


def test_more_rows_than_a_sheet_holds_are_refused_and_csv_is_offered(
    client: Client, acme: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "MAX_ROWS", 2)
    for _ in range(3):
        a_call(acme)
    response = client.post("/logs/export/", {"format": "xlsx"})
    assert response.status_code == 422
    assert "Export as CSV instead" in response.content.decode()
    assert not Event.objects.filter(name="export.started", account_id=acme.pk).exists()


@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx"])
def test_the_trail_is_exported_with_the_pages_filters(client: Client, acme: Account, format: str) -> None:
    exported(client, format="csv")
    content = exported(client, "audit", format=format, event="export.started")
    recorded = list(list_events(acme.pk).filter(name="export.started").order_by("-seq"))
    if format == "jsonl":
        found = [row["number"] for row in lines(content)]
    elif format == "xlsx":
        found = [int(row[1]) for row in sheet(content)[1:]]
    else:
        assert content.startswith((",".join(EVENTS.columns) + "\r\n").encode())
        found = [int(line.split(",")[1]) for line in content.decode().splitlines()[1:]]
    # The export of the trail is itself in the trail.
    assert found == [event.number for event in recorded]


def test_exports_leave_threads_for_pages(client: Client, acme: Account) -> None:
    running = [client.post("/logs/export/", {"format": "csv"}) for _ in range(file.MAX_CONCURRENT_EXPORTS)]
    refused = client.post("/logs/export/", {"format": "csv"})
    assert refused.status_code == 503
    assert "Try again" in refused.content.decode()
    for response in running:
        response.close()
    assert exported(client, format="csv")
