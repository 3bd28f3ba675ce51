"""A module that contains others brings what they let a key do, from the same read that brings the key."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from core.actor import Actor
from core.permissions import Role
from gateway.libpq.database import connect
from gateway.responses import build_response
from gateway.snapshot import Snapshot
from keys import apis
from keys.apis.description import get_preset
from keys.apis.policy import Policy
from keys.decision.access import Decision, authorise
from keys.docs import granted
from keys.models import Api, Key, Module
from tests.factories.accounts import a_user, an_account
from tests.factories.keys import a_key_of
from tests.gateways import conninfo
from tests.unit.keys.test_access import a_call

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
READ, WRITE, PARTNERS = ("GET", "/v1/accounts/7/calls"), ("POST", "/v1/accounts/7/campaigns"), ("GET", "/v1/partners")
EVERY = ["administrator", "account-reader", "partner-admin", "partner-reader"]


@pytest.fixture
def keys(transactional_db: None) -> dict[str, Key]:
    apis.install_presets()
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    return {role: a_key_of("sip-caller", alice, name=role, modules=frozenset({role})).key for role in EVERY[:3]}


def decisions(keys: dict[str, Key], snapshot: Snapshot) -> dict[str, list[Decision]]:
    """Of READ, WRITE and PARTNERS with each key, after a load."""

    async def load() -> float:
        async with await connect(conninfo()) as gateway:
            return await snapshot.load(gateway, [key.public_id for key in keys.values()])

    now = asyncio.run(load())
    calls = [a_call(method=method, path=path) for method, path in (READ, WRITE, PARTNERS)]
    return {
        role: [authorise(call, known, now=now) for call in calls]
        for role, key in keys.items()
        if (known := snapshot.get_key(key.public_id))
    }


def test_what_a_module_contains_is_allowed_named_and_documented(keys: dict[str, Key]) -> None:
    made = decisions(keys, Snapshot())

    assert {role: [decision.reason for decision in each] for role, each in made.items()} == {
        "administrator": ["", "", ""],
        "account-reader": ["", "module_not_granted", "module_not_granted"],
        "partner-admin": ["module_not_granted"] * 3,
    }
    read = made["administrator"][0]
    # The route's own module is matched and logged; all that the key may call are named.
    assert read.route is not None
    assert (read.route.module, read.rule) == ("account-reader", f"{READ[0]} /v1/accounts/{{account_id}}/calls")
    assert read.key is not None
    assert read.key.granted_slugs == EVERY
    head = build_response(read, read.key.api).head
    assert b"x-modules: " + ",".join(EVERY).encode() in head
    assert b"x-module: account-reader" in head
    assert read.checks[-2].explanation.endswith(f"of account-reader; the key has {', '.join(EVERY)}")
    assert [module.slug for module in granted.get_key_modules(keys["administrator"])] == EVERY
    assert [module.slug for module in granted.get_key_modules(keys["account-reader"])] == ["account-reader"]


def test_a_change_of_what_modules_contain_moves_the_epoch(keys: dict[str, Key]) -> None:
    snapshot = Snapshot()
    assert decisions(keys, snapshot)["administrator"][0].allowed

    described = get_preset("sip-caller")
    rules = {**described.rules, "modules": []}
    plain = [module._replace(contained=()) for module in described.modules]
    without = replace(described, rules=rules, policy=Policy.from_data(rules), modules=tuple(plain))
    apis.update(api=Api.objects.get(slug="sip-caller"), description=without, by=Actor.from_command("test"))
    assert decisions(keys, snapshot)["administrator"][0].reason == "module_not_granted"

    # The column alone, as nobody writes it: one that names no module of the API contains nothing.
    Module.objects.filter(slug="administrator").update(contained=["account-reader", "gone"])
    assert [decision.allowed for decision in decisions(keys, snapshot)["administrator"]] == [True, True, False]
