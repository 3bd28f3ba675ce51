"""Parse the values of a policy strictly. Each error names key, value and what would be valid."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

FLAGS = ("mask_phone", "hlr_lookup", "recordings")

# The settings of every key besides name and owner, shown where the policy says, else under More settings.
SETTINGS = ("addresses", "ip_lists", "modules", "expiry", "enabled", *FLAGS)

MAX_LENGTH = 200
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,39}")


class BadPolicy(ValueError):
    """The policy is invalid; the text names the key, the value and what would be valid."""


def format_value(value: Any) -> str:
    """Format a value for an error message, shortened to 100 characters."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def require_known_names(data: Mapping[str, Any], known: Collection[str], where: str) -> None:
    if unknown := [name for name in data if name not in known]:
        raise BadPolicy(f"{where}: {format_value(unknown[0])} is unknown. Use one of {', '.join(known)}.")


def parse_line(data: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value.isprintable() or len(value) > MAX_LENGTH or not (value.strip() or empty):
        raise BadPolicy(f"{name}: {format_value(value)} is not a line of at most {MAX_LENGTH} characters.")
    return value.strip()


def parse_lines(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = data.get(name, [])
    if not isinstance(value, list):
        raise BadPolicy(f"{name}: {format_value(value)} is not a list of strings.")
    return _require_unique(tuple(parse_line({name: text}, name) for text in value), name)


def parse_lines_by_name(data: Mapping[str, Any], name: str, known: Collection[str]) -> dict[str, str]:
    value = data.get(name, {})
    if not isinstance(value, Mapping):
        raise BadPolicy(f"{name}: {format_value(value)} is not a mapping of settings to strings.")
    require_known_names(value, known, name)
    return {setting: parse_line(value, setting) for setting in value}


def parse_choice(data: Mapping[str, Any], name: str, known: tuple[str, ...]) -> Any:
    value = data.get(name)
    if value not in known:
        raise BadPolicy(f"{name}: {format_value(value)} is unknown. Use one of {', '.join(known)}.")
    return value


def parse_choices(data: Mapping[str, Any], name: str, known: tuple[str, ...], *, at_least: int = 0) -> tuple[str, ...]:
    value = data.get(name)
    if not isinstance(value, list) or len(value) < at_least:
        raise BadPolicy(f"{name}: {format_value(value)} is not a list of {', '.join(known)}.")
    if unknown := [word for word in value if word not in known]:
        raise BadPolicy(f"{name}: {format_value(unknown[0])} is unknown. Use one of {', '.join(known)}.")
    return _require_unique(tuple(value), name)


def parse_slug(data: Mapping[str, Any], where: str) -> str:
    value = data.get("slug")
    if not isinstance(value, str) or not _SLUG.fullmatch(value):
        raise BadPolicy(
            f"{where}: the slug {format_value(value)} is not lowercase letters, digits and _, beginning with a letter."
        )
    return value


def parse_days(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    if value is not None and (type(value) is not int or not 1 <= value <= 36500):
        raise BadPolicy(f"{name}: {format_value(value)} is not a whole number from 1 to 36500.")
    return value


def _require_unique(value: tuple[str, ...], name: str) -> tuple[str, ...]:
    if doubled := next((word for word in value if value.count(word) > 1), None):
        raise BadPolicy(f"{name}: {format_value(doubled)} appears twice. Remove one.")
    return value
