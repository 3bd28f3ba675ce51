"""The pages of keys as a browser without JavaScript sees them: answers, words, and what never leaves the server."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from core.permissions import Role
from keys import services
from keys.key_settings import KeySettings
from keys.models import Api, Enablement, Key, Secret
from tests.factories.accounts import PASSWORD, a_user, acting, an_account
from tests.factories.keys import LEAST, a_billing_key, a_key_of, billing_for, events
from tests.responses import read_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in", "billing_enabled")]
NEW = "/keys/new/?api=billing"
HTMX = {"HX-Request": "true"}
TOKEN = re.compile(r"kw_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
ACTIONS = ["detail", "edit", "reveal", "enable", "disable", "delete"]


@pytest.fixture
def key(alice: User) -> Key:
    return a_billing_key(alice, "203.0.113.0/24", modules=frozenset({"invoices"})).key


def url(action: str, key: Key) -> str:
    return reverse(f"key-{action}", args=[key.public_id])


def filled(**other: Any) -> dict[str, Any]:
    """Return the create form as a person fills it in."""
    return {
        "name": "Invoice robot",
        "website": "https://shop.example",
        "platform": "server",
        "addresses": "203.0.113.7\n2001:db8::/32",
        "every_module": "all",
        "expiry": "never",
        "enabled": "on",
        "form_token": str(uuid.uuid4()),
        "password": PASSWORD,
        **other,
    }


def edited(key: Key, **other: Any) -> dict[str, Any]:
    key_settings = KeySettings.from_key(key)
    return {
        "name": key_settings.name,
        **key_settings.fields,
        "addresses": "\n".join(map(str, key_settings.networks)),
        "every_module": "all" if key_settings.modules is None else "some",
        "modules": list(key_settings.modules or ()),
        "expiry": "keep",
        "version": "1",
        **other,
    }


# Adding


def test_the_form_asks_billings_fields_in_billings_words(client: Client, alice: User):
    page = read_page(client.get(NEW))

    labels = [" ".join(label.split()) for label in re.findall(r"<label for=[^>]*>([^<]+)", page)]
    assert labels[:4] == ["Application name", "Application website", "Platform", "IP ACL"]
    assert re.findall(r'<option value="(\w+)">', page)[:5] == ["web", "mobile", "desktop", "server", "other"]
    assert re.search(r'value="all"[^>]* checked', page)
    assert '<option value="never" selected>Never</option>' in page
    assert 'name="password"' in page


def test_the_answer_to_create_shows_the_token_and_its_header_once(client: Client, alice: User):
    data = filled()
    first, second = client.post(NEW, data), client.post(NEW, data)

    (token, *same) = TOKEN.findall(read_page(first))
    assert first.status_code == 200
    assert set(same) == {token}
    assert f"Authorization: Token <span data-secret-value>{token}" in read_page(first)
    assert "Keep your access token private" in read_page(first)
    assert first.headers["Cache-Control"] == "no-store"
    key = Key.objects.get()
    assert second.status_code == 409
    assert url("detail", key) in read_page(second)
    assert token not in read_page(second)
    for page in ("/keys/", url("detail", key), url("edit", key), url("reveal", key)):
        assert Secret.objects.get().digest.hex() not in read_page(client.get(page))
        assert not TOKEN.search(read_page(client.get(page)))


def test_the_settings_that_were_asked_for_are_the_keys(client: Client, alice: User):
    client.post(NEW, filled(every_module="some", modules=["cdrs", "payments"], expiry="90", enabled=""))

    key = Key.objects.get()
    assert KeySettings.from_key(key).modules == {"cdrs", "payments"}
    assert key.expires_at is not None
    assert round((key.expires_at - key.created_at).total_seconds()) == 90 * 86400
    assert [str(entry.network) for entry in key.addresses.order_by("pk")] == ["203.0.113.7/32", "2001:db8::/32"]
    assert key.enabled is False


BAD: dict[str, list[Any]] = {
    "name": ["", "a\x00b", "x" * 201, "a\u202eb"],
    "website": ["shop.example", "javascript:alert(1)"],
    "platform": ["", "toaster"],
    "addresses": ["203.0.113.300", "203.0.113.7/33", "203.0.113.7/24", "::ffff:1.2.3.4", "fe80::1%eth0", "a\x00"],
    "modules": [["payroll"], []],
    "expiry": ["", "7", "soon"],
    "expires_on": ["", "2020-01-01", "tomorrow"],
    "form_token": ["", "1"],
    "password": [""],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
def test_what_cannot_be_is_said_at_its_field_and_the_rest_is_kept(client: Client, alice: User, field: str, value: Any):
    other = {"expires_on": {"expiry": "date"}, "modules": {"every_module": "some"}}.get(field, {})
    response = client.post(NEW, filled(**other, **{field: value}))

    assert response.status_code == 422
    assert field in response.context["form"].errors
    page = read_page(response)
    assert field == "name" or 'value="Invoice robot"' in page
    assert PASSWORD not in page
    assert Key.objects.count() == 0


def test_a_wrong_password_keeps_what_was_typed_and_counts_the_tries(client: Client, alice: User):
    response = client.post(NEW, filled(password="wrong"))

    page = read_page(response)
    assert "Incorrect password. 9 attempts left." in page
    assert 'value="Invoice robot"' in page
    assert "203.0.113.7\n2001:db8::/32" in response.content.decode()
    assert "wrong" not in re.sub(r'class="[^"]*"', "", page)
    for _ in range(9):
        page = read_page(client.post(NEW, filled(password="wrong")))
    assert "Too many incorrect passwords. Try again after" in page
    assert client.post(NEW, filled()).status_code == 422
    assert Key.objects.count() == 0


def test_fields_that_the_form_does_not_have_change_nothing(client: Client, alice: User):
    stranger = a_user(an_account("globex"), "Greta")
    client.post(
        NEW, filled(owner=str(stranger.pk), account=str(stranger.account_id), public_id="AAAAAAAAAAAA", version="9")
    )

    key = Key.objects.get()
    assert (key.owner, key.account, key.version) == (alice, alice.account, 1)
    assert key.public_id != "AAAAAAAAAAAA"


@pytest.mark.parametrize("preset", LEAST)
def test_a_key_is_duplicated_with_the_settings_of_another(client: Client, alice: User, preset: str):
    key = a_key_of(preset, alice).key
    form = client.get("/keys/new/", {"like": key.public_id}).context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    expiry = sent.get("expires_on") and {"expires_on": sent["expires_on"].isoformat()}
    answer = client.post(f"/keys/new/?api={preset}", sent | (expiry or {}) | {"password": PASSWORD})

    assert answer.status_code == 200
    made = Key.objects.exclude(pk=key.pk).get()
    assert made.name == (key.name if not key.name or form.rules.name_kind == "owner" else f"{key.name} copy")
    own, copied = (replace(KeySettings.from_key(each), name="", expires_at=None) for each in (key, made))
    assert copied == own
    assert (made.expires_at and made.expires_at.date()) == (key.expires_at and key.expires_at.date())


def test_a_key_of_another_account_is_not_duplicated(client: Client, alice: User):
    foreign = a_billing_key(a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)).key
    assert client.get("/keys/new/", {"like": foreign.public_id}).status_code == 404


def test_an_api_that_the_account_does_not_have_is_not_found(client: Client, alice: User):
    Api.objects.create(slug="hidden", name="Hidden", document={}, policy=billing_for(alice.account).policy)

    for slug in ("hidden", "nothing", "%00"):
        assert client.get(f"/keys/new/?api={slug}").status_code == 404
        assert client.post(f"/keys/new/?api={slug}", filled()).status_code == 404
    assert Key.objects.count() == 0


def test_the_longest_lifetime_takes_never_away(client: Client, alice: User, settings: Any):
    settings.KEY_MAX_LIFETIME_DAYS = 60
    page = read_page(client.get(NEW))

    expiry = page.partition('name="expiry"')[2].partition("</select>")[0]
    assert re.findall(r'<option value="(\w+)"', expiry) == ["30", "60", "date"]
    assert '<option value="60" selected>' in page
    assert client.post(NEW, filled(expiry="never")).status_code == 422
    assert client.post(NEW, filled(expiry="date", expires_on="2999-01-01")).status_code == 422
    assert client.post(NEW, filled(expiry="60")).status_code == 200


@pytest.mark.parametrize("status", [Account.Status.PENDING, Account.Status.SUSPENDED])
def test_an_account_that_is_not_active_sees_the_button_with_the_reason(client: Client, key: Key, status: str):
    Account.objects.update(status=status)
    page = read_page(client.get("/keys/"))

    assert re.search(r'<button[^>]*aria-disabled="true"[^>]*>.*?Add API key', page, re.DOTALL)
    assert f"The account is {status}: its keys cannot be created or changed." in page
    for path in (NEW, *(url(action, key) for action in ACTIONS[1:])):
        response = client.get(path)
        assert (response.status_code, f"The account is {status}" in read_page(response)) == (403, True)
        assert client.post(path, filled()).status_code == 403
    assert client.get(url("detail", key)).status_code == 200


# Showing


def test_the_token_is_shown_after_the_password_alone(client: Client, alice: User):
    made = a_billing_key(alice)
    path = url("reveal", made.key)

    assert made.token not in read_page(client.get(path))
    assert client.post(path, {}).status_code == 422
    wrong = client.post(path, {"password": "wrong"})
    assert (wrong.status_code, made.token in read_page(wrong)) == (422, False)
    assert events("key.revealed") == []
    shown = client.post(path, {"password": PASSWORD})
    assert (shown.status_code, shown.headers["Cache-Control"]) == (200, "no-store")
    assert made.token in read_page(shown)
    assert len(events("key.revealed")) == 1


def test_a_script_gets_the_token_as_json(client: Client, alice: User):
    made = a_billing_key(alice)
    headers = {"Accept": "application/json", **HTMX}

    shown = client.post(url("reveal", made.key), {"password": PASSWORD}, headers=headers)
    assert shown.json() == {"token": made.token}
    assert shown.headers["Cache-Control"] == "no-store"
    wrong = client.post(url("reveal", made.key), {"password": "wrong"}, headers=headers)
    assert (wrong.status_code, wrong.headers["Content-Type"]) == (422, "text/html; charset=utf-8")


def test_a_broken_seal_is_told_plainly(client: Client, key: Key):
    Secret.objects.update(sealed=b"x" * 60)
    response = client.post(url("reveal", key), {"password": PASSWORD})

    assert response.status_code == 409
    assert "The stored token cannot be opened." in read_page(response)
    assert len(events("key.unreadable")) == 1


# Changing


def test_a_change_that_lets_less_in_is_saved_without_a_password(client: Client, key: Key):
    assert 'name="password"' not in read_page(client.get(url("edit", key)))
    response = client.post(url("edit", key), edited(key, name="Renamed", addresses="203.0.113.7"))

    assert (response.status_code, response.headers["Location"]) == (302, url("detail", key))
    assert Key.objects.get().name == "Renamed"


def test_a_change_that_lets_more_in_is_asked_for_and_keeps_what_was_typed(client: Client, key: Key):
    wide = edited(key, name="Renamed", addresses="")
    response = client.post(url("edit", key), wide)

    assert response.status_code == 422
    assert "so confirm with your password" in read_page(response)
    assert 'value="Renamed"' in read_page(response)
    assert client.post(url("edit", key), wide | {"password": "wrong"}).status_code == 422
    assert Key.objects.get().name == "Invoice robot"
    assert client.post(url("edit", key), wide | {"password": PASSWORD}).status_code == 302
    assert KeySettings.from_key(Key.objects.get()).networks == ()


def test_the_second_of_two_editors_is_told_what_changed_and_loses_nothing(client: Client, alice: User, key: Key):
    bob = a_user(alice.account, "Bob", Role.ADMINISTRATOR)
    other = Client()
    other.force_login(bob)
    other.post(url("edit", key), edited(key, name="Bob's", platform="web"))

    response = client.post(url("edit", key), edited(key, name="Alice's"))

    page = read_page(response)
    assert response.status_code == 409
    assert bob.email in page
    assert "<del>Invoice robot</del>" in page
    assert "<ins>Bob's</ins>" in page
    assert ("<del>server</del>" in page, "<ins>web</ins>" in page) == (True, True)
    assert 'value="Alice\'s"' in page
    assert 'name="version" value="2"' in page
    assert Key.objects.get().name == "Bob's"
    assert client.post(url("edit", key), edited(key, name="Alice's", version="2")).status_code == 302


@pytest.mark.parametrize(
    "change", [{"version": "0"}, {"version": "x"}, {"version": ""}, {"name": ""}, {"modules": ["hr"]}]
)
def test_a_hand_made_edit_is_refused(client: Client, key: Key, change: dict[str, Any]):
    assert client.post(url("edit", key), edited(key, **change)).status_code == 422
    assert Key.objects.get().version == 1


def test_disabling_and_deleting_name_what_breaks_and_ask_once(client: Client, key: Key):
    for action in ("disable", "delete"):
        page = read_page(client.get(url(action, key)))
        assert "Invoice robot" in page
        assert "It was never used." in page
        assert 'name="password"' not in page
    assert client.post(url("disable", key)).headers["Location"] == url("detail", key)
    assert Key.objects.get().enabled is False
    assert client.post(url("enable", key), {"password": "wrong"}).status_code == 422
    assert client.post(url("enable", key), {"password": PASSWORD}).status_code == 302
    assert Key.objects.get().enabled is True
    assert client.post(url("delete", key)).headers["Location"] == "/keys/"
    assert client.get(url("detail", key)).status_code == 404


# Who finds what


@pytest.mark.parametrize("action", ACTIONS)
def test_keys_of_another_account_deleted_ones_and_strange_ids_are_not_there(client: Client, alice: User, action: str):
    foreign = a_billing_key(a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)).key
    deleted = a_billing_key(alice).key
    services.delete(key=deleted, by=acting(alice))

    for path in (
        url(action, foreign),
        url(action, deleted),
        url(action, foreign).replace(foreign.public_id, "short"),
        url(action, foreign).replace(foreign.public_id, "%00" * 12),
    ):
        assert client.get(path).status_code == 404
        if action != "detail":
            assert client.post(path, {"password": PASSWORD, **edited(foreign)}).status_code == 404
    assert Key.objects.get(pk=foreign.pk).enabled is True


@pytest.mark.parametrize("action", ACTIONS)
def test_readers_see_a_key_and_change_nothing(client: Client, key: Key, action: str):
    client.force_login(a_user(key.account, "Bob", Role.ACCOUNT_READER))

    assert client.get(url(action, key)).status_code == (200 if action == "detail" else 403)
    page = read_page(client.get(url("detail", key)))
    assert url("reveal", key) not in page
    assert url("edit", key) not in page
    assert "Add API key" not in read_page(client.get("/keys/"))


def test_an_owner_without_a_role_sees_own_keys_only(client: Client, alice: User, key: Key):
    olga = a_user(alice.account, "Olga")
    hers = a_billing_key(alice, owner=olga, name="Hers").key
    client.force_login(olga)

    page = read_page(client.get("/keys/"))
    assert ("Hers" in page, "Invoice robot" in page) == (True, False)
    assert client.get(url("detail", hers)).status_code == 200
    assert client.get(url("detail", key)).status_code == 404


# Fragments


@pytest.mark.parametrize("path", ["/keys/", NEW, *ACTIONS])
def test_every_page_is_a_page_and_a_fragment(client: Client, key: Key, path: str):
    path = path if path.startswith("/") else url(path, key)
    page, fragment = client.get(path), client.get(path, headers=HTMX)

    assert "<h1>" in read_page(page)
    assert "<h1>" not in read_page(fragment)
    assert "HX-Request" in page.headers["Vary"]


def test_a_redirect_of_a_fragment_tells_the_script_where_to(client: Client, key: Key):
    response = client.post(url("disable", key), headers=HTMX)

    assert response.headers["HX-Redirect"] == url("detail", key)


def test_without_an_api_the_button_says_why_and_with_several_one_is_chosen(client: Client, alice: User):
    Api.objects.create(slug="second", name="Second", document={}, policy=billing_for(alice.account).policy)
    second = Api.objects.get(slug="second")
    Enablement.objects.create(account=alice.account, api=second)
    assert "/keys/new/?api=second" in read_page(client.get("/keys/new/"))
    assert "/keys/new/?api=second" in read_page(client.get("/keys/?api=second"))

    Enablement.objects.all().delete()
    assert "No API is enabled for this account yet." in read_page(client.get("/keys/"))
    assert "No API is enabled for this account yet." in read_page(client.get("/keys/new/"))
