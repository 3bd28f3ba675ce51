"""Change a key's settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial

from django.db import transaction
from django.utils import timezone

from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.ip_lists.entries import NewList
from keys.ip_lists.services import record_creation
from keys.key_settings import (
    IpListsById,
    KeySettings,
    check_expiry,
    check_immutable_settings,
    check_scheduled_rotation,
    clean_settings,
    diff_settings,
    find_widened_settings,
    get_latest_expiry,
    get_max_lifetime_days,
)
from keys.models import Key, Module
from keys.services.grants import (
    SETTINGS_COLUMNS,
    apply_columns,
    get_modules_by_slug,
    insert_new_list,
    lock_lists,
    sync_grants,
)
from keys.services.locks import build_key_target, lock_for_change
from keys.services.state import record_switch


class EditConflict(Exception):
    """Someone else saved the key in the meantime; `key` is its present state, `edits` the number of saves."""

    def __init__(self, key: Key, edits: int) -> None:
        super().__init__(f"{key.name} was changed in the meantime.")
        self.key = key
        self.edits = edits


@transaction.atomic
def edit(
    *,
    key: Key,
    version: int,
    key_settings: KeySettings,
    enabled: bool | None = None,
    new_list: NewList | None = None,
    by: Actor,
) -> Key:
    """Change the key's settings, and enable or disable it unless `enabled` is None. Return the key.

    `version` is the key's version when the form was opened; `new_list` is an IP list to create with the change and to
    restrict the key to. A confirmation is spent only if the change allows more than before or concerns the rotation.
    Raise Denied, AccountNotActive, EditConflict, Invalid, ConfirmationRequired.
    """
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    if key.version != version:
        raise EditConflict(key, key.version - version)
    modules, confirm = get_modules_by_slug(key.api_id), partial(by.spend_confirmation, "key.edit", key.public_id)
    save_settings(key, key_settings, modules, enabled=enabled, new_list=new_list, confirm=confirm, by=by)
    return key


def save_settings(
    key: Key,
    key_settings: KeySettings,
    modules: Mapping[str, Module],
    *,
    enabled: bool | None = None,
    new_list: NewList | None = None,
    confirm: Callable[[], None],
    by: Actor,
) -> bool:
    """Change the settings of a locked key as `edit` does, and return whether anything changed. `modules` are those of
    its API by slug; `confirm` spends the confirmation, and is called if the change allows more than before. Raise
    Invalid, ConfirmationRequired."""
    before = KeySettings.from_key(key)
    inserted = insert_new_list(key.account, new_list, by) if new_list else None
    if inserted:
        key_settings = replace(key_settings, ip_lists=key_settings.ip_lists | {inserted.pk})
    lists = lock_lists(key.account, before.ip_lists | key_settings.ip_lists)
    key_settings = _validate(key, before, key_settings, modules, lists)
    changed = diff_settings(before, key_settings, lists)
    switched = enabled is not None and enabled != key.enabled
    if not changed and not switched:
        return False
    contained = {slug: module.contained for slug, module in modules.items()}
    if find_widened_settings(before, key_settings, lists, contained) or (switched and enabled):
        confirm()
    _save_columns(key, key_settings if changed else None, enabled if switched else None)
    if changed:
        sync_grants(key, before, key_settings, modules)
        if inserted and new_list:
            record_creation(inserted, new_list, by)
        record(
            "key.edited",
            by=by,
            account_id=key.account_id,
            target=build_key_target(key),
            api=key.api.slug,
            changes=changed,
        )
    if switched:
        record_switch(key, by)
    return True


def _save_columns(key: Key, key_settings: KeySettings | None, enabled: bool | None) -> None:
    """Save the key's own columns, those of the settings and of the switch unless they are None."""
    columns = []
    if enabled is not None:
        key.enabled = enabled
        columns += ["enabled"]
    if key_settings is not None:
        apply_columns(key, key_settings)
        key.version += 1
        columns += [*SETTINGS_COLUMNS, "version"]
    key.save(update_fields=columns)


def _validate(
    key: Key, before: KeySettings, after: KeySettings, modules: Collection[str], lists: IpListsById
) -> KeySettings:
    """Return the settings normalised. Raise Invalid unless the key's API allows the change from `before`."""
    rules = Policy.from_data(key.api.policy)
    after = clean_settings(after, rules, modules, lists)
    check_immutable_settings(before, after, rules)
    if after.expires_at != before.expires_at:
        latest = get_latest_expiry(key.created_at, get_max_lifetime_days(key.account, rules))
        check_expiry(after.expires_at, rules, now=timezone.now(), latest=latest)
    if after.scheduled_rotation != before.scheduled_rotation:
        check_scheduled_rotation(after.scheduled_rotation, rules)
    return after
