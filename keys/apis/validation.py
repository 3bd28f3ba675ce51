"""Validity of a document by openapi-spec-validator. Imported where it is used, because that takes half a second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema_path import SchemaPath
from openapi_schema_validator import OAS30Validator, OAS31Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from openapi_spec_validator.validation import keywords

from keys.apis.document import METHODS
from keys.apis.references import resolved

LONGEST = 300


class _Schema30(keywords.SchemaValidator):
    """Each schema against the specification. Not its default against itself: patterns, and branches within branches,
    may take for ever there, and the defaults of real documents are often wrong."""

    language: ClassVar[type[Validator]] = OAS30Validator

    def __init__(self, registry: Any) -> None:
        super().__init__(registry)
        self.seen: set[int] = set()

    def __call__(
        self, schema: SchemaPath, require_properties: bool = True, meta_checked: bool = False
    ) -> Iterator[ValidationError]:
        content: Any = schema.read_value()
        if id(content) not in self.seen:
            self.seen.add(id(content))
            try:
                self.language.check_schema(content)
            except SchemaError as error:
                yield ValidationError(error.message, path=schema.parts)


class _Schema31(_Schema30):
    language = OAS31Validator


class _Validator30(OpenAPIV30SpecValidator):
    keyword_validators = {**OpenAPIV30SpecValidator.keyword_validators, "schema": _Schema30}  # noqa: RUF012


class _Validator31(OpenAPIV31SpecValidator):
    keyword_validators = {**OpenAPIV31SpecValidator.keyword_validators, "schema": _Schema31}  # noqa: RUF012


def problem_of(document: Mapping[str, Any]) -> str:
    """What is wrong with the document, in one line; empty if it is valid. Its references have been checked."""
    kind = _Validator30 if document["openapi"].startswith("3.0.") else _Validator31
    try:
        error = best_match(kind.schema_validator.iter_errors(document))
        if error is None:
            # Again with what references lead to in their places: the validator would take anything there.
            whole = _without_references(document)
            error = best_match(kind.schema_validator.iter_errors(whole))
        if error is None:
            # No handlers: what leads out of the document is not found, whatever it is.
            path = SchemaPath.from_dict(whole, handlers={})
            error = next(kind(path).root_validator(path), None)
    except Exception as stumble:  # whatever the validator stumbles over is the document's fault
        return f"it cannot be followed ({type(stumble).__name__}: {_short(str(stumble))})."
    if error is None:
        return ""
    place = "".join(f"/{part}" for part in error.absolute_path)
    return f"{place or 'document'}: {_short(error.message)}"


def _without_references(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with every path, parameter and body in its own place; schemas keep their references."""
    paths = {}
    for path, reference in document.get("paths", {}).items():
        item = dict(resolved(document, reference)) if path.startswith("/") else reference
        if path.startswith("/"):
            _fill(document, item)
            for method in METHODS:
                if isinstance(item.get(method), Mapping):
                    item[method] = dict(item[method])
                    _fill(document, item[method])
        paths[path] = item
    return {**document, "paths": paths}


def _fill(document: Mapping[str, Any], holder: dict[str, Any]) -> None:
    if isinstance(holder.get("parameters"), list):
        holder["parameters"] = [resolved(document, parameter) for parameter in holder["parameters"]]
    if "requestBody" in holder:
        holder["requestBody"] = resolved(document, holder["requestBody"])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
