"""`$ref` in a document: only places in the document itself are followed, and nothing is opened or fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote


class BadReference(ValueError):
    """A reference leads out of the document, nowhere, or round in a circle; the text says what would be right."""


class CircularReference(BadReference):
    """A reference leads back to itself."""


def resolve(document: Mapping[str, Any], value: Any) -> Any:
    """Return the value itself, or what its `$ref` leads to in the end. Raise BadReference."""
    if isinstance(value, Mapping) and isinstance(value.get("$ref"), str):
        return follow(document, value["$ref"])[0]
    return value


def resolve_mapping(document: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """Return what the value stands for if that is a mapping, else an empty one: for pages, which show what they can."""
    try:
        found = resolve(document, value)
    except BadReference:
        return {}
    return found if isinstance(found, Mapping) else {}


def follow(document: Mapping[str, Any], reference: str) -> tuple[Any, tuple[str, ...]]:
    """Return what a reference leads to in the end, and the names that lead to it. Raise BadReference."""
    seen: set[str] = set()
    while True:
        if reference in seen:
            raise CircularReference("It leads back to itself. Write what it stands for")
        seen.add(reference)
        value, names = follow_once(document, reference)
        if not isinstance(value, Mapping) or not isinstance(value.get("$ref"), str):
            return value, names
        reference = value["$ref"]


def is_circular(document: Mapping[str, Any], value: Any) -> bool:
    """Return whether a value is a reference that leads round in a circle."""
    try:
        resolve(document, value)
    except CircularReference:
        return True
    except BadReference:
        return False
    return False


def follow_once(document: Mapping[str, Any], reference: str) -> tuple[Any, tuple[str, ...]]:
    """Return what stands where a reference leads, which may be a reference too, and the names that lead there. Raise
    BadReference."""
    found: Any = document
    if reference not in ("#", "#/") and not reference.startswith("#/"):
        raise BadReference("It is no place in here. Write one like #/components/schemas/A")
    names = []
    for part in reference.split("/")[1:] if reference.startswith("#/") else ():
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        names.append(name)
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdecimal() and int(name[:9]) < len(found):
            found = found[int(name[:9])]
        else:
            raise BadReference(
                f"It leads nowhere: there is no {name[:100]!r}. References begin at the document's root, so write one "
                "like #/components/schemas/A"
            )
    return found, tuple(names)
