"""Lines and files of entries: what is read from them, and the clear answer for what cannot be read."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from keys.ip_lists import entry_parser
from keys.ip_lists.entry_parser import FORMULA, EntryRow, UnreadableEntries, parse_file, parse_text


def workbook(*rows: list[Any]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("203.0.113.7", [EntryRow(1, "203.0.113.7")]),
        ("203.0.113.7, Berlin, no", [EntryRow(1, "203.0.113.7", "Berlin", "no")]),
        ("203.0.113.7;Berlin, office", [EntryRow(1, "203.0.113.7", "Berlin, office")]),
        ("203.0.113.7\tBerlin", [EntryRow(1, "203.0.113.7", "Berlin")]),
        ("203.0.113.7 Berlin office", [EntryRow(1, "203.0.113.7", "Berlin office")]),
        ("203.0.113.7 # office", [EntryRow(1, "203.0.113.7", "office")]),
        (
            "203.0.113.7#office, 2nd floor; left\n::1",
            [EntryRow(1, "203.0.113.7", "office, 2nd floor; left"), EntryRow(2, "::1")],
        ),
        ("::1, Berlin\n::2 # office #2, left", [EntryRow(1, "::1", "Berlin"), EntryRow(2, "::2", "office #2, left")]),
        ("description,network\nBerlin # 2,::1", [EntryRow(2, "::1", "Berlin # 2")]),
        ("\r\n# ours\r\n\r\n203.0.113.7\r\n  \r\n::1\r\n", [EntryRow(4, "203.0.113.7"), EntryRow(6, "::1")]),
        ("203.0.113.7\r::1", [EntryRow(1, "203.0.113.7"), EntryRow(2, "::1")]),
        ("Description,Network\nBerlin,203.0.113.7", [EntryRow(2, "203.0.113.7", "Berlin")]),
        ("IP address\n203.0.113.7", [EntryRow(2, "203.0.113.7")]),
        ("network,description,enabled,created\n::1,,true,2026-01-01", [EntryRow(2, "::1", "", "true")]),
        ('::1,"a, ""quoted"" one"', [EntryRow(1, "::1", 'a, "quoted" one')]),
        ('::1,"two\nlines"\n::2', [EntryRow(1, "::1", "two\nlines"), EntryRow(3, "::2")]),
        ("::1,'=1+1", [EntryRow(1, "::1", "=1+1")]),
        ("::1,'tis", [EntryRow(1, "::1", "'tis")]),
        ("::1,a,no,b", [EntryRow(1, "::1", "a", "no", "b")]),
        (",Berlin", [EntryRow(1, "", "Berlin")]),
    ],
)
def test_lines_become_rows(text: str, rows: list[EntryRow]):
    assert parse_text(text).rows == rows


@pytest.mark.parametrize(
    "content",
    [
        "::1,Zürich".encode(),
        "::1,Zürich".encode("utf-8-sig"),
        "::1,Zürich".encode("utf-16"),
        b"\xfe\xff" + "::1,Zürich".encode("utf-16-be"),
        workbook(["::1", "Zürich"]),
        workbook(["description", "network"], ["Zürich", "::1"]),
        workbook([None], ["# ours"], ["::1", "Zürich", None]),
    ],
)
def test_files_of_every_kind_become_rows(content: bytes):
    table = parse_file(content)

    assert [(row.network, row.description) for row in table.rows] == [("::1", "Zürich")]
    assert table.note == ""


def test_a_guessed_encoding_is_told():
    table = parse_file("::1,Zürich".encode("cp1252"))

    assert table.rows[0].description == "Zürich"
    assert "Windows-1252" in table.note


def test_cells_of_a_workbook_are_taken_as_they_are_shown():
    rows = parse_file(workbook(["network", "description", "enabled"], ["::1", 12, True], ["::2", "=1+1", False])).rows

    assert rows == [EntryRow(2, "::1", "12", "true"), EntryRow(3, "::2", FORMULA, "false")]


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def far_away() -> bytes:
    """Return a workbook of one row, far below."""
    book, file = Workbook(), io.BytesIO()
    book.active.cell(row=900_000, column=1, value="::1")
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "No entries found"),
        (b"# nothing\n\n", "No entries found"),
        (b"network,description", "No entries found"),
        (b"\x89PNG\r\n\x1a\n\0\0", "neither a text file nor an XLSX workbook"),
        (b"\x81\x8d\x8f", "encoding is unknown"),
        (b"\xff\xfe\x00\xd8", "says that it is UTF-16"),
        (b"\xef\xbb\xbf\xff", "says that it is UTF-8"),
        (b"network,owner\n::1,me", "Unknown column 'owner'. The columns are network, description, enabled"),
        (b"network,network\n::1,::1", "'network' appears twice"),
        (b"::1\n" * 10_001, "more than 10,000 entries"),
        (b"x" * 1_000_001, "at most 1,000 kB"),
        (b"PK\x03\x04nonsense", "cannot be read"),
        (zipped("x", b"x"), "cannot be read"),
        (zipped("x", b"\0" * 40_000_000), "more than 16 MB once unpacked"),
        (far_away(), "more than 50,000 lines"),
        (b"::1," + b'"x' * 20_000, "Line 1 has a cell of more than 32,767 characters. Check its quotation marks"),
        (b"::1\n::2," + b'"x' * 200_000, "Line 2 has a cell of more than 32,767 characters"),
    ],
)
def test_what_cannot_be_read_is_said_plainly(content: bytes, message: str):
    with pytest.raises(UnreadableEntries, match=message):
        parse_file(content)


def test_a_workbook_with_entities_expands_nothing():
    """The billion laughs in a sheet's own XML."""
    bomb = b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
        b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
    )
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook(["::1"]))) as good, zipfile.ZipFile(file, "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name.endswith("sheet1.xml"):
                content = bomb + b"]>" + content.replace(b"::1", b"&j;")
            bad.writestr(name, content)

    with pytest.raises(UnreadableEntries):
        parse_file(file.getvalue())


@settings(max_examples=2 * settings().max_examples)
@given(st.binary(max_size=2000) | st.text(max_size=1000).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes):
    try:
        table = parse_file(content)
    except UnreadableEntries:
        return
    assert 0 < len(table.rows) <= entry_parser.MAX_LINES
