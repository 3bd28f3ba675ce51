"""Changing a key's secret: what the old one may do and for how long, what is destroyed, and who is told what."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.utils import timezone

from accounts.models import Account, User
from core.actor import Actor, ConfirmationRequired
from core.authorization import AccountNotActive, Denied
from core.permissions import Role
from keys import services
from keys.crypto import secrets
from keys.key_settings import Invalid
from keys.models import Api, Key, Secret, SecretUse
from keys.selectors.old_secret import get_last_change, get_old_secret
from keys.services import Overlap, rotation
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.keys import a_billing_key, confirmed, events

pytestmark = pytest.mark.django_db
COMMAND = Actor.from_command("test")


@pytest.fixture
def key(alice: User) -> Key:
    return a_billing_key(alice, "203.0.113.0/24").key


def current(key: Key) -> Secret:
    return key.secrets.get(retires_at=None)


def changed(key: Key, overlap: Overlap = Overlap.NONE, **more: Any) -> services.ChangedKey:
    if "secret" not in more:
        more["secret"] = current(key).pk
    return services.change(key=key, overlap=overlap, **{"by": COMMAND, **more})


def past(secret: Secret) -> None:
    """As if its overlap had run out."""
    Secret.objects.filter(pk=secret.pk).update(retires_at=timezone.now() - timedelta(seconds=1))


def act(service: str, key: Key, by: Actor, secret: uuid.UUID | None = None) -> Any:
    calls: dict[str, Callable[[], Any]] = {
        "change": lambda: changed(key, secret=secret or current(key).pk, by=by),
        "end_overlap": lambda: services.end_overlap(key=key, by=by),
        "extend_overlap": lambda: services.extend_overlap(key=key, overlap=Overlap.WEEK, by=by),
        "sweep": lambda: rotation.destroy_expired_secrets(by=by),
    }
    return calls[service]()


SERVICES = ["change", "end_overlap", "extend_overlap"]


def everything() -> list[Any]:
    return [list(table.objects.order_by("pk").values()) for table in (Key, Secret, SecretUse)]


def test_a_change_keeps_the_api_id_and_all_else_and_retires_the_old_secret(alice: User, key: Key):
    old = current(key)
    before = Key.objects.values().get()

    made = changed(key, by=confirmed(alice, "key.change", key.public_id))

    assert secrets.parse_token(made.token) == key.public_id
    assert Key.objects.values().get() == before
    new = current(key)
    newest = max(configured.TOKEN_PEPPERS)
    assert bytes(new.digest) == secrets.compute_digest(made.token, configured.TOKEN_PEPPERS[newest])
    retired = Secret.objects.get(pk=old.pk)
    assert retired.retires_at is not None
    assert retired.retires_at <= timezone.now()
    assert (retired.sealed, retired.ends_on_use, bytes(retired.digest)) == (None, False, bytes(old.digest))
    assert services.reveal(key=key, by=confirmed(alice, "key.reveal", key.public_id)) == made.token
    (event,) = events("key.secret_changed")
    assert json.loads(event.body)["data"] == {"api": "billing", "overlap": "none", "ends_on_use": False}
    assert made.token not in event.body + repr(made)
    assert get_last_change(key).by == alice.email


@pytest.mark.parametrize("overlap", [Overlap.HOUR, Overlap.DAY, Overlap.WEEK])
def test_with_an_overlap_the_old_secret_goes_on(key: Key, overlap: Overlap):
    old = current(key)

    made = changed(key, overlap, ends_on_use=True)

    old = Secret.objects.get(pk=old.pk)
    assert abs(old.retires_at - timezone.now() - overlap.duration) < timedelta(seconds=5)
    assert (made.until, old.ends_on_use, old.sealed is None) == (old.retires_at, True, False)
    old_secret = get_old_secret(key)
    assert (old_secret.still_works, old_secret.ends_on_use, old_secret.used_at, old_secret.addresses) == (
        True,
        True,
        None,
        [],
    )


def test_changing_again_ends_the_oldest_at_once(key: Key):
    oldest = current(key)
    changed(key, Overlap.WEEK)
    middle = current(key)
    changed(key, Overlap.DAY)

    oldest, middle = Secret.objects.get(pk=oldest.pk), Secret.objects.get(pk=middle.pk)
    assert oldest.retires_at <= timezone.now() < middle.retires_at
    assert (oldest.sealed, middle.sealed is None) == (None, False)
    changed(key, Overlap.DAY)
    # Who still presents one that was retired before is told nothing any more; a key has three secrets at most.
    assert not Secret.objects.filter(pk=oldest.pk).exists()
    assert (key.secrets.count(), key.secrets.filter(retires_at__gt=timezone.now()).count()) == (3, 1)


def test_a_form_makes_one_change(alice: User, key: Key):
    old = current(key).pk
    changed(key, Overlap.DAY, secret=old)
    before = everything()

    with pytest.raises(services.AlreadyChanged):
        changed(key, Overlap.DAY, secret=old, by=confirmed(alice, "key.change", key.public_id))
    assert everything() == before


def test_a_signing_secret_is_sealed_for_the_gateway(alice: User, key: Key):
    Api.objects.filter(pk=key.api_id).update(policy=key.api.policy | {"credentials": ["signature"]})
    key = Key.objects.get(pk=key.pk)
    made = changed(key, Overlap.DAY)

    ring = services.secret.SealingRing("sign", configured.SIGNING_KEYS)
    assert services.secret.open_token(key, current(key), ring) == made.token


def test_a_secret_that_is_shown_once_is_not_kept(key: Key):
    Api.objects.filter(pk=key.api_id).update(policy=key.api.policy | {"secret": "shown_once"})

    changed(Key.objects.get(pk=key.pk))

    assert current(key).sealed is None


def test_ending_the_overlap_needs_no_password_and_happens_once(alice: User, key: Key):
    old = current(key)
    changed(key, Overlap.WEEK, ends_on_use=True)

    services.end_overlap(key=key, by=acting(alice))

    old = Secret.objects.get(pk=old.pk)
    assert old.retires_at <= timezone.now()
    assert (old.sealed, get_old_secret(key).still_works) == (None, False)
    with pytest.raises(services.NoOverlap):
        services.end_overlap(key=key, by=acting(alice))
    assert len(events("key.overlap_ended")) == 1


def test_extending_is_from_now_and_never_shorter(alice: User, key: Key):
    old = current(key)
    changed(key, Overlap.HOUR)

    def extend(overlap: Overlap) -> Any:
        by = confirmed(alice, "key.extend_overlap", key.public_id)
        return services.extend_overlap(key=key, overlap=overlap, by=by)

    until = extend(Overlap.WEEK)
    assert until == Secret.objects.get(pk=old.pk).retires_at
    assert abs(until - timezone.now() - timedelta(days=7)) < timedelta(seconds=5)
    with pytest.raises(Invalid, match="already works for longer than that"):
        extend(Overlap.DAY)
    assert Secret.objects.get(pk=old.pk).retires_at == until
    assert len(events("key.overlap_extended")) == 1


@pytest.mark.parametrize("service", ["end_overlap", "extend_overlap"])
def test_what_has_ended_is_not_brought_back(alice: User, key: Key, service: str):
    for overlap in (Overlap.NONE, Overlap.HOUR):
        old = current(key)
        changed(key, overlap)
        past(old)
        with pytest.raises(services.NoOverlap):
            act(service, key, confirmed(alice, f"key.{service}", key.public_id))


def test_the_sweep_destroys_what_could_be_read_of_secrets_that_ended_by_themselves(key: Key):
    old = current(key)
    changed(key, Overlap.HOUR)
    assert rotation.destroy_expired_secrets(by=COMMAND) == 0
    past(old)

    assert rotation.destroy_expired_secrets(by=COMMAND) == 1
    assert Secret.objects.get(pk=old.pk).sealed is None
    assert current(key).sealed is not None
    assert rotation.destroy_expired_secrets(by=COMMAND) == 0
    (event,) = events("secrets.destroyed")[-1:]
    assert json.loads(event.body)["data"] == {"count": 1}


def test_a_key_that_is_deleted_takes_all_its_secrets_along(key: Key):
    changed(key, Overlap.DAY)
    changed(key, Overlap.DAY)

    services.delete(key=key, by=COMMAND)

    assert Secret.objects.count() == 0


# Whom they refuse


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("role", [Role.ACCOUNT_READER, Role.AUDITOR, Role.SUPPORT, None])
def test_only_administrators_of_the_account_pass(key: Key, service: str, role: Role | None):
    changed(key, Overlap.HOUR)
    before = everything()
    account = None if role == Role.SUPPORT else key.account
    user = a_user(account, "Bob", *filter(None, [role]))
    greta = a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)

    for by in (acting(user), acting(greta)):
        with pytest.raises(Denied):
            act(service, key, by)
    assert everything() == before


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("status", [Account.Status.PENDING, Account.Status.SUSPENDED])
def test_not_in_an_account_that_is_not_active(alice: User, key: Key, service: str, status: str):
    changed(key, Overlap.HOUR)
    Account.objects.update(status=status)
    before = everything()

    with pytest.raises(AccountNotActive):
        act(service, key, acting(alice))
    assert everything() == before


@pytest.mark.parametrize("service", SERVICES)
def test_not_of_a_deleted_key(alice: User, key: Key, service: str):
    secret = current(key).pk
    services.delete(key=key, by=COMMAND)

    with pytest.raises(Key.DoesNotExist):
        act(service, key, acting(alice), secret)


@pytest.mark.parametrize("service", ["change", "extend_overlap"])
def test_not_without_a_confirmation_for_this_very_key(alice: User, key: Key, service: str):
    changed(key, Overlap.HOUR)
    before = everything()

    for by in (acting(alice), confirmed(alice, f"key.{service}", "AnotherKey12"), confirmed(alice, "key.reveal", "")):
        with pytest.raises(ConfirmationRequired):
            act(service, key, by)
    assert everything() == before


@pytest.mark.quality(19)
@pytest.mark.parametrize("service", [*SERVICES, "sweep"])
def test_without_its_event_nothing_changes(alice: User, key: Key, service: str, monkeypatch: pytest.MonkeyPatch):
    old = current(key)
    changed(key, Overlap.HOUR)
    if service == "sweep":
        past(old)
    before = everything()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the trail cannot be written")

    monkeypatch.setattr(rotation, "record", fail)
    with pytest.raises(RuntimeError, match="trail"):
        act(service, key, COMMAND)
    assert everything() == before
