"""What may be asked of a key, and what counts as letting more in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from keys.apis.policy import Policy
from keys.terms import Invalid, Terms, changes, check_expiry, checked, latest_expiry, widened

BILLING = yaml.safe_load(Path("keys/presets/billing.policy.yaml").read_text(encoding="utf-8"))
RULES = Policy.read(BILLING)
MODULES = ["customers", "invoices"]
GOOD = Terms(name="Robot", fields={"platform": "server", "website": "https://shop.example"})
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def networks(*texts: str) -> Any:
    return tuple(ip_network(text) for text in texts)


def wrong(terms: Terms, rules: Policy = RULES) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as refused:
        checked(terms, rules, MODULES)
    return refused.value.message_dict


def test_good_terms_are_tidied():
    terms = checked(
        replace(GOOD, name="  Robot ", fields={"platform": "web", "website": ""}, networks=networks("10.0.0.0/8") * 2),
        RULES,
        MODULES,
    )

    assert (terms.name, terms.fields, terms.networks) == ("Robot", {"platform": "web"}, networks("10.0.0.0/8"))


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x00b", "a\u202eb", "a\ud800b", "x" * 201])
def test_a_name_that_cannot_be_read_is_refused(name: str):
    assert list(wrong(replace(GOOD, name=name))) == ["name"]


@pytest.mark.parametrize(
    "website",
    [
        "shop.example",
        "ftp://shop.example",
        "javascript:alert(1)",
        "https://",
        "https://a b.example",
        "https://x:99999",
        "https://[1",
        "https://x/\n",
        "https://" + "x" * 500,
    ],
)
def test_a_website_that_is_none_is_refused(website: str):
    website = website if not website.endswith("\n") else website + "y"

    assert list(wrong(replace(GOOD, fields={"platform": "web", "website": website}))) == ["website"]


def test_a_choice_outside_the_policy_is_refused_with_what_there_is():
    message = wrong(replace(GOOD, fields={"platform": "toaster"}))["platform"][0]

    assert "'toaster'" in message
    assert "Web, Mobile, Desktop, Server, Other" in message


def test_a_field_that_the_policy_does_not_have_is_refused():
    assert "'nickname'" in wrong(replace(GOOD, fields={"platform": "web", "nickname": "x"}))["fields"][0]


def test_modules_are_those_of_the_api_and_at_least_one():
    assert "'payroll'" in wrong(replace(GOOD, modules=frozenset({"payroll", "invoices"})))["modules"][0]
    assert "modules" in wrong(replace(GOOD, modules=frozenset()))


def test_addresses_can_be_required_and_are_bounded():
    required = Policy.read({**BILLING, "addresses": "required"})
    assert "addresses" in wrong(GOOD, required)

    many = tuple(ip_network(f"10.0.{n}.0/24") for n in range(101))
    assert "101" in wrong(replace(GOOD, networks=many))["addresses"][0]


def test_everything_wrong_is_said_at_once():
    assert set(wrong(Terms(name="", fields={"website": "x"}, modules=frozenset()))) == {
        *("name", "website", "platform", "modules"),
    }


@pytest.mark.parametrize(
    ("expires_at", "policy", "latest"),
    [
        (NOW, "optional", None),
        (NOW - timedelta(days=1), "optional", None),
        (None, "required", None),
        (None, "optional", NOW + timedelta(days=30)),
        (NOW + timedelta(days=31), "optional", NOW + timedelta(days=30)),
        (NOW + timedelta(days=1), "none", None),
    ],
)
def test_an_expiry_that_policy_or_lifetime_forbid_is_refused(expires_at: Any, policy: str, latest: Any):
    with pytest.raises(Invalid) as refused:
        check_expiry(expires_at, Policy.read({**BILLING, "expiry": policy}), now=NOW, latest=latest)

    assert list(refused.value.message_dict) == ["expiry"]


@pytest.mark.parametrize(
    ("expires_at", "policy", "latest"),
    [
        (None, "optional", None),
        (None, "none", None),
        (NOW + timedelta(microseconds=1), "required", None),
        (NOW + timedelta(days=30), "optional", NOW + timedelta(days=30)),
        (NOW + timedelta(days=3), "none", NOW + timedelta(days=30)),
    ],
)
def test_an_expiry_within_them_is_taken(expires_at: Any, policy: str, latest: Any):
    check_expiry(expires_at, Policy.read({**BILLING, "expiry": policy}), now=NOW, latest=latest)


def test_the_longest_lifetime_counts_from_the_creation():
    assert latest_expiry(NOW, 90) == NOW + timedelta(days=90)
    assert latest_expiry(NOW, None) is None


WIDER = [
    ({"networks": networks("10.0.0.0/8")}, {"networks": ()}, "addresses"),
    ({"networks": networks("10.0.0.0/8")}, {"networks": networks("10.0.0.0/8", "192.0.2.1")}, "addresses"),
    ({"networks": networks("10.0.0.0/9")}, {"networks": networks("10.0.0.0/8")}, "addresses"),
    ({"networks": networks("10.0.0.0/8")}, {"networks": networks("::/0")}, "addresses"),
    ({"modules": frozenset({"invoices"})}, {"modules": None}, "modules"),
    ({"modules": frozenset({"invoices"})}, {"modules": frozenset({"customers"})}, "modules"),
    ({"expires_at": NOW}, {"expires_at": None}, "expiry"),
    ({"expires_at": NOW}, {"expires_at": NOW + timedelta(seconds=1)}, "expiry"),
]


@pytest.mark.parametrize(("before", "after", "what"), WIDER)
def test_what_lets_more_in_is_widening(before: dict[str, Any], after: dict[str, Any], what: str):
    assert widened(replace(GOOD, **before), replace(GOOD, **after)) == [what]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"networks": networks("0.0.0.0/0")}),
        ({"networks": networks("10.0.0.0/8", "192.0.2.1")}, {"networks": networks("10.1.0.0/16")}),
        ({"modules": None}, {"modules": frozenset({"invoices"})}),
        ({"expires_at": None}, {"expires_at": NOW}),
        ({"expires_at": NOW}, {"expires_at": NOW - timedelta(days=1)}),
        ({}, {"name": "Other", "fields": {"platform": "web"}}),
    ],
)
def test_what_lets_less_in_or_decides_nothing_is_not(before: dict[str, Any], after: dict[str, Any]):
    assert widened(replace(GOOD, **before), replace(GOOD, **after)) == []


def test_changes_hold_old_and_new_of_what_differs_alone():
    after = replace(GOOD, fields={"platform": "web"}, networks=networks("10.0.0.0/8"))

    assert changes(GOOD, after) == {
        "website": ["https://shop.example", None],
        "platform": ["server", "web"],
        "addresses": [[], ["10.0.0.0/8"]],
    }
