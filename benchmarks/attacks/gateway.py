"""Attacks on the gateway: on its port, and by a client of a proxy."""

from __future__ import annotations

import asyncio
import secrets

from benchmarks.attacks.attack import Attack, Attempts, Target
from benchmarks.attacks.connection import connect

READY = b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n"
# 199 fields of 300 bytes, the largest head that is parsed.
FIELDS = b"".join(b"x-%03d: %b\r\n" % (n, b"a" * 293) for n in range(199))
LARGE = b"GET /v1/verify/billing HTTP/1.1\r\n" + FIELDS + b"\r\n"


async def flood_readiness(target: Target, attempts: Attempts) -> None:
    """Send readiness requests without waiting for responses."""
    async with connect(target.gateway_port) as (reader, writer):
        while not reader.at_eof():
            writer.write(READY * 500)
            attempts.count += 500
            await writer.drain()
            await reader.read(65536)


async def stay_silent(target: Target, attempts: Attempts) -> None:
    async with connect(target.gateway_port) as (reader, _):
        attempts.count += 1
        await reader.read(1)


async def send_slowly(target: Target, attempts: Attempts) -> None:
    """Send one byte of a head each second."""
    async with connect(target.gateway_port) as (reader, writer):
        for byte in b"GET /v1/verify/billing HTTP/1.1\r\nx-a: " + b"a" * 60:
            if reader.at_eof():
                return
            writer.write(bytes([byte]))
            attempts.count += 1
            await writer.drain()
            await asyncio.sleep(1)


async def send_large_heads(target: Target, attempts: Attempts) -> None:
    async with connect(target.gateway_port) as (reader, writer):
        while not reader.at_eof():
            writer.write(LARGE)
            attempts.count += 1
            await writer.drain()
            await reader.readuntil(b"\r\n\r\n")


async def guess_a_secret(target: Target, attempts: Attempts) -> None:
    """Guess secrets of a known API ID, with the longest possible query."""
    from keys.crypto.secrets import generate_token

    await _ask(target, attempts, lambda: generate_token("kw", target.api_id).token)


async def guess_a_key(target: Target, attempts: Attempts) -> None:
    from keys.crypto.secrets import generate_token

    await _ask(target, attempts, lambda: generate_token("kw").token)


async def _ask(target: Target, attempts: Attempts, token: object) -> None:
    assert callable(token)
    async with connect(target.gateway_port) as (reader, writer):
        while True:
            writer.write(
                (
                    "GET /v1/verify/billing HTTP/1.1\r\nHost: x\r\n"
                    f"X-Gateway-Secret: {target.secret}\r\nX-Original-Method: GET\r\n"
                    f"X-Original-Uri: /customers?q={secrets.token_urlsafe(5000)}\r\nX-Forwarded-For: 203.0.113.9\r\n"
                    f"Authorization: Bearer {token()}\r\n\r\n"
                ).encode()
            )
            attempts.count += 1
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.partition(b"content-length: ")[2].split(b"\r\n", 1)[0] or 0)
            await reader.readexactly(length)


GATEWAY = (
    Attack("readiness, pipelined", flood_readiness, 6),
    Attack("silent connections", stay_silent, 500),
    Attack("heads of a byte a second", send_slowly, 200),
    Attack("large heads", send_large_heads, 16),
    Attack("wrong secrets, known API ID", guess_a_secret, 64),
    Attack("unknown keys", guess_a_key, 64),
)
