"""When and from where a secret was last allowed, written seldom enough to cost nothing."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from gateway.last_use import MAX_ADDRESSES, LastUses
from keys.models import SecretUse
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import a_key, an_api
from tests.gateways import conninfo

SECRET = UUID(int=1)


def test_a_secret_is_due_once_a_minute_from_each_address():
    uses = LastUses()
    assert not uses.is_due
    uses.add([(SECRET, "203.0.113.7"), (SECRET, "203.0.113.8"), (SECRET, "203.0.113.7")])
    assert uses._due == {SECRET: ["203.0.113.7", "203.0.113.8"]}
    uses._due.clear()
    uses.add([(SECRET, "203.0.113.8")])
    assert not uses.is_due


def test_of_many_addresses_ten_a_minute_are_noted():
    uses = LastUses()
    uses.add((SECRET, f"203.0.113.{number}") for number in range(200))
    assert uses._due == {SECRET: [f"203.0.113.{number}" for number in range(MAX_ADDRESSES)]}
    uses._recorded_at[SECRET]["203.0.113.3"] -= LastUses.INTERVAL_SECONDS
    uses._due.clear()
    uses.add([(SECRET, "198.51.100.1"), (SECRET, "198.51.100.2")])
    assert uses._due == {SECRET: ["198.51.100.1"]}
    assert len(uses._recorded_at[SECRET]) == MAX_ADDRESSES


@pytest.mark.django_db(transaction=True)
def test_a_secrets_row_keeps_its_ten_latest_addresses():
    account = an_account()
    key = a_key(account, a_user(account, "alice"), an_api()).key
    secret = key.secrets.get().pk

    async def write(*batches: list[str]) -> None:
        async with await AsyncConnection.connect(conninfo(), autocommit=True) as connection:
            for addresses in batches:
                uses = LastUses()
                uses.add((secret, address) for address in addresses)
                await uses.write(connection)

    asyncio.run(write(["2001:db8::1"], [f"203.0.113.{number}" for number in range(9)], ["198.51.100.1", "203.0.113.0"]))

    used = SecretUse.objects.get()
    assert used.address == "203.0.113.0"
    assert set(used.addresses) == {"198.51.100.1", *(f"203.0.113.{number}" for number in range(9))}
    assert max(used.addresses.values()) == used.addresses["203.0.113.0"]
    assert datetime.fromisoformat(used.addresses["198.51.100.1"]) == used.used_at


@pytest.mark.django_db(transaction=True)
def test_a_secret_that_is_held_is_not_waited_for_and_has_one_more_turn():
    account = an_account()
    alice, api = a_user(account, "alice"), an_api()
    held, free = (a_key(account, alice, api, name).key.secrets.get().pk for name in ("Held", "Free"))
    uses = LastUses()
    uses.add((secret, "203.0.113.7") for secret in (held, free))

    async def used() -> list[UUID]:
        return [use.secret_id async for use in SecretUse.objects.order_by("used_at")]

    async def write_beside_a_holder() -> None:
        async with (
            await AsyncConnection.connect(conninfo(), autocommit=True) as connection,
            await AsyncConnection.connect(conninfo()) as holder,
        ):
            await connection.execute("SET lock_timeout = '1s'")
            await holder.execute("SELECT FROM keys_secret WHERE id = %s FOR NO KEY UPDATE", (held,))
            await uses.write(connection)
            assert await used() == [free]
            assert uses.is_due
            await holder.rollback()
            await uses.write(connection)
            assert await used() == [free, held]
            await holder.execute("SELECT FROM keys_secret WHERE id = %s FOR NO KEY UPDATE", (held,))
            uses._due = {held: ["203.0.113.8"]}
            for _ in range(2):
                assert uses.is_due
                await uses.write(connection)
            assert not uses.is_due

    asyncio.run(write_beside_a_holder())


@pytest.mark.django_db(transaction=True)
def test_a_write_takes_so_many_and_leaves_the_others_due(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(LastUses, "MAX_USES", 2)
    account = an_account()
    alice, api = a_user(account, "alice"), an_api()
    secrets = [a_key(account, alice, api, f"Key {number}").key.secrets.get().pk for number in range(3)]
    uses = LastUses()
    uses.add((secret, "203.0.113.7") for secret in secrets)

    async def write() -> None:
        async with await AsyncConnection.connect(conninfo(), autocommit=True) as connection:
            await uses.write(connection)
            assert (uses.is_due, uses.seconds_until_due) == (True, 0.0)
            await uses.write(connection)

    asyncio.run(write())
    assert (uses.is_due, uses.seconds_until_due > 0) == (False, True)
    assert SecretUse.objects.count() == 3


def test_the_first_write_waits_for_nothing():
    assert LastUses().seconds_until_due == 0.0
