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
from keys.key_settings import (
    Invalid,
    IpListNetworks,
    KeySettings,
    check_expiry,
    check_immutable_settings,
    clean_settings,
    diff_settings,
    find_widened_settings,
    get_latest_expiry,
)

BILLING = yaml.safe_load(Path("keys/apis/presets/billing.policy.yaml").read_text(encoding="utf-8"))
RULES = Policy.from_data(BILLING)
MODULES = ["customers", "invoices"]
LISTS = [1, 2]
GOOD = KeySettings(name="Robot", fields={"platform": "server", "website": "https://shop.example"})
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def networks(*texts: str) -> Any:
    return tuple(ip_network(text) for text in texts)


def wrong(key_settings: KeySettings, rules: Policy = RULES) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as refused:
        clean_settings(key_settings, rules, MODULES, LISTS)
    return refused.value.message_dict


def test_good_terms_are_tidied():
    key_settings = clean_settings(
        replace(GOOD, name="  Robot ", fields={"platform": "web", "website": ""}, networks=networks("10.0.0.0/8") * 2),
        RULES,
        MODULES,
        LISTS,
    )

    assert (key_settings.name, key_settings.fields, key_settings.networks) == (
        "Robot",
        {"platform": "web"},
        networks("10.0.0.0/8"),
    )


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
    required = Policy.from_data({**BILLING, "addresses": "required"})
    assert "addresses" in wrong(GOOD, required)

    assert clean_settings(replace(GOOD, ip_lists=frozenset({2})), required, MODULES, LISTS).ip_lists == {2}

    many = tuple(ip_network(f"10.0.{n}.0/24") for n in range(101))
    assert "101" in wrong(replace(GOOD, networks=many))["addresses"][0]


def test_ip_lists_are_those_of_the_account_and_bounded():
    assert "no such IP list" in wrong(replace(GOOD, ip_lists=frozenset({1, 3})))["ip_lists"][0]

    with pytest.raises(Invalid, match="101 IP lists"):
        clean_settings(replace(GOOD, ip_lists=frozenset(range(101))), RULES, MODULES, range(101))


def test_flags_are_those_that_the_policy_knows():
    knows = Policy.from_data({**BILLING, "flags": ["mask_phone"], "labels": {"mask_phone": "Hide numbers"}})

    assert clean_settings(replace(GOOD, mask_phone=True), knows, MODULES, LISTS).mask_phone
    refused = wrong(replace(GOOD, mask_phone=True, hlr_lookup=True, recordings=True), knows)
    assert set(refused) == {"hlr_lookup", "recordings"}
    assert "HLR Lookup" in refused["hlr_lookup"][0]


def test_a_username_has_no_colon():
    names = Policy.from_data({**BILLING, "name_kind": "username", "credentials": ["basic"]})

    assert "colon" in wrong(replace(GOOD, name="pbx:one"), names)["name"][0]
    assert clean_settings(replace(GOOD, name="pbx:one"), RULES, MODULES, LISTS).name == "pbx:one"


def test_a_field_that_is_fixed_takes_no_other_value_and_is_not_kept():
    realm = {"slug": "realm", "label": "Realm", "kind": "fixed", "value": "API"}
    rules = Policy.from_data({**BILLING, "fields": [realm]})

    for typed in ({}, {"realm": "API"}, {"realm": ""}):
        assert clean_settings(replace(GOOD, fields=typed), rules, MODULES, LISTS).fields == {}
    assert wrong(replace(GOOD, fields={"realm": "Other"}), rules) == {
        "realm": ["Realm is always API. Leave it as it is."]
    }


SETTLED = ("addresses", "ip_lists", "modules", "expiry", "mask_phone")


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        ("addresses", {"networks": networks("10.0.0.0/8")}),
        ("ip_lists", {"ip_lists": frozenset({1})}),
        ("modules", {"modules": frozenset({"invoices"})}),
        ("expiry", {"expires_at": NOW + timedelta(days=1)}),
        ("mask_phone", {"mask_phone": True}),
    ],
)
def test_what_creation_settled_is_changed_no_more(setting: str, change: dict[str, Any]):
    rules = Policy.from_data({**BILLING, "fixed": list(SETTLED), "flags": ["mask_phone"]})
    before = replace(GOOD, expires_at=NOW, networks=networks("192.0.2.1", "192.0.2.2"))

    with pytest.raises(Invalid) as refused:
        check_immutable_settings(before, replace(before, **change), rules)
    ((name, (message,)),) = refused.value.message_dict.items()
    assert name == setting
    assert message.startswith(rules.get_label(setting))
    assert f"can't be {'extended' if setting == 'expiry' else 'changed'}" in message
    check_immutable_settings(before, replace(before, name="Other", networks=networks("192.0.2.2", "192.0.2.1")), rules)
    check_immutable_settings(before, replace(before, **change), RULES)


@pytest.mark.parametrize(("kind", "why"), [("username", "can't be changed"), ("owner", "when the key is reassigned")])
def test_a_username_and_an_owners_nickname_stay(kind: str, why: str):
    credentials = ["basic"] if kind == "username" else BILLING["credentials"]
    rules = Policy.from_data({**BILLING, "name_kind": kind, "credentials": credentials})

    with pytest.raises(Invalid, match=why):
        check_immutable_settings(GOOD, replace(GOOD, name="Other"), rules)


