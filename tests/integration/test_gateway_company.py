"""A process that shares its machine takes fuller batches; one that is alone lets nobody wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.conf import settings

from core.request_id import generate_request_id
from gateway.group_commit import GroupCommit
from gateway.libpq.database import connect
from gateway.metrics import Metrics
from keys.decision.access import Call, PresentedCredential
from keys.decision.addresses import parse_address
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.gateways import conninfo, decision_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key() -> KeyAndToken:
    account = an_account()
    return a_key(account, a_user(account, "alice"), an_api())


class Sizes(Metrics):
    """Calls of each batch from the third on; `at_the_third` is called when that is on its way."""

    def __init__(self, at_the_third: Any) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.at_the_third = at_the_third

    def observe_batch(self, calls: int, *, queue: int, entries: int) -> None:
        self.sizes.append(calls)
        if len(self.sizes) == 3:
            self.at_the_third()


def sizes(key: KeyAndToken, first: int, *, alone: bool) -> list[int]:
    """Of the batches when so many calls come at once, another while these are at the database, and each of the first
    asks again when it is answered."""
    latecomers: list[asyncio.Future[Any]] = []

    def ask() -> asyncio.Future[Any]:
        call = Call(
            generate_request_id(), "tests", "GET", "", "/customers", "", "", parse_address("203.0.113.7"),
            PresentedCredential("bearer", key.key.public_id, key.token),
        )  # fmt: skip
        return decision_of(batch, "ledger", call)

    def ask_again(_: asyncio.Future[Any]) -> None:
        latecomers.append(ask())

    metrics = Sizes(lambda: asyncio.get_running_loop().call_soon(lambda: latecomers.append(ask())))
    batch = GroupCommit(
        connect=lambda: connect(conninfo()), peppers=settings.TOKEN_PEPPERS, metrics=metrics, is_only_process=alone
    )

    async def run() -> None:
        running = asyncio.create_task(batch.run())
        for _ in range(2):
            # The first is followed by its last use, the second by nothing.
            await ask()
        found = [ask() for _ in range(first)]
        for answer in found:
            answer.add_done_callback(ask_again)
        await asyncio.gather(*found)
        while len(latecomers) <= first:
            await asyncio.sleep(0)
        await asyncio.gather(*latecomers)
        batch.stop()
        await running

    asyncio.run(run())
    return metrics.sizes[2:]


def test_in_company_who_was_answered_is_in_the_next_batch_again(key: KeyAndToken) -> None:
    assert sizes(key, 4, alone=False) == [4, 5]


def test_alone_the_next_batch_begins_at_once(key: KeyAndToken) -> None:
    assert sizes(key, 4, alone=True) == [4, 1, 4]


def test_whoever_asks_alone_waits_for_nobody(key: KeyAndToken) -> None:
    assert sizes(key, 1, alone=False) == [1, 1, 1]
