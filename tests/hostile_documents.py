"""Documents of up to 16 MB that say nothing, or the same thing over and over, each with what its refusal must name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

HEAD = '{"openapi": "3.1.0", "info": {"title": "A", "version": "1"}, '
# Of a file, without what stands around what is repeated.
SIZE = 15_990_000
NO_VERSION = "The document does not state its OpenAPI version"
NO_MAPPING = "An OpenAPI document is a mapping with the key openapi"
NO_OPERATION = "No operations"
TOO_DEEP = "More than 100 mappings and lists are nested"
TOO_MANY = "more than 1,000,000 values"
REMOTE = "References to files and URLs are not followed"
# Imported, in bounded time: nothing that the gateway needs is wrong.
IMPORTED = ""


def fill(piece: str, head: str = "", tail: str = "") -> str:
    return head + piece * ((SIZE - len(head) - len(tail)) // len(piece)) + tail


def number(make: Callable[[int], str], head: str, tail: str, count: int, separator: str = ",") -> str:
    return head + separator.join(map(make, range(count))) + tail


def paths(*items: str, rest: str = "") -> str:
    return f'{HEAD}"paths": {{{", ".join(items)}}}{rest}}}'


def schemas(make: Callable[[int], str], count: int) -> str:
    return number(make, paths('"/a": {"get": {}}', rest=', "components": {"schemas": {')[:-1], "}}}", count)


def reference(name: object) -> str:
    return f'{{"$ref": "#/components/schemas/A{name}"}}'


# One path item, and thousands of paths that refer to it: what it holds is looked at for each.
def shared(content: str) -> str:
    listed = number(lambda n: f'"/a{n}": {{"$ref": "#/components/pathItems/P"}}', "", "", 4_900)
    return paths(listed, rest=f', "components": {{"pathItems": {{"P": {content}}}}}')


def texts(count: int) -> str:
    return number(lambda n: f'"{n}"', "[", "]", count)


def parameters(count: int) -> str:
    return number(lambda n: f'{{"name": "p{n}", "in": "query", "schema": {{}}}}', "[", "]", count)


JSON: dict[str, tuple[Callable[[], str], str]] = {
    "spaces": (lambda: fill(" ", "{", "}"), NO_VERSION),
    "spaces in front": (lambda: fill(" ", "", "{}"), NO_VERSION),
    "newlines": (lambda: fill("\n", "[", "]"), NO_MAPPING),
    "one long text": (lambda: fill("a", '{"a": "', '"}'), NO_VERSION),
    "one long title": (lambda: fill("a", '{"openapi": "3.1.0", "info": {"title": "', '"}}'), "one line of at most 200"),
    "one long name": (lambda: fill("a", '{"', '": 1}'), NO_VERSION),
    "one long version": (lambda: fill("3", '{"openapi": "', '"}'), "Use OpenAPI 3.0 or 3.1"),
    "one long text of escapes": (lambda: fill("\\u0061", '{"a": "', '"}'), NO_VERSION),
    "a text that does not end": (lambda: fill('\\"', '{"a": "'), "Invalid JSON"),
    "one long number": (lambda: fill("1", "[", "]"), "more than 100 digits"),
    "one long fraction": (lambda: fill("1", "[1.", "]"), NO_MAPPING),
    "one long exponent": (lambda: fill("9", "[1e", "]"), "too large"),
    "long numbers": (lambda: fill("9" * 99 + ",", "[", "1]"), NO_MAPPING),
    "large numbers": (lambda: fill("1e999,", "[", "1]"), TOO_MANY),
    "empty names": (lambda: number(lambda n: '"":0', "{", "}", 999_000), "the name '' appears twice"),
    "names": (lambda: number(lambda n: f'"{n}":0', "{", "}", 999_000), NO_VERSION),
    "names under one hash": (lambda: number(lambda n: f'"{n * (2**61 - 1)}":0', "{", "}", 500_000), NO_VERSION),
    "lists": (lambda: fill("[],", "[", "[]]"), TOO_MANY),
    "depth": (lambda: "[" * 990_000, TOO_DEEP),
    "depth of objects": (lambda: '{"a":' * 990_000, TOO_DEEP),
    "depth without end": (lambda: fill('[{"a":'), TOO_MANY),
    "marks": (lambda: fill(",:", "{"), TOO_MANY),
    "marks in a text": (lambda: fill(",[{", '{"a": "', '"}'), NO_VERSION),
    "paths": (lambda: paths(number(lambda n: f'"/{n}":{{}}', "", "", 499_000)), NO_OPERATION),
    "paths that are none": (lambda: paths(number(lambda n: f'"{n}":0', "", "", 990_000)), "it has 990,"),
    "operations": (lambda: paths(number(lambda n: f'"/{n}":{{"get":{{}}}}', "", "", 330_000)), "330,000 operations"),
    "one long path": (lambda: paths(f'"/{"a" * 15_000_000}": {{"get": {{}}}}'), "Use at most 500"),
    "one path of segments": (lambda: paths(f'"{"/{a}" * 3_900_000}": {{"get": {{}}}}'), "Use at most 500"),
    "long paths": (
        lambda: paths(number(lambda n: f'"/{"a" * 3_000}{n}{{x}}": {{"get": {{}}}}', "", "", 4_900)),
        "Use at most 500",
    ),
    "one long query": (lambda: paths(f'"/?{"a=1&" * 3_900_000}": {{"get": {{}}}}'), "Use at most 500"),
    "queries": (
        lambda: paths(number(lambda n: f'"/{n}?{"&".join(f"{m}=1" for m in range(400))}":{{"get":{{}}}}', "", "", 999)),
        "Use at most 500",
    ),
    "a long server": (
        lambda: paths(
            number(lambda n: f'"/{n}": {{"get": {{}}}}', "", "", 4_900),
            rest=f', "servers": [{{"url": "https://a/{"b" * 8_000_000}"}}]',
        ),
        "Use at most 500",
    ),
    "variables of a server": (
        lambda: paths(
            '"/a": {"get": {}}',
            rest=f', "servers": [{{"url": "/{"b" * 7_000_000}", "variables": '
            + number(lambda n: f'"v{n}": {{"default": "c"}}', "{", "}}]", 300_000),
        ),
        "Use at most 500",
    ),
    "tags": (lambda: paths(f'"/a": {{"get": {{"tags": {texts(990_000)}}}}}'), IMPORTED),
    "listed tags": (
        lambda: paths('"/a": {"get": {}}', rest=', "tags": ' + number(lambda n: f'{{"name":"{n}"}}', "[", "]", 490000)),
        IMPORTED,
    ),
    "the same operationId": (
        lambda: paths(number(lambda n: f'"/{n}":{{"get":{{"operationId":"a","tags":["T"]}}}}', "", "", 4_900)),
        IMPORTED,
    ),
    "unknown words": (lambda: number(lambda n: f'"w{n}":0', HEAD, "}", 990_000), NO_OPERATION),
    "faults of schemas": (lambda: schemas(lambda n: f'"A{n}":{{"type":"t"}}', 499_000), IMPORTED),
    "a circle of references": (lambda: schemas(lambda n: f'"A{n}":{reference((n + 1) % 200_000)}', 200_000), IMPORTED),
    "a chain of references": (lambda: schemas(lambda n: f'"A{n}":{reference(n + 1)}', 200_000), IMPORTED),
    "references to themselves": (lambda: schemas(lambda n: f'"A{n}":{reference(n)}', 200_000), IMPORTED),
    "one long reference": (lambda: schemas(lambda n: reference("/a" * 7_900_000).join(('"A":', "")), 1), IMPORTED),
    "references abroad": (lambda: schemas(lambda n: f'"A{n}":{{"$ref":"http://127.0.0.1:9/{n}"}}', 300_000), REMOTE),
    "references to files": (lambda: schemas(lambda n: f'"A{n}":{{"$ref":"file:///etc/passwd"}}', 300_000), REMOTE),
    "shared parameters": (lambda: shared(f'{{"parameters": {parameters(120_000)}, "get": {{}}}}'), IMPORTED),
    "shared own parameters": (lambda: shared(f'{{"get": {{"parameters": {parameters(120_000)}}}}}'), IMPORTED),
    "shared tags": (
        lambda: shared(f'{{"get": {{"tags": {texts(900_000)}}}}}'), IMPORTED,
    ),
    "shared security": (lambda: shared(f'{{"get": {{"security": [{"{}," * 450_000}{{}}]}}}}'), IMPORTED),
}  # fmt: skip


def aliases(count: int) -> str:
    """Each line nine times the one before."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, count))]
    return "\n".join(lines)


