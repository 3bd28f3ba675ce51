"""The terms of a key: what a person asks for it, checked against the API's policy. Forms and services share it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from accounts.models import Account
from keys.addresses import Network
from keys.apis.policy import Field, Policy
from keys.models import Key

LONGEST_NAME = 200
LONGEST_FIELD = 500
MOST_ADDRESSES = 100


class Invalid(ValidationError):
    """The terms cannot be granted; `message_dict` says for each field why, and what would be right."""


@dataclass(frozen=True, slots=True)
class Terms:
    """`modules` are slugs, None means every module, later ones too; no `networks` means any address; `fields` are the
    values of the policy's own fields."""

    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    modules: frozenset[str] | None = None
    expires_at: datetime | None = None

    @classmethod
    def of(cls, key: Key) -> Terms:
        return cls(
            name=key.name,
            fields=dict(key.fields),
            networks=tuple(address.network for address in sorted(key.addresses.all(), key=lambda entry: entry.pk)),
            modules=None if key.all_modules else frozenset(module.slug for module in key.modules.all()),
            expires_at=key.expires_at,
        )

    def described(self) -> dict[str, Any]:
        """As the trail keeps it: {field: value}, JSON-able."""
        return {
            "name": self.name,
            **self.fields,
            "addresses": [str(network) for network in self.networks],
            "modules": "all" if self.modules is None else sorted(self.modules),
            "expiry": self.expires_at and self.expires_at.isoformat(timespec="seconds"),
        }


def checked(terms: Terms, policy: Policy, known_modules: Collection[str]) -> Terms:
    """The terms, tidied. Raises Invalid with everything that is wrong but the expiry."""
    errors: dict[str, str] = {}

    def take(name: str, text: str, required: bool, longest: int, shape: Field | None = None) -> str:
        text = text.strip()
        if problem := _problem(text, required, longest, shape):
            errors[name] = problem
        return text

    name = take("name", terms.name, True, LONGEST_NAME)
    values = {f.slug: take(f.slug, terms.fields.get(f.slug, ""), f.required, LONGEST_FIELD, f) for f in policy.fields}
    if unknown := [slug for slug in terms.fields if slug not in values]:
        errors["fields"] = f"There is no field {unknown[0]!r}. The fields are {', '.join(values) or 'none'}."
    networks = tuple(dict.fromkeys(terms.networks))
    if not networks and policy.addresses == "required":
        errors["addresses"] = "Enter at least one address, such as 203.0.113.7."
    if len(networks) > MOST_ADDRESSES:
        errors["addresses"] = f"There are {len(networks)} entries; a key can have {MOST_ADDRESSES}. Use wider ranges."
    if problem := _modules_problem(terms.modules, known_modules):
        errors["modules"] = problem
    if errors:
        raise Invalid(errors)
    kept = {slug: value for slug, value in values.items() if value}
    return replace(terms, name=name, fields=kept, networks=networks)


def check_expiry(expires_at: datetime | None, policy: Policy, *, now: datetime, latest: datetime | None) -> None:
    """Raises Invalid unless this expiry may be given now; `latest` ends the longest lifetime, if there is one."""
    if expires_at is None:
        if latest is not None:
            raise Invalid({"expiry": f"Keys must expire here, at the latest on {latest:%Y-%m-%d}. Choose a date."})
        if policy.expiry == "required":
            raise Invalid({"expiry": "Keys of this API must expire. Choose when."})
    elif policy.expiry == "none" and latest is None:
        raise Invalid({"expiry": "Keys of this API do not expire. Leave it at never."})
    elif expires_at <= now:
        raise Invalid({"expiry": f"{expires_at:%Y-%m-%d %H:%M} UTC is over. Choose a time to come."})
    elif latest is not None and expires_at > latest:
        raise Invalid({"expiry": f"{expires_at:%Y-%m-%d} is too late: the longest lifetime ends on {latest:%Y-%m-%d}."})


def longest_days(account: Account, policy: Policy) -> int | None:
    """The longest life of a new key: of policy, account and installation the shortest binds; None if none is set."""
    known = (policy.longest_days, account.key_lifetime_days, settings.KEY_MAX_LIFETIME_DAYS)
    return min((days for days in known if days is not None), default=None)


def latest_expiry(created_at: datetime, longest_days: int | None) -> datetime | None:
    """When a key made at `created_at` must have expired; None if it may live for ever."""
    return None if longest_days is None else created_at + timedelta(days=longest_days)


def widened(before: Terms, after: Terms) -> list[str]:
    """Which terms let more in than they did: of addresses, modules, expiry."""
    found = []
    if before.networks and (not after.networks or not all(_within(entry, before.networks) for entry in after.networks)):
        found.append("addresses")
    if before.modules is not None and (after.modules is None or after.modules - before.modules):
        found.append("modules")
    if before.expires_at is not None and (after.expires_at is None or after.expires_at > before.expires_at):
        found.append("expiry")
    return found


def changes(before: Terms, after: Terms) -> dict[str, list[Any]]:
    """{field: [old, new]} of what differs."""
    old, new = before.described(), after.described()
    return {name: [old.get(name), new.get(name)] for name in {**old, **new} if old.get(name) != new.get(name)}


def _problem(text: str, required: bool, longest: int, shape: Field | None) -> str | None:
    """What is wrong with one line of text, in words for the person who typed it."""
    if not text:
        return "This is needed. Fill it in." if required else None
    if not text.isprintable():
        return f"{text!r} holds characters that cannot be seen. Use letters, digits, signs and spaces."
    if len(text) > longest:
        return f"This is {len(text)} characters long. Use at most {longest}."
    if shape is not None and shape.kind == "choice" and text not in [choice.slug for choice in shape.choices]:
        return f"{text!r} is not a choice. Take one of {', '.join(choice.label for choice in shape.choices)}."
    if shape is not None and shape.kind == "url" and not _is_web_address(text):
        return f"{text} is not a web address. Write it like https://www.example.com."
    return None


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and " " not in text
    except ValueError:
        return False


def _modules_problem(modules: frozenset[str] | None, known: Collection[str]) -> str | None:
    if modules is None:
        return None
    if unknown := sorted(modules - set(known)):
        return f"{unknown[0]!r} is not one of this API's. Take some of {', '.join(known)}."
    return None if modules else "Take at least one, or all."


def _within(entry: Network, among: Sequence[Network]) -> bool:
    return any(entry.version == other.version and entry.subnet_of(other) for other in among)  # type: ignore[arg-type]
