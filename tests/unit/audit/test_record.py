"""Recording of events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from audit.models import Event
from audit.trail import chain
from audit.trail.events import Target, WrongEvent
from audit.trail.record import NotInTransaction, record
from core.actor import Actor, Confirmation

ALICE = Actor(kind="user", id="7", label="alice@acme.example", address="203.0.113.8", request_id="r-1")
KEY = Target("key", "0123456789ab", "Billing worker")


@pytest.mark.django_db
def test_an_event_is_stored_with_who_what_where_and_when():
    by = ALICE.with_confirmation(Confirmation("key.create", "0123456789ab", "password"))

    seq = record("key.created", by=by, account_id=3, target=KEY, api="billing", settings={"name": "Billing worker"})

    event = Event.objects.get(seq=seq)
    assert (event.name, event.account_id, event.request_id) == ("key.created", 3, "r-1")
    assert (event.actor_kind, event.actor_id, event.actor) == ("user", "7", "alice@acme.example")
    assert (event.target_kind, event.target_id, event.target) == ("key", "0123456789ab", "Billing worker")
    assert event.address == "203.0.113.8"
    assert abs(event.at - datetime.now(UTC)) < timedelta(minutes=1)
    body = json.loads(event.body)
    assert body["data"] == {"api": "billing", "settings": {"name": "Billing worker"}}
    assert body["confirmed_by"] == "password"


@pytest.mark.django_db
def test_numbers_follow_each_other_and_each_mac_covers_the_one_before(settings):
    first = record("user.signed_out", by=ALICE, account_id=3)
    second = record("user.signed_out", by=ALICE, account_id=3)

    one, two = Event.objects.get(seq=first), Event.objects.get(seq=second)
    assert second == first + 1
    assert bytes(two.prev) == bytes(one.mac)
    expected = chain.compute_mac(
        settings.AUDIT_KEYS[two.key_id],
        bytes(one.mac),
        str(second).encode(),
        chain.format_instant(two.at).encode(),
        two.body.encode(),
    )
    assert bytes(two.mac) == expected


@pytest.mark.django_db
def test_three_round_trips_write_an_event(django_assert_num_queries):
    with django_assert_num_queries(3):
        record("user.signed_out", by=ALICE, account_id=3)


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_nothing_is_recorded():
    with pytest.raises(NotInTransaction, match=r"user\.signed_out"):
        record("user.signed_out", by=ALICE, account_id=3)


@pytest.mark.django_db(transaction=True)
def test_the_event_goes_with_the_change_that_is_rolled_back():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        seq = record("user.signed_out", by=ALICE, account_id=3)
        raise ZeroDivisionError

    assert not Event.objects.filter(seq=seq).exists()
    with transaction.atomic():
        assert record("user.signed_out", by=ALICE, account_id=3) == seq


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("key.exploded", {}, "'key.exploded' is not in"),
        ("key.revealed", {}, "missing 'api'"),
        ("key.revealed", {"api": "billing", "secret": "x"}, "unknown 'secret'"),
    ],
)
def test_what_the_catalogue_does_not_know_is_refused(name, data, problem):
    before = Event.objects.count()

    with pytest.raises(WrongEvent, match=problem):
        record(name, by=ALICE, account_id=3, target=KEY, **data)

    assert Event.objects.count() == before


@pytest.mark.django_db
def test_a_value_that_json_does_not_know_is_refused():
    with pytest.raises(TypeError, match="no form in JSON"):
        record("key.created", by=ALICE, account_id=3, target=KEY, api="billing", settings={"at": datetime.now(UTC)})
