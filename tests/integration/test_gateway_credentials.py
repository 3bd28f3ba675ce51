"""Every form of credential through a real gateway; what is logged of whom; and what a key's holder may ask about it."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.models import Call
from gateway.limits import MAX_REFUSED_TEXT_LENGTH, REFUSALS_PER_KEY
from keys.crypto.secrets import generate_token
from keys.models import Key, Route, Secret
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.gateways import SECRET, Answer, Asker, RunningGateway, gateway
from tests.signed_requests import signed

pytestmark = pytest.mark.django_db(transaction=True)

Header = tuple[str, str]
KINDS = ("bearer", "token", "raw", "api_key", "basic", "signature")


@pytest.fixture
def keys() -> dict[str, KeyAndToken]:
    """A key for each kind, of an API that takes this kind only."""
    account = an_account()
    alice = a_user(account, "alice")
    named: dict[str, dict[str, Any]] = {"basic": {"username": "pbx-Zoë"}}
    return {
        kind: a_key(account, alice, an_api(f"by-{kind}", credentials=[kind]), **named.get(kind, {})) for kind in KINDS
    }


@pytest.fixture
def running() -> Iterator[RunningGateway]:
    with gateway() as started:
        yield started


def basic(username: str, token: str) -> Header:
    return "Authorization", "Basic " + base64.b64encode(f"{username}:{token}".encode()).decode()


def sent(kind: str, key: KeyAndToken) -> tuple[Header, ...]:
    if kind == "signature":
        return signed(key)
    return {
        "bearer": (("Authorization", f"Bearer {key.token}"),),
        "token": (("Authorization", f"Token {key.token}"),),
        "raw": (("Authorization", key.token),),
        "api_key": (("X-API-Key", key.token),),
        "basic": (basic(key.key.username, key.token),),
    }[kind]


def ask(running: RunningGateway, *questions: dict[str, Any]) -> list[Answer]:
    async def in_turn() -> list[Answer]:
        async with Asker(running.port) as asker:
            return [await asker.verify(None, **question) for question in questions]

    return asyncio.run(in_turn())


def rows(key: KeyAndToken) -> list[tuple[Any, ...]]:
    found = Call.objects.filter(key_id=key.key.public_id).order_by("time")
    return list(found.values_list("account", "decision", "reason", "credential"))


def test_an_api_takes_the_kinds_of_its_policy_alone(running: RunningGateway, keys: dict[str, KeyAndToken]):
    questions = [(own, kind) for own in KINDS for kind in KINDS]
    answers = ask(running, *({"api": f"by-{own}", "extra": sent(kind, keys[own])} for own, kind in questions))
    for (own, kind), answer in zip(questions, answers, strict=True):
        assert answer.status == (200 if own == kind else 401), (own, kind)
        assert answer.refusal == ("" if own == kind else "invalid_credentials")
    for own in KINDS:
        expected = [("acme", "allowed", "", kind) if kind == own else ("acme", "denied", "invalid_credentials", kind)
                    for kind in KINDS]  # fmt: skip
        assert rows(keys[own]) == expected


def test_more_than_one_credential_is_none(running: RunningGateway, keys: dict[str, KeyAndToken]):
    pairs = [(one, other) for one in KINDS for other in KINDS]
    questions = [
        {"api": f"by-{one}", "extra": (*sent(one, keys[one]), *sent(other, keys[one]))} for one, other in pairs
    ]
    assert {answer.refusal for answer in ask(running, *questions)} == {"invalid_credentials"}


def test_basic_needs_the_key_s_own_username(running: RunningGateway, keys: dict[str, KeyAndToken]):
    key = keys["basic"]
    headers = [
        *(basic(name, key.token) for name in ("", "pbx", "PBX-Zoë", "pbx-Zoe", "pbx-Zoë ", key.key.name)),
        basic("pbx-Zoë", generate_token("kw", key.key.public_id).token),
        basic("pbx-Zoë", generate_token("kw").token),
    ]
    answers = ask(running, *({"api": "by-basic", "extra": (header,)} for header in headers))
    assert {(answer.status, answer.body) for answer in answers} == {(401, b'{"code":"invalid_credentials"}')}
    same = [{name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
            for answer in answers]  # fmt: skip
    assert same == [same[0]] * len(answers)
    assert same[0]["www-authenticate"] == 'Basic realm="API", charset="UTF-8"'
    nameless = a_key(key.key.account, key.key.owner, key.key.api, "Nameless")
    assert ask(running, {"api": "by-basic", "extra": (basic("", nameless.token),)})[0].status == 401


def test_known_and_deleted_keys_are_logged_in_their_account_and_strangers_in_none(
    running: RunningGateway, keys: dict[str, KeyAndToken]
):
    known, deleted = keys["bearer"], keys["token"]
    Secret.objects.filter(key=deleted.key).delete()
    Key.objects.filter(pk=deleted.key.pk).update(deleted_at=datetime.now(UTC))
    wrong = f"Bearer {generate_token('kw', known.key.public_id).token}"
    stranger = f"Bearer {generate_token('kw').token}"
    answers = ask(
        running,
        {"api": "by-bearer", "extra": (("Authorization", wrong),)},
        {"api": "by-token", "extra": sent("token", deleted)},
        {"api": "by-bearer", "extra": (("Authorization", stranger),)},
        {"api": "by-bearer"},
    )
    assert {answer.refusal for answer in answers} == {"invalid_credentials"}
    assert rows(known) == [("acme", "denied", "invalid_credentials", "bearer")]
    assert rows(deleted) == [("acme", "denied", "invalid_credentials", "token")]
    row = Call.objects.get(key_id=deleted.key.public_id)
    assert (row.account_id, row.key_name) == (deleted.key.account_id, deleted.key.name)
    for answer in answers[2:]:
        row = Call.objects.get(request_id=answer.headers["x-request-id"])
        assert (row.account_id, row.key_id, row.folded) == (None, "", 1)


def test_a_flood_of_strangers_is_folded_and_none_is_lost(running: RunningGateway, keys: dict[str, KeyAndToken]):
    agent, count = f"flood-{uuid.uuid4()}", 600
    own = keys["bearer"]

    async def flood() -> list[Answer]:
        async def one(number: int) -> Answer:
            async with Asker(running.port) as asker:
                return await asker.verify(
                    own.token if number % 10 == 0 else generate_token("kw").token,
                    api="by-bearer",
                    uri=f"/customers?n={number}",
                    extra=(("User-Agent", agent),),
                )

        return await asyncio.gather(*(one(number) for number in range(count)))

    answers = asyncio.run(flood())
    assert sorted(answer.status for answer in answers) == [200] * (count // 10) + [401] * (count - count // 10)
    logged = Call.objects.filter(user_agent=agent)
    strangers = logged.filter(key_id="")
    assert logged.filter(key_id=own.key.public_id, folded=1).count() == count // 10
    assert sum(strangers.values_list("folded", flat=True)) == count - count // 10
    folded = strangers.filter(folded__gt=1)
    assert folded.exists()
    assert strangers.count() >= 100
    found = {answer.headers["x-request-id"] for answer in answers}
    for row in folded:
        assert str(row.request_id) in found
        assert (row.account_id, row.api, row.reason) == (None, "by-bearer", "invalid_credentials")
        assert (row.method, row.query, row.path, str(row.client_address)) == ("GET", "", "/customers", "127.0.0.1")


def test_a_flood_with_a_known_api_id_is_folded_in_its_account_and_the_key_goes_on(
    running: RunningGateway, keys: dict[str, KeyAndToken]
):
    agent, count, own = f"flood-{uuid.uuid4()}", 600, keys["bearer"]
    wrong = generate_token("kw", own.key.public_id).token

    async def part(first: int) -> list[Answer]:
        async with Asker(running.port) as asker:
            return [
                await asker.verify(
                    own.token if number % 10 == 0 else wrong,
                    api="by-bearer",
                    uri=f"/customers?n={number}&long={'x' * 7000}",
                    extra=(("User-Agent", agent),),
                )
                for number in range(first, count, 30)
            ]

    async def flood() -> list[Answer]:
        return [answer for answers in await asyncio.gather(*map(part, range(30))) for answer in answers]

    answers = asyncio.run(flood())
    assert sorted(answer.status for answer in answers) == [200] * (count // 10) + [401] * (count - count // 10)
    logged = Call.objects.filter(user_agent=agent, account_id=own.key.account_id, key_id=own.key.public_id)
    assert logged.filter(decision="allowed", folded=1).count() == count // 10
    refused = logged.filter(reason="invalid_credentials")
    assert sum(refused.values_list("folded", flat=True)) == count - count // 10
    # Twenty a second, and those that waited for each other 40 times a second.
    assert REFUSALS_PER_KEY <= refused.count() < (count - count // 10) / 2
    folded = refused.filter(folded__gt=1)
    assert {(row.account, row.key_name, row.method) for row in folded} == {("acme", own.key.name, "GET")}
    assert all(len(query) <= MAX_REFUSED_TEXT_LENGTH for query in refused.values_list("query", flat=True))


def test_a_holder_asks_whose_key_it_is(running: RunningGateway, keys: dict[str, KeyAndToken]):
    key = keys["bearer"]
    Key.objects.filter(pk=key.key.pk).update(
        all_modules=False, expires_at=datetime(2099, 1, 2, 3, 4, 5, tzinfo=UTC), name="Zoë's robot"
    )

    async def whoami(*more: Header, api: str = "by-bearer", secret: str = SECRET) -> Answer:
        results = [("X-Gateway-Secret", secret), ("X-Forwarded-For", "203.0.113.7"), *more]
        async with Asker(running.port) as asker:
            return await asker.get(f"/v1/whoami/{api}", results)

    found = asyncio.run(whoami(*sent("bearer", key), ("X-Original-Method", "GET"), ("X-Original-URI", "/me")))
    assert (found.status, found.headers["cache-control"]) == (200, "no-store")
    assert json.loads(found.body) == {
        "key_id": key.key.public_id, "key_name": "Zoë's robot", "account": "acme", "owner": "alice",
        "api": "by-bearer", "modules": [], "expires": "2099-01-02T03:04:05Z", "client_address": "203.0.113.7",
    }  # fmt: skip
    row = Call.objects.get(request_id=found.headers["x-request-id"])
    assert (row.decision, row.path, row.module, row.key_id) == ("allowed", "/me", "", key.key.public_id)
    plain = json.loads(asyncio.run(whoami(*sent("basic", keys["basic"]), api="by-basic")).body)
    assert (plain["modules"], plain["expires"]) == (["customers", "invoices"], None)
    for answer, code in (
        (asyncio.run(whoami()), "invalid_credentials"),
        (asyncio.run(whoami(*signed(keys["signature"]), api="by-signature")), "unknown_api"),
        (asyncio.run(whoami(api="nothing")), "unknown_api"),
        (asyncio.run(whoami(*sent("bearer", key), secret="wrong")), "gateway_secret"),
    ):
        assert (answer.status, answer.refusal) == (401 if code == "invalid_credentials" else 403, code)
    Key.objects.filter(pk=key.key.pk).update(enabled=False)
    assert asyncio.run(whoami(*sent("bearer", key))).refusal == "key_disabled"


def test_conditions_decide_and_what_has_two_readings_is_refused_before_any_key(
    running: RunningGateway, keys: dict[str, KeyAndToken]
):
    key = keys["bearer"]
    api = key.key.api
    Route.objects.create(module=api.modules.get(slug="customers"), method="GET", template="/reports")
    Route.objects.create(
        module=api.modules.get(slug="invoices"), method="GET", template="/reports", conditions={"menuItemId": "101"}
    )
    queries = [
        "",
        "?menuItemId=102",
        "?menuItemId=101&token=secret",
        "?menuItemId=101&menuItemId=102",
        "?menuItemId[]=1",
    ]
    answers = ask(
        running, *({"api": "by-bearer", "uri": f"/reports{query}", "extra": sent("bearer", key)} for query in queries)
    )
    assert [answer.headers.get("x-module", answer.refusal) for answer in answers] == [
        "customers", "customers", "invoices", "unreadable_request", "unreadable_request",
    ]  # fmt: skip
    allowed = Call.objects.get(request_id=answers[2].headers["x-request-id"])
    assert (allowed.rule, allowed.query) == ("GET /reports?menuItemId=101", "menuItemId=101&token=[secret]")
    refused = Call.objects.get(request_id=answers[3].headers["x-request-id"])
    # Nothing was proved, but the account whose key was presented sees it.
    assert (refused.account_id, refused.key_id) == (key.key.account_id, key.key.public_id)
    assert (refused.reason, refused.credential, refused.decision) == ("unreadable_request", "bearer", "denied")
