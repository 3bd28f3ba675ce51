"""Sentences about failed confirmations, and those that count."""

from __future__ import annotations

import json
import string

import pytest
from django.contrib import admin

from accounts.admin.confirmed_button import ConfirmedButton
from audit.models import Event
from audit.trail.confirmed_actions import CONFIRMED_ACTIONS
from audit.trail.sentences import format_changes, format_sentence, list_changes


def an_event(name: str, target: str, **data: str) -> Event:
    return Event(name=name, actor="Alice", target=target, body=json.dumps({"data": data}))


@pytest.mark.parametrize(
    ("action", "target", "message"),
    [
        ("key.create", "Billing", "creating a key for <bdi>Billing</bdi>"),
        ("key.reveal", "dialer", "revealing the secret of <bdi>dialer</bdi>"),
        ("ip_list.widen", "Office", "allowing more addresses in <bdi>Office</bdi>"),
        ("user.invite", "<b>Acme</b>", "inviting a user to <bdi>&lt;b&gt;Acme&lt;/b&gt;</bdi>"),
        # A code of another version.
        ("key.burn", "dialer", "<bdi>key.burn</bdi>"),
    ],
)
def test_a_failed_confirmation_says_in_words_what_was_to_be_confirmed(action: str, target: str, message: str):
    failed = an_event("confirmation.failed", target, action=action)
    locked = an_event("confirmation.locked", target, action=action, until="2026-01-01T00:00:00+00:00")

    assert format_sentence(failed) == f"<bdi>Alice</bdi> failed to confirm {message}"
    assert format_sentence(locked) == (
        "Confirmations by <bdi>Alice</bdi> are locked until "
        '<bdi><time datetime="2026-01-01T00:00:00.000Z" data-absolute>2026-01-01 00:00:00 UTC</time></bdi>, '
        f"after failing to confirm {message}"
    )


def test_the_words_of_every_action_name_its_object_once():
    for action, words in CONFIRMED_ACTIONS.items():
        assert [name for _, name, _, _ in string.Formatter().parse(words) if name is not None] == ["target"], action


def test_every_confirmed_button_of_support_has_words():
    admin.autodiscover()

    def list_subclasses(kind: type[ConfirmedButton]) -> list[type[ConfirmedButton]]:
        return [kind, *(below for each in kind.__subclasses__() for below in list_subclasses(each))]

    actions = {action for each in list_subclasses(ConfirmedButton) if (action := getattr(each, "action", ""))}
    assert {"api.enable", "factors.remove"} <= actions <= set(CONFIRMED_ACTIONS)


@pytest.mark.parametrize(
    ("entries", "words"),
    [(0, "0</bdi> entries"), (1, "1</bdi> entry"), (2, "2</bdi> entries"), (11, "11</bdi> entries")],
)
def test_entries_are_counted(entries: int, words: str) -> None:
    body = json.dumps({"data": {"entries": entries}})
    event = Event(name="ip_list.deleted", actor="Alice", target="Offices", body=body)
    assert format_sentence(event) == f"<bdi>Alice</bdi> deleted the IP list <bdi>Offices</bdi> with <bdi>{words}"


@pytest.mark.parametrize(
    ("name", "field", "words"),
    [
        ("calls.sealed", "rows", "sealed <bdi>1</bdi> call of the API log"),
        ("keys.exported", "rows", "exported <bdi>1</bdi> key as"),
        ("ip_lists.exported", "rows", "exported <bdi>1</bdi> IP list as"),
        ("secrets.destroyed", "count", "of <bdi>1</bdi> retired secret"),
    ],
)
def test_one_is_singular(name: str, field: str, words: str) -> None:
    data = {field: 1, "format": "csv"}
    event = Event(name=name, actor="manage.py maintain", body=json.dumps({"data": data}))
    assert words in format_sentence(event)


@pytest.mark.parametrize("overlap", ["none", "24 hours"])
def test_a_changed_secret_names_its_overlap(overlap: str) -> None:
    event = an_event("key.secret_changed", "dialer", overlap=overlap)
    assert format_sentence(event) == (
        f"<bdi>Alice</bdi> changed the secret of <bdi>dialer</bdi> (overlap: <bdi>{overlap}</bdi>)"
    )


@pytest.mark.parametrize(
    ("name", "field", "value", "words"),
    [
        ("user.signed_in", "method", "totp", "signed in with <bdi>an authenticator app</bdi>"),
        ("user.signed_in", "method", "recovery_code", "signed in with <bdi>a recovery code</bdi>"),
        ("factor.added", "factor", "passkey", "added a second factor: <bdi>a passkey</bdi>"),
        ("webhook.resent", "kind", "grants.unused", "again: <bdi>Unused grants</bdi>"),
        ("webhook.resent", "kind", "of.old", "again: <bdi>of.old</bdi>"),
    ],
)
def test_methods_and_kinds_of_notices_are_named_in_words(name: str, field: str, value: str, words: str) -> None:
    event = Event(name=name, actor="Alice", body=json.dumps({"data": {field: value}}))
    assert words in format_sentence(event)


def test_the_method_of_a_refused_request_is_as_sent() -> None:
    body = json.dumps({"data": {"method": "POST", "path": "/admin/"}})
    assert "was refused <bdi>POST</bdi>" in format_sentence(Event(name="admin.refused", actor="Alice", body=body))


def test_times_are_shown_as_times_and_names_as_they_are():
    time = "2026-12-30T08:22:40+00:00"
    shown = '<time datetime="2026-12-30T08:22:40.000Z" data-absolute>2026-12-30 08:22:40 UTC</time>'
    changes = {"expiry": [None, time], "name": ["", time]}
    edited = Event(name="key.edited", body=json.dumps({"data": {"changes": changes}}))

    assert list_changes(edited) == [("Expiry", "", shown), ("Name", "", time)]
    assert format_changes(edited) == (
        f"Expiry: <bdi>none</bdi> → <bdi>{shown}</bdi> · Name: <bdi>none</bdi> → <bdi>{time}</bdi>"
    )
