"""An API changes while keys of it are made, edited and disabled: nobody keeps what went or meets an error."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from accounts.models import User
from core.actor import Actor
from keys import apis, services
from keys.key_settings import KeySettings
from keys.models import Key, KeyModule, Module
from keys.services import EditConflict, Invalid
from tests.factories.keys import api_for, least
from tests.integration.test_keys_parallel import at_once
from tests.unit.keys.documents import a_document, described, operation

pytestmark = pytest.mark.django_db(transaction=True)
COMMAND = Actor.from_command("test")
LONG = described(a_document({"/a": {"get": operation("A")}, "/b": {"get": operation("B")}}))
SHORT = described(a_document({"/a": {"get": operation("A")}, "/b": {"get": operation("A")}}))


def test_keys_and_their_api_change_at_the_same_time(alice: User):
    apis.add(slug="shop", description=LONG, by=COMMAND)
    api, numbers = api_for(alice.account, "shop"), count()

    def make() -> Key:
        key_settings = replace(least("billing"), name=f"Robot {next(numbers)}", modules=frozenset({"b"}))
        return services.create(account=alice.account, api=api, key_settings=key_settings, owner=alice, by=COMMAND).key

    keys = [make() for _ in range(8)]

    def act(number: int) -> str:
        try:
            if number % 4 == 0:
                apis.update(api=api, description=SHORT if number % 8 else LONG, by=COMMAND)
            elif number % 4 == 1:
                make()
            elif number % 4 == 2:
                key = Key.objects.get(pk=keys[number % 8].pk)
                key_settings = replace(
                    KeySettings.from_key(key), modules=frozenset({"a", "b"} if number % 3 else {"a"})
                )
                services.edit(key=key, version=key.version, key_settings=key_settings, by=COMMAND)
            else:
                services.disable(key=keys[number % 8], by=COMMAND)
        except Invalid as refused:
            return f"refused: {sorted(refused.message_dict)}"
        except EditConflict:
            return "stale"
        return "done"

    answers = at_once(120, act)

    assert set(answers) <= {"done", "stale", "refused: ['modules']"}
    assert answers.count("done") > 30
    apis.update(api=api, description=LONG, by=COMMAND)
    apis.update(api=api, description=SHORT, by=COMMAND)
    assert list(Module.objects.filter(api=api).values_list("slug", flat=True)) == ["a"]
    assert set(KeyModule.objects.filter(key__api=api).values_list("module__slug", flat=True)) <= {"a"}
    assert not Key.objects.filter(api=api, all_modules=True).exists()
