"""Changing a key's terms."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.permissions import Permission
from audit.actor import Actor
from audit.record import record
from keys.apis.policy import Policy
from keys.models import Address, Key, KeyModule, Module
from keys.services.admission import admitted, target_of
from keys.terms import Terms, changes, check_expiry, checked, latest_expiry, longest_days, widened


class Stale(Exception):
    """Someone else saved the key since; `key` is as they left it, `edits` is how often they did."""

    def __init__(self, key: Key, edits: int) -> None:
        super().__init__(f"{key.name} was changed in the meantime.")
        self.key = key
        self.edits = edits


@transaction.atomic
def edit(*, key: Key, version: int, terms: Terms, by: Actor) -> Key:
    """Give the key other terms. `version` is that of the key when the terms were thought of.

    A confirmation is spent only if more is let in than before. Raises Denied, AccountNotActive, Stale, Invalid,
    NotConfirmed.
    """
    key = admitted(key, Permission.KEYS_CHANGE, by)
    if key.version != version:
        raise Stale(key, key.version - version)
    rules = Policy.read(key.api.policy)
    modules = {module.slug: module for module in Module.objects.filter(api=key.api_id).order_by("position")}
    before, terms = Terms.of(key), checked(terms, rules, modules)
    if terms.expires_at != before.expires_at:
        latest = latest_expiry(key.created_at, longest_days(key.account, rules))
        check_expiry(terms.expires_at, rules, now=timezone.now(), latest=latest)
    changed = changes(before, terms)
    if not changed:
        return key
    if widened(before, terms):
        by.spend_confirmation("key.edit", key.public_id)
    key.name, key.fields, key.expires_at = terms.name, dict(terms.fields), terms.expires_at
    key.all_modules = terms.modules is None
    key.version += 1
    key.save(update_fields=["name", "fields", "expires_at", "all_modules", "version"])
    key.addresses.exclude(network__in=terms.networks).delete()
    new = [network for network in terms.networks if network not in before.networks]
    Address.objects.bulk_create(Address(key=key, network=network) for network in new)
    key.grants.exclude(module__slug__in=terms.modules or ()).delete()
    added = sorted((terms.modules or frozenset()) - (before.modules or frozenset()))
    KeyModule.objects.bulk_create(KeyModule(key=key, module=modules[slug]) for slug in added)
    record("key.edited", by=by, account_id=key.account_id, target=target_of(key), api=key.api.slug, changes=changed)
    return key
