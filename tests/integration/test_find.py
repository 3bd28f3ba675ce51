"""The finder of an account: from a pasted token or log line to the key; what was pasted is nowhere afterwards."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from accounts.models import User
from audit.models import Event
from audit.trail.record import record
from core.permissions import Role
from core.request_id import generate_request_id
from keys.crypto.secrets import generate_token
from keys.models import Api, Key
from tests.factories.accounts import a_user, acting, an_account, with_totp
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.key_rows import a_key, a_secret
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db


class Acme(NamedTuple):
    key: Key
    token: str
    alice: User
    client: Client

    def find(self, text: str) -> str:
        answer = self.client.post("/find/", {"text": text})
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.content.decode()

    @property
    def page(self) -> str:
        return f'href="/keys/{self.key.public_id}/"'


@pytest.fixture
def acme(client: Client) -> Acme:
    """A key among others; its account's Administrator is signed in."""
    account, api = an_account(), Api.objects.get(slug="billing")
    alice = a_user(account, "Alice", Role.ADMINISTRATOR)
    a_key(account, alice, api, "Other")
    key, token = a_key(account, a_user(account, "Bob"), api, "Night worker")
    client.force_login(alice)
    return Acme(key, token, alice, client)


def searched() -> list[tuple[str, list[str]]]:
    bodies = Event.objects.filter(name="keys.searched").order_by("seq").values_list("body", flat=True)
    return [(data["what"], data["keys"]) for data in (json.loads(body)["data"] for body in bodies)]


@pytest.mark.parametrize("line", ["{}", "GET /customers?token={} HTTP/1.1", "a%3D{}%26b", "Authorization: Bearer {}"])
def test_a_token_leads_to_its_key(acme: Acme, line: str) -> None:
    page = acme.find(line.format(acme.token))

    assert acme.page in page
    assert escape("This is the key's current token.") in page
    assert f"/logs/?key_id={acme.key.public_id}" in page
    assert f"/keys/{acme.key.public_id}/change/" in page
    assert "Other" not in page
    event = since_the_beginning().get(name="keys.searched")
    assert (event.account_id, event.actor_id) == (acme.key.account_id, str(acme.alice.pk))
    assert event.target_id == acme.key.public_id
    assert searched() == [("a token", [acme.key.public_id])]


def test_a_basic_header_leads_to_its_key(acme: Acme) -> None:
    page = acme.find(f"Authorization: Basic {b64encode(f'dialer:{acme.token}'.encode()).decode()}")

    assert acme.page in page
    assert escape("This is the key's current token.") in page


def test_says_what_the_token_is_to_the_key(acme: Acme) -> None:
    key = acme.key
    for retires, words in (
        (1, ("is the key's old token, accepted until")),
        (-1, "is the key's old token, refused since"),
    ):
        old = generate_token("kw", key.public_id).token
        a_secret(key, old, retires_at=timezone.now() + timedelta(hours=retires))
        assert escape(words) in acme.find(old)
    assert escape("is not the key's token") in acme.find(generate_token("kw", key.public_id).token)
    Key.objects.filter(pk=key.pk).update(deleted_at=timezone.now())
    page = acme.find(acme.token)
    assert "its secrets are destroyed" in page
    assert acme.page not in page


def test_a_log_line_or_request_id_leads_to_key_call_and_event(acme: Acme) -> None:
    call = a_call(acme.key.account, key_id=acme.key.public_id)
    request_id = generate_request_id()
    with transaction.atomic():
        record(
            "user.signed_out", by=replace(acting(acme.alice), request_id=request_id), account_id=acme.alice.account_id
        )

    page = acme.find(f'{{"request_id": "{str(call).upper()}", "status": 403}}')
    assert acme.page in page
    assert f'href="/logs/{call}/"' in page
    assert "signed out" in acme.find(f"X-Request-Id: {request_id}")
    assert searched() == [("a request ID", [acme.key.public_id]), ("a request ID", [])]


def test_words_are_looked_for_too(acme: Acme) -> None:
    for typed in (
        "night",
        "bob@acme",
        acme.key.public_id,
        acme.key.public_id[-4:],
        f"kw_{acme.key.public_id}_********",
    ):
        assert acme.page in acme.find(typed), typed


def test_another_accounts_key_is_as_one_that_is_not(acme: Acme) -> None:
    globex = an_account("globex")
    api = acme.key.api
    theirs, token = a_key(globex, a_user(globex, "Zoe"), api, "Night shift")
    call = a_call(globex, key_id=theirs.public_id)
    unknown = generate_token("kw").token

    def answer(text: str) -> str:
        page = acme.find(text)
        return page[page.index('id="found"') : page.index('<form class="card')]

    # But for what was pasted.
    assert answer(token).replace(token[3:15], "…") == answer(unknown).replace(unknown[3:15], "…")
    for text in (theirs.public_id, str(call), "shift"):
        assert "The text does not match" in answer(text), text
    assert {tuple(keys) for _, keys in searched()} == {()}


