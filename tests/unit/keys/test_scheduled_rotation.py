"""Secrets that are changed by a schedule: when, what the old and the new one may do, and what is in the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account, User
from config.management.commands import maintain
from core.actor import Actor, ConfirmationRequired
from core.authorization import Denied
from core.permissions import Role
from keys import services
from keys.apis.policy import Policy
from keys.apis.policy_parsing import BadPolicy
from keys.key_settings import Invalid, KeySettings
from keys.models import Api, Key, Secret
from keys.rotation_schedule import Overlap, RotationSchedule
from keys.selectors.old_secret import get_last_change, get_old_secret
from keys.selectors.rotation import get_next_rotation, list_due_keys
from keys.services import scheduled_rotation
from tests.factories.accounts import a_user, acting
from tests.factories.keys import a_billing_key, a_key_of, confirmed, events

pytestmark = pytest.mark.django_db
COMMAND = Actor.from_command("maintain")
QUARTERLY = RotationSchedule(90, Overlap.WEEK)


@pytest.fixture
def key(alice: User) -> Key:
    return a_billing_key(alice, scheduled_rotation=QUARTERLY).key


def age(key: Key, days: float) -> None:
    """Make the current secret that old."""
    key.secrets.filter(retires_at=None).update(created_at=timezone.now() - timedelta(days=days))


def current(key: Key) -> Secret:
    return key.secrets.get(retires_at=None)


def run() -> services.RotationRun:
    return services.rotate_due_keys(by=COMMAND)


def test_a_secret_of_that_age_is_changed_and_the_old_one_works_for_the_overlap(alice: User, key: Key):
    old, other = current(key), a_billing_key(alice, name="Never rotated").key
    age(other, 1_000)
    age(key, 89.9)
    assert run() == (0, [], 0)
    age(key, 90)

    assert run() == (1, [], 0)
    new = current(key)
    assert (new.pk != old.pk, new.sealed is None, current(other).pk != new.pk) == (True, False, True)
    old_secret = get_old_secret(key)
    assert (old_secret.still_works, old_secret.ends_on_use) == (True, False)
    assert abs(old_secret.until - timezone.now() - timedelta(days=7)) < timedelta(seconds=5)
    # Administrators read the new one.
    token = services.reveal(key=key, by=confirmed(alice, "key.reveal", key.public_id))
    (event,) = events("key.secret_rotated")
    body = json.loads(event.body)
    assert body["data"] == {"api": "billing", "schedule": "every 90 days", "overlap": "7 days"}
    assert (body["actor"]["label"].split()[-1], token in event.body) == ("maintain", False)
    assert get_last_change(key).by.endswith("maintain")
    # The next run finds nothing to do.
    assert run() == (0, [], 0)
    assert get_next_rotation(key, timezone.now()).due_at == new.created_at + timedelta(days=90)


def test_two_runs_change_it_once(key: Key):
    age(key, 100)
    [seen] = list_due_keys(timezone.now())
    assert scheduled_rotation.rotate_by_schedule(key=seen, by=COMMAND)
    assert not scheduled_rotation.rotate_by_schedule(key=seen, by=COMMAND)
    assert len(events("key.secret_rotated")) == 1


def end_overlap(key: Key) -> None:
    key.secrets.exclude(retires_at=None).update(retires_at=timezone.now() - timedelta(seconds=1))


def leave_an_overlap(key: Key) -> None:
    services.change(key=key, secret=current(key).pk, overlap=Overlap.WEEK, by=COMMAND)
    age(key, 100)


# How something gets in the way, the words for it, and how it is removed.
OBSTACLES: dict[str, tuple[Callable[[Key], Any], str, Callable[[Key], Any]]] = {
    "disabled": (
        lambda key: Key.objects.update(enabled=False),
        "The key is disabled.",
        lambda key: Key.objects.update(enabled=True),
    ),
    "expired": (
        lambda key: Key.objects.update(expires_at=timezone.now() - timedelta(hours=1)),
        "The key stops working before, on ",
        lambda key: Key.objects.update(expires_at=None),
    ),
    "suspended": (
        lambda key: Account.objects.update(status="suspended"),
        "The account is suspended.",
        lambda key: Account.objects.update(status="active"),
    ),
    "overlap": (leave_an_overlap, "The old secret works until ", end_overlap),
    "shown once": (
        lambda key: Api.objects.update(policy=key.api.policy | {"secret": "shown_once"}),
        "Secrets of this API are shown once",
        lambda key: Api.objects.update(policy=key.api.policy),
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_is_in_the_way_is_said_and_when_it_is_gone_the_secret_is_changed(key: Key, obstacle: str):
    put, words, remove = OBSTACLES[obstacle]
    age(key, 100)
    put(key)
    before = list(Secret.objects.order_by("pk").values())

    [postponed] = run().postponed
    assert postponed.why.startswith(words)
    assert str(postponed).startswith(f"Invoice robot ({key.public_id}, account ")
    assert list(Secret.objects.order_by("pk").values()) == before
    assert events("key.secret_rotated") == []
    coming = get_next_rotation(Key.objects.get(pk=key.pk), timezone.now())
    assert (coming.is_due, coming.obstacle) == (True, postponed.why)
    remove(key)
    assert run() == (1, [], 0)


def test_without_a_sealing_key_nothing_is_changed(key: Key, settings: Any):
    age(key, 100)
    settings.SEALING_KEYS = {}
    [postponed] = run().postponed
    assert postponed.why == "No sealing key is configured, so nobody could read the new secret."


def test_one_key_that_cannot_be_changed_holds_no_other_up(alice: User, key: Key):
    locked = a_billing_key(alice, name="Locked", scheduled_rotation=QUARTERLY, enabled=False).key
    age(locked, 200)
    age(key, 100)
    rotated, postponed, left = run()
    assert (rotated, [each.key for each in postponed], left) == (1, [locked], 0)
    lines = list(maintain.list_rotations(services.RotationRun(rotated, postponed * 22)))
    assert lines[0] == "Secrets changed by schedule: 1."
    assert lines[1].startswith(f"Not changed, although it is due: Locked ({locked.public_id}, account ")
    assert lines[1].endswith("): The key is disabled.")
    assert (len(lines), lines[-1]) == (22, "Not changed, although it is due: 2 more secrets.")


def test_a_run_changes_no_more_than_so_many_secrets(alice: User, key: Key, monkeypatch: pytest.MonkeyPatch):
    """However many are due and however many cannot be changed, the next run goes on with the oldest."""
    monkeypatch.setattr(scheduled_rotation, "MAX_ROTATED", 2)
    monkeypatch.setattr(scheduled_rotation, "CHUNK", 2)
    waiting = [a_billing_key(alice, name=f"Locked {n}", scheduled_rotation=QUARTERLY, enabled=False).key for n in "abc"]
    due = [key, *(a_billing_key(alice, name=f"Due {n}", scheduled_rotation=QUARTERLY).key for n in range(4))]
    for place, each in enumerate((*waiting, *due)):
        age(each, 200 - place)
    before = [current(each).pk for each in due]

    def list_changed() -> list[bool]:
        return [current(each).pk != pk for each, pk in zip(due, before, strict=True)]

    first = run()
    assert (first.rotated, [each.key for each in first.postponed], first.remaining) == (2, waiting, 3)
    assert list_changed() == [True, True, False, False, False]
    assert list(maintain.list_rotations(first))[-1] == "Left for the next run: 3 secrets that are due."
    assert (run().remaining, run().remaining) == (1, 0)
    assert all(list_changed())


def test_without_its_event_nothing_is_changed(key: Key, monkeypatch: pytest.MonkeyPatch):
    age(key, 100)
    before = list(Secret.objects.order_by("pk").values())

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no event")

    monkeypatch.setattr(scheduled_rotation, "record", fail)
    [postponed] = run().postponed
    assert postponed.why == "RuntimeError, which is in the log."
    assert list(Secret.objects.order_by("pk").values()) == before


def test_only_who_may_change_keys_rotates(alice: User, key: Key):
    reader = a_user(alice.account, "Robert", Role.ACCOUNT_READER)
    age(key, 100)
    with pytest.raises(Denied):
        scheduled_rotation.rotate_by_schedule(key=key, by=acting(reader))


def test_a_deleted_key_is_left_alone(alice: User, key: Key):
    age(key, 100)
    services.delete(key=key, by=acting(alice))
    assert run() == (0, [], 0)


def edited(alice: User, key: Key, by: Actor | None = None, **changes: Any) -> Key:
    key = Key.objects.get(pk=key.pk)
    settings = KeySettings.from_key(key)
    after = replace(settings, **changes)
    by = by or confirmed(alice, "key.edit", key.public_id)
    return services.edit(key=key, version=key.version, key_settings=after, by=by)


def test_to_set_change_or_end_a_schedule_needs_a_confirmation(alice: User, key: Key):
    for schedule in (RotationSchedule(30, Overlap.DAY), None, QUARTERLY):
        with pytest.raises(ConfirmationRequired):
            edited(alice, key, by=acting(alice), scheduled_rotation=schedule)
        edited(alice, key, scheduled_rotation=schedule)
        assert Key.objects.get(pk=key.pk).scheduled_rotation == schedule
    changes = [json.loads(event.body)["data"]["changes"] for event in events("key.edited")]
    assert changes[0] == {"scheduled_rotation": ["every 90 days, overlap 7 days", "every 30 days, overlap 24 hours"]}
    assert changes[1] == {"scheduled_rotation": ["every 30 days, overlap 24 hours", None]}


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        (RotationSchedule(13, Overlap.WEEK), "Choose 14 to 730 days"),
        (RotationSchedule(731, Overlap.WEEK), "Choose 14 to 730 days"),
        (RotationSchedule(90, Overlap.NONE), "24 hours or 7 days"),
        (RotationSchedule(90, Overlap.HOUR), "24 hours or 7 days"),
    ],
)
def test_a_schedule_that_strands_callers_is_refused(alice: User, key: Key, schedule: RotationSchedule, problem: str):
    with pytest.raises(Invalid, match=problem):
        edited(alice, key, scheduled_rotation=schedule)
    with pytest.raises(Invalid, match=problem):
        a_billing_key(alice, scheduled_rotation=schedule)


@pytest.mark.parametrize("preset", ["cloud-pbx", "sip-caller", "textpeak", "lms-call-logic", "lynx"])
def test_presets_that_do_not_offer_it_refuse_it(alice: User, preset: str):
    with pytest.raises(Invalid, match="not changed by a schedule"):
        a_key_of(preset, alice, scheduled_rotation=QUARTERLY)


def test_a_schedule_that_the_policy_no_longer_offers_is_kept_or_ended(alice: User, key: Key):
    Api.objects.filter(pk=key.api_id).update(policy=key.api.policy | {"scheduled_rotation": "none"})
    key = edited(alice, key, name="Renamed")
    assert key.scheduled_rotation == QUARTERLY
    with pytest.raises(Invalid):
        edited(alice, key, scheduled_rotation=RotationSchedule(30, Overlap.WEEK))
    assert edited(alice, key, scheduled_rotation=None).scheduled_rotation is None


def test_policies_offer_it_where_the_new_secret_can_be_read(key: Key):
    data = key.api.policy
    assert Policy.from_data(data).offers_rotation
    assert not Policy.from_data(data | {"scheduled_rotation": "none"}).offers_rotation
    assert not Policy.from_data(data | {"secret": "shown_once"}).offers_rotation
    with pytest.raises(BadPolicy, match="cannot be used"):
        Policy.from_data(data | {"secret": "shown_once", "scheduled_rotation": "optional"})
    with pytest.raises(BadPolicy, match="cannot be used"):
        Policy.from_data(data | {"scheduled_rotation": "none", "asks": ["scheduled_rotation"]})


def test_an_overlap_ends_thirty_days_after_the_change_however_often_it_is_extended(alice: User, key: Key):
    services.change(key=key, secret=current(key).pk, overlap=Overlap.WEEK, by=COMMAND)

    def extend(overlap: Overlap) -> Any:
        return services.extend_overlap(
            key=key, overlap=overlap, by=confirmed(alice, "key.extend_overlap", key.public_id)
        )

    age(key, 24)
    with pytest.raises(Invalid, match="UTC, not longer"):
        extend(Overlap.WEEK)
    age(key, 22.9)
    extend(Overlap.WEEK)
    age(key, 29.5)
    with pytest.raises(Invalid, match="not longer"):
        extend(Overlap.DAY)
