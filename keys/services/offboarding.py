"""Deactivate a user and settle each key that they own, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from django.db import transaction
from django.utils import timezone

from accounts.models import Account, User
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.key_settings import (
    Invalid,
    check_expiry,
    explain_immutable_setting,
    get_latest_expiry,
    get_max_lifetime_days,
)
from keys.models import Key
from keys.services.locks import lock_api
from keys.services.ownership import change_owner, deactivate_owner, get_account, get_active_user, lock_owned_keys
from keys.services.state import set_enabled


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What becomes of a key when its owner is deactivated.

    With a `new_owner` it keeps working, until `expires_at` at the latest if that is set. Without one its calls are
    refused; with `disable` they stay refused if the owner is reactivated.
    """

    new_owner: User | None = None
    expires_at: datetime | None = None
    disable: bool = False

    @property
    def changes_key(self) -> bool:
        return self.new_owner is not None or self.disable


# The owner stays: calls are refused until the key is reassigned or the owner reactivated.
KEEP = KeyPlan()


@transaction.atomic
def offboard(
    *, user: User, default: KeyPlan, plans: Mapping[str, KeyPlan] = MappingProxyType({}), by: Actor
) -> list[Key]:
    """Deactivate the user, and do with each live key what `plans` has for its API ID, else `default`. Return the keys
    that got a new owner. All or nothing, one event for each key that changes.

    Needs the confirmation "keys.hand_over" of the user's primary key if a key is reassigned. Raise what
    `deactivate_owner` raises, ConfirmationRequired, and Invalid with an error for each API ID whose plan its API
    refuses.
    """
    account = get_account(user)
    # Take the account's lock first, as strong as deactivation does: upgrading a shared lock could deadlock.
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    authorization.require(by, Permission.USERS_DEACTIVATE, account=account)
    if any(plan.changes_key for plan in (default, *plans.values())):
        authorization.require(by, Permission.KEYS_CHANGE, account=account)
        authorization.require_active(account)
    for api in Key.objects.filter(owner=user, deleted_at=None).order_by("api").values_list("api", flat=True).distinct():
        lock_api(api)
    planned = [(key, plans.get(key.public_id, default)) for key in lock_owned_keys(user)]
    if problems := find_plan_problems(planned):
        raise Invalid(problems)
    transferred = [key for key, plan in planned if plan.new_owner]
    if transferred:
        by.spend_confirmation("keys.hand_over", str(user.pk))
    for key, plan in planned:
        _apply(key, plan, account, by)
    deactivate_owner(user=user, by=by)
    return transferred


def find_plan_problems(planned: Iterable[tuple[Key, KeyPlan]]) -> dict[str, str]:
    """Return why the API of a key does not allow its planned expiry, by API ID."""
    problems = {}
    for key, plan in planned:
        if plan.expires_at and (problem := _find_expiry_problem(key, plan.expires_at)):
            problems[key.public_id] = problem
    return problems


def _find_expiry_problem(key: Key, expires_at: datetime) -> str | None:
    if key.expires_at is not None and key.expires_at <= expires_at:
        return None
    rules = Policy.from_data(key.api.policy)
    if "expiry" in rules.immutable_settings:
        explained = explain_immutable_setting("expiry", rules)
        return f"{rules.get_label('expiry')} of {key.name} {explained} Choose something else for it."
    # A key may be older than the limit of its lifetime: that is no reason against an end.
    longest = get_latest_expiry(key.created_at, get_max_lifetime_days(key.account, rules))
    try:
        check_expiry(expires_at, rules, now=timezone.now(), latest=longest and max(longest, expires_at))
    except Invalid as problem:
        return f"{key.name}: {' '.join(problem.messages)}"
    return None


def _apply(key: Key, plan: KeyPlan, account: Account, by: Actor) -> None:
    if plan.new_owner:
        sooner = plan.expires_at and (key.expires_at is None or plan.expires_at < key.expires_at)
        change_owner(key, get_active_user(plan.new_owner, account), by, expires_at=plan.expires_at if sooner else None)
    elif plan.disable:
        set_enabled(key, False, by)
