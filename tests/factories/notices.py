"""Notices for tests, made by the services themselves."""

from __future__ import annotations

from django.core import mail

from accounts.models import User
from core.actor import Actor
from keys.models import Key
from keys.notices.kinds import Kind
from keys.notices.models import Endpoint, Notice
from keys.notices.services import endpoints
from keys.notices.services.notices import Finding, make_notices
from keys.notices.words import describe_key
from tests.factories.accounts import acting
from tests.factories.keys import confirmed

MAINTAIN = Actor.from_command("maintain")
SENDER = Actor.from_command("send_notices")


def a_notice(alice: User, key: Key, subject: str = "first") -> Notice:
    """Return a notice about the key's expiry, whatever that is."""
    data = {"key": describe_key(key), "expires_at": "2030-01-01T00:00:00Z", "days": 7}
    [made] = make_notices(
        account=alice.account, kind=Kind.KEY_EXPIRING, findings=[Finding(subject, data, key)], by=MAINTAIN
    )
    return made


def take_outbox() -> list[mail.EmailMessage]:
    """Return the mails that were sent since the last time."""
    sent = list(mail.outbox)
    mail.outbox.clear()
    return sent


def an_endpoint(alice: User, url: str = "https://hooks.example.com/keyward", *, tested: bool = True) -> Endpoint:
    """Return an endpoint of the user's account; if it was tested, the test waits."""
    assert alice.account is not None
    by = confirmed(alice, "webhook.add", alice.account.slug)
    endpoint = endpoints.add_endpoint(account=alice.account, url=url, by=by).endpoint
    if tested:
        endpoints.send_test(endpoint=endpoint, by=acting(alice))
    return endpoint
