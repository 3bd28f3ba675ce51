"""Describe a browser in a few words, so that its owner recognises it."""

from __future__ import annotations

import re

# The first match decides, because most browsers name others too.
BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"), ("Opera", r"OPR/"), ("Firefox", r"(Firefox|FxiOS)/"), ("Chrome", r"(Chrome|CriOS)/"),
    ("Safari", r"Safari/"), ("curl", r"^curl/"),
)  # fmt: skip
SYSTEMS = (
    ("iPhone", r"iPhone"), ("iPad", r"iPad"), ("Android", r"Android"), ("Windows", r"Windows"), ("macOS", r"Mac OS X"),
    ("ChromeOS", r"CrOS"), ("Linux", r"Linux"),
)  # fmt: skip


def format_user_agent(user_agent: str) -> str:
    """Return a user agent in words, such as "Firefox on Linux"; an unknown part is named as such."""
    browser, system = (
        next((name for name, pattern in known if re.search(pattern, user_agent)), None) for known in (BROWSERS, SYSTEMS)
    )
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "Unknown browser"
