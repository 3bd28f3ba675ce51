"""Replay equals reality: what a change would refuse and allow, by the roll-ups and the open hours of the log, is what a
real gateway then does with the same calls."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Account, User
from audit.models import Call, Usage
from audit.usage import roll_up
from core.actor import Actor
from core.permissions import Role
from gateway.limits import BATCH_TIMEOUT_SECONDS
from keys import apis
from keys.apis.description import Description
from keys.crypto.secrets import generate_token
from keys.decision.addresses import parse_network
from keys.decision.replay import REVERSIBLE
from keys.ip_lists import services as ip_lists_services
from keys.key_settings import KeySettings
from keys.models import Api, IpList, Key
from keys.selectors.decision import build_route_matcher
from keys.selectors.replay import (
    Replay,
    replay_api,
    replay_ip_list,
    replay_many_settings,
    replay_settings,
    replay_state,
)
from keys.services import edit
from tests.databases import migrated_database
from tests.factories.accounts import a_user, an_account
from tests.factories.ip_lists import an_ip_list, widening
from tests.factories.key_rows import KeyAndToken, a_key
from tests.factories.keys import confirmed
from tests.gateways import Answer, Asker, RunningGateway, gateway

COMMAND = Actor.from_command("test")
ADDRESSES = ("198.51.100.7", "198.51.100.200", "203.0.113.9", "192.0.2.1", "2001:db8::7", "2001:db9::7")
NETWORKS = ("198.51.100.0/24", "198.51.100.0/25", "203.0.113.9/32", "192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0")
OPERATIONS = (
    *("GET /customers", "GET /customers/{id}", "GET /customers/export", "POST /customers/{id}/notes"),
    *("GET /{kind}/export", "GET /invoices", "GET /invoices/{id}", "GET /reports", "POST /reports"),
)
URIS = (
    *("/customers", "/customers/17", "/customers/export", "/customers/17/notes", "/partners/export", "/invoices"),
    *("/invoices/17", "/reports", "/reports?menu=1", "/reports?menu=2", "/reports?menu=1&menu=2", "/reports?MENU=1"),
    *("/nowhere", "/nowhere/17", "/invoices/17/lines"),
)
CONNECTIONS = 16
CONDITIONS = ("?menu=1", "?menu=2")
POLICY: dict[str, Any] = {
    "noun": "key", "plural": "keys", "name_label": "Name", "modules_called": "Modules", "credentials": ["bearer"],
    "secret": "revealable", "addresses": "optional", "expiry": "optional",
}  # fmt: skip


@pytest.fixture(scope="module")
def own_database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A log of these calls alone."""
    with django_db_blocker.unblock(), migrated_database("replay"):  # type: ignore[attr-defined]
        yield


@pytest.fixture(scope="module")
def running(own_database: None) -> Iterator[RunningGateway]:
    with gateway() as process:
        yield process


@dataclass
class Asked:
    """A call that is made again and again: its key, its right token or another, and what was logged of it so far."""

    key_id: str
    token: str
    genuine: bool
    address: str
    method: str
    uri: str
    reasons: Counter[str] = field(default_factory=Counter)
    reason: str = ""

    @property
    def replayed(self) -> int:
        """How many rows of it a replay is about."""
        return sum(n for reason, n in self.reasons.items() if not reason or reason in REVERSIBLE) if self.genuine else 0


@dataclass
class World:
    """An API with keys in two accounts, what restricts them, and calls with them."""

    api: Api
    alice: User
    bob: User
    keys: list[KeyAndToken]
    lists: list[IpList]
    calls: list[Asked]


