"""Many at once: one form makes one key, two editors are never merged in silence."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from psycopg import AsyncConnection

from accounts.models import User
from core.actor import Actor
from core.permissions import Role
from gateway.last_use import LastUses
from keys import services
from keys.key_settings import KeySettings
from keys.models import Key, Secret
from tests.factories.accounts import PASSWORD, a_user, acting, an_account
from tests.factories.keys import a_billing_key, a_key_of, api_for, billing_for, events
from tests.gateways import conninfo

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 10
OPERATOR = Actor.from_command("test")


@pytest.fixture
def alice() -> User:
    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    billing_for(user.account)
    return user


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run `act` `count` times over WORKERS threads, each with a database connection of its own."""
    gate = threading.Barrier(min(count, WORKERS))

    def one(number: int) -> Any:
        if number < WORKERS:
            gate.wait()
        try:
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.quality(11)
def test_fifty_posts_of_one_form_make_one_key_and_show_its_token_once(alice: User, record_property: Any):
    token = str(uuid.uuid4())
    data = {
        "name": "Robot", "platform": "web", "every_module": "all", "expiry": "never", "enabled": "on",
        "form_token": token, "password": PASSWORD,
    }  # fmt: skip
    client = Client()
    client.force_login(alice)
    cookies = client.cookies

    def post(number: int) -> tuple[int, bool]:
        one = Client()
        one.cookies = cookies
        response = one.post("/keys/new/?api=billing", data)
        return response.status_code, b"data-secret-value>kw_" in response.content

    answers = Counter(at_once(50, post))

    assert answers == {(200, True): 1, (409, False): 49}
    assert (Key.objects.count(), Secret.objects.count(), len(events("key.created"))) == (1, 1, 1)


def test_of_ten_editors_at_once_one_saves(alice: User):
    key = a_billing_key(alice).key
    key_settings = KeySettings.from_key(key)

    def edit(number: int) -> bool:
        try:
            services.edit(
                key=key, version=1, key_settings=replace(key_settings, name=f"Editor {number}"), by=acting(alice)
            )
        except services.EditConflict:
            return False
        return True

    assert sum(at_once(10, edit)) == 1
    assert (Key.objects.get().version, len(events("key.edited"))) == (2, 1)


def test_of_ten_keys_with_one_username_at_once_one_is_made_and_the_others_are_told(alice: User):
    api_for(alice.account, "cloud-pbx")

    def create(number: int) -> str:
        try:
            a_key_of("cloud-pbx", alice)
        except services.Invalid as taken:
            return taken.message_dict["name"][0]
        return ""

    answers = Counter(at_once(10, create))

    assert answers == {"": 1, "Username dialer is already used by another API user. Choose another.": 9}
    assert (Key.objects.count(), Secret.objects.count(), len(events("key.created"))) == (1, 1, 1)


def test_of_ten_posts_of_one_form_one_changes_the_key_and_shows_its_token(alice: User):
    key = a_billing_key(alice).key
    current = key.secrets.get().pk
    data = {"secret": str(current), "overlap": "24h", "password": PASSWORD}
    client = Client()
    client.force_login(alice)
    cookies = client.cookies

    def post(number: int) -> tuple[int, bool]:
        one = Client()
        one.cookies = cookies
        response = one.post(f"/keys/{key.public_id}/change/", data)
        return response.status_code, b"data-secret-value>kw_" in response.content

    answers = Counter(at_once(10, post))

    assert answers == {(200, True): 1, (409, False): 9}
    assert (key.secrets.count(), len(events("key.secret_changed"))) == (2, 1)


def test_changing_ending_and_deleting_beside_uses_that_are_written_never_deadlock(alice: User):
    keys = [a_billing_key(alice).key for _ in range(4)]

    def act(number: int) -> None:
        key = keys[number % 4]
        if number % 2:
            uses = LastUses()
            secrets = Secret.objects.filter(key__in=keys).values_list("pk", flat=True)
            uses.add((secret, f"203.0.113.{number}") for secret in secrets)
            asyncio.run(written(uses))
            return
        current = key.secrets.filter(retires_at=None).values_list("pk", flat=True).get()
        with suppress(services.AlreadyChanged, services.NoOverlap):
            services.change(key=key, secret=current, overlap=services.Overlap.HOUR, by=OPERATOR)
            services.end_overlap(key=key, by=OPERATOR)

    async def written(uses: LastUses) -> None:
        async with await AsyncConnection.connect(conninfo(), autocommit=True) as own:
            await uses.write(own)

    at_once(60, act)

    for key in keys:
        assert key.secrets.filter(retires_at=None).count() == 1
        assert key.secrets.count() <= 3
