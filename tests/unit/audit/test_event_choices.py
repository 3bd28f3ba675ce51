"""The choice of events in the filter of the trail."""

from __future__ import annotations

from audit.trail.event_choices import OTHERS, list_event_choices
from audit.trail.events import CATALOGUE
from core.filters.fields import flatten_choices


def test_events_are_chosen_by_what_they_say() -> None:
    labels = flatten_choices(list_event_choices())

    assert labels.keys() == CATALOGUE.keys()
    assert labels["key.created"] == "Created the key … of the API …"
    assert labels["user.sign_in_failed"] == "A sign-in as … failed"
    assert not any("{" in label or "_" in label for label in labels.values())


def test_few_events_are_in_no_group() -> None:
    others = dict(list_event_choices())[OTHERS]

    assert {name.partition(".")[0] for name, _ in others} <= {"access", "admin", "demo"}
