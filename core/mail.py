"""Mails: one template each (templates/mail/<name>.txt), whose first line is the subject; sent as text and as HTML.

A mail leaves after the commit of what it tells of, and one that cannot be sent undoes nothing. Links lead to BASE_URL,
whatever host a request named. Every fact is made one line, so that no value can add a header or a paragraph.
"""

from __future__ import annotations

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.dispatch import Signal
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

# Sent after each try to send a mail, with `failed`.
mail_delivered = Signal()


def send(name: str, to: str, **facts: str) -> None:
    """Send the mail `name` to one address after the commit. `link` is shown as a button."""
    now = f"{timezone.now():%Y-%m-%d %H:%M} UTC"
    lines = {key: " ".join(str(value).split()) for key, value in facts.items()}
    text = render_to_string(f"mail/{name}.txt", {"portal": settings.BASE_URL, "now": now, **lines})
    subject, _, body = text.strip().partition("\n")
    paragraphs = [" ".join(paragraph.split()) for paragraph in body.split("\n\n") if paragraph.strip()]
    words = {"subject": subject, "paragraphs": paragraphs, "link": lines.get("link"), "portal": settings.BASE_URL}
    message = EmailMultiAlternatives(" ".join(subject.split()), "\n\n".join(paragraphs) + "\n", to=[to])
    message.attach_alternative(render_to_string("mail/mail.html", words), "text/html")
    # Robust: what has been committed stays, and the failure is in the log.
    transaction.on_commit(lambda: _deliver(message), robust=True)


def _deliver(message: EmailMultiAlternatives) -> None:
    """Send the message, and say by the signal whether that failed."""
    failed = True
    try:
        message.send()
        failed = False
    finally:
        mail_delivered.send(sender=None, failed=failed)


def build_url(name: str, *args: object) -> str:
    """Return the absolute URL of a page, under BASE_URL."""
    return settings.BASE_URL + reverse(name, args=args)
