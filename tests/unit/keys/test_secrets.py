"""The token's form, checksum and digest, and what keeps it out of everything that is written down."""

from __future__ import annotations

import hmac
import re
import string
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import redaction
from keys.crypto import secrets

TOKEN = "kw_AbCdEfGh1234_" + "0123456789abcdefghijABCDEFGHIJ01"
TOKEN += secrets.compute_checksum(TOKEN)
PEPPER = b"p" * 32


def test_a_minted_token_parses_to_its_api_id():
    minted = secrets.generate_token("kw")
    assert secrets.parse_token(minted.token) == minted.public_id
    assert len(minted.token) == len("kw_") + 12 + 1 + 32 + 6


@pytest.mark.parametrize("around", ["{}", 'token = "{}"', "Authorization: Bearer {}\n", "?key={}&a=1", "{},", "({})"])
def test_the_documented_expression_for_scanners_finds_every_token(around: str):
    page = Path("docs/security.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"```text\n(.*kw_\[.*)\n```", page)
    expression = re.compile(line)
    for _ in range(200):
        token = secrets.generate_token("kw").token
        assert expression.findall(around.format(token)) == [token]
        assert expression.search(around.format(token[:-1])) is None
    assert expression.search(secrets.mask_token("kw", "AbCdEfGh1234")) is None


def test_a_second_secret_of_a_key_keeps_its_api_id():
    first = secrets.generate_token("kw")
    second = secrets.generate_token("kw", first.public_id)
    assert second.public_id == first.public_id
    assert second.token != first.token


def test_tokens_of_an_earlier_prefix_still_parse():
    assert secrets.parse_token(secrets.generate_token("oldprefix1", "A" * 12).token) == "A" * 12


def test_the_checksum_is_crc32_in_base62():
    # zlib.crc32(b"123456789") is the published check value 0xCBF43926.
    digits = 0
    for character in secrets.compute_checksum("123456789"):
        digits = digits * 62 + secrets.BASE62.index(character)
    assert digits == 0xCBF43926


@pytest.mark.quality(1)
def test_no_one_character_mutant_of_a_token_parses():
    characters = string.ascii_letters + string.digits + "_-. "
    mutants = {
        TOKEN[:position] + character + TOKEN[position + 1 :]
        for position in range(len(TOKEN))
        for character in characters
        if character != TOKEN[position]
    }
    assert len(mutants) >= 2808
    assert not [mutant for mutant in mutants if secrets.parse_token(mutant)]


def test_no_swap_of_neighbours_and_no_cut_or_lengthened_token_parses():
    swapped = {TOKEN[:at] + TOKEN[at + 1] + TOKEN[at] + TOKEN[at + 2 :] for at in range(len(TOKEN) - 1)} - {TOKEN}
    cut = {TOKEN[:length] for length in range(len(TOKEN))} | {TOKEN[length:] for length in range(1, len(TOKEN))}
    longer = {TOKEN + extra for extra in ("0", "\n", " ", "\0", "é")} | {extra + TOKEN for extra in ("0", " ", "é")}
    assert not [text for text in swapped | cut | longer if secrets.parse_token(text)]


@pytest.mark.parametrize(
    "text", ["", "_", "__", "kw__", "é" * 54, "kw_" + "١" * 12 + "_" + "a" * 38, "a" * 9000, "\0" * 54]
)
def test_what_is_no_token_does_not_parse(text):
    assert secrets.parse_token(text) is None


@given(st.text())
def test_no_text_makes_parse_or_redact_fail(text):
    assert secrets.parse_token(text) is None
    redaction.redact(text)


def test_the_digest_depends_on_every_bit_of_token_and_pepper():
    digest = secrets.compute_digest(TOKEN, PEPPER)
    assert digest == hmac.digest(PEPPER, TOKEN.encode(), "sha256")
    assert digest != secrets.compute_digest(TOKEN[:-1] + "0", PEPPER)
    assert digest != secrets.compute_digest(TOKEN, b"q" + PEPPER[1:])


def test_a_minted_token_is_in_no_repr():
    minted = secrets.generate_token("kw")
    for shown in (repr(minted), str(minted), f"{minted}", repr([minted])):
        assert minted.token[-38:] not in shown
        assert minted.public_id in shown


# Every place and disguise in which a token was seen to reach a log.
LEAKS = [
    TOKEN,
    f"/customers/{TOKEN}/invoices",
    f"page=2&note={TOKEN}&sort=name",
    f"x={'y' * 40}{TOKEN}",
    f"curl/8 ({TOKEN})",
    quote(TOKEN, safe="").replace("_", "%5F"),
    "".join(f"%{ord(character):02x}" for character in TOKEN),
    TOKEN.replace("_", "%255F"),
    TOKEN.replace("_", "%25255F"),
    TOKEN + "extra",
    TOKEN[:-1],
    TOKEN[:-6],
    f"{TOKEN},{TOKEN}",
]


@pytest.mark.parametrize("text", LEAKS)
def test_redact_leaves_no_secret(text):
    redacted = redaction.redact(text)
    assert TOKEN[16:48] not in redacted
    assert "%5F" not in redacted.upper()
    assert "%30%31" not in redacted
    assert redaction.REDACTED in redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("api_key=hunter2&page=2", "api_key=[secret]&page=2"),
        ("page=2&access_token=a.b.c", "page=2&access_token=[secret]"),
        ("Password=x", "Password=[secret]"),
        ("leadIdKey=0a1b", "leadIdKey=[secret]"),
        ("page=2&sort=name", "page=2&sort=name"),
        ("tokens=5&keyword=a_b", "tokens=5&keyword=a_b"),
        ("/customers/42/some_thing_else", "/customers/42/some_thing_else"),
        ("100%25+of_it", "100%25+of_it"),
        ("", ""),
    ],
)
def test_redact_hides_named_secrets_and_leaves_the_rest_alone(text, redacted):
    assert redaction.redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [*LEAKS, TOKEN[:32], f"Bearer {TOKEN}", f"Basic {b64encode(f'robot:{TOKEN}'.encode()).decode()}", "token=hunter2"],
)
def test_what_holds_a_secret_must_not_go_into_an_address(text):
    assert redaction.contains_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "robot",
        TOKEN[3:15],
        TOKEN[:15],
        f"{TOKEN[:15]}_********",
        "key_notification_sender",
        "50%",
        "a=b",
        "Basic robots",
    ],
)
def test_what_holds_none_may(text):
    assert not redaction.contains_secret(text)


PATTERN = re.compile(r"[A-Za-z0-9]{1,20}_[A-Za-z0-9]{12}_[A-Za-z0-9]{32,}")
PIECES = ["_", "a", "A1b2C3d4E5f6", "x" * 32, "y" * 20, "-", "kw_", "é", "_A1b2C3d4E5f6_"]


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_tokens_are_hidden_as_the_pattern_of_a_token_has_it(pieces: list[str]):
    text = "".join(pieces)
    assert redaction.redact(text) == PATTERN.sub(redaction.REDACTED, text)
