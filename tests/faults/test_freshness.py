"""Every change that may affect a decision reaches a gateway that holds the old state in memory; each of the triggers
that carry the news is needed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections

from accounts.models import Account, User
from audit.models import Call
from keys import epoch_triggers
from keys.crypto.secrets import compute_digest, generate_token
from keys.models import (
    Address,
    Api,
    Enablement,
    IpList,
    IpListEntry,
    Key,
    KeyIpList,
    KeyListing,
    KeyModule,
    Module,
    Route,
)  # fmt: skip
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, a_secret, an_api
from tests.gateways import Asker, gateway

TRIGGERS = {
    trigger: create
    for watched in epoch_triggers.WATCHED
    for trigger, create in epoch_triggers.build_triggers(watched).items()
}

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])


@dataclass
class World:
    """Rows of two accounts, the key that is asked about, and a neutral one through which the gateway catches up."""

    account: Account
    owner: User
    api: Api
    probe: KeyAndToken
    neutral: KeyAndToken


@pytest.fixture
def world() -> World:
    account, other = an_account("acme"), an_account("other")
    owner, api = a_user(account, "olga"), an_api()
    neutral = a_key(other, a_user(other, "nina"), an_api("neutral"), "Neutral")
    return World(account, owner, api, a_key(account, owner, api), neutral)


@dataclass
class Change:
    """What to bring about before the gateway looks, and the change it must notice then. `api` is what is asked for."""

    make: Callable[[World], object]
    before: Callable[[World], object] = lambda world: None
    api: str = "ledger"


def sql(statement: str, *parameters: Any) -> None:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute(statement, parameters)


def without_secrets(world: World) -> None:
    world.probe.key.secrets.all().delete()


def without_rows_of_its_own(world: World) -> None:
    without_secrets(world)
    KeyListing.objects.filter(key=world.probe.key).delete()


def only_customers(world: World) -> None:
    Key.objects.filter(pk=world.probe.key.pk).update(all_modules=False)
    KeyModule.objects.create(key=world.probe.key, module=world.api.modules.get(slug="customers"))


def without_grants(world: World) -> None:
    Key.objects.filter(pk=world.probe.key.pk).update(all_modules=False)


def restricted(world: World) -> None:
    Address.objects.create(key=world.probe.key, network="198.51.100.0/24")


def admitted(world: World) -> None:
    Address.objects.create(key=world.probe.key, network="127.0.0.0/8")


def a_list(world: World, *networks: str) -> IpList:
    made = IpList.objects.create(account=world.account, name="Offices")
    IpListEntry.objects.bulk_create(IpListEntry(ip_list=made, network=network) for network in networks)
    return made


def listed(world: World) -> None:
    """Restrict the key to a list, which admits this test's own address."""
    KeyIpList.objects.create(key=world.probe.key, ip_list=a_list(world, "127.0.0.0/8"))


def listed_elsewhere(world: World) -> None:
    KeyIpList.objects.create(key=world.probe.key, ip_list=a_list(world))


def unknown_key(world: World) -> None:
    """Delete the probe's key: its API ID has no row, and its token remains, because API IDs are kept as unknown."""
    without_secrets(world)
    world.probe.key.delete()


def create_key_again(world: World) -> None:
    world.probe.key.pk = None
    world.probe.key.save(force_insert=True)
    a_secret(world.probe.key, world.probe.token)


