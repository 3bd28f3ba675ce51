"""A sealed secret opens in its own place alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as configured

from accounts.models import User
from core.actor import Actor
from core.permissions import Role
from core.sealing import SealBroken
from keys import services
from keys.models import Api, Key, Secret
from keys.services import CreatedKey, Overlap
from keys.services.secret import SealingRing, open_token
from tests.factories.accounts import a_user, an_account
from tests.factories.keys import a_billing_key, confirmed

pytestmark = [pytest.mark.django_db, pytest.mark.quality(15)]
Figure = Callable[[str], None]


def refused(alice: User, key: Key) -> bool:
    """Whether the token is not shown to somebody who may see it."""
    try:
        services.reveal(key=key, by=confirmed(alice, "key.reveal", key.public_id))
    except services.UnreadableSecret:
        return True
    return False


@pytest.mark.slow
def test_moved_to_another_row_it_does_not_open(alice: User, figure: Figure):
    keys = [a_billing_key(alice).key for _ in range(5)]
    keys.append(a_billing_key(a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)).key)
    sealed = {key.pk: key.secrets.get().sealed for key in keys}
    own = keys[:5]
    moves = 0
    for target in own:
        for source in keys:
            Secret.objects.filter(key=target).update(sealed=sealed[source.pk])
            assert refused(alice, target) == (source != target)
            moves += source != target
    figure(f"{moves} ciphertexts moved between rows and accounts, 0 opened")


def test_swapped_between_the_two_secrets_of_a_key_neither_opens(alice: User, made: CreatedKey):
    old = made.key.secrets.get()
    services.change(key=made.key, secret=old.pk, overlap=Overlap.DAY, by=Actor.from_command("test"))
    new = made.key.secrets.get(retires_at=None)
    ring = SealingRing("reveal", configured.SEALING_KEYS)
    assert not refused(alice, made.key)

    old.sealed, new.sealed = new.sealed, old.sealed
    Secret.objects.bulk_update([old, new], ["sealed"])

    assert refused(alice, made.key)
    for secret in made.key.secrets.all():
        with pytest.raises(SealBroken):
            open_token(made.key, secret, ring)


def test_moved_between_the_rings_it_does_not_open(alice: User, made: CreatedKey, settings: Any):
    # Even if somebody gave both rings the same keys, the purposes differ.
    settings.SIGNING_KEYS = settings.SEALING_KEYS
    Api.objects.filter(pk=made.key.api_id).update(policy=made.key.api.policy | {"credentials": ["signature"]})

    assert refused(alice, Key.objects.get(pk=made.key.pk))


@pytest.mark.slow
def test_no_byte_of_it_can_be_changed(made: CreatedKey, figure: Figure):
    secret = made.key.secrets.get()
    ring = SealingRing("reveal", configured.SEALING_KEYS | {number: bytes([number]) * 32 for number in range(2, 256)})
    sealed = bytes(secret.sealed or b"")
    assert open_token(made.key, secret, ring) == made.token
    tries = 0
    for place in range(len(sealed)):
        for change in range(1, 256):
            secret.sealed = sealed[:place] + bytes([sealed[place] ^ change]) + sealed[place + 1 :]
            tries += 1
            with pytest.raises(SealBroken):
                open_token(made.key, secret, ring)
    for length in range(len(sealed)):
        secret.sealed = sealed[:length]
        with pytest.raises(SealBroken):
            open_token(made.key, secret, ring)
    figure(f"{tries} changed bytes and {len(sealed)} cut lengths, 0 opened")
