"""When and from where a secret was last allowed: seldom enough to cost nothing, and complete when the gateway stops."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from gateway.lastuse import LastUse
from keys.models import SecretUse
from tests.gateways import Asker, gateway
from tests.keyring import a_key, an_api
from tests.people import a_user, an_account

SECRET = UUID(int=1)


def test_a_secret_is_due_once_a_minute_only():
    uses = LastUse()
    assert not uses.due
    uses.note([(SECRET, "203.0.113.7"), (SECRET, "203.0.113.8")])
    assert uses.due
    uses._due.clear()
    uses.note([(SECRET, "203.0.113.9")])
    assert not uses.due


def test_the_first_write_waits_for_nothing():
    assert LastUse().wait == 0.0


@pytest.mark.django_db(transaction=True)
def test_all_uses_are_written_when_the_gateway_stops():
    account = an_account()
    alice, api = a_user(account, "alice"), an_api()
    tokens = [a_key(account, alice, api, f"Key {number}").token for number in range(3)]

    async def ask_in_turn(port: int) -> None:
        async with Asker(port) as asker:
            for token in tokens:
                assert (await asker.verify(token, address="203.0.113.7")).status == 200

    with gateway() as running:
        asyncio.run(ask_in_turn(running.port))
    assert list(SecretUse.objects.values_list("address", flat=True)) == ["203.0.113.7"] * 3
