"""`$ref` in a document: only places in the document itself, and only such as are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote


class BadReference(ValueError):
    """A reference leads out of the document, nowhere, or round in a circle."""


def check(document: Mapping[str, Any]) -> None:
    """Raises BadReference unless every `$ref` leads to something in this document. Opens and fetches nothing."""
    for place, found in _mappings(document):
        for name in ("$ref", "$dynamicRef", "$recursiveRef"):
            reference = found.get(name)
            if isinstance(reference, str) and not reference.startswith("#"):
                raise BadReference(
                    f"{place}: {name} is {reference[:200]!r}. References to files and addresses are never followed. "
                    "Put what it names into the document and refer to it by #/."
                )
        if isinstance(found.get("$ref"), str):
            resolved(document, found)


def resolved(document: Mapping[str, Any], value: Any) -> Any:
    """The value itself, or what its `$ref` leads to in the end."""
    seen: list[str] = []
    while isinstance(value, Mapping) and isinstance(value.get("$ref"), str):
        reference = value["$ref"]
        if reference in seen:
            raise BadReference(f"$ref: {reference[:200]!r} leads back to itself. Write what it stands for.")
        seen.append(reference)
        value = _at(document, reference)
    return value


def _at(document: Mapping[str, Any], reference: str) -> Any:
    found: Any = document
    if reference not in ("#", "#/") and not reference.startswith("#/"):
        raise BadReference(f"$ref: {reference[:200]!r} is no place in here. Write one like #/components/schemas/A.")
    for part in reference.split("/")[1:] if reference.startswith("#/") else ():
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdecimal() and int(name[:9]) < len(found):
            found = found[int(name[:9])]
        else:
            raise BadReference(f"$ref: {reference[:200]!r} leads nowhere: there is no {name[:100]!r}.")
    return found


def _mappings(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping in the document, with its place."""
    left: list[tuple[str, Any]] = [("", document)]
    while left:
        place, found = left.pop()
        if isinstance(found, Mapping):
            yield place, found
            left += [(f"{place}/{name}", value) for name, value in found.items() if isinstance(value, (Mapping, list))]
        elif isinstance(found, list):
            left += [(f"{place}/{n}", value) for n, value in enumerate(found) if isinstance(value, (Mapping, list))]
