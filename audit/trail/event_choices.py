"""The events to choose from in the filter of the trail: by what they are about, in the words of their sentences."""

from __future__ import annotations

import re

from audit.trail.events import CATALOGUE

# The groups in order, with the first parts of the names of their events; others come last.
GROUPS = {
    "API keys": ("key", "keys", "secrets"),
    "IP lists": ("ip_list", "ip_lists"),
    "Users": ("user", "users", "invitation", "session", "support"),
    "Sign-in and confirmation": ("password", "factor", "factors", "recovery_codes", "limit", "confirmation"),
    "Account": ("account", "settings", "filter", "notices", "webhook"),
    "APIs": ("api",),
    "Reading and exports": ("log", "export"),
    "Seals and verification": ("calls", "partitions", "digests", "access_log", "verification"),
}
OTHERS = "Other"
_GROUP_BY_NOUN = {noun: group for group, nouns in GROUPS.items() for noun in nouns}


def list_event_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return groups of (name, sentence), with … for what differs from event to event."""
    groups: dict[str, list[tuple[str, str]]] = {group: [] for group in (*GROUPS, OTHERS)}
    for name, event in CATALOGUE.items():
        sentence = re.sub(r"\{\w+\}", "…", event.sentence.removeprefix("{actor} "))
        group = _GROUP_BY_NOUN.get(name.partition(".")[0], OTHERS)
        groups[group].append((name, sentence[0].upper() + sentence[1:]))
    return list(groups.items())
