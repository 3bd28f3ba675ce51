"""Parse YAML or JSON into values that the database can store, with limits for hostile input.

YAML is parsed by the core schema of YAML 1.2, as OpenAPI requires: `on`, `yes` and times are texts, keys are always
texts (`200:`), and only texts, numbers, booleans and null are created. The value is built from the parser's events, so
that limits apply while parsing: nested aliases cannot expand beyond them ("billion laughs").
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from keys.apis import file_limits
from keys.apis.file_limits import TOO_LARGE, UnreadableFile, format_repeated_name
from keys.apis.json_loader import parse_json

# How much of a YAML text is parsed between two progress messages.
PROGRESS_CHARACTERS = 1_000_000
MAX_DIRECTIVES = 100
_DIRECTIVES = re.compile("^%", re.MULTILINE)
_CORE = "tag:yaml.org,2002:"
_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE, _FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}
_INTEGER = re.compile(r"[-+]?[0-9]{1,100}|0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,100}|[0-9]{1,100}(?:\.[0-9]{0,100})?)(?:[eE][-+]?[0-9]{1,10})?")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Their escapes in JSON and YAML; except for NUL, UTF-8 text cannot contain them unescaped.
_ESCAPES = re.compile(r"\\(?:0|x00|u0000|U00000000|u[dD][89a-fA-F]|U0000[dD][89a-fA-F])")


def load_file(path: Path) -> Any:
    """Return the parsed content of a file. Raise UnreadableFile."""
    return parse_file_text(path, read_file_text(path))


def parse_file_text(path: Path, text: str, progress: Callable[[str], None] = lambda stage: None) -> Any:
    """Return the parsed text of a file. Raise UnreadableFile, which names the file."""
    try:
        return parse(text, progress)
    except UnreadableFile as error:
        raise UnreadableFile(f"{path}: {error}") from error


def read_file_text(path: Path) -> str:
    """Return the file's text. At most MAX_BYTES + 1 bytes are read, whatever the file is. Raise UnreadableFile."""
    try:
        with path.open("rb") as file:
            content = file.read(file_limits.MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}.") from error
    try:
        return decode(content)
    except UnreadableFile as error:
        raise UnreadableFile(f"{path}: {error}") from error


