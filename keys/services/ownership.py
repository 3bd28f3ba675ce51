"""Reassign keys, and deactivate or reactivate the users who own them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Account, User
from accounts.services import deactivate_user, reactivate_user
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.key_settings import Invalid
from keys.models import Key
from keys.services.locks import build_key_target, lock_for_change


@transaction.atomic
def reassign(*, key: Key, owner: User, by: Actor) -> Key:
    """Give the key to another active user of its account, and return it.

    Needs the confirmation "key.reassign" of its API ID. Raise Denied, AccountNotActive, ConfirmationRequired, Invalid.
    """
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    by.spend_confirmation("key.reassign", key.public_id)
    change_owner(key, get_active_user(owner, key.account), by)
    return key


@transaction.atomic
def hand_over(*, user: User, new_owner: User, by: Actor) -> int:
    """Give every live key of the user to `new_owner`, and return their number. One event for each key.

    Needs the confirmation "keys.hand_over" of the user's primary key. Raise the same as `reassign`.
    """
    account = get_account(user)
    authorization.require(by, Permission.KEYS_CHANGE, account=account)
    authorization.require_active(account)
    by.spend_confirmation("keys.hand_over", str(user.pk))
    new_owner = get_active_user(new_owner, account)
    if new_owner.pk == user.pk:
        raise Invalid({"heir": f"{new_owner.nickname} already owns these keys. Choose another user."})
    keys = lock_owned_keys(user)
    for key in keys:
        change_owner(key, new_owner, by)
    return len(keys)


@transaction.atomic
def deactivate_owner(*, user: User, by: Actor) -> User:
    """Deactivate the user, and record an event for each of their keys that stops working.

    Raise what accounts.services.deactivate_user raises.
    """
    return _set_active(user, deactivate_user, "key.owner_deactivated", by)


@transaction.atomic
def reactivate_owner(*, user: User, by: Actor) -> User:
    """Reactivate the user, and record an event for each of their keys that works again."""
    return _set_active(user, reactivate_user, "key.owner_reactivated", by)


def _set_active(user: User, service: Callable[..., User], event: str, by: Actor) -> User:
    keys = _list_working_keys(user) if (service is deactivate_user) == _is_active(user) else []
    user = service(user=user, keys=[build_key_target(key) for key in keys], by=by)
    for key in keys:
        data = {"api": key.api.slug, "owner": user.nickname}
        record(event, by=by, account_id=key.account_id, target=build_key_target(key), **data)
    return user


def _is_active(user: User) -> bool:
    """Return whether the user is active. The account's lock, as strong as in deactivation, keeps it so until the
    commit."""
    if user.account_id is not None:
        Account.objects.select_for_update(no_key=True).get(pk=user.account_id)
    return User.objects.values_list("is_active", flat=True).get(pk=user.pk)


def _list_working_keys(user: User) -> list[Key]:
    """Return the user's keys that are live, enabled and not expired: only their owner's state can stop them."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
    keys = Key.objects.filter(unexpired, owner=user, deleted_at=None, enabled=True).select_related("api")
    return list(keys.defer("api__document").order_by("pk"))


def lock_owned_keys(user: User) -> list[Key]:
    """Lock the user's live keys until the commit and return them."""
    live = Key.objects.select_for_update(of=("self",), no_key=True).filter(owner=user, deleted_at=None).order_by("pk")
    return list(live.select_related("account", "api", "owner").defer("api__document"))


def change_owner(key: Key, owner: User, by: Actor, *, expires_at: datetime | None = None) -> None:
    """Give the locked key to `owner`, with another expiry unless it is None, and record it."""
    if key.owner_id == owner.pk:
        return
    columns = ["owner", "name"]
    changes: dict[str, list[str | None]] = {"owner": [key.owner.nickname, owner.nickname]}
    key.owner = owner
    if Policy.from_data(key.api.policy).name_kind == "owner" and key.name != owner.nickname:
        changes["name"] = [key.name, owner.nickname]
        key.name = owner.nickname
    if expires_at is not None:
        before = key.expires_at.isoformat(timespec="seconds") if key.expires_at else None
        changes["expiry"] = [before, expires_at.isoformat(timespec="seconds")]
        key.expires_at = expires_at
        # A form that was opened before would set the expiry back.
        key.version += 1
        columns += ["expires_at", "version"]
    key.save(update_fields=columns)
    record(
        "key.reassigned",
        by=by,
        account_id=key.account_id,
        target=build_key_target(key),
        api=key.api.slug,
        changes=changes,
    )


def get_active_user(owner: User, account: Account) -> User:
    """Return the user's present row; the account's lock keeps it active until the commit. Raise Invalid."""
    found = User.objects.filter(pk=owner.pk, account=account, is_active=True).first()
    if found is None:
        raise Invalid({"heir": f"{owner.nickname} is not an active user of this account. Choose another."})
    return found


def get_account(user: User) -> Account:
    if user.account is None:
        raise Invalid({"heir": "Support users cannot own keys."})
    return user.account
