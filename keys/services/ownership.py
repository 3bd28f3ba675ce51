"""Whose a key is."""

from __future__ import annotations

from django.db import transaction

from accounts import policy
from accounts.models import Account, User
from accounts.permissions import Permission
from accounts.services import deactivate_user
from audit.actor import Actor
from audit.record import record
from keys.apis.policy import Policy
from keys.models import Key
from keys.services.admission import admitted, target_of
from keys.terms import Invalid


@transaction.atomic
def reassign(*, key: Key, owner: User, by: Actor) -> Key:
    """Give the key to another active user of its account.

    Needs the confirmation "key.reassign" of its API ID. Raises Denied, AccountNotActive, NotConfirmed, Invalid.
    """
    key = admitted(key, Permission.KEYS_CHANGE, by)
    by.spend_confirmation("key.reassign", key.public_id)
    _give(key, _active(owner, key.account), by)
    return key


@transaction.atomic
def hand_over(*, user: User, heir: User, by: Actor) -> int:
    """Give every live key of the user to the heir; returns how many. One event for each key.

    Needs the confirmation "keys.hand_over" of the user's primary key. Raises as `reassign`.
    """
    account = _account_of(user)
    policy.require(by, Permission.KEYS_CHANGE, account=account)
    policy.require_active(account)
    by.spend_confirmation("keys.hand_over", str(user.pk))
    heir = _active(heir, account)
    if heir.pk == user.pk:
        raise Invalid({"heir": f"{heir.nickname} has these keys already. Choose someone else."})
    live = Key.objects.select_for_update(of=("self",), no_key=True).filter(owner=user, deleted_at=None).order_by("pk")
    keys = list(live.select_related("account", "api", "owner").defer("api__document"))
    for key in keys:
        _give(key, heir, by)
    return len(keys)


@transaction.atomic
def hand_over_and_deactivate(*, user: User, heir: User, by: Actor) -> int:
    """Both or neither, so that no call with the keys is refused in between. Raises what either raises."""
    # The account's lock first, in the strength that deactivating takes: two who held it shared could not go on.
    Account.objects.select_for_update(no_key=True).get(pk=_account_of(user).pk)
    count = hand_over(user=user, heir=heir, by=by)
    deactivate_user(user=user, by=by)
    return count


def _give(key: Key, owner: User, by: Actor) -> None:
    if key.owner_id == owner.pk:
        return
    changes = {"owner": [key.owner.nickname, owner.nickname]}
    key.owner = owner
    if Policy.read(key.api.policy).name_kind == "owner" and key.name != owner.nickname:
        changes["name"] = [key.name, owner.nickname]
        key.name = owner.nickname
    key.save(update_fields=["owner", "name"])
    record("key.reassigned", by=by, account_id=key.account_id, target=target_of(key), api=key.api.slug, changes=changes)


def _active(owner: User, account: Account) -> User:
    """As the database knows them now; the account's lock keeps them active until the commit."""
    found = User.objects.filter(pk=owner.pk, account=account, is_active=True).first()
    if found is None:
        raise Invalid({"heir": f"{owner.nickname} is not an active user of this account. Choose another."})
    return found


def _account_of(user: User) -> Account:
    if user.account is None:
        raise Invalid({"heir": "Support owns no keys."})
    return user.account
