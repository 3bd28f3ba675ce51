"""Change a key's settings."""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.ip_lists.entries import NewList
from keys.ip_lists.services import record_creation
from keys.key_settings import (
    KeySettings,
    check_expiry,
    check_immutable_settings,
    clean_settings,
    diff_settings,
    find_widened_settings,
    get_latest_expiry,
    get_max_lifetime_days,
)
from keys.models import Key
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
    restrict the key to. A confirmation is spent only if the change allows more than before. Raise Denied,
    AccountNotActive, EditConflict, Invalid, ConfirmationRequired.
    """
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    if key.version != version:
        raise EditConflict(key, key.version - version)
    rules = Policy.from_data(key.api.policy)
    modules, before = get_modules_by_slug(key.api_id), KeySettings.from_key(key)
    made = insert_new_list(key.account, new_list, by) if new_list else None
    if made:
        key_settings = replace(key_settings, ip_lists=key_settings.ip_lists | {made.pk})
    lists = lock_lists(key.account, before.ip_lists | key_settings.ip_lists)
    key_settings = clean_settings(key_settings, rules, modules, lists)
    check_immutable_settings(before, key_settings, rules)
    if key_settings.expires_at != before.expires_at:
        latest = get_latest_expiry(key.created_at, get_max_lifetime_days(key.account, rules))
        check_expiry(key_settings.expires_at, rules, now=timezone.now(), latest=latest)
    changed = diff_settings(before, key_settings, lists)
    switched = enabled is not None and enabled != key.enabled
    if not changed and not switched:
        return key
    contained = {slug: module.contained for slug, module in modules.items()}
    if find_widened_settings(before, key_settings, lists, contained) or (switched and enabled):
        by.spend_confirmation("key.edit", key.public_id)
    columns = []
    if switched:
        key.enabled = bool(enabled)
        columns += ["enabled"]
    if changed:
        apply_columns(key, key_settings)
        key.version += 1
        columns += [*SETTINGS_COLUMNS, "version"]
    key.save(update_fields=columns)
    if changed:
        sync_grants(key, before, key_settings, modules)
        if made and new_list:
            record_creation(made, new_list, by)
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
    return key
