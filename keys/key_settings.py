"""The settings of a key, and their validation against the API's policy. Shared by forms and services."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from accounts.models import Account
from accounts.services import Invalid
from keys.apis.policy import Field, Policy
from keys.apis.policy_parsing import FLAGS
from keys.decision.addresses import Network
from keys.decision.containment import expand_contained
from keys.models import Key
from keys.rotation_schedule import RotationSchedule

MAX_NAME_LENGTH = 200
MAX_FIELD_LENGTH = 500
MAX_ADDRESSES = 100
MAX_LISTS = 100


class IpListNetworks(NamedTuple):
    """An IP list's name and the networks of its enabled entries."""

    name: str
    networks: tuple[Network, ...]


IpListsById = Mapping[int, IpListNetworks]


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Everything that the create and edit forms set on a key.

    `modules` are slugs, or None for every module, later ones included; `ip_lists` are primary keys; without `networks`
    and `ip_lists` calls are accepted from any address; `fields` are the values of the policy's own fields.
    """

    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    ip_lists: frozenset[int] = frozenset()
    modules: frozenset[str] | None = None
    expires_at: datetime | None = None
    scheduled_rotation: RotationSchedule | None = None
    mask_phone: bool = False
    hlr_lookup: bool = False
    recordings: bool = False

    @classmethod
    def from_key(cls, key: Key) -> KeySettings:
        return cls(
            name=key.name,
            fields=dict(key.fields),
            networks=tuple(address.network for address in sorted(key.addresses.all(), key=lambda entry: entry.pk)),
            ip_lists=frozenset(ip_list.pk for ip_list in key.ip_lists.all()),
            modules=None if key.all_modules else frozenset(module.slug for module in key.modules.all()),
            expires_at=key.expires_at,
            scheduled_rotation=key.scheduled_rotation,
            mask_phone=key.mask_phone,
            hlr_lookup=key.hlr_lookup,
            recordings=key.recordings,
        )

    def get_value(self, setting: str) -> Any:
        """Return the value of one of the policy's settings, or of the name."""
        return getattr(self, _get_attribute_name(setting))

    def restore(self, settings: Iterable[str], before: KeySettings) -> KeySettings:
        """Return a copy in which the settings named have the values of `before`."""
        return replace(self, **{_get_attribute_name(setting): before.get_value(setting) for setting in settings})

    def as_dict(self, lists: IpListsById) -> dict[str, Any]:
        """Return the settings as a JSON-serialisable dict for the audit trail. `lists` must contain every list referred
        to."""
        return {
            "name": self.name,
            **self.fields,
            "addresses": [str(network) for network in self.networks],
            "ip_lists": sorted(lists[pk].name for pk in self.ip_lists),
            "modules": "all" if self.modules is None else sorted(self.modules),
            "expiry": self.expires_at and self.expires_at.isoformat(timespec="seconds"),
            **({"scheduled_rotation": str(self.scheduled_rotation)} if self.scheduled_rotation else {}),
            **{flag: True for flag in FLAGS if getattr(self, flag)},
        }


def _get_attribute_name(setting: str) -> str:
    return {"addresses": "networks", "expiry": "expires_at"}.get(setting, setting)


