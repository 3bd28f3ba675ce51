"""Resolve `$ref` within a document. Files and URLs are never opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

# A reference that leads to another reference, and so on: each of a chain is followed to its end.
MAX_STEPS = 10


class BadReference(ValueError):
    """A reference leads out of the document, to nothing, or in a circle; the text says what would be valid."""


class CircularReference(BadReference):
    """A reference leads back to itself."""


def resolve(document: Mapping[str, Any], value: Any) -> Any:
    """Return the value, or what its `$ref` finally refers to. Raise BadReference."""
    if isinstance(value, Mapping) and isinstance(value.get("$ref"), str):
        return follow(document, value["$ref"])[0]
    return value


def resolve_mapping(document: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """Return the resolved value if it is a mapping, else an empty one; for pages, which show what is readable."""
    try:
        found = resolve(document, value)
    except BadReference:
        return {}
    return found if isinstance(found, Mapping) else {}


def follow(document: Mapping[str, Any], reference: str) -> tuple[Any, tuple[str, ...]]:
    """Return what a reference finally refers to, and its path. Raise BadReference."""
    seen: set[str] = set()
    while len(seen) < MAX_STEPS:
        if reference in seen:
            raise CircularReference("The reference is circular. Write the object itself")
        seen.add(reference)
        value, names = follow_once(document, reference)
        if not isinstance(value, Mapping) or not isinstance(value.get("$ref"), str):
            return value, names
        reference = value["$ref"]
    # Longer circles, too.
    raise CircularReference(f"More than {MAX_STEPS} references lead to each other. Write the object itself")


def is_circular(document: Mapping[str, Any], value: Any) -> bool:
    """Return whether the value is a reference that leads back to itself."""
    try:
        resolve(document, value)
    except CircularReference:
        return True
    except BadReference:
        return False
    return False


def follow_once(document: Mapping[str, Any], reference: str) -> tuple[Any, tuple[str, ...]]:
    """Return what a reference refers to, possibly another reference, and its path. Raise BadReference."""
    found: Any = document
    if reference not in ("#", "#/") and not reference.startswith("#/"):
        raise BadReference("It does not refer to a place in this document. Write one such as #/components/schemas/A")
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
                f"It refers to nothing: there is no {name[:100]!r}. References start at the document's root, such as "
                "#/components/schemas/A"
            )
    return found, tuple(names)
