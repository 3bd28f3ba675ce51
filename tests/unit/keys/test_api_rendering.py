"""A document and a policy in use are written such that they are read as exactly what they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keys.apis import rendering
from keys.apis.description import get_preset, list_preset_slugs
from keys.apis.rendering import get_file_name, render_document, render_policy
from tests.parsing import parse_bytes

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("slug", list_preset_slugs())
def test_presets_are_read_as_what_they_were(slug: str) -> None:
    described = get_preset(slug)

    assert parse_bytes(render_document(described.document).encode()) == described.document
    assert parse_bytes(render_policy(described.rules).encode()) == described.rules
    assert render_policy(described.rules).startswith("noun: ")
    assert render_document(described.document).startswith("openapi: ")


@settings(max_examples=3 * settings().max_examples)
@given(st.dictionaries(texts, values, max_size=4))
@example({"a": ["1e5", "0o14", "0x1F", "~", "null", "True", "yes", "2020-01-01", "1_000", "", " ", "- a", "<<"]})
@example({"<<": {"a": 1}, "b": "<<"})
@example({"a": "one\ntwo\n", "b": " one\n two", "c": "\n", "d": "one \ntwo\n\n"})
@example({"e": "a\r\nb", "f": "\x85 \u2028 \x07"})
@example({"a": 1e16, "b": 1.5e-7, "c": -0.0, "d": 10**30})
def test_any_value_is_read_as_what_it_was(value: dict[str, Any]) -> None:
    again = parse_bytes(render_document(value).encode())

    # Texts, numbers and booleans that are equal in Python are told apart.
    assert json.dumps(again, sort_keys=True) == json.dumps(value, sort_keys=True)


def test_a_large_document_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MAX_YAML_CHARACTERS", 100)
    document = get_preset("billing").document
    text = render_document(document)

    assert json.loads(text) == document
    assert get_file_name("billing", "openapi", text) == "billing.openapi.json"
    assert get_file_name("billing", "policy", "noun: API key\n") == "billing.policy.yaml"
