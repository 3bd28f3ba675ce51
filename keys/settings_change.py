"""A change that is made to the settings of many keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from keys.decision.addresses import Network
from keys.key_settings import Invalid, KeySettings


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """The same change to the settings of many keys: addresses and IP lists to add and remove, and an earlier expiry.
    `restrict_open` is whether keys that accept calls from any address are restricted to what is added."""

    add_networks: tuple[Network, ...] = ()
    add_lists: frozenset[int] = frozenset()
    remove_networks: tuple[Network, ...] = ()
    remove_lists: frozenset[int] = frozenset()
    expires_at: datetime | None = None
    restrict_open: bool = False

    @property
    def adds(self) -> bool:
        return bool(self.add_networks or self.add_lists)

    def apply(self, before: KeySettings) -> KeySettings:
        """Return the changed settings. Raise Invalid if a key would open to any address, or close to others unasked."""
        was_open = not (before.networks or before.ip_lists)
        if was_open and self.adds and not self.restrict_open:
            raise Invalid({"addresses": "Accepts calls from any address: adding one would refuse all others."})
        added = [network for network in self.add_networks if network not in before.networks]
        networks = tuple(each for each in (*before.networks, *added) if each not in self.remove_networks)
        ip_lists = (before.ip_lists | self.add_lists) - self.remove_lists
        if not was_open and not (networks or ip_lists):
            raise Invalid({"addresses": "Has no other restriction: calls would be accepted from any address."})
        expires_at = before.expires_at
        if self.expires_at and (expires_at is None or self.expires_at < expires_at):
            expires_at = self.expires_at
        return replace(before, networks=networks, ip_lists=ip_lists, expires_at=expires_at)
