"""Attacks on the portal before sign-in."""

from __future__ import annotations

import asyncio

from benchmarks.attacks.attack import Attack, Attempts, Target
from benchmarks.attacks.connection import connect

HEAD = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
LARGE = HEAD + b"Content-Length: 400000000\r\n\r\n"
SLOW = HEAD + b"Content-Length: 60000\r\n\r\n"
BLOCK = bytes(65_536)


async def send_a_large_body(target: Target, attempts: Attempts) -> None:
    """Send a file of 400 MB for as long as it is read."""
    async with connect(target.portal_port) as (reader, writer):
        writer.write(LARGE)
        attempts.count += 1
        while not reader.at_eof():
            writer.write(BLOCK)
            await writer.drain()


async def send_a_body_slowly(target: Target, attempts: Attempts) -> None:
    """Send one byte a second."""
    async with connect(target.portal_port) as (reader, writer):
        writer.write(SLOW)
        while not reader.at_eof():
            writer.write(b"a")
            attempts.count += 1
            await writer.drain()
            await asyncio.sleep(1)


async def stay_silent(target: Target, attempts: Attempts) -> None:
    async with connect(target.portal_port) as (reader, _):
        attempts.count += 1
        await reader.read(1)


PORTAL = (
    Attack("portal: bodies of 400 MB", send_a_large_body, 8),
    Attack("portal: bodies of a byte a second", send_a_body_slowly, 64),
    Attack("portal: silent connections", stay_silent, 500),
)
