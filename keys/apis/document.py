"""An OpenAPI document and its operations: valid, self-contained, and such that the gateway can match every path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from keys.apis import references
from keys.apis.words import shown
from keys.routes import UnreadablePath, readable_path

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MOST_OPERATIONS = 2000
LONGEST_TEMPLATE = 500
LONGEST_NAME = 200

_VARIABLE = re.compile(r"\{[^{}/]+\}")


class BadDocument(ValueError):
    """The OpenAPI document cannot be used; the text names the place and what would be right."""


class Operation(NamedTuple):
    """One operation. `path` is the document's; `template` is what the gateway matches: the server's path before it."""

    method: str
    path: str
    template: str
    tags: tuple[str, ...]
    # Of the path, then of the operation.
    parameters: tuple[Any, ...]
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As a policy writes it."""
        return f"{self.method} {self.path}"


def check(document: Any) -> None:
    """Raises BadDocument unless it is OpenAPI 3.0 or 3.1. Nothing outside the document is opened or fetched."""
    if not isinstance(document, Mapping):
        raise BadDocument(f"A document is a mapping that begins with openapi, not {shown(document)}.")
    version = document.get("openapi")
    if not isinstance(version, str) or not re.fullmatch(r"3\.[01]\.[0-9]+", version):
        word = next((word for word in ("openapi", "swagger") if word in document), None)
        found = f"{word} is {shown(document[word])}" if word else "It does not say which version of OpenAPI it is"
        raise BadDocument(f"{found}. Write OpenAPI 3.0 or 3.1, as in openapi: 3.1.0.")
    # Before validation, which takes a while for so many.
    if (paths := len(document["paths"]) if isinstance(document.get("paths"), Mapping) else 0) > MOST_OPERATIONS:
        raise BadDocument(f"It has {paths:,} paths; at most {MOST_OPERATIONS:,} are taken. Split it.")
    try:
        references.check(document)
    except references.BadReference as error:
        raise BadDocument(str(error)) from error
    # Here, because the validator takes half a second to import and pages never need it.
    from keys.apis.validation import problem_of

    if problem := problem_of(document):
        raise BadDocument(f"The document is not valid OpenAPI: {problem}")
    title = document["info"]["title"]
    if not title.strip() or not title.isprintable() or len(title) > LONGEST_NAME:
        raise BadDocument(f"info.title is {shown(title)}. Write a line of at most {LONGEST_NAME} characters.")
    if not any(True for _ in operations(document)):
        raise BadDocument("paths has no operation, so there is nothing to protect. Describe at least one.")


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """The operations of a valid document in its own order. HEAD is decided as GET, so it is none where there is GET."""
    for path, reference in (document.get("paths") or {}).items():
        if not path.startswith("/"):
            continue
        item = references.resolved(document, reference)
        for method in METHODS:
            if method not in item or (method == "head" and "get" in item):
                continue
            content = item[method]
            servers = content.get("servers") or item.get("servers") or document.get("servers") or [{"url": "/"}]
            yield Operation(
                method="GET" if method == "head" else method.upper(),
                path=path,
                template=base_of(servers[0]) + path,
                tags=tuple(content.get("tags", ())),
                parameters=(*item.get("parameters", ()), *content.get("parameters", ())),
                content=content,
            )


def check_templates(found: list[Operation]) -> None:
    """Raises BadDocument for a path that no call could ever take, or that would be dear to match."""
    if len(found) > MOST_OPERATIONS:
        raise BadDocument(f"It has {len(found):,} operations; at most {MOST_OPERATIONS:,} are taken. Split it.")
    for operation in found:
        if problem := _problem(operation.template):
            raise BadDocument(f"{operation.method} {shown(operation.template)[1:-1]}: {problem}")


def base_of(server: Mapping[str, Any]) -> str:
    """The path of a server's address; the gateway sees it in front of every path."""
    url = server["url"]
    for name, variable in server.get("variables", {}).items():
        url = url.replace(f"{{{name}}}", variable["default"])
    try:
        path = urlsplit(url).path.rstrip("/")
    except ValueError as error:
        raise BadDocument(f"servers: {shown(url)} is no address: {error}.") from error
    return f"/{path.lstrip('/')}" if path else ""


def _problem(template: str) -> str:
    """What is wrong with a template, in words; empty if nothing is."""
    if len(template) > LONGEST_TEMPLATE:
        return f"the path has more than {LONGEST_TEMPLATE} characters."
    if "?" in template or "#" in template:
        return "a path has no ? or #. Conditions on the query belong into the policy, under modules."
    literal = _VARIABLE.sub("x", template)
    if "{" in literal or "}" in literal:
        return "a variable is written {name}, without / and other braces."
    if "%" in literal:
        return "the gateway compares decoded paths. Write the characters themselves, not %."
    try:
        readable_path(literal.encode().decode("latin-1"))
    except UnreadablePath:
        return "the gateway refuses such paths (//, . and .., control characters, backslash or semicolon)."
    for segment in template.split("/"):
        if len(_VARIABLE.findall(segment)) > 2 or "}{" in segment:
            return f"{segment[:100]} has variables that touch, or more than two. Write /{{name}}/ for each."
    return ""
