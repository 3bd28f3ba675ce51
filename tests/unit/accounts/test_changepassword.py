"""The command that changes a password."""

from __future__ import annotations

import io

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from accounts import services
from accounts.models import User
from core.authorization import Denied
from tests.factories.accounts import PASSWORD, acting
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "correct-horse-battery"


def test_sets_it_with_an_event_and_a_mail_and_ends_every_session(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWARD_PASSWORD", NEW)
    output = io.StringIO()
    call_command("changepassword", "Alice@acme.example", stdout=output)
    assert "The password of alice@acme.example is changed" in output.getvalue()
    now = User.objects.get(pk=alice.pk)
    assert now.check_password(NEW)
    assert now.sessions_ended == alice.sessions_ended + 1
    [event] = since_the_beginning()
    assert (event.name, event.actor, event.target, event.account_id) == (
        *("password.set", "manage.py changepassword", alice.email),
        alice.account_id,
    )
    assert NEW not in event.body
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == ([alice.email], "Your password was changed")


def test_what_is_wrong_is_said_and_changes_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for email, password, problem in (
        ("nobody@acme.example", NEW, "email: there is no user nobody@acme.example."),
        (alice.email, "short", "password: This password is too short."),
    ):
        monkeypatch.setenv("KEYWARD_PASSWORD", password)
        with pytest.raises(CommandError, match=problem):
            call_command("changepassword", email)
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)
    assert (list(since_the_beginning()), mail.outbox) == ([], [])


def test_is_for_operators_alone(alice: User) -> None:
    with pytest.raises(Denied):
        services.set_password(user=alice, password=NEW, by=acting(alice))


def test_an_event_that_cannot_be_written_changes_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWARD_PASSWORD", NEW)
    monkeypatch.setattr("accounts.services.passwords.record", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call_command("changepassword", alice.email)
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)
    assert (list(since_the_beginning()), mail.outbox) == ([], [])
