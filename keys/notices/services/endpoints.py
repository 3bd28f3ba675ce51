"""Add, change, test and delete webhook endpoints."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Account
from accounts.services.locks import Invalid, lock_for_change
from audit.trail.events import Target
from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from keys.notices.destinations import list_url_problems
from keys.notices.endpoint_secrets import insert_secret
from keys.notices.kinds import TEST, Kind
from keys.notices.models import Delivery, Endpoint, EndpointSecret, Notice
from keys.notices.services.notices import Finding, make_notices

MAX_ENDPOINTS = 10
# How long notices are signed with the secret before, too.
OVERLAP = timedelta(hours=24)


class NewSecret(NamedTuple):
    """An endpoint and its new secret in clear text, which is shown once."""

    endpoint: Endpoint
    secret: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint.pk})"


class Deleted(Exception):
    """The endpoint was deleted in the meantime."""


class Disabled(Exception):
    """Nothing is sent to the endpoint."""


@transaction.atomic
def add_endpoint(*, account: Account, url: str, by: Actor) -> NewSecret:
    """Add an endpoint and return it with its secret. Needs the confirmation "webhook.add" of the account's slug.

    Raise Denied, AccountNotActive, ConfirmationRequired, Invalid.
    """
    row = _lock_account(account, by)
    if problems := list_endpoint_problems(row, url):
        raise Invalid({"url": problems})
    by.spend_confirmation("webhook.add", row.slug)
    endpoint = Endpoint.objects.create(account=row, url=url)
    secret = insert_secret(endpoint)
    _record("webhook.added", endpoint, by)
    return NewSecret(endpoint, secret)


def list_endpoint_problems(account: Account, url: str) -> list[str]:
    """Return why the account cannot have notices sent to the URL; empty if it can."""
    problems = list_url_problems(url, settings.WEBHOOK_ALLOWED_NETWORKS)
    existing = Endpoint.objects.filter(account=account)
    if existing.filter(url=url).exists():
        problems.append("Notices are sent to this URL already.")
    if existing.count() >= MAX_ENDPOINTS:
        problems.append(f"An account has at most {MAX_ENDPOINTS} endpoints. Delete one first.")
    return problems


@transaction.atomic
def rotate_secret(*, endpoint: Endpoint, by: Actor) -> NewSecret:
    """Give the endpoint a new secret; for 24 hours notices are signed with the one before, too. An older one ends now.

    Needs the confirmation "webhook.rotate" of the endpoint's ID. Raise Denied, AccountNotActive, ConfirmationRequired,
    Deleted.
    """
    endpoint = _lock(endpoint, by)
    by.spend_confirmation("webhook.rotate", str(endpoint.pk))
    endpoint.secrets.exclude(retires_at=None).delete()
    endpoint.secrets.update(retires_at=Now() + Value(OVERLAP))
    secret = insert_secret(endpoint)
    _record("webhook.rotated", endpoint, by)
    return NewSecret(endpoint, secret)


@transaction.atomic
def set_enabled(*, endpoint: Endpoint, enabled: bool, by: Actor) -> Endpoint:
    """Enable or disable the endpoint and return it. What waits for one that is disabled is given up.

    To enable needs the confirmation "webhook.enable" of the endpoint's ID. Raise Denied, AccountNotActive,
    ConfirmationRequired, Deleted.
    """
    endpoint = _lock(endpoint, by)
    if endpoint.enabled == enabled:
        return endpoint
    if enabled:
        by.spend_confirmation("webhook.enable", str(endpoint.pk))
    else:
        waiting = Delivery.objects.filter(endpoint=endpoint).exclude(next_attempt_at=None)
        waiting.update(next_attempt_at=None, error="The endpoint was disabled.")
    endpoint.enabled, endpoint.failing_since = enabled, None
    endpoint.save(update_fields=["enabled", "failing_since"])
    _record("webhook.enabled" if enabled else "webhook.disabled", endpoint, by)
    return endpoint


@transaction.atomic
def delete_endpoint(*, endpoint: Endpoint, by: Actor) -> None:
    """Delete the endpoint with its secrets and deliveries. Raise Denied, AccountNotActive, Deleted."""
    endpoint = _lock(endpoint, by)
    target = build_endpoint_target(endpoint)
    endpoint.delete()
    record("webhook.deleted", by=by, account_id=endpoint.account_id, target=target)


@transaction.atomic
def send_test(*, endpoint: Endpoint, by: Actor) -> None:
    """Queue a test notice for this endpoint alone, unless one waits. Raise Denied, AccountNotActive, Deleted,
    Disabled."""
    endpoint = _lock_enabled(endpoint, by)
    if Delivery.objects.filter(endpoint=endpoint, notice__kind=TEST).exclude(next_attempt_at=None).exists():
        return
    data = {"message": "This is a test. Nothing happened."}
    notice = Notice.objects.create(account=endpoint.account, kind=TEST, subject=str(uuid.uuid4()), data=data)
    Delivery.objects.create(notice=notice, endpoint=endpoint, next_attempt_at=timezone.now())
    _record("webhook.tested", endpoint, by)


@transaction.atomic
def send_again(*, delivery: Delivery, by: Actor) -> None:
    """Queue a notice once more, under its ID, with all attempts before it. Raise Denied, AccountNotActive, Deleted,
    Disabled."""
    assert delivery.endpoint is not None
    endpoint = _lock_enabled(delivery.endpoint, by)
    again = Delivery.objects.filter(pk=delivery.pk).update(
        next_attempt_at=Now(), attempts=0, delivered_at=None, status=None, error=""
    )
    if not again:
        raise Deleted
    _record("webhook.resent", endpoint, by, kind=delivery.notice.kind)


@transaction.atomic
def mark_failing(*, endpoint: Endpoint, error: str, by: Actor) -> None:
    """Mark an endpoint to which a notice was given up, and tell the account, once until one is delivered again."""
    failing = Endpoint.objects.filter(pk=endpoint.pk, failing_since=None)
    if failing.update(failing_since=Now()):
        endpoint.refresh_from_db()
        assert endpoint.failing_since is not None
        data = {"endpoint": {"id": str(endpoint.pk), "host": endpoint.host}, "error": error}
        subject = f"{endpoint.pk} {endpoint.failing_since.isoformat()}"
        make_notices(account=endpoint.account, kind=Kind.WEBHOOK_FAILING, findings=[Finding(subject, data)], by=by)


def mark_working(endpoint: Endpoint) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).exclude(failing_since=None).update(failing_since=None)


def delete_retired_secrets() -> int:
    """Delete the secrets that notices are no longer signed with, and return how many there were."""
    return EndpointSecret.objects.filter(retires_at__lte=Now()).delete()[0]


def build_endpoint_target(endpoint: Endpoint) -> Target:
    """Return the endpoint as events name it: by its host, because its path may be a secret."""
    return Target("webhook", str(endpoint.pk), endpoint.host)


def _lock_account(account: Account, by: Actor) -> Account:
    row = lock_for_change(account, Permission.USERS_CHANGE, by)
    assert row is not None
    return row


def _lock(endpoint: Endpoint, by: Actor) -> Endpoint:
    """Lock the account and then the endpoint until the commit, and return its present row. Raise Deleted."""
    _lock_account(endpoint.account, by)
    found = Endpoint.objects.select_for_update(of=("self",), no_key=True).select_related("account")
    row = found.filter(pk=endpoint.pk).first()
    if row is None:
        raise Deleted
    return row


def _lock_enabled(endpoint: Endpoint, by: Actor) -> Endpoint:
    endpoint = _lock(endpoint, by)
    if not endpoint.enabled:
        raise Disabled
    return endpoint


def _record(name: str, endpoint: Endpoint, by: Actor, **data: str) -> None:
    record(name, by=by, account_id=endpoint.account_id, target=build_endpoint_target(endpoint), **data)