CHANGES = {
    "keys_key_epoch_insert": Change(create_key_again, unknown_key),
    "keys_key_epoch_update": Change(lambda world: _update(Key, world.probe.key, enabled=False)),
    "keys_key_epoch_delete": Change(
        lambda world: sql("DELETE FROM keys_key WHERE id = %s", world.probe.key.pk), without_rows_of_its_own
    ),
    "keys_secret_epoch_insert": Change(lambda world: _secret_again(world), without_secrets),
    "keys_secret_epoch_update": Change(
        lambda world: world.probe.key.secrets.update(digest=compute_digest(generate_token("kw").token, b"x" * 32))
    ),
    "keys_secret_epoch_delete": Change(without_secrets),
    "keys_secret_epoch_truncate": Change(lambda world: sql("TRUNCATE keys_secret CASCADE")),
    "keys_address_epoch_insert": Change(restricted),
    "keys_address_epoch_update": Change(lambda world: Address.objects.update(network="198.51.100.0/24"), admitted),
    "keys_address_epoch_delete": Change(lambda world: Address.objects.all().delete(), restricted),
    "keys_address_epoch_truncate": Change(lambda world: sql("TRUNCATE keys_address"), restricted),
    "keys_iplistentry_epoch_insert": Change(
        lambda world: IpListEntry.objects.create(ip_list=IpList.objects.get(), network="127.0.0.0/8"),
        listed_elsewhere,
    ),
    "keys_iplistentry_epoch_update": Change(lambda world: IpListEntry.objects.update(enabled=False), listed),
    "keys_iplistentry_epoch_delete": Change(lambda world: IpListEntry.objects.all().delete(), listed),
    "keys_iplistentry_epoch_truncate": Change(lambda world: sql("TRUNCATE keys_iplistentry"), listed),
    "keys_keyiplist_epoch_insert": Change(listed_elsewhere),
    "keys_keyiplist_epoch_update": Change(
        lambda world: KeyIpList.objects.update(key=world.neutral.key), listed_elsewhere
    ),
    "keys_keyiplist_epoch_delete": Change(lambda world: KeyIpList.objects.all().delete(), listed_elsewhere),
    "keys_keyiplist_epoch_truncate": Change(lambda world: sql("TRUNCATE keys_keyiplist"), listed_elsewhere),
    "keys_keymodule_epoch_insert": Change(lambda world: _grant(world, "customers"), without_grants),
    "keys_keymodule_epoch_update": Change(lambda world: _regrant(world, "invoices"), only_customers),
    "keys_keymodule_epoch_delete": Change(lambda world: KeyModule.objects.all().delete(), only_customers),
    "keys_keymodule_epoch_truncate": Change(lambda world: sql("TRUNCATE keys_keymodule"), only_customers),
    "keys_api_epoch_insert": Change(lambda world: an_api_without_modules(), api="later"),
    "keys_api_epoch_update": Change(lambda world: _update(Api, world.api, policy={"credentials": ["token"]})),
    "keys_api_epoch_delete": Change(
        lambda world: Api.objects.filter(slug="later").delete(),
        lambda world: an_api_without_modules(),
        "later",
    ),
    "keys_module_epoch_insert": Change(lambda world: _new_module(world)),
    "keys_module_epoch_update": Change(lambda world: _rename_module(world)),
    "keys_module_epoch_delete": Change(
        lambda world: Module.objects.filter(slug="new").delete(), lambda world: _new_module(world)
    ),
    "keys_route_epoch_insert": Change(
        lambda world: _route(world), lambda world: Route.objects.filter(template="/customers").delete()
    ),
    "keys_route_epoch_update": Change(lambda world: Route.objects.filter(template="/customers").update(template="/c")),
    "keys_route_epoch_delete": Change(lambda world: Route.objects.filter(template="/customers").delete()),
    "keys_route_epoch_truncate": Change(lambda world: sql("TRUNCATE keys_route")),
    "keys_enablement_epoch_insert": Change(
        lambda world: Enablement.objects.create(account=world.account, api=world.api),
        lambda world: Enablement.objects.filter(account=world.account).delete(),
    ),
    "keys_enablement_epoch_update": Change(
        lambda world: Enablement.objects.filter(account=world.account).update(api=world.neutral.key.api)
    ),
    "keys_enablement_epoch_delete": Change(lambda world: Enablement.objects.filter(account=world.account).delete()),
    "keys_enablement_epoch_truncate": Change(lambda world: sql("TRUNCATE keys_enablement")),
    "accounts_account_epoch_update": Change(lambda world: _update(Account, world.account, status="suspended")),
    "accounts_user_epoch_update": Change(lambda world: _update(User, world.owner, is_active=False)),
}


def _update(model: type[Key | Api | Account | User], row: Key | Api | Account | User, **columns: object) -> None:
    model.objects.filter(pk=row.pk).update(**columns)


def _secret_again(world: World) -> None:
    a_secret(world.probe.key, world.probe.token)


def _grant(world: World, slug: str) -> None:
    KeyModule.objects.create(key=world.probe.key, module=world.api.modules.get(slug=slug))


def _regrant(world: World, slug: str) -> None:
    KeyModule.objects.update(module=world.api.modules.get(slug=slug))


def an_api_without_modules() -> None:
    Api.objects.create(slug="later", name="Later", document={}, policy={"credentials": ["bearer"]})


def _new_module(world: World) -> None:
    Module.objects.create(api=world.api, slug="new", name="New", position=9)


def _rename_module(world: World) -> None:
    world.api.modules.filter(slug="customers").update(slug="clients")


def _route(world: World) -> None:
    Route.objects.create(module=world.api.modules.get(slug="customers"), method="GET", template="/customers")


def seen(port: int, world: World, api: str) -> tuple[Any, ...]:
    """Return what the gateway makes of the probe's call once it has caught up: its answer, and what it logged."""

    async def ask() -> tuple[Any, ...]:
        async with Asker(port) as asker:
            await asker.verify(world.neutral.token, api="neutral")
            answer = await asker.verify(world.probe.token, api=api)
            return answer.status, answer.refusal, answer.headers.get("x-modules"), answer.headers.get("x-request-id")

    *answer, request_id = asyncio.run(ask())
    row = Call.objects.filter(request_id=request_id).values_list("key_id", "module", "decision").first()
    return *answer, row


@contextmanager
def left_out(trigger: str) -> Iterator[None]:
    """Without one trigger; it stands again afterwards."""
    table = re.sub(r"_epoch_\w+$", "", trigger)
    sql(f"DROP TRIGGER {trigger} ON {table}")
    try:
        yield
    finally:
        sql(TRIGGERS[trigger])
        sql(epoch_triggers.enable_always(table, trigger))


@pytest.fixture(scope="module")
def port(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[int]:
    with django_db_blocker.unblock(), gateway() as running:  # type: ignore[attr-defined]
        yield running.port


def test_every_trigger_has_a_change_that_needs_it() -> None:
    assert set(CHANGES) == set(TRIGGERS)


@pytest.mark.parametrize("trigger", CHANGES)
def test_change_is_seen_by_the_first_call_after_it(trigger: str, world: World, port: int) -> None:
    change = CHANGES[trigger]
    change.before(world)
    before = seen(port, world, change.api)
    change.make(world)
    assert seen(port, world, change.api) != before


@pytest.mark.parametrize("trigger", CHANGES)
def test_change_goes_unnoticed_without_its_trigger(trigger: str, world: World, port: int) -> None:
    change = CHANGES[trigger]
    change.before(world)
    before = seen(port, world, change.api)
    with left_out(trigger):
        change.make(world)
        after = seen(port, world, change.api)
    assert after == before
