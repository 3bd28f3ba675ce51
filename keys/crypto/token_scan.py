"""Find tokens in bytes of any kind: text, logs, configuration, dumps, binary files. Pure.

A token is recognised by its shape and its checksum, with whatever prefix; so are signing secrets and the passwords of
API users, which have the same form. Also found are percent-encoded tokens, UTF-16, and tokens within base64, such as
those of HTTP Basic headers and of Kubernetes secrets. Compressed files must be unpacked first.
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterator
from typing import NamedTuple

from core.redaction import ID_LENGTH, MAX_PREFIX_LENGTH
from keys.crypto.secrets import parse_token

CHUNK_BYTES = 1 << 20
# Longer than any token and than the base64 of one with its username, each character of it percent-encoded.
OVERLAP_BYTES = 1 << 13
# What begins with these holds no token that can be seen: gzip, zip (XLSX too), bzip2, xz, zstd, 7z.
_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c")

# It begins with the underscore after the prefix: a pattern that begins with the prefix takes twenty times as long.
_AFTER_PREFIX = re.compile(rb"_[A-Za-z0-9]{%d}_[A-Za-z0-9]{38}" % ID_LENGTH)
_PREFIX = re.compile(rb"[A-Za-z0-9]{1,%d}\Z" % MAX_PREFIX_LENGTH)
_ESCAPE = re.compile(rb"%(?:25){0,3}([0-9A-Fa-f]{2})")
# As long as a token in base64, at least.
_BASE64 = re.compile(rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{70,}")
_URL_SAFE = re.compile(rb"[_-]")


class CompressedFile(ValueError):
    """The bytes are a compressed file, in which no token could be found."""

    def __init__(self) -> None:
        super().__init__("This is a compressed file, in which tokens cannot be seen. Unpack it first.")


class FoundToken(NamedTuple):
    """A text that has the shape of a token, and the number of the line that holds it.

    `intact` is whether its checksum is right; a text with a wrong one was mistyped, cut or made up.
    """

    line: int
    token: str
    intact: bool
    in_base64: bool = False

    @property
    def prefix(self) -> str:
        return self.token.partition("_")[0]

    @property
    def public_id(self) -> str:
        return self.token.split("_")[1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(line {self.line}, {self.public_id})"


def scan(read: Callable[[int], bytes]) -> Iterator[FoundToken]:
    """Yield the tokens in what `read(size)` returns until it returns nothing, each once a line, in constant memory.

    Lines are counted by their line feeds. Raise CompressedFile.
    """
    line, rest, found = 1, b"", set[str]()
    is_started = False
    while chunk := read(CHUNK_BYTES):
        if not is_started and chunk.startswith(_COMPRESSED):
            raise CompressedFile
        is_started = True
        # The zero bytes of UTF-16, which would keep the characters of a token apart.
        piece = rest + chunk.replace(b"\0", b"")
        end = piece.rfind(b"\n") + 1
        # A line that does not end is read in pieces that overlap by the length of anything that is looked for.
        complete, rest = (piece[:end], piece[end:]) if end else (piece, piece[-OVERLAP_BYTES:])
        yield from _scan_lines(complete, line, found)
        if end:
            line += complete.count(b"\n")
            found.clear()
    yield from _scan_lines(rest, line, found)


def _scan_lines(text: bytes, line: int, found: set[str]) -> Iterator[FoundToken]:
    """Yield the tokens of a text that begins in this line. `found` are those that were found in the line before."""
    text = _ESCAPE.sub(_unescape, text) if b"%" in text else text
    results = [(at, token, False) for at, token in _find_tokens(text)]
    for run in _BASE64.finditer(text):
        results += [(run.start(), token, True) for _, token in _find_tokens(_decode_base64(run[0]))]
    counted_to = 0
    for at, token, in_base64 in sorted(results):
        if breaks := text.count(b"\n", counted_to, at):
            line += breaks
            found.clear()
        counted_to = at
        if token not in found:
            found.add(token)
            yield FoundToken(line, token, parse_token(token) is not None, in_base64)


def _find_tokens(text: bytes) -> Iterator[tuple[int, str]]:
    """Yield place and text of what has the shape of a token."""
    for match in _AFTER_PREFIX.finditer(text):
        before = _PREFIX.search(text, max(match.start() - MAX_PREFIX_LENGTH, 0), match.start())
        if before is None:
            continue
        # Other text may stand directly before the prefix: the checksum tells where the token begins.
        starts = range(before.start(), match.start())
        tokens = [text[start : match.end()].decode("ascii") for start in starts]
        yield match.start(), next((token for token in tokens if parse_token(token)), tokens[0])


def _unescape(match: re.Match[bytes]) -> bytes:
    """Return the byte that an escape stands for, escaped up to four times; line breaks as spaces, which count no
    line."""
    byte = bytes.fromhex(match[1].decode("ascii"))
    return b" " if byte in b"\r\n" else byte


def _decode_base64(run: bytes) -> bytes:
    decode = urlsafe_b64decode if _URL_SAFE.search(run) else b64decode
    return decode(run[: len(run) // 4 * 4] if len(run) % 4 == 1 else run + b"=" * (-len(run) % 4)).replace(b"\0", b"")
