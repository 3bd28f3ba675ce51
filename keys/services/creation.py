"""Making a key."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts import policy
from accounts.models import Account, User
from accounts.permissions import Permission
from audit.actor import Actor
from audit.record import record
from keys.apis.policy import Policy
from keys.models import Address, Api, Creation, Enablement, Key, KeyModule, Module
from keys.secrets import Minted, mint
from keys.services.admission import target_of
from keys.services.secret import insert_secret
from keys.terms import Invalid, Terms, check_expiry, checked, latest_expiry, longest_days

MOST_TRIES = 5


class Created(NamedTuple):
    """A new key and its token in clear, for this once."""

    key: Key
    token: str

    def __repr__(self) -> str:
        return f"Created({self.key.public_id})"


class AlreadyCreated(Exception):
    """The form was used before: `key` is what it made then (its token is not shown again)."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"This form has already made the key {key.name}.")
        self.key = key


@transaction.atomic
def create(
    *,
    account: Account,
    api: Api,
    terms: Terms,
    by: Actor,
    owner: User | None = None,
    enabled: bool = True,
    form_token: uuid.UUID | None = None,
) -> Created:
    """Make a key with its first secret. The owner is whoever creates it, unless given.

    A form token makes one key, however often and however parallel it is sent. Raises Denied, AccountNotActive,
    NotConfirmed, AlreadyCreated, Invalid.
    """
    policy.require(by, Permission.KEYS_CHANGE, account=account)
    account = policy.require_active(account)
    form_token = form_token or uuid.uuid4()
    _refuse_second_use(form_token, account)
    by.spend_confirmation("key.create", str(form_token))
    rules = Policy.read(api.policy)
    modules = {module.slug: module for module in Module.objects.filter(api=api).order_by("position")}
    if not Enablement.objects.filter(account=account, api=api).exists():
        raise Invalid({"api": f"The API {api.name} is not enabled for this account."})
    terms = checked(terms, rules, modules)
    now = timezone.now()
    check_expiry(terms.expires_at, rules, now=now, latest=latest_expiry(now, longest_days(account, rules)))
    key, minted = _insert(
        Key(
            account=account,
            api=api,
            owner=_owner(owner, account, by),
            name=terms.name,
            fields=terms.fields,
            enabled=enabled,
            expires_at=terms.expires_at,
            all_modules=terms.modules is None,
        )
    )
    Address.objects.bulk_create(Address(key=key, network=network) for network in terms.networks)
    KeyModule.objects.bulk_create(KeyModule(key=key, module=modules[slug]) for slug in sorted(terms.modules or ()))
    insert_secret(key, minted.token, rules)
    Creation.objects.create(token=form_token, key=key)
    asked = terms.described() | {"owner": key.owner.nickname, "enabled": enabled}
    record("key.created", by=by, account_id=account.pk, target=target_of(key), api=api.slug, settings=asked)
    return Created(key, minted.token)


def _refuse_second_use(form_token: uuid.UUID, account: Account) -> None:
    """Of the same form's parallel POSTs one goes on; the others wait here for its commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"key.create {form_token}"])
    used = Creation.objects.select_related("key__account").filter(token=form_token).first()
    if used is None:
        return
    if used.key.account_id != account.pk:
        raise Invalid({"form": "This form is not yours. Open a new one."})
    raise AlreadyCreated(used.key)


def _owner(owner: User | None, account: Account, by: Actor) -> User:
    if owner is None:
        if by.kind != "user":
            raise Invalid({"owner": f"{by.label} is no user. Say whose key it is."})
        owner = User.objects.get(pk=by.id)
    if owner.account_id != account.pk or not owner.is_active:
        raise Invalid({"owner": f"{owner.nickname} is not an active user of this account."})
    return owner


def _insert(key: Key) -> tuple[Key, Minted]:
    """The row under an API ID that no key ever had."""
    for _ in range(MOST_TRIES):
        minted = mint(settings.TOKEN_PREFIX)
        key.public_id = minted.public_id
        try:
            with transaction.atomic():
                key.save(force_insert=True)
        except IntegrityError:
            if not Key.objects.filter(public_id=minted.public_id).exists():
                raise
        else:
            return key, minted
    raise RuntimeError(f"No free API ID in {MOST_TRIES} tries; is the random source broken?")