YAML: dict[str, tuple[Callable[[], str], str]] = {
    "spaces": (lambda: fill(" "), "no YAML document"),
    "newlines": (lambda: fill("\n"), "no YAML document"),
    "comments": (lambda: fill("#\n"), "no YAML document"),
    "one long comment": (lambda: fill("#"), "no YAML document"),
    "one long text": (lambda: fill("a", "a: "), NO_VERSION),
    "one text of words": (lambda: fill("a ", "a: "), NO_VERSION),
    "one text of lines": (lambda: fill("a\n ", "a: "), NO_VERSION),
    "one text of empty lines": (lambda: fill("\n", 'a: "', '"'), NO_VERSION),
    "a block of lines": (lambda: fill("  a\n", "a: |\n"), NO_VERSION),
    "one long name": (lambda: fill("a", "", ": 1"), "Invalid YAML"),
    "one long number": (lambda: fill("1", "a: "), NO_VERSION),
    "long numbers": (lambda: fill("- " + "9" * 99 + "\n"), NO_MAPPING),
    "large numbers": (lambda: fill("- 1e999\n"), "too large"),
    "empty names": (lambda: fill("'':\n"), "the name '' appears twice"),
    "names": (lambda: number(lambda n: f"{n}:", "", "", 490_000, "\n"), NO_VERSION),
    "lists": (lambda: fill("- []\n"), TOO_MANY),
    "items": (lambda: fill("-\n"), TOO_MANY),
    "depth": (lambda: fill("- "), TOO_DEEP),
    "depth of a line": (lambda: fill("[", "a: "), TOO_DEEP),
    "depth of mappings": (lambda: fill("{a: ", "a: "), TOO_DEEP),
    "depth of keys": (lambda: fill("? "), TOO_DEEP),
    "aliases": (lambda: aliases(400), TOO_MANY),
    "aliases of one": (lambda: fill("- *a\n", "- &a [x]\n"), TOO_MANY),
    "aliases of much": (lambda: fill("- *a\n", "- &a [" + "x," * 300_000 + "x]\n"), TOO_MANY),
    "anchors": (lambda: number(lambda n: f"- &a{n} x", "", "", 990_000, "\n"), NO_MAPPING),
    "anchors of one name": (lambda: fill("- &a x\n"), TOO_MANY),
    "merges": (lambda: fill("- {<<: *a}\n", "- &a {b: 1}\n"), TOO_MANY),
    "merges of merges": (
        lambda: (
            "a0: &a0 {k: 1}\n"
            + number(lambda n: f"a{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}], k{n}: 1}}", "", "", 200_000, "\n")
        ),
        TOO_MANY,
    ),
    "a circle": (lambda: "a: &a [*a]", "does not refer to a complete anchor"),
    "tags": (lambda: fill("- !a x\n"), "has no JSON equivalent"),
    "directives": (lambda: number(lambda n: f"%TAG !a{n}! b", "", "\n--- a", 900_000, "\n"), "directives"),
    "other directives": (lambda: fill("%A b\n", "", "--- a"), "directives"),
    "documents": (lambda: fill("---\n"), "a second YAML document starts here"),
    "a circle of references": (
        lambda: (
            "openapi: 3.1.0\ninfo: {title: A, version: '1'}\npaths: {/a: {get: {}}}\ncomponents:\n schemas:\n"
            + number(lambda n: f"  A{n}: {{$ref: '#/components/schemas/A{(n + 1) % 200_000}'}}", "", "", 200_000, "\n")
        ),
        IMPORTED,
    ),
    "references abroad": (
        lambda: (
            "openapi: 3.1.0\ninfo: {title: A, version: '1'}\npaths:\n"
            + number(lambda n: f"  /a{n}: {{$ref: 'http://127.0.0.1:9/{n}'}}", "", "", 240_000, "\n")
        ),
        REMOTE,
    ),
}


def list_documents() -> Iterable[tuple[str, str, Callable[[], str], str]]:
    """Yield kind, file suffix, what makes it, and what its refusal names."""
    for suffix, made in (("json", JSON), ("yaml", YAML)):
        for kind, (make, named) in made.items():
            yield kind, suffix, make, named
