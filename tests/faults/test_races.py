"""Revocation races: a change is committed while calls with the key are in flight at every process, and no call that
arrives after the commit is let through."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

import psycopg
import pytest
from django.db import connection

from accounts.models import Account
from accounts.services import deactivate_user, set_account_status
from core.actor import Actor
from core.permissions import Role
from keys import services
from keys.ip_lists import services as ip_lists_services
from keys.key_settings import KeySettings
from keys.models import Key
from keys.services import CreatedKey
from tests.factories.accounts import a_user, an_account
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key
from tests.gateways import Asker, conninfo, gateway

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])


OPERATOR = Actor.from_command("test")


def disable(key: Key) -> None:
    services.disable(key=key, by=OPERATOR)


def delete(key: Key) -> None:
    services.delete(key=key, by=OPERATOR)


def shrink_addresses(key: Key) -> None:
    key_settings = replace(KeySettings.from_key(key), networks=(ip_network("198.51.100.0/24"),))
    services.edit(key=key, version=key.version, key_settings=key_settings, by=OPERATOR)


def rotate(key: Key) -> None:
    """Without an overlap: the secret that the callers have is refused at once."""
    current = key.secrets.get(retires_at=None)
    services.change(key=key, secret=current.pk, overlap=services.Overlap.NONE, by=OPERATOR)


def end_overlap(key: Key) -> None:
    """Of the secret that the callers have, which has been the old one for a while."""
    services.end_overlap(key=key, by=OPERATOR)


def disable_list_entry(key: Key) -> None:
    """Return the one that admits the callers, in the list that the key is restricted to."""
    ip_list = key.ip_lists.get()
    entries = ip_list.entries.filter(network="127.0.0.0/8").values_list("pk", flat=True)
    ip_lists_services.disable_entries(ip_list=ip_list, entries=list(entries), by=OPERATOR)


def suspend_account(key: Key) -> None:
    set_account_status(account=key.account, status=Account.Status.SUSPENDED, by=OPERATOR)


def deactivate_owner(key: Key) -> None:
    deactivate_user(user=key.owner, by=OPERATOR)


def in_an_overlap(key: Key) -> None:
    current = key.secrets.get(retires_at=None)
    services.change(key=key, secret=current.pk, overlap=services.Overlap.WEEK, by=OPERATOR)


def behind_a_list(key: Key) -> None:
    key.addresses.all().delete()
    an_ip_list(key.account.users.get(nickname="alice"), "127.0.0.0/8", "198.51.100.0/24", used_by=key)


REVOCATIONS = [
    *(disable, delete, rotate, end_overlap),
    *(shrink_addresses, disable_list_entry, suspend_account, deactivate_owner),
]
# What must be so before a revocation can be.
BEFORE: dict[Callable[[Key], None], Callable[[Key], None]] = {
    end_overlap: in_an_overlap,
    disable_list_entry: behind_a_list,
}


@dataclass
class Outcome:
    """What came of the races: how many were run, and how many calls were let through after the commit."""

    races: int = 0
    asked: int = 0
    stale: list[str] = field(default_factory=list)


@contextmanager
def noise(keys: list[CreatedKey]) -> Iterator[None]:
    """Change other keys without pause, so that every process keeps loading."""
    stop = threading.Event()

    def change() -> None:
        with psycopg.connect(conninfo("maintenance"), autocommit=True) as own:
            turn = 0
            while not stop.is_set():
                turn += 1
                own.execute(
                    "UPDATE keys_key SET name = %s WHERE id = %s", (f"Noise {turn}", keys[turn % len(keys)].key.pk)
                )
                time.sleep(0.015)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def race(
    ports: list[int], raced: CreatedKey, others: list[str], revoke: Callable[[], None]
) -> tuple[int, list[str]]:
    """Ask every process without pause, revoke meanwhile, and ask each again after the commit."""
    committed = asyncio.Event()
    warmed = [asyncio.Event() for _ in ports]
    stale: list[str] = []
    calls = 0

    async def hammer(port: int, warm: asyncio.Event, own: bool, token: str) -> None:
        nonlocal calls
        async with Asker(port) as asker:
            while True:
                after = committed.is_set()
                answer = await asker.verify(token, api="billing")
                if not own:
                    if after:
                        return
                    continue
                calls += 1
                if answer.status == 200:
                    warm.set()
                if after:
                    if answer.status == 200:
                        stale.append(f"{port}: {answer.headers}")
                    return

    async def change() -> None:
        await asyncio.gather(*(warm.wait() for warm in warmed))
        await asyncio.to_thread(revoke)
        committed.set()

    await asyncio.gather(
        change(),
        *(hammer(port, warm, True, raced.token) for port, warm in zip(ports, warmed, strict=True) for _ in range(2)),
        *(hammer(port, warm, False, other) for port, warm in zip(ports, warmed, strict=True) for other in others),
    )
    return calls, stale


def races(kind: Callable[[Key], None], count: int, ports: list[int], until_stale: bool = False) -> Outcome:
    neutral = [_fresh_key("quiet")]
    outcome = Outcome()

    def revoke_in_thread(key: Key) -> None:
        try:
            kind(key)
        finally:
            connection.close()

    with noise(neutral):
        for turn in range(count):
            raced = _fresh_key(f"raced-{turn}")
            BEFORE.get(kind, lambda key: None)(raced.key)
            calls, stale = asyncio.run(
                race(ports, raced, [key.token for key in neutral], lambda key=raced.key: revoke_in_thread(key))  # type: ignore[misc]
            )
            outcome.races += 1
            outcome.asked += calls
            outcome.stale += stale
            if stale and until_stale:
                break
    return outcome


def _fresh_key(slug: str) -> CreatedKey:
    account = an_account(slug)
    administrator, owner = a_user(account, "alice", Role.ADMINISTRATOR), a_user(account, "olga")
    return a_billing_key(administrator, "127.0.0.0/8", "198.51.100.0/24", owner=owner)


@contextmanager
def processes(count: int, **environment: Any) -> Iterator[list[int]]:
    """Gateways on ports of their own, so that each is surely asked."""
    with ExitStack() as stack:
        yield [stack.enter_context(gateway(**environment)).port for _ in range(count)]


@pytest.fixture(scope="module")
def ports(full: bool, django_db_setup: None, django_db_blocker: Any) -> Iterator[list[int]]:
    with django_db_blocker.unblock(), processes(8 if full else 2) as found:
        yield found


@pytest.mark.quality(6)
@pytest.mark.parametrize("kind", REVOCATIONS, ids=lambda kind: kind.__name__)
def test_no_call_after_the_commit_is_let_through(
    kind: Callable[[Key], None], ports: list[int], full: bool, figure: Callable[..., None]
) -> None:
    outcome = races(kind, 125 if full else 8, ports)
    figure(
        f"{kind.__name__}: {outcome.races} races over {len(ports)} processes,"
        f" {outcome.asked} calls, {len(outcome.stale)} stale"
    )
    assert outcome.stale == []


@pytest.mark.full
def test_loader_in_two_statements_is_noticed() -> None:
    with processes(2, TEST_PLANT="two_statements") as ports:
        outcome = races(disable, 400, ports, until_stale=True)
    assert outcome.stale, f"{outcome.races} races with the fault planted, and none noticed it"
