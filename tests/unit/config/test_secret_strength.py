"""Secrets that nobody drew at random are recognised, and random ones never are."""

from __future__ import annotations

import base64
import secrets

import pytest

from config.secret_strength import is_guessable, is_guessable_text


@pytest.mark.parametrize(
    "key",
    [
        bytes(32),
        b"\xff" * 32,
        bytes(range(32)),
        bytes(range(255, 223, -1)),
        secrets.token_bytes(16) * 2,
        secrets.token_bytes(8) * 4,
        b"correct horse battery staple 123",
        b"0123456789abcdef0123456789abcdef",
        secrets.token_hex(16).encode(),
        bytes(28) + secrets.token_bytes(4),
    ],
    ids=range(10),
)
def test_a_guessable_key(key: bytes) -> None:
    assert len(key) == 32
    assert is_guessable(key)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 32,
        "abababababababababab",
        "0123456789abcdef",
        "0123456789abcdef0123456789abcdef",
        "change-me-change-me-now",
        "CHANGEME-9d8f7a6b5c4e",
        "my-secret-key-for-nginx-2026",
        "this is an example of a secret, as documents have it",
        "Password123!Password456?",
        secrets.token_hex(8) * 2,
    ],
    ids=range(10),
)
def test_a_guessable_text(text: str) -> None:
    assert is_guessable_text(text)


def test_random_secrets_are_good() -> None:
    for _ in range(2_000):
        assert not is_guessable(secrets.token_bytes(32))
        assert not is_guessable_text(secrets.token_hex(16))
        assert not is_guessable_text(base64.b64encode(secrets.token_bytes(32)).decode())
