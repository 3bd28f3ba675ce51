"""Tokens are found in whatever holds them, each once a line, in constant memory."""

from __future__ import annotations

import tracemalloc
from base64 import b64encode, urlsafe_b64encode
from io import BytesIO
from urllib.parse import quote

import pytest

from keys.crypto.secrets import generate_token
from keys.crypto.token_scan import CHUNK_BYTES, CompressedFile, scan

TOKEN = generate_token("kw").token
OTHER = generate_token("acme7").token


def scan_intact(text: bytes) -> list[tuple[int, str]]:
    return [(each.line, each.token) for each in scan(BytesIO(text).read) if each.intact]


@pytest.mark.parametrize(
    "around",
    [
        "{}", "Authorization: Bearer {}", "token={}&next=1", '"password": "{}"', "https://user:{}@api.example/",
        "curl -u dialer:{} https://api.example", "x{}", "GET /a?t%3D{} HTTP/1.1", "({}).", "key\t{}\tkey",
        "export KEY='{}'", "{}{}", "\ufeff{}", "ключ {}",
    ],
)  # fmt: skip
def test_in_any_text(around: str) -> None:
    assert scan_intact(f"first\nsecond\n{around.replace('{}', TOKEN)}\n".encode()) == [(3, TOKEN)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1"])
def test_in_any_encoding(encoding: str) -> None:
    assert scan_intact(f"eins\nzwei {TOKEN} drei\n{OTHER}".encode(encoding)) == [(2, TOKEN), (3, OTHER)]


def test_in_base64() -> None:
    pair = b64encode(f"dialer:{TOKEN}".encode())
    assert scan_intact(b"Authorization: Basic " + pair) == [(1, TOKEN)]
    assert scan_intact(b"Authorization%3A%20Basic%20" + quote(pair, safe="").encode()) == [(1, TOKEN)]
    for before in ("", "k", "ke", "key"):  # in each place of three bytes
        for encode in (b64encode, urlsafe_b64encode):
            assert scan_intact(b"a\nsecret: " + encode(f"{before} {TOKEN}\n~~~\xff?".encode("latin-1"))) == [(2, TOKEN)]
    whole = "\n".join(f"setting{n}=value" for n in range(2_000)) + f"\nKEY={TOKEN}\n"
    assert scan_intact(b"env: " + b64encode(whole.encode())) == [(1, TOKEN)]
    (one,) = scan(BytesIO(pair).read)
    assert one.in_base64


def test_percent_encoded_several_times_and_line_breaks_that_are_none() -> None:
    text = TOKEN.replace("_", "%5F")
    for _ in range(3):
        assert scan_intact(f"%0A%0D%0A{text}\n{OTHER}".encode()) == [(1, TOKEN), (2, OTHER)]
        text = text.replace("%", "%25")


def test_in_binary_data() -> None:
    noise = bytes(range(256)) * 40
    assert [token for _, token in scan_intact(noise + TOKEN.encode() + noise + OTHER.encode() + noise)] == [
        TOKEN,
        OTHER,
    ]


def test_each_once_a_line() -> None:
    text = f"{TOKEN} {TOKEN}\n{OTHER} {TOKEN}\n\n{TOKEN}".encode()
    assert scan_intact(text) == [(1, TOKEN), (2, OTHER), (2, TOKEN), (4, TOKEN)]


def test_what_has_the_shape_alone_is_told_apart() -> None:
    wrong = TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "B")
    (one,) = scan(BytesIO(wrong.encode()).read)
    assert (one.intact, one.token, one.public_id, one.prefix) == (False, wrong, TOKEN[3:15], "kw")
    assert TOKEN[16:] not in repr(one)
    for text in ("", TOKEN[:-1], f"kw_{TOKEN[3:15]}_********", "_" + TOKEN.partition("_")[2]):
        assert list(scan(BytesIO(text.encode()).read)) == [], text


@pytest.mark.parametrize("place", [0, 1, 30, 52, 53, CHUNK_BYTES - 53, CHUNK_BYTES])
@pytest.mark.parametrize("filler", [b"x", b"-", b"\n", b"\0"])
def test_across_the_borders_of_what_is_read(place: int, filler: bytes) -> None:
    text = filler * (CHUNK_BYTES - place) + b"-" + TOKEN.encode() + b"-" + filler * CHUNK_BYTES + OTHER.encode()
    lines = [text.count(b"\n", 0, text.index(token.encode())) + 1 for token in (TOKEN, OTHER)]
    assert scan_intact(text) == list(zip(lines, (TOKEN, OTHER), strict=True))


def test_a_large_file_takes_little_memory() -> None:
    block = (b"203.0.113.8 - - GET /customers?page=2 200 1234 curl/8.0\n" * 20_000) + TOKEN.encode() + b"\n"
    left = 30

    def read(size: int) -> bytes:
        nonlocal left
        left -= 1
        return block if left >= 0 else b""

    tracemalloc.start()
    tokens = list(scan(read))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [each.line for each in tokens] == [20_001 * (n + 1) for n in range(30)]
    assert peak < 16 * CHUNK_BYTES


@pytest.mark.parametrize("begin", [b"\x1f\x8b\x08", b"PK\x03\x04", b"BZh91AY", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c"])
def test_a_compressed_file_says_that_it_hides_tokens(begin: bytes) -> None:
    with pytest.raises(CompressedFile, match="Unpack it first"):
        list(scan(BytesIO(begin + bytes(100)).read))
