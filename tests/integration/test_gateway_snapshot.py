"""Memory is bounded, whatever is asked for: unknown API IDs push the oldest entries out, and nothing of them stays."""

from __future__ import annotations

import asyncio
import gc
import itertools
import string
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from gateway.database_history import NOTHING_SEEN
from gateway.libpq.database import connect
from gateway.snapshot import LOAD_QUERY, MAX_CHANGES, Snapshot
from keys.crypto.secrets import compute_digest, generate_token
from keys.models import Address, Key, Secret
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import a_key, an_api
from tests.gateways import conninfo

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
        assert all(snapshot.get_key(public_id) for public_id in known)
        strangers = unknown_ids(10_000)
        for start in range(0, len(strangers), TOGETHER):
            await snapshot.load(connection, strangers[start : start + TOGETHER])
            assert snapshot.entry_count <= LIMIT
        assert snapshot.list_missing(known) == known
        # What was read for the keys that went is gone too.
        assert (snapshot._public_ids, snapshot._keys_by_dependency) == ({}, {})
        await snapshot.load(connection, known)
        assert [snapshot.get_key(public_id).public_id for public_id in known] == known
        assert snapshot.entry_count == LIMIT
        await connection.close()

    asyncio.run(flood())


CHANGES = (
    "SELECT key_epoch_move('everything', '')",
    "UPDATE keys_api SET policy = policy || jsonb_build_object('turn', %s::text) WHERE slug = 'ledger'",
    "UPDATE accounts_account SET mask_digits = 1 + %s::int %% 9 WHERE slug = 'acme'",
    "UPDATE accounts_user SET nickname = 'olga ' || %s WHERE nickname LIKE 'olga%%'",
    "UPDATE keys_key SET name = 'Worker ' || %s WHERE id %% 10 = 0",
)


def many_keys(count: int) -> list[str]:
    account, api = an_account(), an_api()
    owner = a_user(account, "olga")
    a_key(account, owner, api)
    minted = [generate_token("kw") for _ in range(count)]
    keys = Key.objects.bulk_create(
        Key(account=account, owner=owner, api=api, name="Worker", public_id=each.public_id, all_modules=True)
        for each in minted
    )
    number, pepper = next(iter(settings.TOKEN_PEPPERS.items()))
    Secret.objects.bulk_create(
        Secret(key=key, digest=compute_digest(each.token, pepper), pepper_id=number)
        for key, each in zip(keys, minted, strict=True)
    )
    Address.objects.bulk_create(Address(key=key, network="203.0.113.0/24") for key in keys)
    return [each.public_id for each in minted]


def memory() -> tuple[int, float]:
    """Blocks that Python has given out, and the process's megabytes."""
    gc.collect()
    return sys.getallocatedblocks(), int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
def test_keys_that_are_loaded_again_and_again_take_no_more_memory(full: bool) -> None:
    count, reloads = (20_000, 50) if full else (500, 10)
    public_ids = many_keys(count)
    seen: list[tuple[int, float]] = []

    async def reload() -> None:
        snapshot = Snapshot()
        async with await connect(conninfo()) as gateway, await connect(conninfo("maintenance")) as owner:
            for turn in range(reloads + len(CHANGES)):
                change = CHANGES[turn % len(CHANGES)]
                await owner.execute(change, (turn,) if "%s" in change else None)
                # The change is learned with the first of them.
                await snapshot.load(gateway, public_ids[:1])
                for start in range(0, count, 250):
                    if list_missing := snapshot.list_missing(public_ids[start : start + 250]):
                        await snapshot.load(gateway, list_missing)
                assert snapshot.entry_count == count
                seen.append(memory())

    asyncio.run(reload())
    blocks, grown = (seen[-1][place] - seen[len(CHANGES) - 1][place] for place in (0, 1))
    # One that stayed behind for each key and reload would be as many as there were reloads.
    assert blocks < count
    assert grown < 16


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
def test_who_is_behind_a_large_change_begins_anew_instead_of_reading_its_list():
    account = an_account()
    known = a_key(account, a_user(account, "alice"), an_api()).key.public_id

    def change(count: int) -> None:
        """So many keys of others, a thousand at a time: of more a transaction says once that everything changed."""
        with connections["maintenance"].cursor() as cursor:
            for start in range(0, count, 1000):
                one = "SELECT key_epoch_move('public_id', n::text) FROM generate_series(1, %s) n"
                cursor.execute(one, [min(1000, count - start)])
        connections.close_all()

    async def load() -> None:
        snapshot = Snapshot()
        connection = await connect(conninfo())
        await snapshot.load(connection, [known])
        for count, left in ((MAX_CHANGES, 1), (MAX_CHANGES + 1, 0)):
            epoch = snapshot.epoch
            await asyncio.to_thread(change, count)
            await snapshot.load(connection, [])
            assert (snapshot.entry_count, snapshot.epoch.n) == (left, epoch.n + -(-count // 1000))
            assert snapshot.apis
        # A new process reads none of it.
        none = {"n": NOTHING_SEEN.n, "token": NOTHING_SEEN.token}
        parameters = {**none, "ids": [], **NOTHING_SEEN.parameters}
        cursor = await connection.execute(LOAD_QUERY, parameters)
        row = await cursor.fetchone()
        assert row is not None
        assert (row[3], row[4]) == (False, [])
        await connection.close()

    asyncio.run(load())
