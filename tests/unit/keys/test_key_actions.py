"""An action on a key has the same words on the key's page, in its row, for several keys and wherever else it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.views.key_actions import KEY_ACTIONS

TEMPLATES = Path(__file__).parents[3] / "templates"
# A link or button to an action: by the name of its URL, or in a row, where the key's own URL is at hand.
OFFER = re.compile(
    r"<(?:a|button)\b(?:(?!</).)*?(?:href|formaction)="
    r'"(?:\{% url "(?P<name>key-[\w-]+?)(?:-some)?"[^%]*%\}|\{\{ url \}\}(?P<path>[\w-]+)/)(?:[^"]*)"'
    r"(?:[^>]*)>(?P<label>[^<]*)<"
)
PATHS = {"call-download": "key-call-download"} | {name.removeprefix("key-"): name for name in KEY_ACTIONS}


def list_offers() -> Iterator[tuple[str, str, str]]:
    """Yield the template, the action and the label of each link to an action."""
    for path in sorted(TEMPLATES.glob("keys/*.html")) + sorted(TEMPLATES.glob("keys/docs/*.html")):
        for offer in OFFER.finditer(path.read_text()):
            action = offer["name"] or PATHS.get(offer["path"], "")
            if action in KEY_ACTIONS:
                yield path.name, action, re.sub(r"\{%.*?%\}", "", offer["label"]).strip()


@pytest.mark.parametrize("action", KEY_ACTIONS)
def test_an_action_has_the_same_words_everywhere(action: str) -> None:
    offers = {(template, label) for template, name, label in list_offers() if name == action}
    assert {label for _, label in offers} == {KEY_ACTIONS[action]}, offers


def test_each_place_is_compared() -> None:
    places = {template for template, _, _ in list_offers()}
    assert places >= {"detail.html", "_row_actions.html", "_bulk_bar.html", "_find.html", "_overlap.html", "page.html"}
