"""Memory is bounded, whatever is asked for: unknown API IDs push the oldest entries out, and nothing of them stays."""

from __future__ import annotations

import asyncio
import itertools
import string

import pytest
from django.db import connections

from gateway.connection import connect
from gateway.snapshot import LOAD, MOST_CHANGES, NO_EPOCH, Snapshot
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


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
def test_who_is_behind_a_large_change_begins_anew_instead_of_reading_its_list():
    account = an_account()
    known = a_key(account, a_user(account, "alice"), an_api()).key.public_id

    def change(count: int) -> None:
        """So many keys of others at once."""
        with connections["maintenance"].cursor() as cursor:
            cursor.execute("SELECT key_epoch_move('public_id', n::text) FROM generate_series(1, %s) n", [count])
        connections.close_all()

    async def load() -> None:
        snapshot = Snapshot()
        connection = await connect(conninfo())
        await snapshot.load(connection, [known])
        for count, left in ((MOST_CHANGES, 1), (MOST_CHANGES + 1, 0)):
            epoch = snapshot.epoch
            await asyncio.to_thread(change, count)
            await snapshot.load(connection, [])
            assert (snapshot.entries, snapshot.epoch[0]) == (left, epoch[0] + 1)
            assert snapshot.apis
        # A new process reads none of it.
        cursor = await connection.execute(LOAD, {"n": NO_EPOCH[0], "token": NO_EPOCH[1], "ids": []})
        row = await cursor.fetchone()
        assert row is not None
        assert (row[3], row[4]) == (False, [])
        await connection.close()

    asyncio.run(load())
