"""What a logged call is about now: its key, owner and IP lists, and what would be decided about the same call."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import User
from audit.calls.reasons import REFUSED
from core.phone_masking import Mask
from keys.apis.policy import Policy
from keys.decision.addresses import Network
from keys.key_settings import get_latest_expiry, get_max_lifetime_days
from keys.models import Api, IpList, IpListEntry, Key, Module
from keys.selectors.access_check import CheckedCall, check_access
from keys.selectors.detail import GrantedModule, list_granted_modules, list_ip_lists
from keys.selectors.keys import with_page_relations

if TYPE_CHECKING:
    from audit.models import Call

# Refusals by checks that need neither the secret nor the request itself: they can be made again.
REPEATABLE = frozenset(
    {
        *("account_inactive", "owner_inactive", "key_disabled", "key_expired"),
        *("ip_not_allowed", "module_not_granted", "recordings_not_allowed"),
    }
)


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A call of the API log with what it names, as it is now. `key` is None if it is unknown or deleted, `owner` if the
    account has no user of that nickname. `reason` is what the same call would be refused for now, empty if it would be
    allowed; None if that cannot be decided again."""

    call: Call
    key: Key | None
    owner: User | None
    is_deleted: bool
    reason: str | None

    @property
    def heading(self) -> str:
        """Why the call would be refused now, in words; empty if it would be allowed."""
        return REFUSED[self.reason][0] if self.reason else ""

    @property
    def networks(self) -> list[Network]:
        assert self.key is not None
        return [entry.network for entry in self.key.addresses.all()]

    @property
    def modules(self) -> list[GrantedModule]:
        assert self.key is not None
        return list_granted_modules(self.key)

    @property
    def ip_lists(self) -> list[IpList]:
        """The IP lists of the key, each with `live`, the number of enabled entries, and whether one `admits` the
        call."""
        assert self.key is not None
        entries = IpListEntry.objects.filter(ip_list=OuterRef("pk"), enabled=True)
        admitting = entries.filter(network__admits=self.call.client_address)
        return list(list_ip_lists(self.key).annotate(admits=Exists(admitting)))

    @property
    def can_be_extended(self) -> bool:
        """Whether the key may have a later expiry than now."""
        assert self.key is not None
        rules = Policy.from_data(self.key.api.policy)
        latest = get_latest_expiry(self.key.created_at, get_max_lifetime_days(self.key.account, rules))
        return latest is None or latest > timezone.now()


def describe_call(account_id: int, call: Call) -> LoggedCall:
    """Return the call, which is one of the account's, with what it names now."""
    keys = Key.objects.filter(account=account_id)
    row = with_page_relations(keys).select_related("account").filter(public_id=call.key_id).first()
    owner = User.objects.filter(account=account_id, nickname=call.owner).first() if call.owner else None
    is_deleted = row is not None and row.deleted_at is not None
    key = None if is_deleted else row
    repeatable = key is not None and (call.decision == "allowed" or call.reason in REPEATABLE)
    reason = check_access(keys, _build_checked_call(call)).reason if repeatable and call.client_address else None
    return LoggedCall(call, key, owner, is_deleted, reason)


def _build_checked_call(call: Call) -> CheckedCall:
    """Return the logged call as the access check takes it: with its key, without a secret."""
    api = Api.objects.defer("document").filter(slug=call.api).first()
    return CheckedCall(call.method, get_target(call), ip_address(str(call.client_address)), call.key_id, api=api)


def get_target(call: Call, mask: Mask | None = None) -> str:
    """Return the path and query of the call as a client sends them, with phone numbers masked by `mask`."""
    path, query = (mask.mask(call.path), mask.mask(call.query)) if mask else (call.path, call.query)
    # Paths are logged decoded.
    return path.replace("?", "%3F") + (f"?{query}" if query else "")


def find_module(key: Key, slug: str) -> Module | None:
    """Return the module of the key's API; None if there is none of this slug."""
    return next((module for module in key.api.modules.all() if module.slug == slug), None)
