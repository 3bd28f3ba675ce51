"""YAML and JSON from strangers become plain values, or a clear answer, soon."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from keys.apis import file_limits, yaml_loader
from keys.apis.file_limits import MAX_BYTES, UnreadableFile
from keys.apis.yaml_loader import load_file
from tests.parsing import parse_bytes

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {k0: 1}\n" + "".join(
    f"a{n}: &a{n}\n  k{n}: 1\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200: ok", {"200": "ok"}),
        ("on: yes\noff: no\nnull: ~", {"on": "yes", "off": "no", "null": None}),
        (
            "a: 2024-05-06\nb: 2024-05-06T07:08:09Z\nc: 12:30:45",
            {"a": "2024-05-06", "b": "2024-05-06T07:08:09Z", "c": "12:30:45"},
        ),
        (
            "a: true\nb: False\nc: 'true'\nd: \"1\"\ne: !!str 1",
            {"a": True, "b": False, "c": "true", "d": "1", "e": "1"},
        ),
        ("a: 010\nb: 0o10\nc: 0x1F\nd: -3\ne: 1_000", {"a": 10, "b": 8, "c": 31, "d": -3, "e": "1_000"}),
        ("a: 1.5\nb: .5\nc: 1e3\nd: .inf\ne: .nan", {"a": 1.5, "b": 0.5, "c": 1000.0, "d": ".inf", "e": ".nan"}),
        ("a:\nb: ''\nc: |\n  x\n  y\n", {"a": None, "b": "", "c": "x\ny\n"}),
        ("a: &x {b: 1}\nc: *x\nd: *x", {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ('{"a": [1, null, true, "\\ud83d\\ude00"]}', {"a": [1, None, True, "😀"]}),
        ("\ufeffa: ü", {"a": "ü"}),
    ],
)
def test_yaml_is_read_by_the_core_schema_and_json_as_it_is(text: str, value: Any):
    assert parse_bytes(text.encode()) == value
    assert json.loads(json.dumps(parse_bytes(text.encode()))) == value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (LAUGHS, "more than 1,000,000 values"),
        (MERGES, "more than 1,000,000 values"),
        ("a: &a [*a]", "the alias *a does not refer to a complete anchor"),
        ("a: *b", "the alias *b does not refer"),
        ("a: 1\na: 2", "Line 2, column 1: the name 'a' appears twice"),
        ('{"a": 1, "a": 2}', "Line 1, column 10: the name 'a' appears twice"),
        ("? [a, b]\n: 1", "a key that is not a string"),
        ("a: !!python/object/apply:os.system [true]", "tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !!timestamp 2024-05-06", "the tag tag:yaml.org,2002:timestamp"),
        ("a: !include /etc/passwd", "the tag !include"),
        ("a: <<\nb:\n  <<: 3", "<< can only merge mappings"),
        ('a: "b\\0c"', "'\\x00'"),
        ('"b\\0c": a', "'\\x00'"),
        ('{"a": "\\ud800"}', "'\\ud800'"),
        ('{"a": NaN}', "Line 1, column 7: NaN is not valid JSON"),
        ('{"a":\n1e999}', "Line 2, column 1: A number is too large"),
        ("a: 1e999", "too large"),
        ('{"a": ' + "9" * 5000 + "}", "more than 100 digits"),
        ('{"a": ' + "9" * 200 + "}", "more than 100 digits"),
        ("[" * 100_000, "More than 100"),
        ("- " * 100_000, "More than 100"),
        ("{a: " * 100_000, "Invalid JSON"),
        ("a:\n" + "".join(" " * n + "a:\n" for n in range(1, 150)), "More than 100"),
        ('{"a":' * 150 + "1" + "}" * 150, "More than 100"),
        ("a: [1, 2", "Invalid YAML"),
        ("a: \x07", "Invalid YAML"),
        ("a: 1\n---\nb: 2", "Line 2, column 1: a second YAML document starts here"),
        ("", "no YAML document"),
        ('{"a": }', "Invalid JSON: Expecting value: line 1"),
    ],
    ids=lambda text: text[:20].encode("unicode_escape").decode(),
)
def test_what_is_hostile_or_broken_gets_a_clear_answer_soon(text: str, named: str):
    began = time.process_time()

    with pytest.raises(UnreadableFile) as refused:
        parse_bytes(text.encode())

    assert named in str(refused.value)
    assert len(str(refused.value)) < 400
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "text",
    ["- a\n" * 1001, "[" + "1," * 1000 + "1]", "[" + "[]," * 1000 + "[]]", '{"a": [' + '{"b": ",,,"},' * 600 + "{}]}"],
    ids=lambda text: text[:9].strip(),
)
def test_too_many_values_are_refused_and_what_stands_in_texts_is_none(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(file_limits, "MAX_VALUES", 1000)

    with pytest.raises(UnreadableFile, match="more than 1,000 values"):
        parse_bytes(text.encode())

    few = json.dumps(["[,{" * 2000, '\\",' * 2000])
    assert parse_bytes(few.encode()) == json.loads(few)


def test_too_many_values_are_counted_before_json_makes_any(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json, "loads", pytest.fail)

    with pytest.raises(UnreadableFile, match="more than 1,000,000 values"):
        parse_bytes(b"[" + b"[]," * 5_000_000 + b"[]]")


REPEATED = """{"a": {"b": 1, "c": [{"b": 1}, {"b": 2}], "\\u0062": 3},
 "d": "{\\"a\\": 1,", "e:": [], "e": 1,
  "e:": 2, "a": NaN}"""


@pytest.mark.parametrize("text", [REPEATED, REPEATED.replace("{", "\ufeff{", 1)])
def test_all_names_that_are_there_twice_are_told_each_with_its_place(text: str):
    with pytest.raises(UnreadableFile) as refused:
        parse_bytes(text.encode())

    assert str(refused.value).splitlines() == [
        "Line 1, column 43: the name 'b' appears twice in one mapping. Remove one.",
        "Line 3, column 3: the name 'e:' appears twice in one mapping. Remove one.",
        "Line 3, column 12: the name 'a' appears twice in one mapping. Remove one.",
        "Line 3, column 17: NaN is not valid JSON. Write a number or a string.",
    ]


def test_all_names_that_are_there_twice_in_yaml_are_told_each_with_its_place():
    with pytest.raises(UnreadableFile) as refused:
        parse_bytes(b"a: {b: 1, c: 2, b: 3}\n'a': 1\nd:\n  - e: 1\n    e: 2\n")

    assert [line.partition(" appears")[0] for line in str(refused.value).splitlines()] == [
        "Line 1, column 17: the name 'b'",
        "Line 2, column 1: the name 'a'",
        "Line 5, column 5: the name 'e'",
    ]


@pytest.mark.parametrize("text", ['{"a": 1' + ', "a": 2' * 90_000 + "}", "a: 1\n" * 90_000])
def test_thousands_of_names_that_are_there_twice_are_told_up_to_a_limit(text: str):
    began = time.process_time()

    with pytest.raises(UnreadableFile) as refused:
        parse_bytes(text.encode())

    assert len(str(refused.value).splitlines()) == file_limits.MAX_FAULTS_LISTED
    assert time.process_time() - began < 5


def test_what_is_not_utf8_is_refused():
    with pytest.raises(UnreadableFile, match="Byte 3 is not UTF-8"):
        parse_bytes(b"a: \xff")


@pytest.mark.parametrize("size", [50_000_000, MAX_BYTES + 1])
def test_a_file_that_is_too_large_is_refused_without_being_parsed(tmp_path: Path, size: int, monkeypatch: Any):
    monkeypatch.setattr(yaml_loader, "_parse_yaml", pytest.fail)
    monkeypatch.setattr(yaml_loader, "parse_json", pytest.fail)
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(size)
    began = time.process_time()

    with pytest.raises(UnreadableFile, match="larger than 16,000,000 bytes"):
        load_file(large)

    assert time.process_time() - began < 1


def test_a_file_without_end_is_refused_too():
    with pytest.raises(UnreadableFile, match="larger than 16,000,000 bytes"):
        load_file(Path("/dev/zero"))


def test_what_is_no_file_is_named(tmp_path: Path):
    with pytest.raises(UnreadableFile, match="No such file"):
        load_file(tmp_path / "absent.yaml")
    with pytest.raises(UnreadableFile, match="Is a directory"):
        load_file(tmp_path)
