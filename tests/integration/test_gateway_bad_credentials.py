"""Thousands of bad credentials against a real gateway: none is let in, none breaks it, and those that are not even
well-formed are not looked up."""

from __future__ import annotations

import asyncio
import base64
import re
import string
import uuid
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from django.db.models import Sum

from audit.models import Call
from keys.crypto.secrets import generate_token
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import a_key, an_api
from tests.gateways import Asker, RunningGateway, gateway

pytestmark = pytest.mark.django_db(transaction=True)

Headers = tuple[tuple[str, str], ...]
KINDS = ["bearer", "token", "raw", "api_key", "basic"]
ONE_CHARACTER = string.ascii_letters + string.digits + "_-. "


def bearer(value: str) -> Headers:
    return (("Authorization", f"Bearer {value}"),)


def mutants(token: str) -> Iterator[Headers]:
    """One character is another one."""
    for place in range(len(token)):
        for character in ONE_CHARACTER:
            if character != token[place]:
                yield bearer(token[:place] + character + token[place + 1 :])


def malformed(token: str) -> Iterator[Headers]:
    """Other things that are no token, in every header that one could be in."""
    good = f"Bearer {token}"
    encoded = base64.b64encode(f"pbx:{token}".encode()).decode()
    bodies = [
        *("", " ", token[:-1], token + "0", token[1:], token * 2, token.lower(), token.upper(), token[::-1]),
        *(token.replace("_", "-"), f'"{token}"', f"{token}, {token}", f"{token};", "kw_", "null", "undefined", "*"),
        *(
            "a" * 9000,
            token + "a" * 9000,
            "\xe9" * 54,
            "\xff\xfe",
            f"{token}\xa0",
            f"\xef\xbb\xbf{token}",
            "' OR 1=1--",
        ),
        *(
            "%00",
            token.replace("_", "%5F"),
            "${jndi:ldap://x}",
            "../../etc/passwd",
            "{{7*7}}",
            "eyJhbGciOiJub25lIn0.e30.",
        ),
    ]
    schemes = [
        "Bearer ",
        "bearer\t",
        "Token ",
        "token",
        "",
        "Basic ",
        "Digest ",
        "Negotiate ",
        "AWS4-HMAC-SHA256 ",
        "Bearer:",
    ]
    for body in bodies:
        for scheme in schemes:
            yield (("Authorization", scheme + body),)
        yield (("X-API-Key", body),)
        # More than one, one of which is good
        for other in (("Authorization", good), ("X-API-Key", token)):
            yield (("Authorization", f"Bearer {body}"), other)
            yield (("X-API-Key", body), other)
            yield (("X-Signature", body), other)
            yield (("X-Api-Id", body), other)
    for text in (f":{token[1:]}", f"{token}:", token, f"pbx:{token}x", f"pbx: {token}", "pbx:", ":", "\0:\0"):
        for cut in range(8):
            yield (
                (
                    "Authorization",
                    "Basic " + base64.b64encode(text.encode()).decode()[: -cut or None] + "!" * (cut % 2),
                ),
            )
    yield (("Authorization", f"Basic {encoded}"), ("Authorization", f"Basic {encoded}"))
    yield (("Authorization", good), ("Authorization", good))
    yield (("X-API-Key", token), ("X-API-Key", token))
    for place in range(len(good) + 1):
        for character in ("\0", "\x01", "\x0b", "\x7f", "\x1e"):
            yield (("Authorization", good[:place] + character + good[place:]),)


def strangers() -> Iterator[Headers]:
    """Well-formed, and nobody's."""
    while True:
        yield bearer(generate_token("kw").token)


def ask(running: RunningGateway, questions: list[Headers], agent: str) -> list[int]:
    """Return the status of each; some are asked over connections that the server has then closed."""

    async def part(mine: list[Headers]) -> list[int]:
        seen: list[int] = []
        while len(seen) < len(mine):
            async with Asker(running.port) as asker:
                for headers in mine[len(seen) :]:
                    answer = await asker.verify(None, api="billing-test", extra=(*headers, ("User-Agent", agent)))
                    assert answer.status == 400 or answer.refusal == "invalid_credentials", (headers, answer)
                    seen.append(answer.status)
                    if answer.headers.get("connection") == "close":
                        break
        return seen

    async def together() -> list[int]:
        return [status for part_seen in await asyncio.gather(*(part(questions[at::16]) for at in range(16)))
                for status in part_seen]  # fmt: skip

    return asyncio.run(together())


def loads(running: RunningGateway) -> float:
    async def scrape() -> bytes:
        async with Asker(running.metrics_port) as asker:
            return (await asker.get("/metrics")).body

    found = re.search(rb"^keyward_gateway_epoch_reloads_total ([0-9.e+]+)$", asyncio.run(scrape()), re.M)
    assert found is not None
    return float(found[1])


@pytest.mark.quality(1)
def test_no_bad_credential_is_let_in(full: bool, figure: Callable[[str], None]) -> None:
    account = an_account()
    key = a_key(account, a_user(account, "alice"), an_api("billing-test", credentials=KINDS), username="pbx")
    changed, hostile = list(mutants(key.token)), list(malformed(key.token))
    if not full:
        changed, hostile = changed[::7], hostile[::3]
    agent = f"bad-{uuid.uuid4()}"
    with gateway() as running:
        # The first question of all loads the API.
        ask(running, [()], "first")
        before = loads(running)
        statuses = ask(running, [*changed, *hostile], agent)
        unread = loads(running) - before
        unknown = list(islice(strangers(), 1000 if full else 100))
        statuses += ask(running, unknown, agent)
        assert not running.process.poll()
    assert set(statuses) <= {401, 400}
    assert unread == 0
    # The server's own 400 is a refusal before there is a call to log.
    assert Call.objects.filter(user_agent=agent).aggregate(Sum("folded"))["folded__sum"] == statuses.count(401)
    assert not Call.objects.filter(user_agent=agent, decision="allowed").exists()
    figure(f"{len(statuses):,} bad credentials, 0 let in, 0 look-ups for the {len(changed) + len(hostile):,} malformed")
    assert len(statuses) >= (5000 if full else 700)
