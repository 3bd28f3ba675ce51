"""What differs between two texts, line by line, and never too much of it."""

from __future__ import annotations

import time

import pytest

from keys.apis import text_difference
from keys.apis.text_difference import MAX_SHOWN, compare_texts

OLD = "\n".join(f"line {n}" for n in range(20))


def format_difference(old: str, new: str) -> list[str]:
    signs = {"same": "  ", "removed": "- ", "added": "+ ", "gap": ""}
    return [f"{signs[line.kind]}{line.text}" for line in compare_texts(old, new)[0]]


def test_a_line_that_changed_stands_between_three_that_did_not() -> None:
    assert format_difference(OLD, OLD.replace("line 10", "line ten")) == [
        *("  line 7", "  line 8", "  line 9"),
        *("- line 10", "+ line ten"),
        *("  line 11", "  line 12", "  line 13"),
    ]


def test_what_lies_far_apart_has_a_gap_between() -> None:
    found = format_difference(OLD, OLD.replace("line 2\n", "").replace("line 18", "line x"))

    assert [line for line in found if line[0] in "-+…"] == ["- line 2", "…", "- line 18", "+ line x"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a", "a", []),
        ("", "a\nb", ["+ a", "+ b"]),
        ("a\nb", "", ["- a", "- b"]),
        ("a\na\na", "a\na", ["  a", "  a", "- a"]),
        ("a\nb", "a\nb\nc", ["  a", "  b", "+ c"]),
    ],
)
def test_the_edges_of_a_text(old: str, new: str, expected: list[str]) -> None:
    assert format_difference(old, new) == expected


@pytest.mark.slow
def test_very_much_is_neither_compared_nor_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = ("\n".join(f"{side} {n}" for n in range(20_000)) for side in ("old", "new"))
    began = time.process_time()
    lines, more = compare_texts(old, new)

    assert time.process_time() - began < 2
    assert lines[0].text == "These 20,000 lines are replaced by 20,000."
    assert (len(lines), more) == (MAX_SHOWN, 40_001 - MAX_SHOWN)
    monkeypatch.setattr(text_difference, "MAX_COMPARED", 5)
    assert format_difference(OLD, OLD.replace("line 10", "line ten"))[:2] == [
        "These 7 lines are replaced by 7.",
        "- line 7",
    ]