def describe(random: Random) -> Description:
    """Return an API with some of the operations, in up to three modules, some by a query parameter."""
    chosen = random.sample(OPERATIONS, random.randint(5, len(OPERATIONS)))
    paths: dict[str, Any] = {}
    for operation in chosen:
        method, _, path = operation.partition(" ")
        parameters: list[dict[str, Any]] = []
        if path == "/reports":
            parameters.append({"name": "menu", "in": "query", "schema": {"type": "string"}})
        names = [part.partition("}")[0] for part in path.split("{")[1:]]
        parameters += [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]
        paths.setdefault(path, {})[method.lower()] = {
            "tags": [random.choice("ABC")],
            "parameters": parameters,
            "responses": {"200": {"description": "Fine."}},
        }
    policy: dict[str, Any] = POLICY | {"unlisted_routes": random.choice(["deny", "deny", "allow"])}
    if "GET /reports" in chosen and random.random() < 0.6:
        lines = ["GET /reports", *(f"GET /reports{text}" for text in random.sample(CONDITIONS, random.randint(1, 2)))]
        policy["modules"] = [{"tag": "Menu", "routes": lines[random.choice([0, 0, 1]) :]}]
    document = {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": paths}
    return Description.from_data(document, policy)


def make_world(random: Random, number: int) -> World:
    account, other = an_account(f"acme{number}"), an_account(f"other{number}")
    alice = a_user(account, "Alice", Role.ADMINISTRATOR)
    bob, olga = a_user(account, "Bob"), a_user(other, "Olga")
    api = apis.add(slug=f"shop{number}", description=describe(random), by=COMMAND)
    owners = (alice, bob, alice, bob, olga)
    keys = [a_key(owner.account, owner, api, f"Key {n}") for n, owner in enumerate(owners)]
    lists = [an_ip_list(alice, *random.sample(NETWORKS[:5], 3), name=f"List {n}") for n in range(2)]
    calls = [ask(random, random.choice(keys), api) for _ in range(48)]
    return World(api, alice, bob, keys, lists, calls)


def ask(random: Random, key: KeyAndToken, api: Api) -> Asked:
    genuine = random.random() < 0.9
    token = key.token if genuine else generate_token("kw", key.key.public_id).token
    method = random.choice(["GET", "GET", "GET", "HEAD", "POST", "DELETE"])
    uri = f"/v1/whoami/{api.slug}" if random.random() < 0.1 else random.choice(URIS)
    return Asked(key.key.public_id, token, genuine, random.choice(ADDRESSES), method, uri)


def make_calls(running: RunningGateway, world: World) -> None:
    """Make every call once, over several connections, and keep why it was refused."""
    given_up: list[tuple[Asked, str]] = []

    async def make(asker: Asker, call: Asked) -> Answer:
        if call.uri.startswith("/v1/whoami/"):
            proof = [("X-Gateway-Secret", asker.secret), ("X-Forwarded-For", call.address)]
            return await asker.get(call.uri, [*proof, ("Authorization", f"Bearer {call.token}")])
        return await asker.verify(
            call.token, api=world.api.slug, method=call.method, uri=call.uri, address=call.address
        )

    async def make_some(calls: list[Asked]) -> None:
        async with Asker(running.port) as asker:
            for call in calls:
                while (answer := await make(asker, call)).refusal == "unavailable":
                    given_up.append((call, answer.headers["x-request-id"]))
                call.reason = answer.refusal
                call.reasons[call.reason] += 1

    async def make_all() -> None:
        await asyncio.gather(*(make_some(world.calls[n::CONNECTIONS]) for n in range(CONNECTIONS)))

    asyncio.run(make_all())
    if given_up:
        # On a busy machine the gateway gives up waiting for rows that are written all the same.
        time.sleep(BATCH_TIMEOUT_SECONDS)
    for call, request_id in given_up:
        call.reasons.update(Call.objects.filter(request_id=request_id).values_list("reason", flat=True))


def seal_up_to_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sum all calls made so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    monkeypatch.setattr(roll_up, "get_sealed_until", lambda: now)
    roll_up.roll_up(build_route_matcher())


# Each change returns what its replay says, and makes it.
def change_settings(random: Random, world: World) -> Replay:
    key = Key.objects.select_related("account", "api").get(pk=random.choice(world.keys[:4]).key.pk)
    before = KeySettings.from_key(key)
    slugs = list(key.api.modules.values_list("slug", flat=True))
    parts: list[dict[str, Any]] = [
        {"networks": tuple(map(parse_network, random.sample(NETWORKS, random.randint(0, 3))))},
        {"ip_lists": frozenset(each.pk for each in random.sample(world.lists, random.randint(0, 2)))},
        {"modules": random.choice([None, frozenset(random.sample(slugs, random.randint(1, len(slugs))))])},
        {"expires_at": random.choice([None, timezone.now() + timedelta(hours=random.randint(1, 500))])},
    ]
    changes: dict[str, Any] = {}
    for part in random.sample(parts, random.randint(1, 3)):
        changes |= part
    if before.expires_at is not None and before.expires_at < timezone.now():
        changes.setdefault("expires_at", None)
    if before.modules == frozenset():
        # The API has none of its modules any more.
        changes.setdefault("modules", None)
    after, enabled = replace(before, **changes), random.random() < 0.85
    replayed = replay_settings(key, after, enabled=enabled)
    by = confirmed(world.alice, "key.edit", key.public_id)
    edit(key=key, version=key.version, key_settings=after, enabled=enabled, by=by)
    return replayed


def change_several(random: Random, world: World) -> Replay:
    """Give several keys of one account the same addresses, as one action on all of them does."""
    chosen = random.sample(world.keys[:4], random.randint(2, 4))
    keys = Key.objects.select_related("account", "api").filter(pk__in=[each.key.pk for each in chosen])
    networks = tuple(map(parse_network, random.sample(NETWORKS, random.randint(1, 3))))
    before = {key.public_id: KeySettings.from_key(key) for key in keys}
    after = {name: replace(each, networks=networks, modules=each.modules or None) for name, each in before.items()}
    replayed = replay_many_settings(after)
    for key in keys:
        by = confirmed(world.alice, "key.edit", key.public_id)
        edit(key=key, version=key.version, key_settings=after[key.public_id], by=by)
    return replayed


def change_list(random: Random, world: World) -> Replay:
    ip_list = random.choice(world.lists)
    rows = list(ip_list.entries.all())
    enabled = [row for row in rows if random.random() < 0.6]
    replayed = replay_ip_list(ip_list, [row.network for row in enabled])
    on, off = [row.pk for row in enabled], [row.pk for row in rows if row not in enabled]
    ip_lists_services.enable_entries(ip_list=ip_list, entries=on, by=widening(world.alice, ip_list))
    ip_lists_services.disable_entries(ip_list=ip_list, entries=off, by=widening(world.alice, ip_list))
    return replayed


def change_owner(random: Random, world: World) -> Replay:
    active = not User.objects.get(pk=world.bob.pk).is_active
    replayed = replay_state(Key.objects.filter(owner=world.bob), owner_active=active)
    User.objects.filter(pk=world.bob.pk).update(is_active=active)
    return replayed


def change_account(random: Random, world: World) -> Replay:
    account = Account.objects.get(pk=random.choice(world.keys).key.account_id)
    active = account.status != Account.Status.ACTIVE
    replayed = replay_state(Key.objects.filter(account=account), account_active=active)
    Account.objects.filter(pk=account.pk).update(status="active" if active else random.choice(["suspended", "pending"]))
    return replayed


def change_enabled(random: Random, world: World) -> Replay:
    key = Key.objects.filter(pk=random.choice(world.keys).key.pk)
    enabled = not key.get().enabled
    replayed = replay_state(key, enabled=enabled)
    key.update(enabled=enabled)
    return replayed


def change_api(random: Random, world: World) -> Replay:
    api, description = Api.objects.get(pk=world.api.pk), describe(random)
    replayed = replay_api(api, description)
    apis.update(api=api, description=description, by=COMMAND)
    return replayed


CHANGES = (change_settings, change_settings, change_settings, change_several, change_list, change_list, change_owner,
           change_account, change_enabled, change_api, change_api)  # fmt: skip


def compare(replayed: Replay, world: World, had: dict[int, tuple[str, int]]) -> None:
    """Compare what the replay says with the refusals before the change and after it. `had` holds, for each call, why it
    was refused before, and how many rows of it were logged by then."""
    lost: Counter[tuple[Any, ...]] = Counter()
    gained: Counter[tuple[Any, ...]] = Counter()
    allowed = 0
    for call in world.calls:
        was, rows = had[id(call)]
        if rows and not was and call.reason:
            lost[call.key_id, call.address, call.reason] += rows
        if rows and was and not call.reason:
            gained[call.key_id, call.address, was] += rows
        if not was and call.key_id in replayed.names:
            allowed += rows
    told_lost: Counter[tuple[Any, ...]] = Counter()
    for each in replayed.effect.refused:
        for key_id, calls in zip(each.used.key_ids, each.used.calls, strict=True):
            told_lost[key_id, each.used.address, each.after.reason] += calls
    told_gained: Counter[tuple[Any, ...]] = Counter()
    for each in replayed.effect.admitted:
        for key_id, calls in zip(each.used.key_ids, each.used.calls, strict=True):
            told_gained[key_id, each.used.address, each.before.reason] += calls
    assert told_lost == lost
    assert told_gained == gained
    assert replayed.effect.allowed == allowed
    assert replayed.scanned_since is None


def compare_sums(world: World) -> None:
    """Compare the roll-ups with the calls that were made. Where no secret matched, they name no address."""
    made: Counter[tuple[Any, ...]] = Counter()
    for call in world.calls:
        for reason, number in call.reasons.items():
            address = None if reason in roll_up.UNPROVEN else call.address
            made[call.key_id, address, reason] += number
    summed: Counter[tuple[Any, ...]] = Counter()
    rows = Usage.objects.filter(key_id__in=[each.key.public_id for each in world.keys])
    for key_id, address, reason, calls in rows.values_list("key_id", "client_address", "reason", "calls"):
        summed[key_id, address, reason] += calls
    assert summed == made


@pytest.mark.quality(31)
def test_what_a_replay_says_is_what_the_gateway_then_does(
    running: RunningGateway, monkeypatch: pytest.MonkeyPatch, full: bool, figure: Callable[[str], None]
) -> None:
    changes, worlds = (10_000, 400) if full else (24, 2)
    random = Random(31)
    decided = refused = admitted = 0
    kinds: Counter[str] = Counter()
    for number in range(worlds):
        world = make_world(random, number)
        make_calls(running, world)
        for _ in range(changes // worlds):
            if random.random() < 0.5:
                seal_up_to_now(monkeypatch)
            if random.random() < 0.1:
                # A key that has expired, which only time brings about.
                past = timezone.now() - timedelta(hours=1)
                Key.objects.filter(pk=random.choice(world.keys[:4]).key.pk).update(expires_at=past)
                make_calls(running, world)
            active = Account.objects.filter(pk=world.alice.account_id, status=Account.Status.ACTIVE).exists()
            make = random.choice(CHANGES) if active else change_account
            had = {id(call): (call.reason, call.replayed) for call in world.calls}
            replayed = make(random, world)
            make_calls(running, world)
            compare(replayed, world, had)
            kinds[make.__name__] += 1
            decided += len(world.calls)
            refused += replayed.effect.refused_count
            admitted += replayed.effect.admitted_count
        seal_up_to_now(monkeypatch)
        compare_sums(world)
    assert kinds.keys() == {make.__name__ for make in CHANGES}
    assert refused > changes
    assert admitted > changes
    figure(
        f"{sum(kinds.values())} changes of {len(kinds)} kinds, {decided:,} calls decided by a gateway after them: "
        f"{refused:,} logged calls refused and {admitted:,} allowed as the replay said, 0 different"
    )
