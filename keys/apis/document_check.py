"""Check whether a document can be imported, and report all faults at once, fatal ones apart from warnings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from keys.apis.document import (
    MAX_NAME_LENGTH,
    MAX_OPERATIONS,
    MAX_PARAMETERS,
    MAX_SERVER_LENGTH,
    MAX_TAGS,
    MAX_TEMPLATE_LENGTH,
    BadDocument,
    Operation,
    get_list,
    get_mapping,
    get_server_url,
    list_variants,
)
from keys.apis.findings import Findings, Report, format_count, format_found, shorten
from keys.apis.leaving_out import LeaveOut
from keys.apis.references import resolve_mapping
from keys.apis.validation import Validator
from keys.decision.routes import UnreadablePath, parse_path

_VARIABLE = re.compile(r"\{([^{}/]+)\}")
SWAGGER = (
    "This is Swagger 2.0. Convert it to OpenAPI 3 with npx swagger2openapi --patch --outfile openapi.json YOUR-FILE, "
    "or at converter.swagger.io, and import the result"
)


def check_document(document: Any, leave_out: LeaveOut | None = None) -> Findings:
    """Return the faults of a document. Raise BadDocument unless it is OpenAPI 3.0 or 3.1.

    Operations in `leave_out` need not have paths that the gateway can match.
    """
    _check_version(document)
    findings = Findings()
    Validator(document, findings).run()
    _check_title(document, findings)
    _check_servers(document, findings)
    _check_tags(document, findings)
    found = list(list_variants(document))
    staying = found if leave_out is None else [each for each in found if not leave_out.includes(each)]
    _check_operations(document, staying, findings)
    if not found:
        hooks = "webhooks" in document
        actual = "No operations, only webhooks, which the API calls itself" if hooks else "No operations"
        findings.add(("paths",), actual, "Describe at least one operation in paths", fatal=True)
    return findings


def build_report(findings: Findings, text: str | None = None, *, strict: bool = False) -> Report:
    """Return the warnings of a document that can be imported.

    `text` is the document's source, for line numbers. Raise BadDocument for a fatal fault; with `strict`, for any.
    """
    report = findings.build_report(text)
    if report.has_fatal or (strict and report.total):
        count = format_count(report.total, "problem")
        raise BadDocument(f"The document cannot be imported: it has {count}.", report)
    return report


def _check_version(document: Any) -> None:
    if not isinstance(document, Mapping):
        raise BadDocument(f"An OpenAPI document is a mapping with the key openapi, not {format_found(document)}.")
    version = document.get("openapi")
    if isinstance(version, str) and re.fullmatch(r"3\.[01]\.[0-9]+", version):
        return
    if str(document.get("swagger")).startswith("2"):
        raise BadDocument(f"{SWAGGER}.")
    word = next((word for word in ("openapi", "swagger") if word in document), None)
    found = f"{word} is {format_found(document[word])}" if word else "The document does not state its OpenAPI version"
    raise BadDocument(f"{found}. Use OpenAPI 3.0 or 3.1, as in openapi: 3.1.0.")


def _check_title(document: Mapping[str, Any], findings: Findings) -> None:
    title = get_mapping(document, "info").get("title")
    if isinstance(title, str) and (not title.strip() or not title.isprintable() or len(title) > MAX_NAME_LENGTH):
        right = f"Use one line of at most {MAX_NAME_LENGTH} characters"
        findings.add(("info", "title"), format_found(title), right, fatal=True)


def _check_servers(document: Mapping[str, Any], findings: Findings) -> None:
    """Check that the URLs of all servers can be parsed."""
    holders: list[tuple[tuple[str, ...], Any]] = [((), document)]
    for path, item in get_mapping(document, "paths").items():
        holders.append((("paths", path), item))
        if isinstance(item, Mapping):
            holders += [(("paths", path, name), value) for name, value in item.items() if isinstance(value, Mapping)]
    for pointer, holder in holders:
        for number, server in enumerate(get_list(holder, "servers")):
            url, right = get_server_url(server), ""
            if len(url) > MAX_SERVER_LENGTH:
                right = f"Use at most {MAX_SERVER_LENGTH:,} characters"
            try:
                urlsplit(url).path  # noqa: B018
            except ValueError as problem:
                right = f"Write a valid URL ({problem})"
            if right:
                findings.add((*pointer, "servers", str(number), "url"), format_found(url), right, fatal=True)


def _check_tags(document: Mapping[str, Any], findings: Findings) -> None:
    seen: set[str] = set()
    for number, tag in enumerate(get_list(document, "tags")):
        name = tag.get("name") if isinstance(tag, Mapping) else None
        if isinstance(name, str):
            if name in seen:
                findings.add(("tags", str(number), "name"), f"{format_found(name)} appears twice", "Remove one")
            seen.add(name)


def _check_operations(document: Mapping[str, Any], found: list[Operation], findings: Findings) -> None:
    if len(found) > MAX_OPERATIONS:
        right = f"At most {MAX_OPERATIONS:,} are supported: split the document"
        findings.add(("paths",), f"{len(found):,} operations", right, fatal=True)
        return
    first: dict[tuple[str, str], Operation] = {}
    ids: dict[str, Operation] = {}
    seen: set[int] = set()
    schemes = get_mapping(get_mapping(document, "components"), "securitySchemes")
    for operation in found:
        place = ("paths", operation.place)
        problem = _find_template_problem(operation)
        if problem:
            findings.add(place, *problem, fatal=True)
        earlier = first.setdefault((operation.method, operation.path), operation)
        if earlier is not operation:
            part, why = (
                ("fragment", "the part after # is never sent")
                if "#" in operation.place + earlier.place
                else ("query", "a parameter with any value does not distinguish calls")
            )
            actual = f"Differs from {format_found(earlier.place)} only in its {part}"
            right = f"Calls are decided as for that path, because {why}"
            findings.add((*place, operation.method.lower()), actual, right)
        name = operation.content.get("operationId")
        if isinstance(name, str) and ids.setdefault(name, operation) is not operation:
            other = f"{ids[name].method} {shorten(ids[name].place)}"
            where = (*place, operation.method.lower(), "operationId")
            findings.add(where, f"{format_found(name)} is the operationId of {other}, too", "Use a unique one")
        _check_counts(operation, findings)
        if not problem:
            _check_parameters(document, operation, findings)
        listed = get_list(operation.content, "security")
        # Thousands of paths may refer to one item.
        if id(listed) not in seen:
            seen.add(id(listed))
            _check_security(listed, (*place, operation.method.lower()), schemes, findings)
    _check_security(get_list(document, "security"), (), schemes, findings)


def _check_counts(operation: Operation, findings: Findings) -> None:
    for name, count, limit in (
        ("parameters", len(operation.parameters), MAX_PARAMETERS),
        ("tags", len(operation.tags), MAX_TAGS),
    ):
        if count > limit:
            place = ("paths", operation.place, operation.method.lower())
            findings.add(place, f"More than {limit} {name}", f"Only the first {limit} are used")


def _check_parameters(document: Mapping[str, Any], operation: Operation, findings: Findings) -> None:
    """Check that path variables and path parameters correspond, and that no parameter is repeated."""
    place = ("paths", operation.place, operation.method.lower())
    in_path = set()
    parameters = get_list(operation.content, "parameters")
    seen: set[tuple[str, str]] = set()
    for number, parameter in enumerate(operation.parameters, start=len(parameters) - len(operation.parameters)):
        described = resolve_mapping(document, parameter)
        name, where = described.get("name"), described.get("in")
        if not isinstance(name, str) or not isinstance(where, str):
            continue
        if where == "path":
            in_path.add(name)
        if number >= 0 and (name, where) in seen:
            at = (*place, "parameters", str(number))
            findings.add(at, f"The parameter {format_found(name)} appears twice", "Remove one")
        if number >= 0:
            seen.add((name, where))
    base, _, query = operation.place.partition("#")[0].partition("?")
    variables = set(_VARIABLE.findall(base))
    for name in sorted(variables - in_path):
        findings.add(place, f"{{{shorten(name)}}} is not described", "Add it to parameters, in: path")
    for name in sorted(in_path - variables - set(_VARIABLE.findall(query))):
        right = "Add it to the path as {name}, or remove the parameter"
        findings.add(place, f"The parameter {format_found(name)} is not in the path", right)


def _check_security(
    requirements: list[Any], place: tuple[str, ...], schemes: Mapping[str, Any], findings: Findings
) -> None:
    for number, requirement in enumerate(requirements):
        for name in requirement if isinstance(requirement, Mapping) else ():
            if name not in schemes:
                where = (*place, "security", str(number), name)
                known = ", ".join(shorten(scheme) for scheme in list(schemes)[:10]) or "none yet"
                findings.add(where, f"{format_found(name)} is not a security scheme", f"Use one of components: {known}")


def _find_template_problem(operation: Operation) -> tuple[str, str] | None:
    """Return a fault and advice if the gateway could not match the path, or not cheaply; else None."""
    template, path = operation.template, operation.path
    if (length := max(len(template), len(path))) > MAX_TEMPLATE_LENGTH:
        return f"{length:,} characters", f"Use at most {MAX_TEMPLATE_LENGTH}"
    _, mark, query = path.partition("?")
    if mark and (
        not operation.conditions or len(operation.conditions) < query.count("&") + 1 or "{" in query or "+" in query
    ):
        return shorten(path), "Write a query as ?name=value&name=value: each name once, no variables, %20 for a space"
    literal = _VARIABLE.sub("x", template)
    if "{" in literal or "}" in literal:
        return shorten(template), "Write variables as {name}, without / or other braces"
    if "%" in literal:
        return shorten(template), "The gateway compares decoded paths: write the characters without percent-encoding"
    try:
        parse_path(literal.encode().decode("latin-1"))
    except UnreadablePath:
        forbidden = "//, . or .. segments, control characters, backslashes or semicolons"
        return shorten(template), f"The gateway refuses paths with {forbidden}: remove them"
    for segment in template.split("/"):
        if len(_VARIABLE.findall(segment)) > 2 or "}{" in segment:
            return shorten(
                segment
            ), "Adjacent variables, or more than two in a segment, are ambiguous: give each its own segment"
    return None
