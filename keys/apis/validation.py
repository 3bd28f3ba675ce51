"""Validate a document against the objects of OpenAPI in one pass. No data is inspected and no file is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keys.apis.findings import Findings, format_found, shorten
from keys.apis.openapi_objects import SHAPES, TYPES, Rule, Shape
from keys.apis.references import BadReference, CircularReference, follow_once, is_circular

# A value's place: its parent's place and its own name. Pointers are only built for findings.
Place = tuple[Any, str] | None
REMOTE = (
    "References to files and URLs are not followed: bundle everything into one file, as npx @redocly/cli bundle does, "
    "with references that begin with #/"
)
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_PARAMETERS_IN = ("query", "header", "path", "cookie")
_RIGHT = {
    "text": "Write a string",
    "flag": "Write true or false",
    "number": "Write a number",
    "count": "Write a whole number of at least 0",
    "list": "Write a list",
    "mapping": "Write a mapping",
}


def get_pointer(place: Place) -> tuple[str, ...]:
    """Return the names that lead from the root to a place."""
    names = []
    while place is not None:
        place, name = place
        names.append(name)
    return tuple(reversed(names))


class Validator:
    """Validate each value once for each object type that it must have, however often it is referred to.

    What a reference leads to is reported at its own place.
    """

    def __init__(self, document: Mapping[str, Any], findings: Findings) -> None:
        self.document = document
        self.findings = findings
        self.shapes = SHAPES["3.0" if document["openapi"].startswith("3.0.") else "3.1"]
        self.is_30 = self.shapes is SHAPES["3.0"]
        self._left: list[tuple[Shape, Any, Place]] = [(self.shapes["OpenAPI"], document, None)]
        self._seen: set[tuple[int, str]] = set()

    def run(self) -> None:
        while self._left:
            shape, value, place = self._left.pop()
            if (id(value), shape.name) not in self._seen:
                self._seen.add((id(value), shape.name))
                before = len(self._left)
                self._check_object(shape, value, place)
                # The last is checked next: the first of the text.
                self._left[before:] = reversed(self._left[before:])

    def _check_object(self, shape: Shape, value: Mapping[str, Any], place: Place) -> None:
        if shape.referable:
            if isinstance(value.get("$ref"), str):
                self._follow(shape, value["$ref"], (place, "$ref"))
                if self.is_30 or shape.name != "Schema":
                    return
            if shape.name == "Schema":
                self._check_schema(value, place)
            elif shape.name == "Parameter":
                self._check_parameter(value, place)
        rules, rest = shape.rules, shape.rest
        for name, item in value.items():
            rule = rules.get(name)
            if rule is None:
                if rest is not None:
                    if self._is_name_valid(shape, name, place):
                        self._check_rule(rest, item, (place, name))
                elif not name.startswith("x-"):
                    self._add_unknown_name(shape, name, item, place)
            elif rule.types and (rule.kind in ("object", "list", "mapping") or type(item) not in rule.types):
                self._check_rule(rule, item, (place, name))
            elif rule.kind == "count" and item < 0:
                self._add_wrong_value(rule, item, (place, name))
        for name, fatal in shape.required:
            if name not in value:
                self.findings.add(get_pointer(place), f"{name} is missing", f"Write {name}", fatal=fatal)
        if shape.name == "Operation" and "responses" not in value and self.is_30:
            self.findings.add(get_pointer(place), "responses is missing", "Write responses")

    def _check_rule(self, rule: Rule, value: Any, place: Place) -> None:
        kind = rule.kind
        if kind == "object":
            if isinstance(value, Mapping):
                self._left.append((self.shapes[rule.name], value, place))
            # In OpenAPI 3.1 true and false are schemas.
            elif self.is_30 or rule.name != "Schema" or not isinstance(value, bool):
                self._add_wrong_value(rule, value, place)
        elif rule.types and (type(value) not in rule.types or (kind == "count" and value < 0)):
            self._add_wrong_value(rule, value, place)
        elif kind == "list" and rule.inner is not None:
            for number, item in enumerate(value):
                self._check_rule(rule.inner, item, (place, str(number)))
        elif kind == "mapping" and rule.inner is not None:
            for name, item in value.items():
                self._check_rule(rule.inner, item, (place, name))

    def _add_wrong_value(self, rule: Rule, value: Any, place: Place) -> None:
        if rule.other is not None and (rule.other.kind == "object" or type(value) in rule.other.types):
            self._check_rule(rule.other, value, place)
            return
        pointer = get_pointer(place)
        if isinstance(value, Mapping) and isinstance(value.get("$ref"), str):
            self._follow(None, value["$ref"], (place, "$ref"), fatal=rule.fatal)
        right = _RIGHT.get(rule.kind) or f"Write a mapping: {_with_article(rule.name)}"
        if rule.kind == "text" and isinstance(value, (int, float)):
            right = f'Write it in quotes: "{format_found(value)}"'
        elif pointer[-1] in ("exclusiveMinimum", "exclusiveMaximum"):
            limit = pointer[-1].removeprefix("exclusive").lower()
            right = (
                f"In OpenAPI 3.0 write {limit} with the number, and {pointer[-1]}: true"
                if self.is_30
                else f"In OpenAPI 3.1 write the limit itself, {pointer[-1]}: 0, instead of {limit}: 0"
            )
        self.findings.add(pointer, format_found(value), right, fatal=rule.fatal)

    def _add_unknown_name(self, shape: Shape, name: str, item: Any, place: Place) -> None:
        if name in _REFERENCES and isinstance(item, str):
            self._follow(None, item, (place, name))
            return
        like = self.findings.suggest(name, shape.rules)
        advice = f"Write {like}" if like else "Remove it, or start its name with x-"
        if shape.name == "Schema" and name == "nullable":
            advice = 'In OpenAPI 3.1 write "null" beside the type, as in type: [string, "null"]'
        version = "3.0" if self.is_30 else "3.1"
        stands = f"{shorten(name)} is not a field of {_with_article(shape.name)} in OpenAPI {version}"
        self.findings.add(get_pointer((place, name)), stands, advice)

    def _is_name_valid(self, shape: Shape, name: str, place: Place) -> bool:
        if name.startswith("x-") and shape.name != "Security Requirement":
            return False
        if shape.name == "Paths" and not name.startswith("/"):
            self.findings.add(get_pointer((place, name)), "The path does not begin with /", "Add /", fatal=True)
            return False
        if shape.name == "Responses" and not _is_status(name):
            self.findings.add(
                get_pointer((place, name)),
                f"{format_found(name)} is not a status code",
                "Write one such as 200, 4XX or default",
            )
        return True

    def _follow(self, shape: Shape | None, reference: str, place: Place, *, fatal: bool = False) -> None:
        """Validate what a reference leads to. `shape` is None where no reference is allowed."""
        if not reference.startswith("#"):
            self.findings.add(get_pointer(place), format_found(reference), REMOTE, fatal=True)
            return
        fatal = fatal or (shape is not None and shape.name == "Path")
        if shape is None:
            return
        try:
            target, path = follow_once(self.document, reference)
            if is_circular(self.document, target):
                raise CircularReference("The reference is circular. Write the object itself")
        except BadReference as problem:
            self.findings.add(get_pointer(place), format_found(reference), str(problem), fatal=fatal)
            return
        where: Place = None
        for part in path:
            where = (where, part)
        self._check_rule(Rule("object", (dict,), shape.name, fatal=fatal), target, where)

    def _check_parameter(self, parameter: Mapping[str, Any], place: Place) -> None:
        where = parameter.get("in")
        if isinstance(where, str) and where not in _PARAMETERS_IN:
            self.findings.add(
                get_pointer((place, "in")), format_found(where), f"Write one of {', '.join(_PARAMETERS_IN)}"
            )
        if where == "path" and parameter.get("required") is not True:
            self.findings.add(get_pointer(place), "A path parameter must be required", "Write required: true")
        if "schema" not in parameter and "content" not in parameter:
            self.findings.add(get_pointer(place), "schema is missing", "Write schema or content")

    def _check_schema(self, schema: Mapping[str, Any], place: Place) -> None:
        """Check what the tables do not express: names of types, duplicate required names, references of 3.1."""
        kinds = schema.get("type")
        listed = isinstance(kinds, list)
        for number, kind in enumerate(kinds if isinstance(kinds, list) else (kinds,)):
            if isinstance(kind, str) and (kind not in TYPES or (self.is_30 and kind == "null")):
                known = ", ".join(TYPES[:-1] if self.is_30 else TYPES)
                where = (*get_pointer((place, "type")), *([str(number)] if listed else []))
                self.findings.add(where, format_found(kind), f"Write one of {known}")
        required = schema.get("required")
        if isinstance(required, list) and len(required) > 1:
            for number, name in _list_repeated(required):
                where = get_pointer((place, "required"))
                self.findings.add((*where, str(number)), f"{format_found(name)} appears twice", "Remove one")
        for word in ("$dynamicRef", "$recursiveRef"):
            if isinstance(schema.get(word), str):
                self._follow(None, schema[word], (place, word))


def _list_repeated(values: list[Any]) -> Iterator[tuple[int, Any]]:
    seen: set[str] = set()
    for number, value in enumerate(values):
        if isinstance(value, str):
            if value in seen:
                yield number, value
            seen.add(value)


def _is_status(name: str) -> bool:
    return name == "default" or (len(name) == 3 and name[0] in "12345" and (name[1:].isdigit() or name[1:] == "XX"))


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name} Object"
