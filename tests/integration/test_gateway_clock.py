"""The clock is the database's, also after this machine slept or a clock was set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from core.request_id import generate_request_id
from gateway.group_commit import GroupCommit
from gateway.libpq.database import connect
from keys.decision.access import Call, PresentedCredential
from keys.decision.addresses import parse_address
from keys.models import Key
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.gateways import conninfo, decision_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key() -> KeyAndToken:
    account = an_account()
    return a_key(account, a_user(account, "alice"), an_api())


def ask(key: KeyAndToken, *offsets: float) -> list[str]:
    """Return the refusal of a call after each jump of our idea of the database's clock, in seconds."""
    seen = []

    async def run() -> None:
        batch = GroupCommit(connect=lambda: connect(conninfo()), peppers=settings.TOKEN_PEPPERS)
        running = asyncio.create_task(batch.run())
        for offset in offsets:
            batch._clock_offset += offset
            call = Call(
                generate_request_id(), "tests", "GET", "", "/customers", "", "", parse_address("203.0.113.7"),
                PresentedCredential("bearer", key.key.public_id, key.token),
            )  # fmt: skip
            decision = await decision_of(batch, "ledger", call)
            seen.append(decision.reason)
            assert abs(decision.now - timezone.now().timestamp()) < 2
        batch.stop()
        await running

    asyncio.run(run())
    return seen


@pytest.mark.fault(21)
@pytest.mark.fault(22)
def test_an_expired_key_is_refused_however_slow_our_clock_is(key: KeyAndToken, figure: Callable[[str], None]) -> None:
    Key.objects.filter(pk=key.key.pk).update(expires_at=timezone.now() - timedelta(seconds=10))
    assert ask(key, 0, -3600, -86_400) == ["key_expired"] * 3
    figure("the gateway's clock jumps back by an hour, then by a day: a key that has expired is refused")


@pytest.mark.fault(21)
def test_a_good_key_is_let_in_however_fast_our_clock_is(key: KeyAndToken, figure: Callable[[str], None]) -> None:
    Key.objects.filter(pk=key.key.pk).update(expires_at=timezone.now() + timedelta(minutes=10))
    assert ask(key, 0, 3600, 86_400, -3600) == [""] * 4
    figure("the gateway's clock is an hour, then a day fast: a key that has not expired is let in")
