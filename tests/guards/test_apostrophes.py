"""Apostrophes and quotation marks are straight in all that people read, as in the contract's own words."""

from __future__ import annotations

import re

from tests.guards.test_documents import ROOT, list_tracked

# Written as escapes, because this file is searched too.
CURLY = re.compile("[\u2018\u2019\u201c\u201d]")


def test_no_file_has_curly_quotes() -> None:
    found = []
    for file in list_tracked():
        text = file.read_text(encoding="utf-8", errors="ignore")
        lines = enumerate(text.split("\n"), 1)
        found += [f"{file.relative_to(ROOT)}:{number}" for number, line in lines if CURLY.search(line)]
    assert found == []
