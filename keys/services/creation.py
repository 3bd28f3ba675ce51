"""Create a key with its first secret."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Account, User
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.crypto.secrets import GeneratedToken, generate_token
from keys.ip_lists.entries import NewList
from keys.ip_lists.services import record_creation
from keys.key_settings import (
    Invalid,
    KeySettings,
    check_expiry,
    check_scheduled_rotation,
    clean_settings,
    get_latest_expiry,
    get_max_lifetime_days,
)
from keys.models import Api, Creation, Enablement, Key
from keys.selectors.keys import find_username_problem
from keys.services.grants import apply_columns, get_modules_by_slug, insert_new_list, lock_lists, sync_grants
from keys.services.locks import build_key_target, lock_api
from keys.services.secret import insert_secret

MAX_TRIES = 5


class CreatedKey(NamedTuple):
    """A new key and its token in clear text, which is shown once."""

    key: Key
    token: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key.public_id})"


class AlreadyCreated(Exception):
    """The form was used before; `key` is the one that it created. Its token is not shown again."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"This form has already created the key {key.name}.")
        self.key = key


@transaction.atomic
def create(
    *,
    account: Account,
    api: Api,
    key_settings: KeySettings,
    by: Actor,
    owner: User | None = None,
    enabled: bool = True,
    form_token: uuid.UUID | None = None,
    new_list: NewList | None = None,
) -> CreatedKey:
    """Create a key with its first secret. Return the key and its token.

    The owner is the acting user unless given. A policy that names keys after their owners requires one, and its
    nickname replaces the name. `new_list` is an IP list to create with the key and to restrict it to. A form token
    creates one key, however often and however concurrently it is sent. Raise Denied, AccountNotActive,
    ConfirmationRequired, AlreadyCreated, Invalid.
    """
    authorization.require(by, Permission.KEYS_CHANGE, account=account)
    account = authorization.require_active(account)
    form_token = form_token or uuid.uuid4()
    _refuse_second_use(form_token, account)
    by.spend_confirmation("key.create", str(form_token))
    api = _lock_enabled_api(api, account)
    rules, modules = Policy.from_data(api.policy), get_modules_by_slug(api.pk)
    owner = _get_owner(owner, account, rules, by)
    if rules.name_kind == "owner":
        key_settings = replace(key_settings, name=owner.nickname)
    inserted = insert_new_list(account, new_list, by) if new_list else None
    if inserted:
        key_settings = replace(key_settings, ip_lists=key_settings.ip_lists | {inserted.pk})
    lists = lock_lists(account, key_settings.ip_lists)
    key_settings = clean_settings(key_settings, rules, modules, lists)
    _check_dates(key_settings, account, rules)
    key = Key(account=account, api=api, owner=owner, enabled=enabled)
    apply_columns(key, key_settings)
    key.username = key_settings.name if rules.name_kind == "username" else ""
    token = _insert_key(key, rules)
    sync_grants(key, None, key_settings, modules)
    insert_secret(key, token.token, rules)
    Creation.objects.create(token=form_token, key=key)
    if inserted and new_list:
        record_creation(inserted, new_list, by)
    recorded = key_settings.as_dict(lists) | {"owner": owner.nickname, "enabled": enabled}
    record("key.created", by=by, account_id=account.pk, target=build_key_target(key), api=api.slug, settings=recorded)
    return CreatedKey(key, token.token)


def _refuse_second_use(form_token: uuid.UUID, account: Account) -> None:
    """Raise AlreadyCreated if the form was used. Concurrent POSTs of the same form wait for the first one's commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"key.create {form_token}"])
    used = Creation.objects.select_related("key__account").filter(token=form_token).first()
    if used is None:
        return
    if used.key.account_id != account.pk:
        raise Invalid({"form": "This form has expired. Open a new one."})
    raise AlreadyCreated(used.key)


def _lock_enabled_api(api: Api, account: Account) -> Api:
    locked = lock_api(api.pk)
    if not Enablement.objects.filter(account=account, api=locked).exists():
        raise Invalid({"api": f"The API {locked.name} is not enabled for this account."})
    return locked


def _check_dates(key_settings: KeySettings, account: Account, rules: Policy) -> None:
    """Raise Invalid unless the expiry and the scheduled rotation are allowed for a key that is created now."""
    now = timezone.now()
    latest = get_latest_expiry(now, get_max_lifetime_days(account, rules))
    check_expiry(key_settings.expires_at, rules, now=now, latest=latest)
    check_scheduled_rotation(key_settings.scheduled_rotation, rules)


def _get_owner(owner: User | None, account: Account, rules: Policy, by: Actor) -> User:
    if owner is None and rules.name_kind == "owner":
        raise Invalid({"owner": f"{rules.name_label}: choose the owner."})
    if owner is None and by.kind != "user":
        raise Invalid({"owner": f"{by.label} is not a user. Choose an owner."})
    # Read again: the account's lock keeps the user active until the commit.
    found = User.objects.filter(pk=owner.pk if owner else by.id, account=account, is_active=True).first()
    if found is None:
        raise Invalid({"owner": f"{owner.nickname if owner else by.label} is not an active user of this account."})
    return found


def _insert_key(key: Key, rules: Policy) -> GeneratedToken:
    """Insert the row under an API ID that was never used, and return its token."""
    for _ in range(MAX_TRIES):
        token = generate_token(settings.TOKEN_PREFIX)
        key.public_id = token.public_id
        try:
            with transaction.atomic():
                key.save(force_insert=True)
        except IntegrityError:
            # A concurrent insert of the same username is committed and visible now.
            if problem := find_username_problem(key.account, key.api, rules, key.username):
                raise Invalid({"name": problem}) from None
            if not Key.objects.filter(public_id=token.public_id).exists():
                raise
        else:
            return token
    raise RuntimeError(f"No free API ID in {MAX_TRIES} tries; check the random source.")
