"""Exactly one well-formed credential, in one of the forms; anything else is none."""

from __future__ import annotations

import base64

import pytest

from gateway import credentials
from keys.crypto import secrets

TOKEN = secrets.generate_token("kw", "AbCdEfGh1234").token
AUTHORIZATION = b"authorization"


def presented(headers):
    return credentials.parse_credential(headers, method="GET", path="/customers", query="page=2")


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        (AUTHORIZATION, f"Bearer {TOKEN}", "bearer"),
        (AUTHORIZATION, f"bearer {TOKEN}", "bearer"),
        (AUTHORIZATION, f"BEARER   {TOKEN}", "bearer"),
        (AUTHORIZATION, f"Token {TOKEN}", "token"),
        (AUTHORIZATION, TOKEN, "raw"),
        (b"x-api-key", TOKEN, "api_key"),
    ],
    # Without the token, which is another one in each process.
    ids=["Bearer", "bearer", "BEARER", "Token", "raw", "X-API-Key"],
)
def test_each_form_is_read_as_its_kind(name, value, kind):
    assert presented([(name, value)]) == (kind, "AbCdEfGh1234", TOKEN, "", None)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(AUTHORIZATION, "")],
        [(AUTHORIZATION, "Bearer")],
        [(AUTHORIZATION, "Bearer ")],
        [(AUTHORIZATION, f"Digest {TOKEN}")],
        [(AUTHORIZATION, f"Bearer {TOKEN} ")],
        [(AUTHORIZATION, f"Bearer {TOKEN},Bearer {TOKEN}")],
        [(AUTHORIZATION, f"Bearer Bearer {TOKEN}")],
        [(AUTHORIZATION, f"Bearer\t{TOKEN}")],
        [(AUTHORIZATION, f'Bearer "{TOKEN}"')],
        [(AUTHORIZATION, f"Bearer {TOKEN[:-1]}0" if TOKEN[-1] != "0" else f"Bearer {TOKEN[:-1]}1")],
        [(AUTHORIZATION, f"Bearer {TOKEN}\0")],
        [(AUTHORIZATION, "Bearer \xff\xfe")],
        [(AUTHORIZATION, "Bearer " + "a" * 9000)],
        [(AUTHORIZATION, f"Bearer {TOKEN}"), (AUTHORIZATION, f"Bearer {TOKEN}")],
        [(AUTHORIZATION, f"Bearer {TOKEN}"), (b"x-api-key", TOKEN)],
        [(b"x-api-key", f"Bearer {TOKEN}")],
    ],
)
def test_anything_else_is_no_credential(headers):
    assert presented(headers) is None


def test_the_token_is_in_no_repr():
    assert TOKEN not in repr(presented([(AUTHORIZATION, TOKEN)]))


def basic(text: bytes | str, scheme: str = "Basic") -> list[tuple[bytes, str]]:
    raw = text.encode() if isinstance(text, str) else text
    return [(AUTHORIZATION, f"{scheme} {base64.b64encode(raw).decode()}")]


@pytest.mark.parametrize("username", ["pbx", "", "Zoë 東京", "a b", " a "])
def test_basic_is_a_username_and_the_secret(username):
    assert presented(basic(f"{username}:{TOKEN}")) == ("basic", "AbCdEfGh1234", TOKEN, username, None)
    assert presented(basic(f"{username}:{TOKEN}", "bAsIc ")).username == username


@pytest.mark.parametrize(
    "headers",
    [
        basic(TOKEN),
        basic(f"pbx:{TOKEN[:-1]}"),
        basic(f"pbx:{TOKEN} "),
        basic(f"pbx:x:{TOKEN}"),
        basic(b"\xff:" + TOKEN.encode()),
        [(AUTHORIZATION, "Basic")],
        [(AUTHORIZATION, "Basic ")],
        [(AUTHORIZATION, f"Basic pbx:{TOKEN}")],
        [(AUTHORIZATION, basic(f"pbx:{TOKEN}")[0][1] + "!")],
        [(AUTHORIZATION, basic(f"pbx:{TOKEN}")[0][1] + " x")],
        [(AUTHORIZATION, basic(f"pbx:{TOKEN}")[0][1].rstrip("="))],
        [*basic(f"pbx:{TOKEN}"), (b"x-api-key", TOKEN)],
    ],
)
def test_anything_else_is_not_basic(headers):
    assert presented(headers) is None


SIGNED = {
    b"x-api-id": "AbCdEfGh1234",
    b"x-timestamp": "1800000000",
    b"x-nonce": "nonce-of-the-tests",
    b"x-body-sha256": "0" * 64,
    b"x-signature": "a" * 64,
}


