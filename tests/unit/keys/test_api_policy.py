"""A policy is read strictly: one wrong word and it is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from keys.apis.policy import BadPolicy, Policy

BILLING = yaml.safe_load(Path("keys/presets/billing.policy.yaml").read_text(encoding="utf-8"))
FIELD = {"slug": "website", "label": "Website", "kind": "url", "required": False}


def test_billing_asks_exactly_what_it_should():
    rules = Policy.read(BILLING)

    assert rules.name_label == "Application name"
    assert [(field.label, field.kind, field.required) for field in rules.fields] == [
        ("Application website", "url", False),
        ("Platform", "choice", True),
    ]
    assert [choice.label for choice in rules.fields[1].choices] == ["Web", "Mobile", "Desktop", "Server", "Other"]
    assert (rules.noun, rules.plural, rules.modules_called) == ("API key", "API keys", "Modules")
    assert set(rules.credentials) == {"bearer", "token"}
    assert (rules.revealable, rules.addresses, rules.expiry) == (True, "optional", "optional")
    assert rules.header == "Authorization: Token "


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"colour": "red"}, "'colour'"),
        ({"secret": "hidden"}, "'hidden'"),
        ({"unlisted_routes": "maybe"}, "'maybe'"),
        ({"addresses": None}, "None"),
        ({"credentials": []}, "credentials"),
        ({"credentials": "bearer"}, "'bearer'"),
        ({"credentials": ["bearer", "cookie"]}, "'cookie'"),
        ({"flags": ["loud"]}, "'loud'"),
        ({"noun": ""}, "noun"),
        ({"noun": "API\nkey"}, "noun"),
        ({"noun": 7}, "7"),
        ({"documentation": "x" * 201}, "documentation"),
        ({"longest_days": 0}, "longest_days"),
        ({"longest_days": True}, "True"),
        ({"longest_days": "90"}, "'90'"),
        ({"fields": {}}, "fields"),
        ({"fields": ["website"]}, "'website'"),
        ({"fields": [FIELD, FIELD]}, "'website'"),
        ({"fields": [{**FIELD, "slug": "password"}]}, "'password'"),
        ({"fields": [{**FIELD, "slug": "Web site"}]}, "'Web site'"),
        ({"fields": [{**FIELD, "kind": "file"}]}, "'file'"),
        ({"fields": [{**FIELD, "required": "yes"}]}, "'yes'"),
        ({"fields": [{**FIELD, "size": 3}]}, "'size'"),
        ({"fields": [{**FIELD, "kind": "choice"}]}, "choices"),
        ({"fields": [{**FIELD, "choices": [{"slug": "a", "label": "A"}]}]}, "choices"),
        ({"fields": [{**FIELD, "kind": "choice", "choices": ["web"]}]}, "'web'"),
        ({"fields": [{**FIELD, "kind": "choice", "choices": [{"slug": "web", "name": "Web"}]}]}, "'name'"),
    ],
)
def test_a_wrong_word_is_refused_by_name(change: dict[str, Any], named: str):
    with pytest.raises(BadPolicy) as refused:
        Policy.read({**BILLING, **change})

    assert named in str(refused.value)


@pytest.mark.parametrize("name", sorted(set(BILLING) - {"fields", "flags", "documentation"}))
def test_a_missing_word_is_refused_by_name(name: str):
    with pytest.raises(BadPolicy, match=name):
        Policy.read({key: value for key, value in BILLING.items() if key != name})


@pytest.mark.parametrize("data", [None, [], "policy", 3])
def test_what_is_no_mapping_is_no_policy(data: Any):
    with pytest.raises(BadPolicy):
        Policy.read(data)