def test_what_was_pasted_is_nowhere_afterwards(acme: Acme) -> None:
    session = acme.client.session.session_key
    for token in (acme.token, generate_token("kw").token):
        secret = token.rsplit("_", 1)[1][:32]
        assert secret not in acme.find(f"Bearer {token}")
        assert not Event.objects.filter(body__contains=secret).exists()
        assert secret not in str(Session.objects.get(session_key=session).get_decoded())
    for text in ("", " \n ", "x" * 1_000_001, "a\x00b"):
        answer = acme.client.post("/find/", {"text": text})
        assert answer.status_code == 422
        assert 'role="alert"' in answer.content.decode()


@pytest.mark.parametrize("text", ["%", "'", "\\", ")(", "é", "🔑", "%00", "x" * 9_999, "Basic ////////////////////"])
def test_odd_texts_find_nothing_and_break_nothing(acme: Acme, text: str) -> None:
    assert "No key found" in acme.find(text)


def test_only_the_box_where_it_is_allowed(acme: Acme) -> None:
    account = acme.key.account
    for nickname, role, may in (("Carol", Role.AUDITOR, True), ("Rita", Role.ACCOUNT_READER, False)):
        client = Client()
        client.force_login(a_user(account, nickname, role))
        pages = ("/keys/", "/logs/", "/audit/") if may else ("/keys/", "/logs/")
        for page in pages:
            text = client.get(page).content.decode()
            assert ('class="find-box"' in text) == may, page
            assert "/change/" not in client.post("/find/", {"text": acme.token}).content.decode()
        assert client.post("/find/", {"text": acme.token}).status_code == (200 if may else 403)


# A token in any other box

PLACES = (
    "/keys/?q={}", "/keys/?api=billing&owner={}", "/logs/?key={}", "/logs/?path=token%3D{}", "/logs/?owner={}",
    "/logs/?request_id={}&decision=denied", "/logs/chart/?key={}", "/logs/tail/?key={}", "/logs/export/?key={}",
    "/audit/?who={}", "/audit/?object=x{}", "/audit/export/?who={}", "/ip-lists/?q={}", "/ip-lists/{list}/?q={}",
    "/users/?q={}", "/keys/export/?q={}", "/keys/new/?api={}", "/find/?text={}", "/apis/billing/?q={}", "/?{}=1",
)  # fmt: skip


def places(acme: Acme) -> list[str]:
    number = an_ip_list(acme.alice).pk
    return [place.replace("{list}", str(number)).replace("{}", acme.token) for place in PLACES]


def test_a_token_in_an_address_is_sent_to_the_finder_without_it(acme: Acme) -> None:
    secret = acme.token.rsplit("_", 1)[1][:32]
    for place in places(acme):
        for headers in ({}, {"HX-Request": "true"}):
            answer = acme.client.get(place, headers=headers)
            to = answer.headers.get("HX-Redirect") if headers else answer.headers.get("Location")
            assert to == "/find/", place
            assert secret not in str(answer.headers) + answer.content.decode()
    page = acme.client.get("/find/").content.decode()
    assert "looks like a secret" in page
    assert secret not in page
    assert not Event.objects.filter(body__contains=secret).exists()
    assert not Event.objects.filter(name="log.read").exists()


def test_who_may_not_look_for_it_gets_the_page_without_it(acme: Acme) -> None:
    reader, support = a_user(acme.key.account, "Rita", Role.ACCOUNT_READER), a_user(None, "Sam", Role.SUPPORT)
    with_totp(support)
    client = Client()
    # Signed out: the address to come back to afterwards has none either.
    assert client.get(f"/keys/?q={acme.token}&status=active").headers["Location"] == "/keys/?status=active"
    client.force_login(reader)
    assert client.get(f"/logs/?key={acme.token}&decision=denied").headers["Location"] == "/logs/?decision=denied"
    assert "An Administrator or Auditor" in client.get("/logs/?decision=denied").content.decode()
    client.force_login(support)
    assert client.get(f"/admin/keys/key/?q={acme.token}").headers["Location"] == "/admin/find/"
    assert "looks like a secret" in client.get("/admin/find/").content.decode()


def test_a_token_as_pages_show_it_finds_its_key_in_the_list(acme: Acme) -> None:
    page = acme.client.get("/keys/", {"q": f"kw_{acme.key.public_id}_********"}).content.decode()
    assert acme.page in page
    assert "Other" not in page.split("<tbody>")[1]


def test_what_is_no_secret_is_looked_for(acme: Acme) -> None:
    for text in (
        acme.key.public_id,
        f"kw_{acme.key.public_id}_********",
        f"kw_{acme.key.public_id}",
        "key_notification_sender",
        "50%25",
    ):
        assert acme.client.get("/keys/", {"q": text}).status_code == 200, text
