"""Parse JSON into plain values, with limits for hostile input; faults are reported with line and column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

from keys.apis import file_limits
from keys.apis.file_limits import TOO_MANY_DIGITS, UnreadableFile, format_repeated_name, parse_finite_float

# An unterminated string extends to the end of the text, so that the search is a single pass.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)'
_STRINGS = re.compile(_STRING, re.DOTALL)
_TOKENS = re.compile(rf'(?P<string>{_STRING})|(?P<mark>[{{}}\[\],:])|(?P<word>[^\s"{{}}\[\],:]++)', re.DOTALL)


class _Fault(Exception):
    """The text holds something that is valid for the parser, and not for us."""


def parse_json(text: str) -> Any:
    """Return the value. Raise UnreadableFile."""
    if _count_values(text) > file_limits.MAX_VALUES:
        raise UnreadableFile(file_limits.format_too_many())
    try:
        return json.loads(
            text,
            object_pairs_hook=_build_mapping,
            parse_constant=_reject,
            parse_int=_parse_integer,
            parse_float=parse_finite_float,
        )
    except (_Fault, UnreadableFile):
        # The parser's hooks are not told where they are.
        raise UnreadableFile("\n".join(islice(_list_faults(text), file_limits.MAX_FAULTS_LISTED))) from None
    except RecursionError as error:
        raise UnreadableFile(file_limits.format_too_deep()) from error
    except ValueError as error:
        raise UnreadableFile(f"Invalid JSON: {error}.") from error


def _build_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise _Fault
    return mapping


def _reject(word: str) -> NoReturn:
    raise _Fault


def _parse_integer(digits: str) -> int:
    if len(digits) > file_limits.MAX_DIGITS:
        raise _Fault
    return int(digits)


def _count_values(text: str) -> int:
    """Return an upper bound of the number of values in a JSON text, before any is created."""
    if text.count(",") + text.count("[") + text.count("{") > file_limits.MAX_VALUES:
        text = _STRINGS.sub("", text)
    return text.count(",") + text.count("[") + text.count("{")


def _list_faults(text: str) -> Iterator[str]:
    """Yield what the hooks of the parser reject, in the order of the text."""
    # The names of each open object so far; None for each open list.
    opened: list[set[str] | None] = []
    expects_name = False
    for token in _TOKENS.finditer(text):
        value = token[0]
        names = opened[-1] if opened else None
        if token["mark"]:
            if value in "{[":
                opened.append(set() if value == "{" else None)
            elif value in "}]" and opened:
                opened.pop()
            expects_name = value == "{" or (value == "," and names is not None)
        elif token["word"]:
            if problem := _find_word_problem(value):
                line, column = _get_position(text, token.start())
                yield f"Line {line}, column {column}: {problem}"
        elif names is not None and expects_name:
            expects_name = False
            # Two names may differ in their escapes alone.
            name = json.loads(value, strict=False) if "\\" in value else value[1:-1]
            if name in names:
                yield format_repeated_name(name, *_get_position(text, token.start()))
            names.add(name)


def _find_word_problem(word: str) -> str:
    if word in ("NaN", "Infinity", "-Infinity"):
        return f"{word} is not valid JSON. Write a number or a string."
    if re.fullmatch(r"-?[0-9]+", word):
        return TOO_MANY_DIGITS if len(word) > file_limits.MAX_DIGITS else ""
    try:
        parse_finite_float(word)
    except UnreadableFile as error:
        return str(error)
    except ValueError:
        pass
    return ""


def _get_position(text: str, index: int) -> tuple[int, int]:
    """Return line and column, from 1."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
