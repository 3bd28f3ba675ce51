"""Mails: one template each (templates/mail/<name>.txt), whose first line is the subject, sent as text and as HTML.

A mail is sent after the commit of the change that it reports; if sending fails, nothing is undone. Links lead to
BASE_URL, whatever host a request named. Line breaks are removed from every value, so that none can add a header or a
paragraph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.dispatch import Signal
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

# Sent after each attempt to send a mail, with `failed`.
mail_delivered = Signal()


def send(name: str, to: str, **facts: str) -> None:
    """Send the mail `name` to one address after the commit. `link` is shown as a button, with the label `action`."""
    message = build(name, to, **facts)
    # Robust: a failure is logged and affects nothing that was committed.
    transaction.on_commit(lambda: deliver(message), robust=True)


class Link(NamedTuple):
    """A line of a mail that is a link: in text, label and URL; in HTML, the label."""

    label: str
    url: str

    def __str__(self) -> str:
        return f"{self.label}: {self.url}"


def build(name: str, to: str, *, lines: Sequence[str | Link] = (), **facts: str) -> EmailMultiAlternatives:
    """Return the mail `name` to one address. The template shows `lines`, each as a paragraph."""
    values: dict[str, Any] = {key: _join_lines(value) for key, value in facts.items()}
    values |= {"portal": settings.BASE_URL, "now": f"{timezone.now():%Y-%m-%d %H:%M} UTC"}
    links = {_join_lines(line): line for line in lines if isinstance(line, Link)}
    text = render_to_string(f"mail/{name}.txt", values | {"lines": [_join_lines(line) for line in lines]})
    subject, _, body = text.strip().partition("\n")
    paragraphs = [" ".join(paragraph.split()) for paragraph in body.split("\n\n") if paragraph.strip()]
    parts = [(paragraph, links.get(paragraph)) for paragraph in paragraphs]
    context = {"subject": subject, "paragraphs": parts, "link": values.get("link")}
    context |= {"action": values.get("action", "Open Keyward"), "portal": settings.BASE_URL}
    message = EmailMultiAlternatives(" ".join(subject.split()), "\n\n".join(paragraphs) + "\n", to=[to])
    message.attach_alternative(render_to_string("mail/mail.html", context), "text/html")
    return message


def deliver(message: EmailMultiAlternatives) -> None:
    """Send the message, and report by the signal whether that failed. Raise what the mail server's connection does."""
    failed = True
    try:
        message.send()
        failed = False
    finally:
        mail_delivered.send(sender=None, failed=failed)


def _join_lines(text: object) -> str:
    return " ".join(str(text).split())


def build_url(name: str, *args: object) -> str:
    """Return the absolute URL of a page, under BASE_URL."""
    return settings.BASE_URL + reverse(name, args=args)