def test_everything_wrong_is_said_at_once():
    assert set(wrong(KeySettings(name="", fields={"website": "x"}, modules=frozenset()))) == {
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
        check_expiry(expires_at, Policy.from_data({**BILLING, "expiry": policy}), now=NOW, latest=latest)

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
    check_expiry(expires_at, Policy.from_data({**BILLING, "expiry": policy}), now=NOW, latest=latest)


def test_the_longest_lifetime_counts_from_the_creation():
    assert get_latest_expiry(NOW, 90) == NOW + timedelta(days=90)
    assert get_latest_expiry(NOW, None) is None


HELD = {
    1: IpListNetworks("Office", networks("10.0.0.0/9", "10.128.0.0/9")),
    2: IpListNetworks("Nobody", ()),
    3: IpListNetworks("Half an office", networks("10.0.0.0/9")),
}

WIDER = [
    ({"networks": networks("10.0.0.0/8")}, {"networks": ()}, "addresses"),
    ({"networks": networks("10.0.0.0/8")}, {"networks": networks("10.0.0.0/8", "192.0.2.1")}, "addresses"),
    ({"networks": networks("10.0.0.0/9")}, {"networks": networks("10.0.0.0/8")}, "addresses"),
    ({"networks": networks("10.0.0.0/8")}, {"networks": networks("::/0")}, "addresses"),
    ({"networks": networks("::/1")}, {"networks": networks("::/0")}, "addresses"),
    ({"ip_lists": frozenset({1})}, {"ip_lists": frozenset()}, "addresses"),
    ({"ip_lists": frozenset({2})}, {"ip_lists": frozenset()}, "addresses"),
    ({"ip_lists": frozenset({2})}, {"ip_lists": frozenset({2}), "networks": networks("192.0.2.1")}, "addresses"),
    ({"ip_lists": frozenset({3})}, {"ip_lists": frozenset({1})}, "addresses"),
    (
        {"ip_lists": frozenset({3}), "networks": networks("192.0.2.1")},
        {"networks": networks("10.0.0.0/8")},
        "addresses",
    ),
    ({"modules": frozenset({"invoices"})}, {"modules": None}, "modules"),
    ({"modules": frozenset({"invoices"})}, {"modules": frozenset({"customers"})}, "modules"),
    ({"expires_at": NOW}, {"expires_at": None}, "expiry"),
    ({"expires_at": NOW}, {"expires_at": NOW + timedelta(seconds=1)}, "expiry"),
    ({"mask_phone": True}, {"mask_phone": False}, "mask_phone"),
    ({"recordings": False}, {"recordings": True}, "recordings"),
]


@pytest.mark.parametrize(("before", "after", "what"), WIDER)
def test_what_lets_more_in_is_widening(before: dict[str, Any], after: dict[str, Any], what: str):
    assert find_widened_settings(replace(GOOD, **before), replace(GOOD, **after), HELD) == [what]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"networks": networks("0.0.0.0/0")}),
        ({}, {"ip_lists": frozenset({1})}),
        ({"networks": networks("10.0.0.0/8", "192.0.2.1")}, {"networks": networks("10.1.0.0/16")}),
        # The same addresses, said otherwise.
        ({"networks": networks("10.0.0.0/9", "10.128.0.0/9")}, {"networks": networks("10.0.0.0/8")}),
        ({"networks": networks("10.0.0.0/8")}, {"ip_lists": frozenset({1})}),
        ({"ip_lists": frozenset({1})}, {"networks": networks("10.0.0.0/8"), "ip_lists": frozenset({2, 3})}),
        ({"networks": networks("10.0.0.0/8")}, {"ip_lists": frozenset({2})}),
        ({"modules": None}, {"modules": frozenset({"invoices"})}),
        ({"expires_at": None}, {"expires_at": NOW}),
        ({"expires_at": NOW}, {"expires_at": NOW - timedelta(days=1)}),
        ({"mask_phone": False}, {"mask_phone": True}),
        ({"recordings": True, "hlr_lookup": False}, {"recordings": False, "hlr_lookup": True}),
        # A key that may already: an edit of something else needs no password.
        ({"recordings": True, "name": "Shop"}, {"recordings": True, "name": "Bakery"}),
        ({}, {"name": "Other", "fields": {"platform": "web"}}),
    ],
)
def test_what_lets_less_in_or_decides_nothing_is_not(before: dict[str, Any], after: dict[str, Any]):
    assert find_widened_settings(replace(GOOD, **before), replace(GOOD, **after), HELD) == []


def test_what_a_granted_module_contains_is_had_already():
    before, contained = replace(GOOD, modules=frozenset({"admin"})), {"admin": ["reader"], "reader": []}

    assert find_widened_settings(before, replace(GOOD, modules=frozenset({"reader"})), HELD, contained) == []
    assert find_widened_settings(before, replace(GOOD, modules=frozenset({"admin", "other"})), HELD, contained) == [
        "modules"
    ]
    assert find_widened_settings(replace(GOOD, modules=frozenset({"reader"})), before, HELD, contained) == ["modules"]


def test_changes_hold_old_and_new_of_what_differs_alone():
    before = replace(GOOD, recordings=True)
    after = replace(
        GOOD, fields={"platform": "web"}, networks=networks("10.0.0.0/8"), ip_lists=frozenset({2, 1}), mask_phone=True
    )

    assert diff_settings(before, after, HELD) == {
        "website": ["https://shop.example", None],
        "platform": ["server", "web"],
        "addresses": [[], ["10.0.0.0/8"]],
        "ip_lists": [[], ["Nobody", "Office"]],
        "mask_phone": [False, True],
        "recordings": [True, False],
    }
