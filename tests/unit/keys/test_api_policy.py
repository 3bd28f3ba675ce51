"""A policy is read strictly: one wrong word and it is refused by name."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from keys.apis.policy import CREDENTIALS, BadPolicy, Policy
from keys.apis.policy_parsing import SETTINGS
from keys.apis.yaml_loader import parse

BILLING = yaml.safe_load(Path("keys/apis/presets/billing.policy.yaml").read_text(encoding="utf-8"))
SIGNED = {**BILLING, "credentials": ["signature"]}
RECORDED = {
    **SIGNED,
    "credentials": ["signature", "recording"],
    "flags": ["recordings"],
    "recordings": ["GET /recordings/{lead_id}"],
}
FIELD = {"slug": "website", "label": "Website", "kind": "url", "required": False}


def test_billing_asks_exactly_what_it_should():
    rules = Policy.from_data(BILLING)

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
        ({"colour": "red"}, '"colour"'),
        ({"secret": "hidden"}, '"hidden"'),
        ({"unlisted_routes": "maybe"}, '"maybe"'),
        ({"addresses": None}, "/addresses: null"),
        ({"credentials": []}, "credentials"),
        ({"credentials": "bearer"}, '"bearer"'),
        ({"credentials": ["bearer", "cookie"]}, '"cookie"'),
        ({"flags": ["loud"]}, '"loud"'),
        ({"noun": ""}, "noun"),
        ({"noun": "API\nkey"}, "noun"),
        ({"noun": 7}, "7"),
        ({"documentation": "x" * 201}, "documentation"),
        ({"longest_days": 0}, "longest_days"),
        ({"longest_days": True}, "/longest_days: true"),
        ({"longest_days": "90"}, '"90"'),
        ({"fields": {}}, "fields"),
        ({"fields": ["website"]}, '"website"'),
        ({"fields": [FIELD, FIELD]}, '"website"'),
        ({"fields": [{**FIELD, "slug": "password"}]}, '"password"'),
        ({"fields": [{**FIELD, "slug": "Web site"}]}, '"Web site"'),
        ({"fields": [{**FIELD, "kind": "file"}]}, '"file"'),
        ({"fields": [{**FIELD, "required": "yes"}]}, '"yes"'),
        ({"fields": [{**FIELD, "size": 3}]}, '"size"'),
        ({"fields": [{**FIELD, "kind": "choice"}]}, "choices"),
        ({"fields": [{**FIELD, "choices": [{"slug": "a", "label": "A"}]}]}, "choices"),
        ({"fields": [{**FIELD, "kind": "choice", "choices": ["web"]}]}, '"web"'),
        ({"fields": [{**FIELD, "kind": "choice", "choices": [{"slug": "web", "name": "Web"}]}]}, '"name"'),
    ],
)
def test_a_wrong_word_is_refused_by_name(change: dict[str, Any], named: str):
    with pytest.raises(BadPolicy) as refused:
        Policy.from_data({**BILLING, **change})

    assert named in str(refused.value)


@pytest.mark.parametrize("name", sorted(set(BILLING) - {"fields", "asks"}))
def test_a_missing_word_is_refused_by_name(name: str):
    with pytest.raises(BadPolicy, match=name):
        Policy.from_data({key: value for key, value in BILLING.items() if key != name})


@pytest.mark.parametrize("data", [None, [], "policy", 3])
def test_what_is_no_mapping_is_no_policy(data: Any):
    with pytest.raises(BadPolicy):
        Policy.from_data(data)


@pytest.mark.parametrize(
    "rules",
    [
        SIGNED,
        RECORDED,
        {**BILLING, "credentials": ["basic"], "name_kind": "username"},
        {**BILLING, "flags": ["hlr_lookup"], "adds_leads": ["POST /leads"], "asks": ["hlr_lookup"]},
        {**BILLING, "documentation": "https://docs.example.com/billing"},
        {**BILLING, "request_link": "https://api.example.com:8443"},
        {**BILLING, "expiry": "required", "longest_days": 365},
        {**BILLING, "modules": [{"tag": "Invoices", "number": 4, "slug": "bills", "routes": ["GET /invoices"]}]},
        {**BILLING, "modules": [{"tag": "A", "contains": ["B", "C"]}, {"tag": "B", "contains": ["C"]}]},
    ],
)
def test_words_that_fit_each_other_are_taken(rules: dict[str, Any]):
    assert Policy.from_data(rules).credentials == tuple(rules["credentials"])


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ({**SIGNED, "secret": "shown_once"}, "the gateway checks signatures with the secret"),
        ({**RECORDED, "secret": "shown_once"}, "the gateway checks signatures with the secret"),
        ({**SIGNED, "credentials": ["signature", "bearer"]}, '"bearer"'),
        ({**BILLING, "credentials": ["basic", "bearer"], "name_kind": "username"}, "basic cannot be combined"),
        ({**BILLING, "credentials": ["basic"]}, '/name_kind: "text", but'),
        ({**BILLING, "credentials": ["basic"], "name_kind": "owner"}, '/name_kind: "owner", but'),
        ({**RECORDED, "credentials": ["recording"]}, "Add signature"),
        ({**RECORDED, "recordings": []}, "Add a route, such as GET /recordings/{lead_id}"),
        ({**RECORDED, "flags": []}, "Add recordings"),
        ({**RECORDED, "credentials": ["signature"]}, "Add recording to credentials"),
        ({**BILLING, "flags": ["recordings"]}, "recordings has no effect"),
        ({**BILLING, "flags": ["hlr_lookup"]}, "hlr_lookup has no effect because adds_leads lists no route"),
        ({**BILLING, "adds_leads": ["POST /leads"]}, "Add hlr_lookup"),
        ({**BILLING, "asks": ["mask_phone"]}, "/asks/0: mask_phone is not in flags"),
        ({**BILLING, "asks": ["addresses", "addresses"]}, '/asks/1: "addresses" appears twice'),
        ({**BILLING, "asks": ["colour"]}, '"colour"'),
        ({**BILLING, "fixed": ["recordings"]}, "/fixed/0: recordings is not in flags"),
        ({**BILLING, "fixed": ["enabled"]}, "/fixed/0: enabled"),
        ({**BILLING, "fixed": ["website"]}, '"website"'),
        ({**BILLING, "labels": {"mask_phone": "Mask"}}, "/labels/mask_phone: mask_phone is not in flags"),
        ({**BILLING, "labels": {"name": "Nickname"}}, "name_label"),
        ({**BILLING, "labels": {"modules": "Roles"}}, "modules_called"),
        ({**BILLING, "labels": {"colour": "Colour"}}, '"colour"'),
        ({**BILLING, "labels": ["addresses"]}, "labels"),
        ({**BILLING, "notes": {"expiry": ""}}, "expiry"),
        ({**BILLING, "addresses": "required", "asks": []}, "/asks: [], but addresses are required"),
        ({**BILLING, "expiry": "none", "longest_days": 30}, "/longest_days: 30, but expiry is none"),
        ({**BILLING, "expiry": "none", "asks": ["expiry"]}, "/asks/0: expiry is listed"),
        ({**BILLING, "request_link": "https://api.example.com/v1"}, '"https://api.example.com/v1"'),
        ({**BILLING, "request_link": "https://me@api.example.com"}, '"https://me@api.example.com"'),
        ({**BILLING, "request_link": "https://api.example.com:99999"}, '"https://api.example.com:99999"'),
        ({**BILLING, "request_link": "https://a'b"}, "request_link"),
        ({**BILLING, "documentation": "docs.example.com"}, '"docs.example.com"'),
        ({**BILLING, "documentation": "javascript:alert(1)"}, '"javascript:alert(1)"'),
        ({**BILLING, "documentation": "https://[docs"}, '"https://[docs"'),
        ({**BILLING, "name_kind": "number"}, '"number"'),
        ({**BILLING, "modules": {"tag": "Invoices"}}, "modules"),
        ({**BILLING, "modules": ["Invoices"]}, '"Invoices"'),
        ({**BILLING, "modules": [{"number": 3}]}, "tag"),
        ({**BILLING, "modules": [{"tag": "Invoices", "number": 0}]}, "/modules/0/number: 0"),
        ({**BILLING, "modules": [{"tag": "Invoices", "number": True}]}, "/modules/0/number: true"),
        ({**BILLING, "modules": [{"tag": "Invoices", "slug": "A,B"}]}, '"A,B"'),
        (
            {**BILLING, "modules": [{"tag": "Invoices"}, {"tag": "Invoices"}]},
            '/modules/1/tag: "Invoices" appears twice',
        ),
        (
            {**BILLING, "modules": [{"tag": "A", "number": 7}, {"tag": "B", "number": 7}]},
            "/modules/1/number: 7 appears twice",
        ),
        ({**BILLING, "modules": [{"tag": "A", "contains": "B"}]}, '/modules/0/contains: "B". Write a list'),
        ({**BILLING, "modules": [{"tag": "A", "contains": ["B", "B"]}]}, '/modules/0/contains/1: "B" appears twice'),
        (
            {**BILLING, "modules": [{"tag": "A", "contains": ["A"]}]},
            "/modules/0/contains: 'A' contains 'A': a module cannot",
        ),
        (
            {**BILLING, "modules": [{"tag": each, "contains": [other]} for each, other in ("AB", "BC", "CA")]},
            "contains 'A'",
        ),
        (
            {**BILLING, "modules": [{"tag": "A", "contains": [f"B{n}" for n in range(101)]}]},
            "/modules/0/contains: 'A' contains 101 modules. Let it contain at most 100",
        ),
        (
            {**BILLING, "recordings": "GET /recordings/{lead_id}"},
            '/recordings: "GET /recordings/{lead_id}". Write a list of strings',
        ),
        ({**BILLING, "fields": [{**FIELD, "kind": "fixed"}]}, "value"),
        (
            {**BILLING, "fields": [{**FIELD, "kind": "fixed", "value": "API", "required": True}]},
            "/fields/0/required: It has no effect",
        ),
        ({**BILLING, "fields": [{**FIELD, "value": "API"}]}, "/fields/0/value: A field of kind url has no value"),
        ({**BILLING, "noun": "x" * 5000}, "…"),
    ],
)
def test_words_that_do_not_fit_each_other_are_refused(rules: dict[str, Any], named: str):
    with pytest.raises(BadPolicy) as refused:
        Policy.from_data(rules)

    assert named in str(refused.value)
    assert len(str(refused.value)) < 400


def test_the_documentation_explains_every_word():
    page = Path("docs/apis.md").read_text(encoding="utf-8")
    explained = {
        word for row in re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }

    assert set(Policy.__dataclass_fields__) <= explained
    assert {f"`{word}`" for word in (*CREDENTIALS, *SETTINGS)} <= set(re.findall(r"`\w+`", page))


FAULTY = """\
noun: API key
plural: 7
modules_called: Modules
credentials: [bearr, basic, basic]
secret: hidden
unlisted_routes: deny
addresses: optional
expiry: none
longest_days: 30
colour: red
creds: []
labels: {adresses: Where}
fields:
  - {slug: password, label: A, kind: text}
  - {slug: site, label: "", kind: url, choices: [1]}
  - {slug: site, kind: choice, choices: []}
  - 3
