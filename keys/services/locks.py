"""What every service of keys begins and ends with."""

from __future__ import annotations

from audit.trail.events import Target
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.models import Api, Key


def lock_for_change(key: Key, permission: Permission, by: Actor) -> Key:
    """The key as it is now, locked until the commit, if the actor may work on it and its account is active.

    Raises Denied, AccountNotActive, or Key.DoesNotExist once the key is deleted.
    """
    authorization.require(by, permission, account=key.account)
    authorization.require_active(key.account)
    lock_api(key.api_id)
    rows = Key.objects.select_for_update(of=("self",), no_key=True).select_related("account", "api", "owner")
    return rows.defer("api__document").get(pk=key.pk, deleted_at=None)


def lock_api(api_id: int) -> Api:
    """The API as it is now, without its document; neither its policy nor its modules change until the commit."""
    query = "SELECT id, slug, name, policy FROM keys_api WHERE id = %s FOR KEY SHARE"
    return Api.objects.raw(query, [api_id])[0]


def build_key_target(key: Key) -> Target:
    return Target("key", key.public_id, key.name)
