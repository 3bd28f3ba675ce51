"""The present values of a key's settings as text, for settings that can no longer be changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from keys.apis.policy_parsing import FLAGS
from keys.decision.addresses import format_network
from keys.decision.containment import expand_contained
from keys.forms.options import KeyFormOptions
from keys.key_settings import KeySettings

Identifier = TypeVar("Identifier", int, str)


def format_current(setting: str, current: KeySettings, offer: KeyFormOptions) -> str:
    """Return the key's present value of a setting as text, with the names of what the form offers."""
    value = current.get_value(setting)
    if setting == "modules":
        return "All, including those added later" if value is None else _format_modules(value, offer)
    if setting == "ip_lists":
        return ", ".join(_list_names({ip_list.pk: ip_list.name for ip_list in offer.ip_lists}, value))
    if setting == "addresses":
        return ", ".join(map(format_network, value)) or ("Any address" if not current.ip_lists else "")
    if setting == "expiry":
        return f"{value:%Y-%m-%d %H:%M} UTC" if value else "Never"
    if setting == "scheduled_rotation":
        return str(value).capitalize() if value else "Never"
    return ("Yes" if value else "No") if setting in FLAGS else str(value)


def _format_modules(slugs: Collection[str], offer: KeyFormOptions) -> str:
    """Return the names of the granted modules and of those that they contain."""
    names = {module.slug: module.name for module in offer.modules}
    granted = expand_contained(slugs, {module.slug: module.contained for module in offer.modules})
    text = ", ".join(_list_names(names, slugs))
    contained = ", ".join(_list_names(names, granted - set(slugs)))
    return f"{text}; contained: {contained}" if contained else text


def _list_names(names: Mapping[Identifier, str], selected: Collection[Identifier]) -> list[str]:
    return [name for one, name in names.items() if one in selected]
