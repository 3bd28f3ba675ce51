"""Answers: all identity headers on every 200, one refusal for all bad credentials, nothing a header cannot carry."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.responses import build_refusal, build_response, encode_header_value
from keys.decision.access import INVALID_CREDENTIALS, STATUS, Decision, authorise
from tests.unit.keys.test_access import API, NOW, a_call, a_key, only

IDENTITY = {
    *("x-key-id", "x-key-name", "x-account", "x-owner", "x-modules", "x-module", "x-mask-phone-number", "x-phone-mask"),
    *("x-body-sha256", "x-hlr-lookup", "x-request-id"),
}


def headers(response) -> dict[str, str]:
    lines = response.head.decode("ascii").removesuffix("\r\n").split("\r\n")
    named = dict(line.split(": ", 1) for line in lines)
    assert len(named) == len(lines), "a header twice"
    return named


def allowed(key=None, call=None) -> dict[str, str]:
    response = build_response(authorise(call or a_call(), key or a_key(), now=NOW), API)
    assert (response.status, response.body) == (200, b"")
    return headers(response)


def test_every_200_has_all_identity_headers():
    assert allowed() == {
        "cache-control": "no-store",
        "x-key-id": "AbCdEfGh1234",
        "x-key-name": "Shop",
        "x-account": "acme",
        "x-owner": "alice",
        "x-modules": "customers,leads",
        "x-module": "customers",
        "x-mask-phone-number": "false",
        "x-phone-mask": "",
        "x-body-sha256": "",
        "x-hlr-lookup": "false",
        "x-request-id": "0196f0c5-0000-7000-8000-000000000001",
    }


def test_a_call_of_no_module_has_an_empty_one():
    key = a_key(api=replace(API, unlisted_allowed=True))
    assert allowed(key, a_call(path="/unlisted"))["x-module"] == ""
    assert allowed(key, a_call(path="/unlisted")).keys() >= IDENTITY


def test_only_granted_modules_are_named():
    assert allowed(a_key(all_modules=False, module_ids=frozenset({1})))["x-modules"] == "customers"


def test_flags_reach_the_upstream():
    key = a_key(mask=True, phone_mask="first=0;last=4", hlr=True)
    named = allowed(key, a_call(method="POST", path="/leads"))
    assert named["x-mask-phone-number"] == "true"
    assert named["x-phone-mask"] == "first=0;last=4"
    assert named["x-hlr-lookup"] == "true"


def test_two_keys_of_one_name_keep_their_own_headers():
    assert allowed(a_key(owner="alice"))["x-owner"] == "alice"
    assert allowed(a_key(owner="bob"))["x-owner"] == "bob"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_header_text_is_printable_ascii_and_comes_back(text):
    encoded = encode_header_value(text).decode("ascii")
    assert all(" " <= character <= "~" for character in encoded)
    assert unquote(encoded) == text


def test_names_outside_ascii_are_percent_encoded():
    assert allowed(a_key(name="Café 100%"))["x-key-name"] == "Caf%C3%A9 100%25"
    assert allowed(a_key(name="a\r\nX-Modules: all"))["x-key-name"] == "a%0D%0AX-Modules: all"


def test_all_bad_credentials_are_answered_with_the_same_bytes():
    answers = {
        (response.status, response.head, response.body)
        for key in (None, a_key(), a_key(deleted=True), a_key(name="Other", account_active=False))
        for call in (a_call(), a_call(None), a_call(path="/unlisted"), a_call(kind="raw"))
        for response in [build_response(Decision(call, key, NOW, INVALID_CREDENTIALS), API)]
    }
    assert len(answers) == 1
    (status, head, body) = answers.pop()
    assert (status, body) == (401, b'{"code":"invalid_credentials"}')
    assert b"\r\nwww-authenticate: Bearer\r\n" in head


def test_basic_apis_ask_for_basic():
    basic = replace(API, credentials=frozenset({"basic"}))
    response = build_response(Decision(a_call(), None, NOW, INVALID_CREDENTIALS), basic)
    assert headers(response)["www-authenticate"] == 'Basic realm="API", charset="UTF-8"'


@pytest.mark.parametrize("reason", STATUS)
def test_every_refusal_is_401_or_403_with_its_code_twice(reason):
    response = build_response(Decision(a_call(), a_key(), NOW, reason), API)
    named = headers(response)
    assert response.status in (401, 403)
    assert response.body == b'{"code":"%s"}' % reason.encode()
    assert named["x-refusal"] == reason
    assert named["content-type"] == "application/problem+json"
    assert named["cache-control"] == "no-store"
    assert ("www-authenticate" in named) is (response.status == 401)
    assert ("x-client-address" in named) is (reason == "ip_not_allowed")
    assert not named.keys() & (IDENTITY - {"x-request-id"})


def test_an_address_that_is_refused_is_told():
    response = build_response(authorise(a_call(), a_key(rules=only("10.0.0.0/8")), now=NOW), API)
    assert headers(response)["x-client-address"] == "203.0.113.7"


@pytest.mark.parametrize("code", ["gateway_secret", "unknown_api"])
def test_refusals_of_no_call_are_403(code):
    response = build_refusal(code)
    assert (response.status, headers(response)["x-refusal"]) == (403, code)
