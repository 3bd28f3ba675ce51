"""The files as LibreOffice opens them: every cell says what the log says, as text where a program would read more.

Needs LibreOffice Calc (`soffice`).
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import Account
from audit.exports.columns import CALLS
from core.permissions import Role
from tests.factories.accounts import ADDRESS, a_user, an_account
from tests.factories.calls import a_call

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice Calc (soffice) is not installed"),
]
NOON = datetime(2026, 11, 20, 12, 0, 0, 120_000, tzinfo=UTC)
# What a spreadsheet would like to read as a number, a date, a formula or nothing at all.
TEXTS = [
    "447911123456", "+447911123456", "00420", "007", "1e5", "1.50", "-5", "12345678901234567890", "2026-11-20", "1/2",
    "TRUE", "=1+1", "=HYPERLINK(\"http://evil\")", "@SUM(1)", "+cmd|' /C calc'!A0", "-1-1", "\t=1", "'=1",
    "Zoë Łukasz", "鍵", "🔑", "مفتاح", "a,b", 'say "hi"', "a;b", " spaced ", "line\none", "100%", "#REF!", "",
]  # fmt: skip


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def exported(acme: Account) -> Callable[..., bytes]:
    for number, text in enumerate(TEXTS):
        a_call(
            acme,
            time=NOON - timedelta(minutes=number),
            key_name=text,
            owner=text,
            user_agent=text,
            path="/leads/" + text,
        )
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(a_user(acme, "Alice", Role.ADMINISTRATOR))

    def export(**data: str) -> bytes:
        return client.post("/logs/export/", data).getvalue()

    return export


def opened(path: Path, read: str = "") -> list[list[str]]:
    """Return what LibreOffice has in its cells, told as CSV in UTF-8 with every text quoted and as it is shown."""
    command = ["soffice", f"-env:UserInstallation=file://{path.parent / 'profile'}", "--headless"]
    command += [f"--infilter={read}"] if read else []
    command += ["--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false", "--outdir"]
    out = path.parent / "out"
    done = subprocess.run([*command, str(out), str(path)], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return list(csv.reader(io.StringIO((out / f"{path.stem}.csv").read_bytes().decode("utf-8"), newline="")))


def parse_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_csv_opens_as_it_was_written(exported: Callable[..., bytes], tmp_path: Path) -> None:
    """Columns as text, as the import dialog's "Text" has it."""
    content = exported(format="csv", bom="on")
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    columns = "/".join(f"{number}/2" for number in range(1, len(CALLS.columns) + 1))
    cells = opened(path, f"Text - txt - csv (StarCalc):44,34,76,1,{columns},0,false,false")
    assert cells == parse_csv(content)
    assert len(cells) == len(TEXTS) + 1


def test_a_csv_that_is_opened_without_a_word_runs_nothing(exported: Callable[..., bytes], tmp_path: Path) -> None:
    """As by a double click, every column "Standard": numbers may be read as such, but nothing is a formula."""
    content = exported(format="csv")
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    cells = opened(path, "Text - txt - csv (StarCalc):44,34,76,1,,0,false,false")
    place = list(CALLS.columns).index("key_name")
    shown, sent = [row[place] for row in cells[1:]], [row[place] for row in parse_csv(content)[1:]]
    assert len(shown) == len(sent) == len(TEXTS)
    for seen, was in zip(shown, sent, strict=True):
        if was.startswith("'"):
            assert seen.lstrip("'") == was.lstrip("'"), was
    times = [row[0] for row in cells[1:]]
    assert times[0] == "2026-11-20T12:00:00.120Z"


def test_an_xlsx_opens_as_text_cell_by_cell(exported: Callable[..., bytes], acme: Account, tmp_path: Path) -> None:
    path = tmp_path / "log.xlsx"
    path.write_bytes(exported(format="xlsx"))
    cells = opened(path)
    assert cells[0] == list(CALLS.columns)
    for name in ("key_name", "owner", "user_agent"):
        place = cells[0].index(name)
        assert [row[place] for row in cells[1:]] == TEXTS, name
    assert [row[cells[0].index("path")] for row in cells[1:]] == [f"/leads/{text}" for text in TEXTS]
    assert [row[0] for row in cells[1:]] == [
        f"{NOON - timedelta(minutes=number):%Y-%m-%dT%H:%M:%S}.120Z" for number in range(len(TEXTS))
    ]
