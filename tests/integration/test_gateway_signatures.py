"""Signed calls and recording links through real gateways: what was altered, sent again or late is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.db.models import QuerySet

from audit.models import Call
from keys.models import Key, Route, Secret
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.gateways import Answer, Asker, RunningGateway, gateway
from tests.signed_requests import Headers, link, signed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key() -> KeyAndToken:
    account, api = an_account(), an_api(credentials=["signature", "recording"])
    Route.objects.create(module=api.modules.get(slug="customers"), method="POST", template="/customers")
    recordings = api.modules.get(slug="invoices")
    Route.objects.create(module=recordings, method="GET", template="/recordings/{lead_id}", recording=True)
    return a_key(account, a_user(account, "alice"), api, recordings=True)


@pytest.fixture
def running(key: KeyAndToken) -> Iterator[RunningGateway]:
    with gateway() as started:
        yield started


def ask(running: RunningGateway, *questions: tuple[str, str, Headers], token: str | None = None) -> list[Answer]:
    """Each (method, uri, headers) in turn."""

    async def in_turn() -> list[Answer]:
        async with Asker(running.port) as asker:
            return [
                await asker.verify(token, method=method, uri=uri, extra=headers) for method, uri, headers in questions
            ]

    return asyncio.run(in_turn())


def rows(key: KeyAndToken) -> QuerySet[Call]:
    """Return the rows of this test: the log is not emptied between tests."""
    return Call.objects.filter(key_id=key.key.public_id).order_by("time")


def refusals(answers: list[Answer]) -> list[str]:
    return [answer.refusal for answer in answers]


def test_a_signed_call_is_let_in_once(running: RunningGateway, key: KeyAndToken):
    body = b'{"name": "Ana"}'
    headers = signed(key, method="POST", query="a=1&b=%2B", body=body)
    first, again = ask(running, *[("POST", "/customers?b=+&a=1", headers)] * 2)
    assert (first.status, first.headers["x-body-sha256"]) == (200, dict(headers)["X-Body-Sha256"])
    assert (again.status, again.refusal) == (401, "replayed")
    logged = list(rows(key).values_list("decision", "reason", "credential", "account"))
    assert logged == [("allowed", "", "signature", "acme"), ("denied", "replayed", "signature", "acme")]
    assert str(rows(key).get(reason="replayed").request_id) == again.headers["x-request-id"]


def altered(key: KeyAndToken) -> Iterator[tuple[str, str, Headers]]:
    """One thing about a good request is another one."""
    query = "from=2026-01-01&to=2026-01-31"

    def good() -> dict[str, str]:
        return dict(signed(key, query=query))

    for uri in (
        *(f"/customers?{query}&x=1", f"/customers?{query}&", "/customers", "/customers?from=2026-01-01", "/invoices"),
        *(f"/customers/?{query}", f"/Customers?{query}", f"/customers?{query.replace('31', '30')}"),
        *(f"/customers?{query.replace('from', 'From')}", f"/customers?{query}%20", f"/customers?{query}+"),
        *(f"/customers?{query}&to=2026-01-31", f"/customers?{query.replace('=', '%3D', 1)}", f"/customers/7?{query}"),
        *(f"/customers?{query}%zz", f"/customers?{query}%", f"/customers?{query.replace('&', ';')}"),
    ):
        # An empty piece more is the same query.
        if not uri.endswith("&"):
            yield "GET", uri, tuple(good().items())
    for method in ("POST", "HEAD", "PUT", "DELETE", "OPTIONS", "G", "GETS"):
        yield method, f"/customers?{query}", tuple(good().items())
    for name in good():
        for place in range(0, len(good()[name]), 2 if name in ("X-Body-Sha256", "X-Signature") else 1):
            headers = good()
            value = headers[name]
            headers[name] = f"{value[:place]}{'1' if value[place] != '1' else '2'}{value[place + 1 :]}"
            yield "GET", f"/customers?{query}", tuple(headers.items())
        headers = good()
        yield "GET", f"/customers?{query}", tuple((each, value) for each, value in headers.items() if each != name)
        yield "GET", f"/customers?{query}", (*headers.items(), (name, headers[name]))
        yield "GET", f"/customers?{query}", tuple((headers | {name: ""}).items())
        yield "GET", f"/customers?{query}", tuple((headers | {name: headers[name].upper() + " "}).items())
    for number in range(60):
        one, other = good(), good() | {"X-Timestamp": str(int(time.time()) - number - 1)}
        one["X-Timestamp"] = other["X-Timestamp"]
        yield "GET", f"/customers?{query}", tuple(one.items())
        yield "GET", f"/customers?{query}", tuple((good() | {"X-Nonce": other["X-Nonce"]}).items())


@pytest.mark.quality(8)
def test_altered_requests_are_refused(running: RunningGateway, key: KeyAndToken, figure: Callable[[str], None]):
    questions = list(altered(key))
    answers = ask(running, *questions)
    assert {(answer.status, answer.body) for answer in answers} == {(401, b'{"code":"invalid_credentials"}')}
    assert ask(running, ("GET", "/customers", signed(key)))[0].status == 200
    figure(f"{len(questions)} altered signed requests, 0 let through")
    assert len(questions) >= 200


@pytest.mark.quality(8)
def test_of_many_that_bring_one_nonce_to_two_processes_one_is_let_in(
    key: KeyAndToken, full: bool, figure: Callable[[str], None]
):
    rounds, width = (200 if full else 25), 24

    async def hammer(ports: list[int]) -> list[list[str]]:
        askers = [await Asker(ports[place % 2]).__aenter__() for place in range(width)]
        seen = []
        for _ in range(rounds):
            headers = signed(key)
            answers = await asyncio.gather(*(asker.verify(None, extra=headers) for asker in askers))
            seen.append(sorted(answer.refusal for answer in answers))
        for asker in askers:
            await asker.__aexit__()
        return seen

    with gateway() as one, gateway() as other:
        seen = asyncio.run(hammer([one.port, other.port]))
    assert seen == [["", *["replayed"] * (width - 1)]] * rounds
    assert rows(key).filter(decision="allowed").count() == rounds
    assert rows(key).filter(reason="replayed").count() == rounds * (width - 1)
    figure(f"{rounds} nonces brought {width} times at once to 2 processes, each let in once")


def test_only_a_call_that_passes_every_other_check_uses_its_nonce_up(running: RunningGateway, key: KeyAndToken):
    headers = signed(key)
    Key.objects.update(enabled=False)
    assert refusals(ask(running, ("GET", "/customers", headers))) == ["key_disabled"]
    Key.objects.update(enabled=True)
    assert refusals(ask(running, *[("GET", "/customers", headers)] * 2)) == ["", "replayed"]


def test_a_signature_counts_for_300_seconds_either_way(running: RunningGateway, key: KeyAndToken):
    now = time.time()
    offsets = (-295, 295, -302, 302, -86_400, 86_400)
    answers = ask(running, *(("GET", "/customers", signed(key, at=now + offset)) for offset in offsets))
    assert refusals(answers) == ["", "", *["stale_timestamp"] * 4]
    assert list(rows(key).filter(reason="stale_timestamp").values_list("account", flat=True)) == ["acme"] * 4


def test_a_secret_that_does_not_open_signs_nothing(key: KeyAndToken):
    other = a_key(key.key.account, key.key.owner, key.key.api, "Other")
    Secret.objects.filter(key=key.key).update(sealed=Secret.objects.get(key=other.key).sealed)
    with gateway() as running:
        answers = ask(running, *(("GET", "/customers", signed(each)) for each in (key, other)))
        log = running.log.read_text()
    assert refusals(answers) == ["invalid_credentials", ""]
    assert "secret.unreadable" in log
    assert key.key.public_id in log


def test_old_nonces_are_swept(running: RunningGateway, key: KeyAndToken):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM gateway_nonce")
        cursor.execute(
            "INSERT INTO gateway_nonce SELECT 'someone', n::text, now() - interval '11 seconds'"
            " FROM generate_series(1, 2500) AS n"
        )
        left = 2501
        for _ in range(20):
            ask(running, ("GET", "/customers", signed(key)))
            cursor.execute("SELECT count(*) FROM gateway_nonce WHERE key_id = 'someone'")
            left = cursor.fetchone()[0]
            if not left:
                break
        cursor.execute("SELECT count(*) FROM gateway_nonce WHERE key_id = %s", [key.key.public_id])
        kept = cursor.fetchone()[0]
    assert left == 0
    assert kept >= 3


def test_a_recording_link_opens_its_recording_until_it_expires(running: RunningGateway, key: KeyAndToken):
    soon = time.time() + 60
    good = link(key, "lead-7", soon)
    path, _, query = good.partition("?")
    answers = ask(
        running,
        ("GET", good, ()),
        ("HEAD", good, ()),
        ("GET", f"{good}&download=1", ()),
        ("GET", link(key, "lead-7", time.time() + 7 * 86_400 - 5), ()),
        ("GET", link(key, "lead-7", time.time() + 7 * 86_400 + 5), ()),
        ("GET", link(key, "lead-7", time.time() - 1), ()),
        ("GET", good.replace("lead-7", "lead-8"), ()),
        ("GET", f"{good}&expires={int(soon) + 1}", ()),
        ("GET", f"/customers?{query}", ()),
        ("GET", good, signed(key, path=path, query="&".join(sorted(query.split("&"))))),
        ("GET", path, signed(key, path=path)),
        ("POST", good, ()),
    )
    bad = "invalid_credentials"
    assert refusals(answers) == ["", "", "", "", "stale_timestamp", "stale_timestamp", bad, bad, bad, bad, bad, bad]
    assert answers[0].headers["x-body-sha256"] == ""
    row = rows(key).filter(path="/recordings/lead-7", decision="allowed").first()
    assert row is not None
    assert (row.credential, row.key_id, "[secret]" in row.query) == ("recording", key.key.public_id, True)
    assert not rows(key).filter(query__contains=query.rpartition("=")[2]).exists()
    Key.objects.update(recordings=False)
    assert refusals(ask(running, ("GET", good, ()))) == ["recordings_not_allowed"]
