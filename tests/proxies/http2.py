"""One HTTP/2 request in clear text, with exactly the pseudo-headers it is given. Of the answer, only its body."""

from __future__ import annotations

import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """Return a field that is never indexed, without Huffman's code (RFC 7541, 6.2.3)."""
    return b"\x10" + b"".join(_length(len(text)) + text.encode("latin-1") for text in (name, value))


def _length(length: int) -> bytes:
    """Return an integer with a prefix of seven bits (RFC 7541, 5.1)."""
    if length < 127:
        return bytes([length])
    rest, encoded = length - 127, b"\x7f"
    while rest >= 128:
        encoded += bytes([rest % 128 + 128])
        rest //= 128
    return encoded + bytes([rest])


def body(port: int, path: str, *fields: tuple[str, str], method: str = "GET") -> bytes:
    """Return what the proxy answers; nothing if it refuses the stream or the connection."""
    pseudo = [(":method", method), (":scheme", "http"), (":authority", "api.example.com"), (":path", path)]
    head = b"".join(literal(*field) for field in [*pseudo, *fields])
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b""))
        connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, 1, head))
        received, payloads = connection.makefile("rb"), b""
        while len(start := received.read(9)) == 9:
            payload = received.read(int.from_bytes(start[:3], "big"))
            kind, flags = start[3], start[4]
            if kind == DATA:
                payloads += payload
            if kind in (RST_STREAM, GOAWAY) or (kind in (DATA, HEADERS) and flags & END_STREAM):
                break
    return payloads
