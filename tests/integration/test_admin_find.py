"""The box that leads from what a customer says, or pastes, to the key; what was pasted is nowhere afterwards."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import NamedTuple

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from accounts.models import User
from audit.models import Event
from core.permissions import Role
from keys.crypto.secrets import generate_token
from keys.models import Api, Key
from tests.factories.accounts import a_user, an_account, with_totp
from tests.factories.calls import a_call
from tests.factories.key_rows import a_key, a_secret
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db


class Customer(NamedTuple):
    key: Key
    token: str
    client: Client
    support: User

    def find(self, text: str) -> str:
        answer = self.client.post("/admin/find/", {"text": text})
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.content.decode()

    @property
    def row(self) -> str:
        return f"/admin/keys/key/{self.key.pk}/change/"


@pytest.fixture
def customer(client: Client) -> Customer:
    """One whose key is looked for, among others; Support is signed in."""
    acme, api = an_account(), Api.objects.get(slug="billing")
    globex = an_account("globex")
    a_key(globex, a_user(globex, "Zoe"), api, "Other")
    key, token = a_key(acme, a_user(acme, "Bob"), api, "Night worker")
    support = a_user(None, "Sam", Role.SUPPORT)
    with_totp(support)
    client.force_login(support)
    return Customer(key, token, client, support)


def searched() -> list[tuple[str, list[str]]]:
    bodies = Event.objects.filter(name="admin.searched").order_by("seq").values_list("body", flat=True)
    return [(data["what"], data["keys"]) for data in (json.loads(body)["data"] for body in bodies)]


@pytest.mark.parametrize("typed", ["night", "worker", "bob@acme.example", "BOB@"])
def test_by_what_a_customer_says(customer: Customer, typed: str) -> None:
    page = customer.find(typed)

    assert customer.row in page
    assert "Other" not in page


def test_by_api_id_and_its_last_four(customer: Customer) -> None:
    for typed in (customer.key.public_id, customer.key.public_id[-4:]):
        assert customer.row in customer.find(typed)


def test_by_a_line_of_a_log(customer: Customer) -> None:
    request_id = a_call(customer.key.account, key_id=customer.key.public_id)

    for line in (
        f'203.0.113.8 - - [20/Nov/2026:17:30:00 +0000] "GET /customers HTTP/1.1" 403 12 "{customer.key.public_id}"',
        f'{{"request_id": "{request_id}", "status": 403}}',
    ):
        page = customer.find(line)
        assert customer.row in page
    assert f"/admin/audit/call/{request_id}/change/" in page


@pytest.mark.parametrize("line", ["{}", "Authorization: Bearer {}", "GET /customers?token={} HTTP/1.1", "a%3D{}%26b"])
def test_by_a_token(customer: Customer, line: str) -> None:
    page = customer.find(line.format(customer.token))

    assert customer.row in page
    assert escape("This is the key's current token.") in page
    event = since_the_beginning().get(name="admin.searched")
    assert (event.account_id, event.target_id) == (customer.key.account_id, customer.key.public_id)
    assert searched() == [("a token", [customer.key.public_id])]


def test_says_what_the_token_is_to_the_key(customer: Customer) -> None:
    key, prefix = customer.key, "kw"
    for retires, words in (
        (1, ("is the key's old token, accepted until")),
        (-1, "is the key's old token, refused since"),
    ):
        old = generate_token(prefix, key.public_id).token
        a_secret(key, old, retires_at=timezone.now() + timedelta(hours=retires))
        assert escape(words) in customer.find(old)
    assert escape("is not the key's token") in customer.find(generate_token(prefix, key.public_id).token)
    mistyped = customer.token[:-1] + ("A" if customer.token[-1] != "A" else "B")
    assert "its checksum is wrong" in customer.find(mistyped)
    Key.objects.filter(pk=key.pk).update(deleted_at=timezone.now())
    page = customer.find(customer.token)
    assert "its secrets are destroyed" in page
    assert customer.row not in page


def test_what_was_pasted_is_nowhere_afterwards(customer: Customer) -> None:
    session = customer.client.session.session_key
    unknown = generate_token("kw").token
    for token in (customer.token, unknown):
        secret = token.rsplit("_", 1)[1][:32]
        page = customer.find(f"Bearer {token}")
        assert secret not in page
        assert not Event.objects.filter(body__contains=secret).exists()
        assert secret not in str(Session.objects.get(session_key=session).get_decoded())
    assert searched()[-1] == ("a token", [])


def test_a_text_in_the_address_is_not_looked_for(customer: Customer) -> None:
    page = customer.client.get("/admin/find/", {"text": customer.key.public_id}).content.decode()

    assert customer.row not in page
    assert searched() == []


@pytest.mark.parametrize("text", ["", "x" * 1_000_001, "a\x00b"])
def test_what_cannot_be_looked_for_says_so(customer: Customer, text: str) -> None:
    answer = customer.client.post("/admin/find/", {"text": text})

    assert answer.status_code == 422
    assert 'class="error"' in answer.content.decode()


@pytest.mark.parametrize("text", ["%", "_", "'", "\\", ")(", "[", "é", "🔑", "%00", "x" * 9_999, "a b c " * 500])
def test_odd_texts_find_nothing_and_break_nothing(customer: Customer, text: str) -> None:
    assert "No keys found by" in customer.find(text)
