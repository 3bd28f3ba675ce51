"""Mails: text and HTML of the same words, after the commit, and nothing in a fact can add a header or a paragraph."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from django.core import mail as outbox
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction

from accounts import security_mails
from accounts.models import User
from core import mail
from core.permissions import Role
from tests.factories.accounts import a_user, an_account

FACTS = {
    "new_address": {"address": "203.0.113.9", "agent": "Firefox on Linux"},
    "factor_added": {"factor": "A passkey"},
    "factor_removed": {"factor": "The authenticator app"},
    "factors_removed": {"by": "sam@support.example"},
    "password_changed": {"address": "203.0.113.9"},
    "role_changed": {"before": "Auditor", "after": "none", "by": "alice@acme.example"},
    "sessions_ended": {"by": "alice@acme.example"},
    "notice": {"subject": "An API key expires soon", "advice": "Extend it.", "settings": "[settings]"},
    "administrator_appointed": {"email": "carol@acme.example", "account": "Acme", "by": "sam@support.example"},
}


@pytest.fixture
def bob(transactional_db: None) -> User:
    return a_user(an_account(), "Bob", Role.AUDITOR)


@pytest.mark.parametrize("kind", get_args(security_mails.SecurityMail))
def test_a_notice_says_what_happened_in_text_and_html(kind: security_mails.SecurityMail, bob: User) -> None:
    security_mails.send_security_mail(bob, kind, **FACTS[kind])

    sent = outbox.outbox[0]
    assert isinstance(sent, EmailMultiAlternatives)
    [(html, kind_of_html)] = sent.alternatives
    assert (sent.to, kind_of_html) == ([bob.email], "text/html")
    assert sent.from_email == "Keyward <keyward@localhost>"
    assert isinstance(html, str)
    for fact in ("Bob", *FACTS[kind].values()):
        assert fact in sent.body
        assert fact in html
    assert 'href="http://localhost:8000/login/"' in html


@pytest.mark.parametrize("name", [file.stem for file in Path("templates/mail").glob("*.txt")])
def test_every_mail_has_a_subject_and_leaves_no_hole(name: str, bob: User) -> None:
    facts = {key: f"[{key}]" for key in ("nickname", "account", "inviter", "email", "link")}
    mail.send(name, bob.email, **(facts | FACTS.get(name, {})))

    sent = outbox.outbox[0]
    assert 10 < len(sent.subject) < 60
    assert "{" not in sent.body
    assert "  " not in sent.body
    assert " ," not in sent.body


HOSTILE = "Acme\r\nBcc: eve@evil.example\n\nhttps://evil.example/<b>&"


def test_a_value_adds_no_header_no_paragraph_and_no_markup(bob: User) -> None:
    mail.send("invitation", bob.email, account=HOSTILE, inviter=HOSTILE, link="http://localhost:8000/x")

    sent = outbox.outbox[0]
    assert isinstance(sent, EmailMultiAlternatives)
    assert sent.message().get_all("Bcc") is None
    assert "\n" not in sent.subject
    assert "\n\nhttps://evil" not in sent.body
    html = str(sent.alternatives[0][0])
    assert "<b>" not in html
    assert "&lt;b&gt;&amp;" in html


def test_what_is_undone_is_not_told(bob: User) -> None:
    with transaction.atomic():
        security_mails.send_security_mail(bob, "password_changed", address="203.0.113.9")
        assert outbox.outbox == []
        transaction.set_rollback(True)

    assert outbox.outbox == []


def test_a_mail_that_cannot_be_sent_undoes_nothing(
    bob: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*args: object) -> int:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr(EmailBackend, "send_messages", refused)
    with transaction.atomic():
        User.objects.filter(pk=bob.pk).update(nickname="Bobby")
        security_mails.send_security_mail(bob, "password_changed", address="203.0.113.9")

    bob.refresh_from_db()
    assert bob.nickname == "Bobby"
    assert "no mail server" in caplog.text
