"""Exactly one well-formed credential, in one of the forms; anything else is none."""

from __future__ import annotations

import pytest

from gateway import credentials
from keys import secrets

TOKEN = secrets.mint("kw", "AbCdEfGh1234").token
AUTHORIZATION = b"authorization"


def presented(headers):
    return credentials.presented(headers, method="GET", path="/customers", query="page=2")


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
