"""Changing a key's secret as a browser without JavaScript sees it, and the old one on the key's page."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, User
from core.permissions import Role
from keys import services
from keys.models import Api, Key, Secret, SecretUse
from tests.factories.accounts import PASSWORD, a_user, acting
from tests.factories.keys import a_billing_key, billing_for, events
from tests.responses import read_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in", "billing_enabled")]
TOKEN = re.compile(r"kw_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def key(alice: User) -> Key:
    return a_billing_key(alice, "203.0.113.0/24").key


def url(action: str, key: Key) -> str:
    return reverse(f"key-{action}", args=[key.public_id])


def filled(key: Key, **other: Any) -> dict[str, Any]:
    current = key.secrets.get(retires_at=None)
    return {"secret": str(current.pk), "overlap": "24h", "password": PASSWORD, **other}


def test_the_form_offers_four_overlaps_and_says_what_an_interruption_hits(client: Client, key: Key):
    SecretUse.objects.create(secret=key.secrets.get(), used_at=timezone.now(), address="203.0.113.9")
    page = read_page(client.get(url("change", key)))

    assert re.findall(r'name="overlap" value="(\w+)"', page) == ["none", "1h", "24h", "7d"]
    assert re.search(r'value="none"[^>]* checked', page)
    assert "End it early, when the new secret is first used successfully" in page
    assert "Yes, change API key" in page
    assert "203.0.113.9" in page
    assert url("change", key) in read_page(client.get(url("detail", key)))
    assert url("change", key) in read_page(client.get("/keys/"))
    assert "<html" not in read_page(client.get(url("change", key), headers=HTMX))


def test_the_answer_shows_the_new_token_and_its_header_once(client: Client, key: Key):
    data = filled(key, ends_on_use="on")
    first, second = client.post(url("change", key), data), client.post(url("change", key), data)

    (token, *same) = TOKEN.findall(read_page(first))
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-store")
    assert set(same) == {token}
    assert f"Authorization: Token <span data-secret-value>{token}" in read_page(first)
    assert "Keep your access token private" in read_page(first)
    assert "or until the new one is first used successfully" in read_page(first)
    assert second.status_code == 409
    assert url("detail", key) in read_page(second)
    assert "Changed by alice@acme.example" in read_page(second)
    for page in (second, client.get("/keys/"), client.get(url("detail", key)), client.get(url("change", key))):
        assert not TOKEN.search(read_page(page))
    assert (key.secrets.count(), len(events("key.secret_changed"))) == (2, 1)
    assert all(token not in event.body for event in events("key.secret_changed"))


def test_a_used_form_costs_no_try_at_the_password(client: Client, key: Key):
    data = filled(key)
    client.post(url("change", key), data)

    assert client.post(url("change", key), data | {"password": "wrong"}).status_code == 409
    assert events("confirmation.failed") == []


def test_a_wrong_confirmation_names_the_key_and_the_action(client: Client, alice: User, key: Key):
    client.post(url("change", key), filled(key) | {"password": "wrong"})

    [event] = events("confirmation.failed")
    assert (event.target_kind, event.target_id, event.target) == ("key", key.public_id, key.name)
    page = read_page(client.get(f"/audit/{event.number}/"))
    assert f"failed to confirm changing the secret of <bdi>{key.name}</bdi>" in page
    # And so the key's own trail has it.
    assert f'href="/audit/{event.number}/"' in read_page(client.get(f"/audit/?kind=key&object={key.public_id}"))


def test_the_second_of_two_administrators_is_told(client: Client, alice: User, key: Key):
    theirs = Client()
    theirs.force_login(a_user(alice.account, "Bob", Role.ADMINISTRATOR))
    mine, his = filled(key), filled(key, overlap="none")

    assert theirs.post(url("change", key), his).status_code == 200
    response = client.post(url("change", key), mine)

    assert response.status_code == 409
    assert "Changed by bob@acme.example" in read_page(response)
    assert url("change", key) in read_page(response)
    assert key.secrets.count() == 2
    # Opened again, the form is of the secret that is there now.
    assert client.post(url("change", key), filled(key)).status_code == 200


BAD = {
    "overlap": ["", "2h", "7"],
    "secret": ["", "1"],
    "password": ["", "wrong"],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
def test_what_cannot_be_is_refused_and_changes_nothing(client: Client, key: Key, field: str, value: str):
    response = client.post(url("change", key), filled(key, **{field: value}))

    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert not TOKEN.search(read_page(response))
    assert PASSWORD not in read_page(response)
    assert key.secrets.count() == 1


def test_the_keys_page_tells_of_the_old_secret_to_those_who_see_the_log(client: Client, alice: User, key: Key):
    old = key.secrets.get()
    client.post(url("change", key), filled(key))
    before, now = timezone.now() - timedelta(days=3), timezone.now()
    addresses = {"203.0.113.9": now.isoformat(), "2001:db8::7": before.isoformat()}
    SecretUse.objects.create(secret=old, used_at=now, address="203.0.113.9", addresses=addresses)

    page = read_page(client.get(url("detail", key)))
    assert "Old secret" in page
    assert page.index(">203.0.113.9</a>") < page.index(">2001:db8::7</a>")
    assert url("overlap-end", key) in page
    assert url("overlap-extend", key) in page

    key.owner = a_user(alice.account, "Olga")
    key.save()
    client.force_login(key.owner)
    page = read_page(client.get(url("detail", key)))
    assert "Old secret" in page
    assert "203.0.113.9" not in page
    assert url("overlap-end", key) not in page


def test_the_overlap_is_ended_with_yes_and_without_a_password(client: Client, key: Key):
    client.post(url("change", key), filled(key))
    assert "Yes, end it now" in read_page(client.get(url("overlap-end", key)))
    assert 'name="password"' not in read_page(client.get(url("overlap-end", key)))

    page = read_page(client.post(url("overlap-end", key), follow=True))

    assert "no longer works" in page
    assert "Ended" in page
    assert "has already ended" in read_page(client.post(url("overlap-end", key), follow=True))
    assert "has already ended" in read_page(client.get(url("overlap-end", key)))
    extended = client.post(url("overlap-extend", key), {"overlap": "7d", "password": PASSWORD}, follow=True)
    assert "cannot be restored" in read_page(extended)
    assert Secret.objects.filter(retires_at__gt=timezone.now()).count() == 0


def test_the_overlap_is_extended_with_a_password_and_never_beyond_seven_days(client: Client, key: Key):
    client.post(url("change", key), filled(key))
    assert re.findall(r'name="overlap" value="(\w+)"', read_page(client.get(url("overlap-extend", key)))) == [
        "1h",
        "24h",
        "7d",
    ]

    for wrong in ({"overlap": "7d"}, {"overlap": "30d", "password": PASSWORD}, {"overlap": "1h", "password": PASSWORD}):
        assert client.post(url("overlap-extend", key), wrong).status_code == 422
    page = read_page(client.post(url("overlap-extend", key), {"overlap": "7d", "password": PASSWORD}, follow=True))

    assert "works for another 7 days" in page
    left = key.secrets.get(retires_at__isnull=False).retires_at - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)


@pytest.mark.parametrize("action", ["change", "overlap-end", "overlap-extend"])
@pytest.mark.parametrize("status", [Account.Status.PENDING, Account.Status.SUSPENDED])
def test_nothing_of_it_in_an_account_that_is_not_active(client: Client, key: Key, action: str, status: str):
    data = filled(key)
    Account.objects.update(status=status)

    assert client.get(url(action, key)).status_code == 403
    assert client.post(url(action, key), data).status_code == 403
    assert url(action, key) not in read_page(client.get(url("detail", key)))
    assert key.secrets.count() == 1


@pytest.mark.parametrize("action", ["change", "overlap-end", "overlap-extend"])
def test_a_deleted_key_is_not_found(client: Client, alice: User, key: Key, action: str):
    data = filled(key)
    services.delete(key=key, by=acting(alice))

    assert client.get(url(action, key)).status_code == 404
    assert client.post(url(action, key), data).status_code == 404


def test_what_is_shown_once_says_so(client: Client, key: Key):
    Api.objects.filter(pk=key.api_id).update(policy=key.api.policy | {"secret": "shown_once"})

    page = read_page(client.post(url("change", key), filled(key)))

    assert "not stored, will not be shown again" in page
    assert key.secrets.filter(sealed__isnull=False, retires_at=None).count() == 0


def test_the_username_stays_in_the_header_to_paste(client: Client, alice: User):
    api = billing_for(alice.account)
    basic = {"credentials": ["basic"], "secret": "shown_once", "name_kind": "username", "name_label": "Username"}
    Api.objects.filter(pk=api.pk).update(policy=api.policy | basic)
    key = a_billing_key(alice, name="dialler").key

    page = read_page(client.post(url("change", key), filled(key)))

    assert "Authorization: Basic" in page
    assert "dialler" in page