def decode(content: bytes) -> str:
    """Return the bytes as text. Raise UnreadableFile."""
    if len(content) > file_limits.MAX_BYTES:
        raise UnreadableFile(f"The file is larger than {file_limits.MAX_BYTES:,} bytes. Split it.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"Byte {error.start} is not UTF-8. Save the file as UTF-8.") from error


def parse(text: str, progress: Callable[[str], None] = lambda stage: None) -> Any:
    """Return the parsed text: JSON if it begins with a brace or bracket, else YAML. Raise UnreadableFile.

    `progress` is called with a message from time to time while YAML is parsed.
    """
    value = parse_json(text) if text.lstrip()[:1] in ("{", "[") else _parse_yaml(text, progress)
    _check_storable(value, text)
    return value


@dataclass
class _OpenNode:
    """A mapping or list whose end event is still to come. `size` counts its values, aliases in full."""

    value: Any
    anchor: str | None
    size: int = 1
    name: str | None = None
    merges: list[Any] = field(default_factory=list)


class _Builder:
    """Build a value from the events of a document."""

    def __init__(self) -> None:
        self.open: list[_OpenNode] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.documents: list[Any] = []
        self.faults: list[str] = []

    def add_event(self, event: Any) -> None:
        match event:
            case yaml.DocumentStartEvent() if self.documents:
                raise _build_error(event, "a second YAML document starts here. Use exactly one")
            case yaml.ScalarEvent():
                wants_name = self.open and isinstance(self.open[-1].value, dict) and self.open[-1].name is None
                self._add_value(event, str(event.value) if wants_name else _parse_scalar(event), 1, event.anchor)
            case yaml.AliasEvent():
                if event.anchor not in self.anchors:
                    raise _build_error(
                        event, f"the alias *{str(event.anchor)[:50]} does not refer to a complete anchor"
                    )
                self._add_value(event, *self.anchors[event.anchor], None)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                empty: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                if event.tag not in (None, "!", f"{_CORE}map", f"{_CORE}seq"):
                    raise _build_error(event, f"the tag {event.tag[:50]} has no JSON equivalent")
                if len(self.open) >= file_limits.MAX_DEPTH:
                    raise _build_error(event, file_limits.format_too_deep())
                self.open.append(_OpenNode(empty, event.anchor))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                node = self.open.pop()
                for merged in node.merges:
                    for name, value in merged.items():
                        node.value.setdefault(name, value)
                self._add_value(event, node.value, node.size, node.anchor)

    def _add_value(self, event: Any, value: Any, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, size)
        if not self.open:
            self.documents.append(value)
            return
        holder = self.open[-1]
        holder.size += size
        if holder.size > file_limits.MAX_VALUES:
            raise _build_error(event, file_limits.format_too_many())
        if isinstance(holder.value, list):
            holder.value.append(value)
        elif holder.name is None:
            if not isinstance(value, str):
                raise _build_error(event, "a key that is not a string")
            if value in holder.value and value != "<<":
                self._add_repeated_name(event, value)
            holder.name = value
        else:
            name, holder.name = holder.name, None
            if name == "<<":
                holder.merges += _get_merged_mappings(event, value)
            else:
                holder.value[name] = value

    def _add_repeated_name(self, event: Any, name: str) -> None:
        """Note the name, so that all are reported at once; raise UnreadableFile when there are enough."""
        self.faults.append(format_repeated_name(name, *_get_position(event.start_mark)))
        if len(self.faults) >= file_limits.MAX_FAULTS_LISTED:
            self.require_no_faults()

    def require_no_faults(self) -> None:
        if self.faults:
            raise UnreadableFile("\n".join(self.faults))


def _parse_yaml(text: str, progress: Callable[[str], None]) -> Any:
    # The parser compares each directive with all before it.
    if next(islice(_DIRECTIVES.finditer(text), MAX_DIRECTIVES, None), None):
        raise UnreadableFile(f"More than {MAX_DIRECTIVES} lines begin with %: these are directives. Remove them.")
    builder, next_report = _Builder(), PROGRESS_CHARACTERS
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.add_event(event)
            if (mark := event.end_mark) is not None and mark.index > next_report:
                progress(f"Reading YAML: {mark.index * 100 // len(text)}%")
                next_report += PROGRESS_CHARACTERS
    except yaml.MarkedYAMLError as error:
        place = " in line {}, column {}".format(*_get_position(error.problem_mark)) if error.problem_mark else ""
        raise UnreadableFile(f"Invalid YAML{place}: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise UnreadableFile(f"Invalid YAML: {' '.join(str(error).split())}.") from error
    builder.require_no_faults()
    if not builder.documents:
        raise UnreadableFile("The file has no YAML document. Use exactly one.")
    return builder.documents[0]


def _parse_scalar(event: yaml.ScalarEvent) -> Any:
    """Return the value of a scalar: plain ones by their form, quoted ones as text, tagged ones by their tag."""
    text, tag = event.value, event.tag
    if tag == f"{_CORE}str" or tag == "!" or (tag is None and not event.implicit[0]):
        return text
    makers: dict[str, Callable[[str], Any]] = {
        "null": _parse_null,
        "bool": _parse_boolean,
        "int": _parse_integer,
        "float": _parse_float,
    }
    kinds = list(makers) if tag is None else [tag.removeprefix(_CORE)]
    for kind in kinds:
        if kind not in makers:
            raise _build_error(event, f"the tag {str(tag)[:50]} has no JSON equivalent")
        parsed_value = makers[kind](text)
        if isinstance(parsed_value, float) and not math.isfinite(parsed_value):
            raise _build_error(event, TOO_LARGE)
        if parsed_value is not text:
            return parsed_value
    return text


def is_text(text: str) -> bool:
    """Return whether a plain scalar with this text would be parsed as text."""
    return all(read(text) is text for read in (_parse_null, _parse_boolean, _parse_integer, _parse_float))


def _parse_null(text: str) -> Any:
    return None if text in _NULL else text


def _parse_boolean(text: str) -> Any:
    return True if text in _TRUE else False if text in _FALSE else text


def _parse_integer(text: str) -> Any:
    if not _INTEGER.fullmatch(text):
        return text
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _parse_float(text: str) -> Any:
    return float(text) if _FLOAT.fullmatch(text) else text


def _get_merged_mappings(event: Any, value: Any) -> list[Any]:
    """Return the mappings that a merge key (`<<`) adds."""
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in found):
        raise _build_error(event, "<< can only merge mappings")
    return found


def _check_storable(value: Any, text: str) -> None:
    """Raise UnreadableFile for what PostgreSQL cannot store, and for deep nesting.

    Works level by level, because a document may have hundreds of thousands of values.
    """
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, (dict, list)) and item]:
        depth += 1
        if depth > file_limits.MAX_DEPTH:
            raise UnreadableFile(file_limits.format_too_deep())
        level = [item for holder in level for item in (holder.values() if isinstance(holder, dict) else holder)]
    if "\x00" in text or _ESCAPES.search(text):
        _check_texts(value)


def _check_texts(value: Any) -> None:
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, str) and (character := _UNSTORABLE.search(found)):
            raise UnreadableFile(
                f"The text {found[:50]!r} contains {character[0]!r}, which cannot be stored. Remove it."
            )
        if isinstance(found, (dict, list)):
            pending += [*found, *found.values()] if isinstance(found, dict) else found


def _build_error(event: Any, problem: str) -> UnreadableFile:
    line, column = _get_position(event.start_mark)
    return UnreadableFile(f"Line {line}, column {column}: {problem.rstrip('.')}.")


def _get_position(mark: Any) -> tuple[int, int]:
    """Return line and column, from 1."""
    return mark.line + 1, mark.column + 1
