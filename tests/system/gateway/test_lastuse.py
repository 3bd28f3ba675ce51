"""When and from where a secret was last allowed is complete when the gateway stops."""

from __future__ import annotations

import asyncio

import pytest

from keys.models import SecretUse
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import a_key, an_api
from tests.gateways import Asker, gateway


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
