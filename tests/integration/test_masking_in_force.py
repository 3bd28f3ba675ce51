"""Mask Phone Number of a key needs the account's phone masking: wherever the one is shown, the other is said."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from accounts.models import Account, User
from core.permissions import Role
from keys.models import Key
from tests.factories.accounts import PASSWORD, a_user, with_totp
from tests.factories.keys import a_key_of, api_for
from tests.responses import Response

pytestmark = pytest.mark.django_db
OFF = "No effect: the account's phone masking is off. Turn it on in the settings"
WARNING = "Mask Phone Number has no effect while the account's phone masking is off."
NOT_IN_FORCE = "Mask Phone Number Yes, but has no effect because phone masking is off in the account's settings"


@pytest.fixture(autouse=True)
def _enabled(signed_in: User, acme: Account) -> None:
    api_for(acme, "cloud-pbx")


def words(response: Response) -> str:
    """Return what a page says, without its tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", response.content.decode())))


def mask(account: Account, on: bool) -> None:
    Account.objects.filter(pk=account.pk).update(mask_phone=on)


def masked(alice: User) -> Key:
    return a_key_of("cloud-pbx", alice, mask_phone=True).key


@pytest.mark.parametrize("on", [False, True])
def test_the_forms_say_at_the_field_what_is_missing_and_lead_there(client: Client, alice: User, on: bool) -> None:
    key = masked(alice)
    mask(alice.account, on)

    for path in ("/keys/new/?api=cloud-pbx", f"/keys/{key.public_id}/edit/"):
        page = client.get(path)
        assert (OFF in words(page)) == (not on), path
        assert ('<a href="/settings/#masking" target="_blank">' in page.content.decode()) == (not on)
    assert OFF not in words(client.get(f"/keys/{a_key_of('billing', alice).key.public_id}/edit/"))
    assert 'id="masking"' in client.get("/settings/").content.decode()


@pytest.mark.parametrize("on", [False, True])
def test_a_key_that_is_saved_with_it_warns(client: Client, alice: User, on: bool) -> None:
    mask(alice.account, on)
    page = client.get("/keys/new/?api=cloud-pbx").content.decode()
    token = re.search(r'name="form_token" value="([^"]+)"', page)
    assert token
    given = {"name": "dialer", "addresses": "203.0.113.7", "every_module": "all", "expiry": "never", "enabled": "on"}
    made = client.post(
        "/keys/new/?api=cloud-pbx", given | {"form_token": token[1], "mask_phone": "on", "password": PASSWORD}
    )
    assert ("Keep your access token private" in words(made), WARNING in words(made)) == (True, not on)

    key = Key.objects.get()
    saved = client.post(
        f"/keys/{key.public_id}/edit/",
        given | {"version": key.version, "mask_phone": "on", "expiry": "keep", "hlr_lookup": "on"},
        follow=True,
    )
    assert ("dialer saved" in words(saved), WARNING in words(saved)) == (True, not on)


def test_the_key_s_page_and_its_docs_say_that_it_is_not_in_force(client: Client, alice: User) -> None:
    key = masked(alice)
    page, docs = f"/keys/{key.public_id}/", f"/keys/{key.public_id}/docs/"

    assert NOT_IN_FORCE in words(client.get(page))
    assert NOT_IN_FORCE in words(client.get(docs))
    mask(alice.account, True)
    assert "Mask Phone Number Yes HLR Lookup No" in words(client.get(page))
    assert "Mask Phone Number Yes: phone numbers are masked according to" in words(client.get(docs))
    Key.objects.update(mask_phone=False)
    assert "Mask Phone Number No" in words(client.get(page))
    assert "Mask Phone Number No" in words(client.get(docs))


def test_who_may_not_see_the_settings_is_told_without_a_link(client: Client, alice: User) -> None:
    key = masked(alice)
    for role, linked in ((Role.AUDITOR, True), (Role.ACCOUNT_READER, False)):
        client.force_login(a_user(alice.account, role.label, role))
        page = client.get(f"/keys/{key.public_id}/")
        assert NOT_IN_FORCE in words(page)
        assert ("#masking" in page.content.decode()) == linked


def test_support_sees_it_too(client: Client, alice: User) -> None:
    key = masked(alice)
    sam = a_user(None, "Sam", Role.SUPPORT)
    with_totp(sam)
    client.force_login(sam)
    page = f"/admin/keys/key/{key.pk}/change/"

    assert "Mask Phone Number (no effect: the account's phone masking is off)" in words(client.get(page))
    mask(alice.account, True)
    assert "not in force" not in words(client.get(page))


def test_the_account_s_switch_says_that_it_is_about_api_calls_too(client: Client, alice: User) -> None:
    assert "API calls with keys that have Mask Phone Number" in words(client.get("/settings/"))
    client.force_login(a_user(alice.account, "Arthur", Role.AUDITOR))
    assert "Off, also for API calls: the Mask Phone Number setting of keys has no effect" in words(
        client.get("/settings/")
    )
    mask(alice.account, True)
    assert "and API calls with keys that have Mask Phone Number" in words(client.get("/settings/"))
