"""docs/api/openapi.yaml names what the gateway has, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway import app, decide, dialects, responses
from keys.apis.yaml_loader import load_file
from keys.decision.access import STATUS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def surface() -> dict[str, Any]:
    return load_file(ROOT / "docs/api/openapi.yaml")


def test_it_is_valid(surface: dict[str, Any]) -> None:
    validate(surface)


def test_it_has_the_gateways_paths(surface: dict[str, Any]) -> None:
    source = Path(app.__file__).read_text()
    literal = {path for path in re.findall(r'b"(/[^"]*)"', source) if path not in ("/",)}
    named = {path.partition("{")[0] for path in surface["paths"]}

    assert named == literal


def test_it_has_the_headers_that_the_gateway_reads(surface: dict[str, Any]) -> None:
    found = {
        each["name"].lower().encode() for each in surface["components"]["parameters"].values() if each["in"] == "header"
    }
    proof = surface["components"]["securitySchemes"]["gatewaySecret"]["name"].lower().encode()

    assert found | {proof} == dialects.ORIGINAL_CALL_HEADERS | dialects.CREDENTIAL_HEADERS


def test_it_has_the_headers_that_the_gateway_answers_with(surface: dict[str, Any]) -> None:
    source = Path(responses.__file__).read_text()
    sent = set(re.findall(r'line\(b"([a-z0-9-]+)"', source)) | set(re.findall(r"(x-[a-z0-9-]+): %b", source))
    answers = surface["components"]["responses"].values()
    found = {name.lower() for answer in answers for name in answer["headers"]}

    # OpenAPI has the kind of content in a place of its own.
    assert found == sent - {"content-type"}


@pytest.mark.parametrize(("name", "status"), [("Unauthorised", 401), ("Forbidden", 403)])
def test_it_has_the_codes_of_each_status(surface: dict[str, Any], name: str, status: int) -> None:
    codes = surface["components"]["schemas"][name]["properties"]["code"]["enum"]
    unlogged = ["gateway_secret", decide.UNKNOWN_API] if status == 403 else []

    assert sorted(codes) == sorted([code for code, of in STATUS.items() if of == status] + unlogged)


def test_whoami_tells_what_it_says(surface: dict[str, Any]) -> None:
    source = Path(responses.__file__).read_text()
    body = source[source.index("def _build_whoami") : source.index("@lru_cache")]
    schema = surface["components"]["schemas"]["Key"]

    assert list(schema["properties"]) == re.findall(r'^\s+"([a-z_]+)":', body, re.MULTILINE)
    assert schema["required"] == list(schema["properties"])
