"""The catalogue of events and its document."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from audit.trail.events import CATALOGUE, WrongEvent

DOCUMENT = Path(__file__).parents[3] / "docs" / "events.md"


def test_every_sentence_uses_only_actor_target_and_the_events_own_fields():
    for event in CATALOGUE.values():
        used = {name for _, name, _, _ in string.Formatter().parse(event.sentence) if name is not None}

        assert used <= event.fields | {"actor", "target"}, event.name


def test_names_are_a_thing_and_what_happened_to_it():
    assert [name for name in CATALOGUE if not re.fullmatch(r"[a-z_]+\.[a-z_]+", name)] == []


def test_missing_and_unknown_fields_are_both_named():
    with pytest.raises(WrongEvent, match=r"log\.read: missing 'filters', unknown 'filter'"):
        CATALOGUE["log.read"].check(["log", "filter"])


def test_the_documentation_lists_the_catalogue():
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.*?) \| (.*?) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: (sentence, frozenset(re.findall(r"`(\w+)`", fields))) for name, sentence, fields in rows}

    assert documented == {name: (event.sentence, event.fields) for name, event in CATALOGUE.items()}
