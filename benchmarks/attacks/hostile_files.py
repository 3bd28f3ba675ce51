"""Files of at most 100 kB that would be expensive to parse, each with what its refusal must name."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/xl/sharedStrings.xml" ContentType="{TYPES}.sharedStrings+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{TYPES}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
    '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
}


def workbook(rows: str = "", strings: str = "", **parts: str) -> bytes:
    file = io.BytesIO()
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    sheets = {"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>'}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in (PARTS | sheets | parts).items():
            archive.writestr(name, text)
    return file.getvalue()


def inline(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'


CELL = '<c t="n"><v>1</v></c>'
GOOD = f"<row>{inline('203.0.113.7')}{inline('Berlin')}</row>"
# Each with what the refusal must name. Counts are as large as 100 kB, compressed, allow.
SHEETS: dict[str, tuple[Callable[[], bytes], str]] = {
    "cells in one row": (lambda: workbook(f"<row>{CELL * 500_000}</row>"), "more than 50 cells"),
    "cells in one row, a few": (lambda: workbook(f"<row>{CELL * 51}</row>"), "more than 50 cells"),
    "cells without a row": (lambda: workbook(CELL * 400_000), "more than 50 cells"),
    "cells with a prefix": (
        lambda: workbook(f"<x:row>{'<x:c/>' * 300_000}</x:row>".replace("x:row>", f'x:row xmlns:x="{MAIN}">', 1)),
        "more than 50 cells",
    ),
    "rows of many cells": (lambda: workbook(f"<row>{CELL * 50}</row>" * 10_000), "is too large"),
    "empty rows": (lambda: workbook('<row r="1"/>' * 1_000_000), "is too large"),
    "rows of nothing": (lambda: workbook("<row></row>" * 1_000_000), "is too large"),
    "rows beyond the limit": (lambda: workbook("<row/>" * 50_001), "is too large"),
    "a row far below": (lambda: workbook(f'<row r="1048576">{inline("::1")}</row>'), "lines"),
    "shared strings": (lambda: workbook(GOOD, "<si><t>a</t></si>" * 700_000), "is too large"),
    "empty strings": (lambda: workbook(GOOD, "<si/>" * 1_000_000), "is too large"),
    "rich strings": (lambda: workbook(GOOD, f"<si>{'<r><t>a</t></r>' * 500_000}</si>"), "is too large"),
    "a long cell": (lambda: workbook(f"<row>{inline('a' * 10_000_000)}</row>"), "32,767 characters"),
    "a cell just too long": (lambda: workbook(f"<row>{inline('a' * 32_768)}</row>"), "32,767 characters"),
    "a long string": (lambda: workbook(GOOD, f"<si><t>{'a' * 10_000_000}</t></si>"), "32,767 characters"),
    "a long number": (lambda: workbook(f'<row><c t="n"><v>{"1" * 8_000_000}</v></c></row>'), "32,767 characters"),
    "blanks": (lambda: workbook(" " * 15_000_000), "32,767 characters"),
    "depth": (lambda: workbook("<a>" * 50_000 + "</a>" * 50_000), "is malformed"),
    "depth in strings": (lambda: workbook(GOOD, "<si>" * 50_000 + "</si>" * 50_000), "is malformed"),
    "attributes": (lambda: workbook(f"<row {' '.join(f'a{n}=' + chr(34) * 2 for n in range(40_000))}/>"), ""),
    "entities": (
        lambda: workbook(**{"xl/sharedStrings.xml": '<!DOCTYPE a [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><a>&c;</a>'}),
        "declares XML entities",
    ),
    "styles": (
        lambda: workbook(GOOD, **{"xl/styles.xml": f"<styleSheet>{'<xf/>' * 500_000}</styleSheet>"}),
        "is too large",
    ),
    "relations": (
        lambda: workbook(
            GOOD, **{"xl/_rels/workbook.xml.rels": f"<Relationships>{'<Relationship/>' * 300_000}</Relationships>"}
        ),
        "is too large",
    ),
    "content types": (
        lambda: workbook(GOOD, **{"[Content_Types].xml": f"<Types>{'<Default/>' * 500_000}</Types>"}),
        "is too large",
    ),
    "sheets": (
        lambda: workbook(GOOD, **{"xl/workbook.xml": f"<workbook><sheets>{'<sheet/>' * 500_000}</sheets></workbook>"}),
        "is too large",
    ),
    "parts": (lambda: workbook(GOOD, **{f"xl/part{n}.xml": "<a/>" for n in range(600)}), "more than 200 parts"),
    "unpacked": (lambda: workbook(GOOD, **{"xl/media.bin": "a" * 40_000_000}), "more than 16 MB once unpacked"),
    "cut off": (lambda: workbook(GOOD)[:-30], "cannot be read"),
    "no XML": (lambda: workbook(**{"xl/worksheets/sheet1.xml": "<worksheet"}), "cannot be read"),
    "no sheet": (lambda: workbook(**{"xl/workbook.xml": f'<workbook xmlns="{MAIN}"/>'}), "cannot be read"),
}


def aliases() -> bytes:
    """Return YAML whose lines each stand for nine times the one before."""
    lines = [b"a0: &a0 [x]", *(b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 30))]
    return b"\n".join(lines)


def merges() -> bytes:
    names = b", ".join(b"k%d: 1" % n for n in range(3_000))
    return b"a: &a {" + names + b"}\nb:\n" + b"- {<<: *a}\n" * 4_000


DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "digits": (b'{"openapi": ' + b"1" * 90_000 + b"}", "more than 100 digits"),
    "negative digits": (b"[-" + b"9" * 90_000 + b"]", "more than 100 digits"),
    "digits of a float": (b"[1." + b"1" * 90_000 + b"e5]", ""),
    "exponent": (b"[1e999999999]", "too large"),
    "depth": (b"[" * 50_000 + b"]" * 50_000, "are nested in each other"),
    "depth of objects": (b'{"a":' * 15_000 + b"1" + b"}" * 15_000, "are nested in each other"),
    "YAML digits": (b"openapi: " + b"1" * 90_000, ""),
    "YAML depth": (b"[" * 50_000 + b"]" * 50_000, "are nested in each other"),
    "YAML flow": (b"a: " + b"{b: " * 19_000 + b"}" * 19_000, "are nested in each other"),
    "aliases": (aliases(), "more than 1,000,000 values"),
    "merges": (merges(), "values"),
    "anchors": (b"".join(b"- &a%d x\n" % n for n in range(7_000)), ""),
}  # fmt: skip
