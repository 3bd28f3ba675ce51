"""Acme's Billing API, and who may call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accounts.models import Account, User
from keys.models import Api
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key


@dataclass(frozen=True)
class World:
    account: Account
    alice: User
    api: Api

    def key(self, name: str = "Shop", **restrictions: Any) -> KeyAndToken:
        return a_key(self.account, self.alice, self.api, name, **restrictions)


def a_world() -> World:
    account = an_account()
    return World(account, a_user(account, "alice"), Api.objects.get(slug="billing"))
