"""Change many keys at once, in one transaction with one confirmation and an event for each key.

A key whose API does not allow the change is left as it is and reported; anything else that fails undoes all.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

from django.db import transaction

from accounts.models import Account, User
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.key_settings import Invalid, KeySettings
from keys.models import Key, Secret
from keys.services.editing import save_settings
from keys.services.grants import get_modules_by_slug, lock_lists
from keys.services.locks import lock_api
from keys.services.ownership import change_owner, get_active_user
from keys.services.rotation import AlreadyChanged, Overlap, record_change, replace_secret, require_current
from keys.services.state import set_enabled
from keys.settings_change import SettingsChange

# Each key has its own event, and the chain's head stays locked until the last is written.
MAX_KEYS = 1_000
# A new secret costs some ten statements; a request may take 30 s.
MAX_SECRETS = 250


class TooManyKeys(Exception):
    """More than MAX_KEYS keys were to be changed, or more than MAX_SECRETS to be given a new secret."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The keys that were changed, those that were so already, and those that could not be, with the reason."""

    changed: list[Key] = field(default_factory=list)
    unchanged: list[Key] = field(default_factory=list)
    failed: list[tuple[Key, str]] = field(default_factory=list)


def build_selection_target(keys: Collection[int]) -> str:
    """Return what a confirmation of an action on these keys, by primary key, is bound to."""
    return hashlib.sha256(repr(sorted(keys)).encode()).hexdigest()


@transaction.atomic
def disable_many(*, account: Account, keys: Collection[int], by: Actor) -> BulkResult:
    """Disable these keys of the account; calls are refused from the commit on. Raise Denied, AccountNotActive,
    TooManyKeys."""
    locked = _lock(account, keys, Permission.KEYS_DISABLE, by, MAX_KEYS)
    return _change_each(locked, lambda key: set_enabled(key, False, by))


@transaction.atomic
def enable_many(*, account: Account, keys: Collection[int], by: Actor) -> BulkResult:
    """Enable these keys of the account. Needs the confirmation "keys.enable" of the selection. Raise what
    `disable_many` raises, and ConfirmationRequired."""
    locked = _lock(account, keys, Permission.KEYS_CHANGE, by, MAX_KEYS)
    by.spend_confirmation("keys.enable", build_selection_target(keys))
    return _change_each(locked, lambda key: set_enabled(key, True, by))


@transaction.atomic
def edit_many(*, account: Account, keys: Collection[int], change: SettingsChange, by: Actor) -> BulkResult:
    """Make the same change to the settings of these keys of the account. Spends the confirmation "keys.edit" of the
    selection if any key then allows more than before. Raise what `enable_many` raises."""
    locked = _lock(account, keys, Permission.KEYS_CHANGE, by, MAX_KEYS)
    # All lists in one order, so that two such changes do not wait for each other.
    lock_lists(account, change.add_lists.union(ip_list.pk for key in locked for ip_list in key.ip_lists.all()))
    modules_of = cache(get_modules_by_slug)
    confirm = cache(partial(by.spend_confirmation, "keys.edit", build_selection_target(keys)))

    def edit(key: Key) -> bool:
        after = change.apply(KeySettings.from_key(key))
        return save_settings(key, after, modules_of(key.api_id), confirm=confirm, by=by)

    return _change_each(locked, edit)


@transaction.atomic
def reassign_many(*, account: Account, keys: Collection[int], owner: User, by: Actor) -> BulkResult:
    """Give these keys of the account to another active user. Needs the confirmation "keys.reassign" of the selection.
    Raise what `enable_many` raises, and Invalid."""
    locked = _lock(account, keys, Permission.KEYS_CHANGE, by, MAX_KEYS)
    by.spend_confirmation("keys.reassign", build_selection_target(keys))
    owner = get_active_user(owner, account)

    def reassign(key: Key) -> bool:
        before = key.owner_id
        change_owner(key, owner, by)
        return before != owner.pk

    return _change_each(locked, reassign)


@transaction.atomic
def change_many(
    *, account: Account, secrets: Mapping[int, uuid.UUID], overlap: Overlap, ends_on_use: bool = False, by: Actor
) -> BulkResult:
    """Give each of these keys of the account, by primary key, a new secret, which can then be revealed. `secrets` are
    the current ones when the form was opened, as in `change`. Needs the confirmation "keys.change" of the selection.
    Raise what `enable_many` raises."""
    locked = _lock(account, secrets, Permission.KEYS_CHANGE, by, MAX_SECRETS)
    list(Secret.objects.select_for_update().filter(key__in=secrets).order_by("pk"))
    by.spend_confirmation("keys.change", build_selection_target(secrets))

    def change(key: Key) -> bool:
        if not Policy.from_data(key.api.policy).revealable:
            raise Invalid({"secret": "Its new secret would be shown only once. Change it on the key's own page."})
        try:
            require_current(key, secrets[key.pk])
        except AlreadyChanged:
            raise Invalid({"secret": "Its secret was changed in the meantime."}) from None
        change = replace_secret(key, secrets[key.pk], overlap, ends_on_use=ends_on_use)
        record_change(change, overlap, ends_on_use=ends_on_use, by=by)
        return True

    return _change_each(locked, change)


def _lock(account: Account, keys: Collection[int], permission: Permission, by: Actor, limit: int) -> list[Key]:
    """Lock the live ones of these keys until the commit, and return them."""
    authorization.require(by, permission, account=account)
    authorization.require_active(account)
    if len(keys) > limit:
        raise TooManyKeys
    live = Key.objects.filter(account=account, deleted_at=None, pk__in=keys)
    for api in live.order_by("api").values_list("api", flat=True).distinct():
        lock_api(api)
    rows = live.select_for_update(of=("self",), no_key=True).select_related("account", "api", "owner")
    related = rows.prefetch_related("addresses", "ip_lists", "modules")
    return list(related.defer("api__document").order_by("pk"))


def _change_each(keys: Collection[Key], change: Callable[[Key], bool]) -> BulkResult:
    """Change each key, and return what became of it; `change` returns whether it did anything, or raises Invalid."""
    result = BulkResult()
    for key in keys:
        try:
            with transaction.atomic():
                changed = change(key)
        except Invalid as problem:
            result.failed.append((key, " ".join(problem.messages)))
        else:
            (result.changed if changed else result.unchanged).append(key)
    return result
