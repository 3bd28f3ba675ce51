"""Calls that are decided together have nothing else to do with each other."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from django.conf import settings

from audit.models import Call as Row
from core.request_id import generate_request_id
from gateway.group_commit import GroupCommit
from gateway.libpq.database import connect
from keys.decision.access import Api, Call, Decision, PresentedCredential
from keys.decision.addresses import parse_address
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import a_key, an_api
from tests.gateways import conninfo, decision_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_answer_that_cannot_be_given_is_nobody_else_s_matter() -> None:
    account = an_account()
    key = a_key(account, a_user(account, "alice"), an_api())
    allowed: list[bool] = []

    def a_call() -> Call:
        return Call(
            generate_request_id(), "tests", "GET", "", "/customers", "", "", parse_address("203.0.113.7"),
            PresentedCredential("bearer", key.key.public_id, key.token),
        )  # fmt: skip

    def fail(decision: Decision, _: Api | None) -> None:
        allowed.append(decision.allowed)
        raise RuntimeError("the client has gone")

    async def run() -> list[Decision]:
        batch = GroupCommit(connect=lambda: connect(conninfo()), peppers=settings.TOKEN_PEPPERS)
        running = asyncio.create_task(batch.run())
        requests = []
        for _ in range(2):
            batch.submit("ledger", a_call(), "", fail)
            requests.append(decision_of(batch, "ledger", a_call()))
            await requests[-1]
        batch.stop()
        await running
        return [each.result() for each in requests]

    decisions = asyncio.run(run())

    assert [decision.reason for decision in decisions] == ["", ""]
    assert allowed == [True, True]
    rows = Row.objects.filter(key_id=key.key.public_id)
    assert {UUID(each.call.request_id) for each in decisions} < set(rows.values_list("request_id", flat=True))
    assert rows.count() == 4
