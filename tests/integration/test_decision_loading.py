"""What the portal asks the decision about is what the gateway loads."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account, User
from core.permissions import Role
from gateway.libpq.database import connect
from gateway.snapshot import Snapshot
from keys import apis
from keys.apis.description import list_preset_slugs
from keys.decision.routes import RouteTable
from keys.decision.types import Api
from keys.models import Enablement, Key
from keys.selectors.decision_keys import load_keys
from tests.factories.accounts import a_user, an_account
from tests.factories.ip_lists import an_ip_list
from tests.factories.key_rows import a_key, an_api
from tests.factories.keys import a_key_of
from tests.gateways import conninfo

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
# The portal needs no secret to decide, and no text of a header.
NOT_LOADED = {"api", "rules", "secrets", "phone_mask"}


def load_as_gateway(public_ids: list[str]) -> Snapshot:
    async def load(snapshot: Snapshot) -> None:
        async with await connect(conninfo()) as gateway:
            await snapshot.load(gateway, public_ids)

    snapshot = Snapshot()
    asyncio.run(load(snapshot))
    return snapshot


def describe_routes(table: RouteTable) -> Any:
    literal = {place: sorted(routes) for place, routes in table._literal.items()}
    patterns = {
        (*place, prefix): sorted(each.route for each in found)
        for place, slots in table._patterns.items()
        for prefix, found in slots.items()
    }
    return literal, patterns, table.conditional, table.recordings, table._encoded_slash


def describe_api(api: Api) -> Any:
    return {
        field.name: describe_routes(api.routes) if field.name == "routes" else getattr(api, field.name)
        for field in fields(Api)
    }


@pytest.fixture
def keys(transactional_db: None) -> list[Key]:
    """Keys of every preset and of an API with what the presets lack, restricted in all ways."""
    apis.install_presets()
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    bob = a_user(alice.account, "Bob")
    made = [a_key_of(slug, alice, owner=(alice, bob)[n % 2]).key for n, slug in enumerate(list_preset_slugs())]
    lists = [
        an_ip_list(alice, "198.51.100.0/24", "!203.0.113.0/24", name="Offices"),
        an_ip_list(alice, "!2001:db8::/32", name="Nobody"),
        an_ip_list(alice, "198.51.100.0/24", "192.0.2.1", name="Others"),
    ]
    api = an_api("slashes", encoded_slash=["id"], unlisted_routes="allow", preflight="allow")
    for number, (expires, modules, networks) in enumerate(
        [(None, None, ()), (1, ("customers",), ("198.51.100.0/24",)), (-1, (), ("2001:db8::7", "192.0.2.0/24"))]
    ):
        expires_at = expires and timezone.now() + timedelta(hours=expires)
        owner = (alice, bob)[number % 2]
        key = a_key(alice.account, owner, api, networks=networks, modules=modules, expires_at=expires_at).key
        key.ip_lists.set(lists[: number + 1])
        made.append(key)
    made[0].enabled, made[1].recordings, made[2].hlr_lookup = False, True, True
    made[3].mask_phone = made[4].mask_phone = True
    for key in made[:5]:
        key.save()
    User.objects.filter(pk=bob.pk).update(is_active=False)
    Enablement.objects.filter(api__slug="textpeak").delete()
    suspended = an_account("suspended", Account.Status.SUSPENDED)
    made.append(a_key(suspended, a_user(suspended, "Sue"), api, "Other").key)
    Account.objects.filter(pk=alice.account_id).update(mask_phone=True)
    return made


def test_keys_and_apis_are_those_of_the_gateway(keys: list[Key]) -> None:
    public_ids = [key.public_id for key in keys]
    gateway = load_as_gateway(public_ids)
    portal = load_keys(Key.objects.filter(public_id__in=public_ids))
    assert portal.keys.keys() == set(public_ids)
    for public_id, mine in portal.keys.items():
        theirs = gateway.get_key(public_id)
        assert theirs is not None
        for field in fields(theirs):
            if field.name not in NOT_LOADED:
                ours, other = getattr(mine, field.name), getattr(theirs, field.name)
                assert ours == pytest.approx(other) if isinstance(other, float) else ours == other, field.name
        assert set(mine.rules) == set(theirs.rules)
        assert mine.restricted == theirs.restricted
        assert describe_api(mine.api) == describe_api(theirs.api)
        api = portal.apis[mine.api.id]
        assert describe_api(replace(api.api, routes=RouteTable(api.routes, api.slashed))) == describe_api(api.api)
