"""Find lines and columns of values in a document's text. Computed only when there are findings to report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from json import decoder
from typing import Any

import yaml

Pointer = tuple[str, ...]
# The places to find, as a tree: {name: subtree}.
_Targets = dict[str, Any]
# json's scanners, in C: from (text, index) to the value that begins there and the index of its end.
_skip_value: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_read_name: Any = decoder.scanstring  # type: ignore[attr-defined]
_blank = re.compile(r"[ \t\r\n]*").match


def locate(text: str, pointers: Iterable[Pointer]) -> dict[Pointer, tuple[int, int]]:
    """Return line and column, counted from 1, of each pointer's value.

    A value that is not in the text, such as one that an alias or a merge key adds, has the position of its nearest
    ancestor. The text must have been parsed without an error before.
    """
    pointers = list(pointers)
    targets: _Targets = {}
    for pointer in pointers:
        level = targets
        for name in pointer:
            level = level.setdefault(name, {})
    found = _locate_in_json(text, targets) if text.lstrip()[:1] in ("{", "[") else _locate_in_yaml(text, targets)
    return {pointer: _get_nearest(found, pointer) for pointer in pointers}


def _get_nearest(found: dict[Pointer, tuple[int, int]], pointer: Pointer) -> tuple[int, int]:
    while pointer and pointer not in found:
        pointer = pointer[:-1]
    return found.get(pointer, (1, 1))


def _locate_in_json(text: str, targets: _Targets) -> dict[Pointer, tuple[int, int]]:
    found: dict[Pointer, int] = {}
    _visit(text, _skip_blank(text, 0), targets, (), found)
    places, line, start, counted_to = {}, 1, 0, 0
    for pointer, offset in sorted(found.items(), key=lambda item: item[1]):
        if breaks := text.count("\n", counted_to, offset):
            line, start = line + breaks, text.rindex("\n", counted_to, offset) + 1
        counted_to = offset
        places[pointer] = line, offset - start + 1
    return places


def _visit(text: str, index: int, targets: _Targets, pointer: Pointer, found: dict[Pointer, int]) -> int:
    """Record where the value at `index` and the targets in it begin, and return the index of its end.

    Everything else is skipped by json's own scanner.
    """
    found[pointer] = index
    opening = text[index]
    if not targets or opening not in "{[":
        return int(_skip_value(text, index)[1])
    index, number = _skip_blank(text, index + 1), 0
    while text[index] not in "}]":
        name = str(number)
        if opening == "{":
            name, index = _read_name(text, index + 1)
            index = _skip_blank(text, _skip_blank(text, index) + 1)
        if name in targets:
            index = _visit(text, index, targets[name], (*pointer, name), found)
        else:
            index = int(_skip_value(text, index)[1])
        index, number = _skip_blank(text, index), number + 1
        if text[index] == ",":
            index = _skip_blank(text, index + 1)
    return index + 1


def _skip_blank(text: str, index: int) -> int:
    match = _blank(text, index)
    return match.end() if match else index


class _Container:
    """An open mapping or list in the event stream. `targets` is None if nothing in it is to be found."""

    def __init__(self, pointer: Pointer, targets: _Targets | None, *, is_list: bool) -> None:
        self.pointer, self.targets, self.is_list = pointer, targets, is_list
        self.number, self.name = 0, None if not is_list else "0"

    def step(self) -> None:
        """Advance to the next name or number."""
        self.number += 1
        self.name = str(self.number) if self.is_list else None


def _locate_in_yaml(text: str, targets: _Targets) -> dict[Pointer, tuple[int, int]]:
    found: dict[Pointer, tuple[int, int]] = {}
    opened: list[_Container] = []
    for event in _list_node_events(text):
        if isinstance(event, yaml.CollectionEndEvent):
            opened.pop()
        elif opened and opened[-1].name is None:
            opened[-1].name = getattr(event, "value", "")
            continue
        else:
            holder = opened[-1] if opened else None
            pointer: Pointer = (*holder.pointer, holder.name or "") if holder and holder.targets is not None else ()
            inner = targets if holder is None else (holder.targets or {}).get(holder.name or "")
            if inner is not None:
                found[pointer] = event.start_mark.line + 1, event.start_mark.column + 1
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append(_Container(pointer, inner, is_list=isinstance(event, yaml.SequenceStartEvent)))
                continue
        if opened:
            opened[-1].step()
    return found


def _list_node_events(text: str) -> Iterator[Any]:
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, (yaml.NodeEvent, yaml.CollectionEndEvent)):
            yield event