def test_a_signature_says_what_it_is_over():
    signed = presented(list(SIGNED.items()))
    assert (signed.kind, signed.public_id, signed.token) == ("signature", "AbCdEfGh1234", "")
    assert signed.proof.text == f"GET\n/customers\npage=2\n1800000000\nnonce-of-the-tests\n{'0' * 64}"
    assert (signed.proof.since, signed.proof.until) == (1_799_999_700, 1_800_000_300)
    assert (signed.proof.nonce, signed.proof.body_sha256) == ("nonce-of-the-tests", "0" * 64)
    assert "a" * 64 not in repr(signed) + repr(signed.proof)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: ""} for name in SIGNED),
        *({name: f" {value}"} for name, value in SIGNED.items()),
        *({name: f"{value}\n"} for name, value in SIGNED.items()),
        {b"x-api-id": "AbCdEfGh123"},
        {b"x-api-id": "AbCdEfGh123é"},
        {b"x-timestamp": "01800000000"},
        {b"x-timestamp": "+1800000000"},
        {b"x-timestamp": "1800000000.0"},
        {b"x-timestamp": "1_800_000_000"},
        {b"x-timestamp": "\u0661" * 10},
        {b"x-timestamp": "9" * 400},
        {b"x-nonce": "short"},
        {b"x-nonce": "n" * 65},
        {b"x-nonce": "nonce of the tests"},
        {b"x-nonce": "nonce-of-the-tests\x1e"},
        {b"x-body-sha256": "A" * 64},
        {b"x-body-sha256": "0" * 63},
        {b"x-signature": "A" * 64},
        {b"x-signature": "a" * 65},
    ],
)
def test_a_malformed_signature_is_none(changes):
    assert presented(list((SIGNED | changes).items())) is None


@pytest.mark.parametrize("name", SIGNED)
def test_a_signature_is_whole_and_said_once(name):
    assert presented([pair for pair in SIGNED.items() if pair[0] != name]) is None
    assert presented([*SIGNED.items(), (name, SIGNED[name])]) is None


def test_a_signature_beside_a_token_is_more_than_one():
    token = (AUTHORIZATION, f"Bearer {TOKEN}")
    assert presented([*SIGNED.items(), token]) is None
    assert presented([token, (b"x-signature", "a" * 64)]) is None
    assert presented([token, (b"x-api-id", "AbCdEfGh1234")]) is None


def test_a_token_s_holder_may_use_the_other_headers_for_anything():
    others = [(b"x-timestamp", "now"), (b"x-nonce", "1"), (b"x-nonce", "2"), (b"x-body-sha256", "-")]
    assert presented([*others, (AUTHORIZATION, f"Bearer {TOKEN}")]).kind == "bearer"
    assert presented(others) is None
    assert presented([(b"x-nonce", "1")]) is None
    assert not credentials.has_credential(others)


def test_a_query_whose_encoding_is_broken_cannot_be_signed():
    assert credentials.parse_credential(list(SIGNED.items()), method="GET", path="/", query="a=%zz") is None


LINK = {"apiId": "AbCdEfGh1234", "expires": "1800000000", "leadIdKey": "b" * 64}


def link(path: str = "/recordings/lead-7", *more: str, **changes: str):
    query = "&".join([*(f"{name}={value}" for name, value in (LINK | changes).items() if value), *more])
    return credentials.parse_recording_link(path, query)


def test_a_recording_link_says_what_it_opens_and_how_long():
    found = link()
    assert (found.kind, found.public_id, found.token) == ("recording", "AbCdEfGh1234", "")
    assert found.proof.text == "lead-7.1800000000"
    assert (found.proof.since, found.proof.until) == (1_800_000_000 - 604_800, 1_800_000_000)
    assert found.proof.nonce == ""
    assert link("/recordings/lead-7", "download=1", "x") == found


@pytest.mark.parametrize("path", ["/recordings/", "/recordings/a.b", "/recordings/a b", "/recordings/" + "a" * 65])
def test_a_lead_id_has_one_form(path):
    assert link(path) is None


@pytest.mark.parametrize("name", LINK)
def test_a_link_s_parameters_are_there_once_and_well_formed(name):
    for value in ("", "x", LINK[name] + "0" * 8, LINK[name] + "%30", " " + LINK[name]):
        assert link(**{name: value}) is None
    assert link("/recordings/lead-7", f"{name}={LINK[name]}") is None
