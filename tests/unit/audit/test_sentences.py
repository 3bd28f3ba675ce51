"""Sentences about failed confirmations."""

from __future__ import annotations

import json
import string

import pytest

from audit.models import Event
from audit.trail.events import CONFIRMED_ACTIONS
from audit.trail.sentences import format_sentence


def an_event(name: str, target: str, **data: str) -> Event:
    return Event(name=name, actor="Alice", target=target, body=json.dumps({"data": data}))


@pytest.mark.parametrize(
    ("action", "target", "said"),
    [
        ("key.create", "Billing", "creating a key for <bdi>Billing</bdi>"),
        ("key.reveal", "dialer", "revealing the secret of <bdi>dialer</bdi>"),
        ("ip_list.widen", "Office", "allowing more addresses in <bdi>Office</bdi>"),
        ("user.invite", "<b>Acme</b>", "inviting a user to <bdi>&lt;b&gt;Acme&lt;/b&gt;</bdi>"),
        # A code of another version.
        ("key.burn", "dialer", "<bdi>key.burn</bdi>"),
    ],
)
def test_a_failed_confirmation_says_in_words_what_was_to_be_confirmed(action: str, target: str, said: str):
    failed = an_event("confirmation.failed", target, action=action)
    locked = an_event("confirmation.locked", target, action=action, until="2026-01-01T00:00:00+00:00")

    assert format_sentence(failed) == f"<bdi>Alice</bdi> failed to confirm {said}"
    assert format_sentence(locked) == (
        "Confirmations by <bdi>Alice</bdi> are locked until <bdi>2026-01-01T00:00:00+00:00</bdi>, "
        f"after failing to confirm {said}"
    )


def test_the_words_of_every_action_name_its_object_once():
    for action, words in CONFIRMED_ACTIONS.items():
        assert [name for _, name, _, _ in string.Formatter().parse(words) if name is not None] == ["target"], action