modules:
  - {tag: A, number: 1, routes: "GET /a"}
  - {tag: A, number: 1, slug: A_B}
leave_out: {path: ["/x"]}
encoded_slash: 5
"""


def test_all_faults_of_a_policy_are_said_at_once_each_at_its_place():
    with pytest.raises(BadPolicy) as refused:
        Policy.from_data(parse(FAULTY), FAULTY)

    assert str(refused.value).splitlines() == [
        "The policy cannot be used: it has 22 problems.",
        "line 1, column 1, /name_label: It is missing. Write one line of at most 200 characters.",
        'line 15, column 25, /fields/1/label: "". Write one line of at most 200 characters.',
        "line 16, column 5, /fields/2/label: It is missing. Write one line of at most 200 characters.",
        'line 2, column 9, /plural: 7. Write it in quotes: "7".',
        'line 4, column 15, /credentials/0: "bearr". Write bearer.',
        'line 4, column 29, /credentials/2: "basic" appears twice. Remove one.',
        'line 5, column 9, /secret: "hidden". Use one of revealable, shown_once.',
        "line 9, column 15, /longest_days: 30, but expiry is none. Write expiry: required, or remove longest_days.",
        'line 10, column 9, /colour: "colour" is unknown in a policy. '
        f"Use one of {', '.join(Policy.__dataclass_fields__)}.",
        'line 11, column 8, /creds: "creds" is unknown in a policy. Write credentials.',
        'line 12, column 20, /labels/adresses: "adresses" is unknown in labels. Write addresses.',
        'line 14, column 12, /fields/0/slug: "password" is reserved. Choose another slug.',
        "line 15, column 49, /fields/1/choices: A field of kind url has no choices. "
        "Remove them, or write kind: choice.",
        'line 16, column 12, /fields/2/slug: "site" appears twice. Write another, or remove one.',
        'line 20, column 11, /modules/1/tag: "A" appears twice. Write another, or remove one.',
        "line 20, column 22, /modules/1/number: 1 appears twice. Write another, or remove one.",
        "line 16, column 41, /fields/2/choices: an empty list. List at least one choice with slug and label.",
        "line 17, column 5, /fields/3: 3. Write a field: a mapping with slug, label, kind, required, choices, value.",
        'line 19, column 33, /modules/0/routes: "GET /a". Write a list of strings.',
        "line 22, column 16, /encoded_slash: 5. Write a list of strings.",
        'line 20, column 31, /modules/1/slug: "A_B". Write up to 64 lowercase letters, digits and hyphens.',
        'line 21, column 19, /leave_out/path: "path" is unknown in leave_out. Write paths.',
    ]


@pytest.mark.parametrize(
    "policy",
    [
        {**BILLING, **{f"setting{n}": n for n in range(100_000)}},
        {**BILLING, "credentials": [f"bearer{n}" for n in range(100_000)]},
        {**BILLING, "modules": [{"tag": "A", "rootes": 1}] * 60_000},
        {**BILLING, "fields": list(range(100_000))},
    ],
)
def test_faults_by_the_thousand_take_seconds(policy: dict[str, Any]):
    began = time.process_time()
    with pytest.raises(BadPolicy) as refused:
        Policy.from_data(policy)

    assert refused.value.report.total >= 100_000
    assert len(str(refused.value)) < 4_000
    assert time.process_time() - began < 8
