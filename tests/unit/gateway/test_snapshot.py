"""Memory is bounded, whatever is asked for: unknown API IDs push the oldest entries out, and nothing of them stays."""

from __future__ import annotations

import asyncio
import itertools
import string

import pytest

from gateway.connection import connect
from gateway.snapshot import Snapshot
from tests.gateways import conninfo
from tests.keyring import a_key, an_api
from tests.people import a_user, an_account

LIMIT, TOGETHER = 500, 100


def unknown_ids(count: int) -> list[str]:
    return ["".join(letters) for letters in itertools.islice(itertools.product(string.ascii_letters, repeat=12), count)]


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
def test_a_flood_of_unknown_ids_leaves_no_more_than_the_limit():
    api, account = an_api(), an_account()
    known = [a_key(account, a_user(account, f"user{n}"), api).key.public_id for n in range(20)]

    async def flood() -> None:
        snapshot = Snapshot(LIMIT)
        connection = await connect(conninfo())
        await snapshot.load(connection, known)
        assert all(snapshot.key(public_id) for public_id in known)
        strangers = unknown_ids(10_000)
        for start in range(0, len(strangers), TOGETHER):
            await snapshot.load(connection, strangers[start : start + TOGETHER])
            assert snapshot.entries <= LIMIT
        assert snapshot.missing(known) == known
        # What was read for the keys that went is gone too.
        assert (snapshot._public_ids, snapshot._parts) == ({}, {})
        await snapshot.load(connection, known)
        assert [snapshot.key(public_id).public_id for public_id in known] == known
        assert snapshot.entries == LIMIT
        await connection.close()

    asyncio.run(flood())
