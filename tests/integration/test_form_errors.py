"""Every error of a form is shown at once: a name that is taken beside what the form itself refuses."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, an_account, an_invitation
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_key_of, api_for
from tests.factories.notices import an_endpoint

pytestmark = pytest.mark.django_db
REQUIRED = ["This field is required."]
TAKEN_LIST = ["A list named OFFICES already exists. Choose another name."]
SHORT = "This password is too short. It must contain at least 10 characters."


@pytest.fixture
def alice(client: Client) -> User:
    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    client.force_login(user)
    return user


def get_errors(client: Client, path: str, **sent: Any) -> dict[str, list[str]]:
    response = client.post(path, sent)
    assert response.status_code == 422
    return {name: list(errors) for name, errors in response.context["form"].errors.items()}


def send_key(client: Client, slug: str, **sent: Any) -> dict[str, list[str]]:
    given = {"enabled": "on", "form_token": str(uuid.uuid4()), "every_module": "all", "expiry": "never"}
    return get_errors(client, f"/keys/new/?api={slug}", **given | sent)


def test_of_a_new_key(client: Client, alice: User):
    an_ip_list(alice, name="Offices")
    a_key_of("cloud-pbx", alice)
    wrong = {"name": "dialer", "addresses": "", "expiry": "date", "expires_on": "2020-01-01", "new_list": "OFFICES"}
    assert send_key(client, "cloud-pbx", **wrong, new_list_entries="10.0.0.1") == {
        "name": ["Username dialer is already used by another API user. Choose another."],
        "expires_on": ["2020-01-01 23:59 UTC is in the past. Choose a later time."],
        "new_list": TAKEN_LIST,
        "password": REQUIRED,
    }


def test_of_a_new_key_without_its_day(client: Client, alice: User):
    assert alice.account is not None
    api_for(alice.account, "billing")
    wrong = {"name": "x" * 201, "website": "nowhere", "platform": "web", "expiry": "date", "password": PASSWORD}
    assert send_key(client, "billing", **wrong) == {
        "name": ["This is 201 characters long. Use at most 200."],
        "website": ["nowhere is not a URL. Enter one such as https://www.example.com."],
        "expires_on": ["Choose the day on which the key expires."],
    }


@pytest.mark.parametrize("own", [False, True])
def test_of_an_ip_list(client: Client, alice: User, own: bool):
    an_ip_list(alice, name="Offices")
    other = an_ip_list(alice, name="Homes")
    path = f"/ip-lists/{other.pk}/edit/" if own else "/ip-lists/new/"
    errors = get_errors(client, path, name="OFFICES", description="\x07", version="1")
    assert (errors["name"], list(errors)) == (TAKEN_LIST, ["name", "description"])


def test_an_ip_list_keeps_its_name(client: Client, alice: User):
    path = f"/ip-lists/{an_ip_list(alice, name='Offices').pk}/edit/"
    assert client.post(path, {"name": "OFFICES", "description": "", "version": "1"}).status_code == 302


def test_of_an_accepted_invitation(alice: User):
    assert alice.account is not None
    _, token = an_invitation(alice.account, "ivy@acme.example")
    path = f"/invitation/{token}/"
    taken = ["This nickname is taken in this account."]
    assert get_errors(Client(), path, nickname="alice", password="evening") == {"nickname": taken, "password": [SHORT]}
    assert get_errors(Client(), path, nickname="", password="evening") == {"nickname": REQUIRED, "password": [SHORT]}


def test_of_a_changed_password(client: Client, alice: User):
    assert get_errors(client, "/profile/password/", password="", new_password="evening") == {
        "password": REQUIRED,
        "new_password": [SHORT],
    }


def test_of_a_webhook_endpoint(client: Client, alice: User):
    endpoint = an_endpoint(alice)
    assert get_errors(client, "/settings/notices/webhooks/new/", url=endpoint.url, password="") == {
        "url": ["Notices are sent to this URL already."],
        "password": REQUIRED,
    }