def clean_settings(
    key_settings: KeySettings, policy: Policy, modules: Collection[str], ip_lists: Collection[int]
) -> KeySettings:
    """Return the settings normalised. `modules` are the slugs of the API, `ip_lists` the primary keys of the account.

    Raise Invalid with every error except those of the expiry, which `check_expiry` reports.
    """
    errors: dict[str, str] = {}

    def normalise(name: str, text: str, required: bool, longest: int, shape: Field | None = None) -> str:
        text = text.strip()
        if problem := _find_text_problem(text, required, longest, shape):
            errors[name] = problem
        return text

    name = normalise("name", key_settings.name, True, MAX_NAME_LENGTH)
    if policy.name_kind == "username" and ":" in name:
        errors["name"] = f"{name} contains a colon, which HTTP Basic does not allow in usernames. Remove it."
    values = {
        f.slug: normalise(f.slug, key_settings.fields.get(f.slug, f.value), f.required, MAX_FIELD_LENGTH, f)
        for f in policy.fields
    }
    if unknown := [slug for slug in key_settings.fields if slug not in values]:
        errors["fields"] = f"Unknown field {unknown[0]!r}. The fields are {', '.join(values) or 'none'}."
    networks = tuple(dict.fromkeys(key_settings.networks))
    if policy.addresses == "required" and not (networks or key_settings.ip_lists):
        errors["addresses"] = "Enter at least one address, such as 203.0.113.7, or choose an IP list."
    if len(networks) > MAX_ADDRESSES:
        errors["addresses"] = (
            f"There are {len(networks)} entries; a key can have at most {MAX_ADDRESSES}. Use wider ranges."
        )
    if problem := _find_lists_problem(key_settings.ip_lists, ip_lists):
        errors["ip_lists"] = problem
    if problem := _find_modules_problem(key_settings.modules, modules):
        errors["modules"] = problem
    for flag in FLAGS:
        if getattr(key_settings, flag) and flag not in policy.flags:
            errors[flag] = f'Keys of this API have no "{policy.get_label(flag)}". Leave it off.'
    if errors:
        raise Invalid(errors)
    typed = [f.slug for f in policy.fields if f.kind != "fixed"]
    fields = {slug: values[slug] for slug in typed if values[slug]}
    return replace(key_settings, name=name, fields=fields, networks=networks)


def check_immutable_settings(before: KeySettings, after: KeySettings, policy: Policy) -> None:
    """Raise Invalid, with an error for each, if a setting differs that the policy fixes at creation."""
    errors = {}
    for setting in sorted(policy.immutable_settings):
        old, new = before.get_value(setting), after.get_value(setting)
        if old != new and not (setting == "addresses" and set(old) == set(new)):
            errors[setting] = (
                f"{policy.get_label(setting)} {explain_immutable_setting(setting, policy)} Leave it as it was."
            )
    if errors:
        raise Invalid(errors)


def explain_immutable_setting(setting: str, policy: Policy) -> str:
    """Return why the setting cannot change, as the end of a sentence that begins with the setting."""
    if setting == "name" and policy.name_kind == "owner":
        return "is the owner's nickname: it changes only when the key is reassigned."
    return f"is set at creation: it can't be {'extended' if setting == 'expiry' else 'changed'}."


def check_expiry(expires_at: datetime | None, policy: Policy, *, now: datetime, latest: datetime | None) -> None:
    """Raise Invalid unless the policy and `latest`, the end of the longest lifetime if any, allow this expiry now."""
    if expires_at is None:
        if latest is not None:
            raise Invalid({"expiry": f"Keys must expire on {latest:%Y-%m-%d} at the latest. Choose a date."})
        if policy.expiry == "required":
            raise Invalid({"expiry": "Keys of this API must expire. Choose a date."})
    elif policy.expiry == "none" and latest is None:
        raise Invalid({"expiry": "Keys of this API do not expire. Choose never."})
    elif expires_at <= now:
        raise Invalid({"expiry": f"{expires_at:%Y-%m-%d %H:%M} UTC is in the past. Choose a later time."})
    elif latest is not None and expires_at > latest:
        raise Invalid({"expiry": f"{expires_at:%Y-%m-%d} is too late: the maximum lifetime ends on {latest:%Y-%m-%d}."})


def check_scheduled_rotation(schedule: RotationSchedule | None, policy: Policy) -> None:
    """Raise Invalid unless the policy allows the schedule."""
    if schedule is None:
        return
    problem = schedule.find_problem()
    if not policy.offers_rotation:
        problem = "Secrets of this API are not changed by a schedule. Choose never."
    if problem:
        raise Invalid({"scheduled_rotation": problem})


def get_max_lifetime_days(account: Account, policy: Policy) -> int | None:
    """Return the shortest lifetime limit of policy, account and installation, or None if none is set."""
    known = (policy.longest_days, account.key_lifetime_days, settings.KEY_MAX_LIFETIME_DAYS)
    return min((days for days in known if days is not None), default=None)


