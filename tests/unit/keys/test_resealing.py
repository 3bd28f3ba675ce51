"""`manage.py reseal`: everything moves to the newest keys, nothing is lost, and what cannot move is said."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings as configured
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.signin import sealed_factors
from core.actor import Actor
from core.authorization import Denied
from core.sealing import build_header, get_sealing_key_number
from keys import services
from keys.checks import check_rings
from keys.crypto.secrets import compute_digest
from keys.models import Api, Key, Secret
from keys.notices.endpoint_secrets import open_secrets
from keys.notices.services.endpoints import rotate_secret
from keys.services import CreatedKey, Overlap, resealing
from keys.services.lost_keys import discard_secrets
from tests.factories.accounts import acting, code_of, recovery_codes_of, with_totp
from tests.factories.keys import a_billing_key, confirmed, events
from tests.factories.notices import an_endpoint

pytestmark = pytest.mark.django_db
COMMAND = Actor.from_command("reseal")
RINGS = ("SEALING_KEYS", "SIGNING_KEYS", "TOKEN_PEPPERS")


def newer(settings: Any, *rings: str) -> None:
    """Put a second key before the first, as an operator does."""
    for name in rings or RINGS:
        setattr(settings, name, {2: bytes([len(name)]) * 32, 1: getattr(configured, name)[1]})


def reseal() -> str:
    output = StringIO()
    call_command("reseal", stdout=output)
    return output.getvalue()


def signing(alice: User) -> CreatedKey:
    api = Api.objects.get(slug="billing")
    Api.objects.filter(pk=api.pk).update(policy=api.policy | {"credentials": ["signature"]})
    return a_billing_key(alice)


def shown_once(alice: User) -> CreatedKey:
    made = a_billing_key(alice)
    made.key.secrets.update(sealed=None)
    return made


def everything() -> list[Any]:
    return [list(Secret.objects.order_by("pk").values()), list(Authenticator.objects.order_by("pk").values())]


def test_tokens_and_their_digests_move_to_the_newest(alice: User, made: CreatedKey, settings: Any):
    before = bytes(Secret.objects.get().sealed)
    newer(settings)

    output = reseal()

    secret = Secret.objects.get()
    assert (get_sealing_key_number(before), get_sealing_key_number(bytes(secret.sealed)), secret.pepper_id) == (1, 2, 2)
    assert bytes(secret.digest) == compute_digest(made.token, settings.TOKEN_PEPPERS[2])
    assert services.reveal(key=made.key, by=confirmed(alice, "key.reveal", made.key.public_id)) == made.token
    assert "Resealed 1 secrets." in output
    assert "SEALING_KEYS 2: 1 secrets and second factors." in output
    assert "SEALING_KEYS 1 is no longer needed." in output
    assert "TOKEN_PEPPERS 2: 1 keys." in output
    (event,) = events("secrets.resealed")[-1:]
    assert json.loads(event.body)["data"] == {
        "what": "secrets",
        "count": 1,
        "peppered": 1,
        "under": {"SEALING_KEYS": 2, "SIGNING_KEYS": 2},
    }
    assert made.token not in output + event.body


def test_a_second_run_changes_nothing(made: CreatedKey, settings: Any):
    newer(settings)
    reseal()
    before, written = everything(), len(events("secrets.resealed"))

    assert "Resealed 0 secrets." in reseal()
    assert (everything(), len(events("secrets.resealed"))) == (before, written)


def test_signing_secrets_move_in_their_own_ring(alice: User, settings: Any):
    made = signing(alice)
    newer(settings, "SIGNING_KEYS")

    output = reseal()

    secret = Secret.objects.get()
    assert get_sealing_key_number(bytes(secret.sealed)) == 2
    ring = services.secret.SealingRing("sign", settings.SIGNING_KEYS)
    assert services.secret.open_token(made.key, secret, ring) == made.token
    assert "SIGNING_KEYS 2: 1 secrets and second factors." in output
    assert "SEALING_KEYS" not in output


def test_an_old_secret_in_its_overlap_moves_and_a_retired_one_has_nothing_to_move(made: CreatedKey, settings: Any):
    def change(overlap: Overlap) -> None:
        current = made.key.secrets.get(retires_at=None).pk
        services.change(key=made.key, secret=current, overlap=overlap, by=COMMAND)

    change(Overlap.DAY)
    change(Overlap.DAY)
    newer(settings)

    assert "Resealed 2 secrets." in reseal()
    assert sorted(Secret.objects.values_list("pepper_id", flat=True)) == [1, 2, 2]
    assert Secret.objects.filter(sealed=None).count() == 1


def test_keys_that_cannot_be_read_stay_on_their_pepper_and_are_counted(alice: User, settings: Any):
    made = shown_once(alice)
    a_billing_key(alice)
    newer(settings, "TOKEN_PEPPERS")

    assert "Keys still on pepper 1: 1. Each moves to the newest one when its secret is changed." in reseal()

    old = made.key.secrets.get()
    services.change(key=made.key, secret=old.pk, overlap=Overlap.NONE, by=COMMAND)
    output = reseal()
    assert "still on pepper" not in output
    assert "TOKEN_PEPPERS 1 is no longer needed." in output


def test_second_factors_move_and_still_work(alice: User, settings: Any):
    secret = with_totp(alice)
    codes = recovery_codes_of(alice)
    newer(settings, "SEALING_KEYS")

    assert "Resealed 2 second factors." in reseal()

    settings.SEALING_KEYS = {2: settings.SEALING_KEYS[2]}
    assert recovery_codes_of(alice) == codes
    app = Authenticator.objects.get(user=alice, type=Authenticator.Type.TOTP).wrap()
    assert app.validate_code(code_of(secret))
    assert "Resealed 0 second factors." in reseal()


def test_what_does_not_open_is_counted_and_stops_nothing(alice: User, made: CreatedKey, settings: Any):
    other = a_billing_key(alice)
    moved = other.key.secrets.get()
    Secret.objects.filter(pk=moved.pk).update(sealed=made.key.secrets.get().sealed)
    newer(settings)

    with pytest.raises(CommandError, match="1 could not be opened"):
        reseal()
    assert get_sealing_key_number(bytes(made.key.secrets.get().sealed)) == 2
    assert get_sealing_key_number(bytes(other.key.secrets.get().sealed)) == 1


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\x09" * 90])
def test_junk_is_counted_too(alice: User, made: CreatedKey, settings: Any, junk: bytes):
    with_totp(alice)
    Secret.objects.update(sealed=junk)
    Authenticator.objects.filter(type="totp").update(data={"secret": "§"})

    with pytest.raises(CommandError, match="2 could not be opened"):
        reseal()


def test_people_do_not_reseal(alice: User):
    for batch in (resealing.reseal_batch, sealed_factors.reseal_batch):
        with pytest.raises(Denied):
            batch(by=acting(alice))


@pytest.mark.quality(19)
@pytest.mark.parametrize("room", [resealing, sealed_factors])
def test_without_its_event_nothing_moves(
    alice: User, made: CreatedKey, settings: Any, room: Any, monkeypatch: pytest.MonkeyPatch
):
    with_totp(alice)
    newer(settings)
    before = everything()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the trail cannot be written")

    monkeypatch.setattr(room, "record", fail)
    with pytest.raises(RuntimeError, match="trail"):
        room.reseal_batch(by=COMMAND)
    assert everything() == before


def test_deleted_keys_need_nothing(alice: User, made: CreatedKey):
    services.delete(key=made.key, by=COMMAND)

    assert Key.objects.count() == 1
    assert all(ring.by_number == {} for ring in resealing.list_ring_usage())


def list_problems() -> list[str]:
    """By `check --deploy --database default`, and what `serve` refuses to start with."""
    found = [problem.msg for problem in check_rings(None, databases=["default"])]
    assert found == resealing.list_unreadable()
    return found


def test_a_key_or_pepper_that_was_dropped_too_soon_is_reported(alice: User, made: CreatedKey, settings: Any):
    with_totp(alice)
    assert list_problems() == []
    newer(settings)
    assert list_problems() == []

    for name in RINGS:
        setattr(settings, name, {2: getattr(settings, name)[2]})

    assert list_problems() == [
        "SEALING_KEYS lacks 1, which secrets need (3). Restore it: without it they cannot be read.",
        "TOKEN_PEPPERS lacks 1, which keys need (1). Restore it: without it they are refused.",
    ]
    assert check_rings(None, databases=None) == []


@pytest.mark.parametrize("name", ["SEALING_KEYS", "TOKEN_PEPPERS"])
def test_another_key_under_the_same_number_is_reported(alice: User, made: CreatedKey, settings: Any, name: str):
    setattr(settings, name, {1: b"x" * 32})

    number = " 1" if name == "TOKEN_PEPPERS" else ""
    assert list_problems() == [
        f"{name}{number} is not the value that existing secrets were made with. Restore the previous value."
    ]


def test_one_broken_secret_does_not_stop_the_start(alice: User, made: CreatedKey):
    Secret.objects.filter(key=a_billing_key(alice).key).update(sealed=build_header(1) + b"x" * 80, digest=b"y" * 32)

    assert list_problems() == []


class TestSecretsOfWebhooks:
    def test_they_move_to_the_newest_and_open(self, alice: User, settings: Any):
        endpoint = an_endpoint(alice, tested=False)
        before = open_secrets(endpoint)
        newer(settings)

        assert "Resealed 1 webhook secrets." in reseal()

        assert open_secrets(endpoint) == before
        assert get_sealing_key_number(bytes(endpoint.secrets.get().sealed)) == 2
        assert "Resealed 0 webhook secrets." in reseal()
        settings.SEALING_KEYS = {2: settings.SEALING_KEYS[2]}
        assert open_secrets(endpoint) == before

    def test_one_of_a_lost_key_is_named_and_given_up_with_its_endpoint_disabled(self, alice: User, settings: Any):
        endpoint = an_endpoint(alice, tested=False)
        settings.SEALING_KEYS = {2: bytes(range(32))}
        assert [error.msg for error in check_rings(None, ["default"])] == [
            "SEALING_KEYS lacks 1, which secrets need (1). Restore it: without it they cannot be read."
        ]
        discard_secrets(ring="SEALING_KEYS", number=1, by=COMMAND)
        endpoint.refresh_from_db()
        assert (endpoint.enabled, endpoint.secrets.exists()) == (False, False)
        assert check_rings(None, ["default"]) == []
        new = rotate_secret(endpoint=endpoint, by=confirmed(alice, "webhook.rotate", str(endpoint.pk)))
        assert open_secrets(endpoint) == [new.secret]
        assert new.secret not in repr(new)
