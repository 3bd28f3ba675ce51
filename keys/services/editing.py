"""Changing a key's terms."""

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
from keys.key_settings import Terms, changes, check_expiry, check_settled, checked, latest_expiry, longest_days, widened
from keys.models import Key
from keys.services.grants import COLUMNS, grant, insert_new_list, lists_of, modules_of, put
from keys.services.locks import admitted, target_of
from keys.services.state import record_switch


class Stale(Exception):
    """Someone else saved the key since; `key` is as they left it, `edits` is how often they did."""

    def __init__(self, key: Key, edits: int) -> None:
        super().__init__(f"{key.name} was changed in the meantime.")
        self.key = key
        self.edits = edits


@transaction.atomic
def edit(
    *, key: Key, version: int, terms: Terms, enabled: bool | None = None, new_list: NewList | None = None, by: Actor
) -> Key:
    """Give the key other terms, and enable or disable it if `enabled` says so. `version` is that of the key when the
    terms were thought of, `new_list` an IP list to make with it and to restrict the key to.

    A confirmation is spent only if more is let in than before. Raises Denied, AccountNotActive, Stale, Invalid,
    NotConfirmed.
    """
    key = admitted(key, Permission.KEYS_CHANGE, by)
    if key.version != version:
        raise Stale(key, key.version - version)
    rules = Policy.from_data(key.api.policy)
    modules, before = modules_of(key.api_id), Terms.of(key)
    made = insert_new_list(key.account, new_list, by) if new_list else None
    if made:
        terms = replace(terms, ip_lists=terms.ip_lists | {made.pk})
    lists = lists_of(key.account, before.ip_lists | terms.ip_lists)
    terms = checked(terms, rules, modules, lists)
    check_settled(before, terms, rules)
    if terms.expires_at != before.expires_at:
        latest = latest_expiry(key.created_at, longest_days(key.account, rules))
        check_expiry(terms.expires_at, rules, now=timezone.now(), latest=latest)
    changed = changes(before, terms, lists)
    switched = enabled is not None and enabled != key.enabled
    if not changed and not switched:
        return key
    contained = {slug: module.contained for slug, module in modules.items()}
    if widened(before, terms, lists, contained) or (switched and enabled):
        by.spend_confirmation("key.edit", key.public_id)
    columns = []
    if switched:
        key.enabled = bool(enabled)
        columns += ["enabled"]
    if changed:
        put(key, terms)
        key.version += 1
        columns += [*COLUMNS, "version"]
    key.save(update_fields=columns)
    if changed:
        grant(key, before, terms, modules)
        if made and new_list:
            record_creation(made, new_list, by)
        record("key.edited", by=by, account_id=key.account_id, target=target_of(key), api=key.api.slug, changes=changed)
    if switched:
        record_switch(key, by)
    return key