def get_latest_expiry(created_at: datetime, longest_days: int | None) -> datetime | None:
    """Return the latest expiry allowed for a key created at `created_at`; None without a limit."""
    return None if longest_days is None else created_at + timedelta(days=longest_days)


def find_widened_settings(
    before: KeySettings,
    after: KeySettings,
    lists: IpListsById,
    contained: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[str]:
    """Return the settings whose change must be confirmed: those that allow more than before, and the rotation.

    `lists` contains the lists of both; `contained` maps modules to those that they contain.
    """
    found = []
    old, new = _get_admitted_networks(before, lists), _get_admitted_networks(after, lists)
    if old is not None and (new is None or _collapse_networks(old) != _collapse_networks((*old, *new))):
        found.append("addresses")
    before_modules = None if before.modules is None else expand_contained(before.modules, contained)
    if before_modules is not None and (after.modules is None or after.modules - before_modules):
        found.append("modules")
    if before.expires_at is not None and (after.expires_at is None or after.expires_at > before.expires_at):
        found.append("expiry")
    # Either way: the secret is changed without being asked, or works for longer.
    if after.scheduled_rotation != before.scheduled_rotation:
        found.append("scheduled_rotation")
    if before.mask_phone and not after.mask_phone:
        found.append("mask_phone")
    if after.recordings and not before.recordings:
        found.append("recordings")
    return found


def diff_settings(before: KeySettings, after: KeySettings, lists: IpListsById) -> dict[str, list[Any]]:
    """Return {field: [old, new]} for each field that differs. `lists` contains the lists of both."""
    old, new = before.as_dict(lists), after.as_dict(lists)
    absent = dict.fromkeys(FLAGS, False)
    pairs = {name: [old.get(name, absent.get(name)), new.get(name, absent.get(name))] for name in {**old, **new}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _get_admitted_networks(key_settings: KeySettings, lists: IpListsById) -> tuple[Network, ...] | None:
    """Return the networks that calls are accepted from; None for any address.

    A list without enabled entries admits no address.
    """
    if not key_settings.networks and not key_settings.ip_lists:
        return None
    return (*key_settings.networks, *(network for pk in key_settings.ip_lists for network in lists[pk].networks))


def _collapse_networks(networks: Iterable[Network]) -> set[Network]:
    """Return the same addresses in the fewest networks, so that equal unions compare equal."""
    networks = list(networks)
    four = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    six = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    return {*four, *six}


def _find_text_problem(text: str, required: bool, longest: int, shape: Field | None) -> str | None:
    """Return what is wrong with a line of text, in words for the user who typed it, or None."""
    if not text:
        return "This field is required." if required else None
    if not text.isprintable():
        return f"{text!r} contains invisible characters. Use letters, digits, punctuation and spaces."
    if len(text) > longest:
        return f"This is {len(text)} characters long. Use at most {longest}."
    if shape is not None and shape.kind == "choice" and text not in [choice.slug for choice in shape.choices]:
        return f"{text!r} is not a valid choice. Choose one of {', '.join(choice.label for choice in shape.choices)}."
    if shape is not None and shape.kind == "fixed" and text != shape.value:
        return f"{shape.label} is always {shape.value}. Leave it as it is."
    if shape is not None and shape.kind == "url" and not _is_web_address(text):
        return f"{text} is not a URL. Enter one such as https://www.example.com."
    return None


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and " " not in text
    except ValueError:
        return False


def _find_modules_problem(modules: frozenset[str] | None, known: Collection[str]) -> str | None:
    if modules is None:
        return None
    if unknown := sorted(modules - set(known)):
        return f"{unknown[0]!r} does not belong to this API. Choose from {', '.join(known)}."
    return None if modules else "Select at least one, or choose All."


def _find_lists_problem(ip_lists: frozenset[int], known: Collection[int]) -> str | None:
    if ip_lists - set(known):
        return "There is no such IP list in this account. Choose one of this account's lists."
    if len(ip_lists) > MAX_LISTS:
        return f"There are {len(ip_lists)} IP lists; a key can have {MAX_LISTS}. Combine them into fewer lists."
    return None
