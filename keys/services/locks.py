"""Row locks and event targets shared by the key services."""

from __future__ import annotations

from audit.trail.events import Target
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from keys.models import Api, Key


def lock_for_change(key: Key, permission: Permission, by: Actor) -> Key:
    """Lock the key until the commit and return its present row.

    Raise Denied unless the actor has the permission, AccountNotActive unless the account is active, Key.DoesNotExist if
    the key was deleted.
    """
    authorization.require(by, permission, account=key.account)
    authorization.require_active(key.account)
    lock_api(key.api_id)
    rows = Key.objects.select_for_update(of=("self",), no_key=True).select_related("account", "api", "owner")
    return rows.defer("api__document").get(pk=key.pk, deleted_at=None)


def lock_api(api_id: int) -> Api:
    """Share-lock the API until the commit and return it without its document. Policy and modules cannot change
    meanwhile."""
    query = "SELECT id, slug, name, policy FROM keys_api WHERE id = %s FOR KEY SHARE"
    return Api.objects.raw(query, [api_id])[0]


def build_key_target(key: Key) -> Target:
    return Target("key", key.public_id, key.name)
