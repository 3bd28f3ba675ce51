"""`/v1/whoami/<api>?explain=1`: a key's holder is told why its last refused call was refused; nobody else is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from audit.models import Call
from gateway.last_refusal import ExplanationUnavailable, LastRefusals
from gateway.libpq.database import connect
from gateway.limits import MAX_WAITING_EXPLANATIONS
from keys.crypto.secrets import generate_token
from keys.models import Key
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call, more_calls
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.gateways import SECRET, Answer, Asker, conninfo, gateway

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key() -> KeyAndToken:
    account = an_account()
    return a_key(account, a_user(account, "alice"), an_api(), networks=("203.0.113.0/24",), modules=("customers",))


async def whoami(asker: Asker, token: str | None, *, address: str = "203.0.113.7", query: str = "?explain=1") -> Answer:
    headers = [("X-Gateway-Secret", SECRET), ("X-Forwarded-For", address)]
    if token:
        headers.append(("Authorization", f"Bearer {token}"))
    return await asker.get(f"/v1/whoami/ledger{query}", headers)


async def ask_as_everybody(port: int, key: KeyAndToken) -> dict[str, Any]:
    """Return the answers by who asks about the last refusal, and how."""
    answers: dict[str, Any] = {}
    async with Asker(port) as asker:
        answers["none yet"] = await whoami(asker, key.token)
        refused = await asker.verify(key.token, uri="/invoices?token=x", address="203.0.113.9")
        wrong = generate_token("kw", key.key.public_id).token
        # Calls of others, whose secret did not match, are not the holder's.
        await asker.verify(wrong, address="203.0.113.10")
        await asker.verify(key.token, address="203.0.113.9")
        answers |= {
            "refused": refused,
            "holder": await whoami(asker, key.token),
            "as the proxy says": await asker.get(
                "/v1/whoami/ledger",
                [
                    ("X-Gateway-Secret", SECRET), ("X-Forwarded-For", "203.0.113.7"),
                    ("Authorization", f"Bearer {key.token}"),
                    ("X-Original-Method", "GET"), ("X-Original-URI", "/_keyward/whoami?a=1&explain=1"),
                ],
            ),
            "unasked": await whoami(asker, key.token, query=""),
            "another question": await whoami(asker, key.token, query="?explain=10&xexplain=1"),
            "wrong": await whoami(asker, wrong),
            "wrong, unasked": await whoami(asker, wrong, query=""),
            "nobody": await whoami(asker, None),
            "from elsewhere": await whoami(asker, key.token, address="198.51.100.1"),
        }  # fmt: skip
        answers["after that"] = await whoami(asker, key.token)
    return answers


def test_the_holder_is_told_and_nobody_else(key: KeyAndToken) -> None:
    with gateway() as running:
        answers = asyncio.run(ask_as_everybody(running.port, key))
    assert json.loads(answers["none yet"].body)["last_refusal"] is None
    told = json.loads(answers["holder"].body)
    assert told["key_id"] == key.key.public_id
    row = Call.objects.get(request_id=answers["refused"].headers["x-request-id"])
    assert told["last_refusal"].items() >= {
        "code": "module_not_granted", "request_id": str(row.request_id), "method": "GET", "path": "/invoices",
        "module": "invoices", "client_address": "203.0.113.9",
        "time": row.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }.items()  # fmt: skip
    assert told["last_refusal"]["meaning"] == "The key may not call this route."
    assert json.loads(answers["as the proxy says"].body)["last_refusal"] == told["last_refusal"]
    for name in ("unasked", "another question"):
        assert "last_refusal" not in json.loads(answers[name].body)
    for name in ("wrong", "wrong, unasked", "nobody"):
        assert (answers[name].status, answers[name].body) == (401, b'{"code":"invalid_credentials"}')
    unlike = {"date", "x-request-id"}
    same = [{k: v for k, v in answers[name].headers.items() if k not in unlike} for name in ("wrong", "wrong, unasked")]
    assert same[0] == same[1]
    assert (answers["from elsewhere"].status, answers["from elsewhere"].body) == (403, b'{"code":"ip_not_allowed"}')
    assert json.loads(answers["after that"].body)["last_refusal"]["code"] == "ip_not_allowed"


def find(*public_ids: str, dsn: str | None = None) -> list[Any]:
    async def act() -> list[Any]:
        refusals = LastRefusals(lambda: connect(conninfo() if dsn is None else dsn))
        try:
            return await asyncio.gather(*map(refusals.find, public_ids), return_exceptions=True)
        finally:
            await refusals.close()

    return asyncio.run(act())


def test_it_is_bounded(key: KeyAndToken) -> None:
    account, public_id = key.key.account, key.key.public_id
    a_call(account, key_id=public_id, api="ledger", decision="denied", reason="key_expired")
    (found,) = find(public_id)
    assert found["code"] == "key_expired"
    many = find(*[public_id] * (MAX_WAITING_EXPLANATIONS + 3))
    assert [isinstance(each, ExplanationUnavailable) for each in many] == [False] * MAX_WAITING_EXPLANATIONS + [
        True
    ] * 3
    # Behind more calls than are looked through there is none; without a database, no answer.
    other = a_key(account, key.key.owner, key.key.api, "Busy").key.public_id
    newest = a_call(account, key_id=other)
    more_calls(newest, 5_000)
    assert find(other) == [None]
    (failed,) = find(public_id, dsn="host=127.0.0.1 port=1 connect_timeout=1")
    assert isinstance(failed, ExplanationUnavailable)


def test_a_key_that_is_disabled_is_told_only_that(key: KeyAndToken) -> None:
    a_call(key.key.account, key_id=key.key.public_id, api="ledger", decision="denied", reason="module_not_granted")
    Key.objects.filter(pk=key.key.pk).update(enabled=False)

    async def act(port: int) -> Answer:
        async with Asker(port) as asker:
            return await whoami(asker, key.token)

    with gateway() as running:
        answer = asyncio.run(act(running.port))
    assert (answer.status, answer.body) == (401, b'{"code":"key_disabled"}')
