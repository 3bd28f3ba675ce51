"""APIs and keys for tests, written as rows; the services have tests of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings

from accounts.models import Account, User
from core.sealing import seal
from keys.crypto.secrets import compute_digest, generate_token
from keys.models import Address, Api, Enablement, Key, KeyModule, Module, Route, Secret

POLICY = {"credentials": ["bearer", "token"], "unlisted_routes": "deny"}


class KeyAndToken(NamedTuple):
    key: Key
    token: str


def an_api(slug: str = "ledger", **policy: Any) -> Api:
    """Return an API with the modules customers (GET /customers, GET /customers/{id}) and invoices (GET /invoices)."""
    api = Api.objects.create(slug=slug, name=slug.title(), document={}, policy=POLICY | policy)
    customers = Module.objects.create(api=api, slug="customers", name="Customers", position=1)
    invoices = Module.objects.create(api=api, slug="invoices", name="Invoices", position=2)
    Route.objects.create(module=customers, method="GET", template="/customers")
    Route.objects.create(module=customers, method="GET", template="/customers/{id}")
    Route.objects.create(module=invoices, method="GET", template="/invoices")
    return api


def a_key(
    account: Account,
    owner: User,
    api: Api,
    name: str = "Worker",
    *,
    networks: tuple[str, ...] = (),
    modules: tuple[str, ...] | None = None,
    **columns: Any,
) -> KeyAndToken:
    """Return a key that is enabled, admits any address and has all modules, unless said otherwise."""
    Enablement.objects.get_or_create(account=account, api=api)
    minted = generate_token(settings.TOKEN_PREFIX)
    key = Key.objects.create(
        account=account, owner=owner, api=api, name=name, public_id=minted.public_id,
        all_modules=modules is None, **columns,
    )  # fmt: skip
    a_secret(key, minted.token)
    Address.objects.bulk_create(Address(key=key, network=network) for network in networks)
    KeyModule.objects.bulk_create(
        KeyModule(key=key, module=module) for module in Module.objects.filter(api=api, slug__in=modules or ())
    )
    return KeyAndToken(key, minted.token)


def a_secret(key: Key, token: str, **columns: Any) -> Secret:
    """Sealed for the gateway if clients of the key's API sign."""
    number = max(settings.TOKEN_PEPPERS)
    secret = Secret(key=key, digest=compute_digest(token, settings.TOKEN_PEPPERS[number]), pepper_id=number, **columns)
    if "signature" in key.api.policy["credentials"]:
        place: dict[str, Any] = {"account": key.account_id, "key": key.public_id, "secret": str(secret.pk)}
        secret.sealed = seal(token, ring=settings.SIGNING_KEYS, purpose="sign", **place)
    secret.save(force_insert=True)
    return secret
