"""What is granted but unused: why each is listed, what is not, and that it can be taken away with one click."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.permissions import Role
from keys.key_settings import KeySettings
from keys.models import IpListEntry, Key, Secret, SecretUse
from keys.services import edit
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call, as_owner
from tests.factories.ip_lists import an_ip_list
from tests.factories.key_rows import a_secret
from tests.factories.keys import a_billing_key, a_key_of, confirmed, events
from tests.responses import Response

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=200)


@pytest.fixture
def alice(unsummed: User) -> User:
    return unsummed


def age(key: Key, *, used: float | None = None) -> Key:
    """Make the key 200 days old, last used so many days ago."""
    Key.objects.filter(pk=key.pk).update(created_at=OLD)
    if used is not None:
        SecretUse.objects.create(
            secret=key.secrets.get(retires_at=None), used_at=NOW - timedelta(days=used), address="203.0.113.8"
        )
    return key


def summed(key: Key, module: str, address: str, *, days: float, reason: str = "") -> None:
    """Add a row of the roll-ups: calls that were made so long ago."""
    as_owner(
        "INSERT INTO audit_usage (account_id, key_id, api, client_address, credential, route, module, reason, "
        "old_secret, last_seen, calls) VALUES (%s, %s, %s, %s, 'bearer', %s, %s, %s, false, %s, %s)",
        [key.account_id, key.public_id, key.api.slug, address, f"GET /{module}", module, reason,
         NOW - timedelta(days=days), int(days < 30)],
    )  # fmt: skip


def text(response: Response) -> str:
    assert response.status_code == 200
    page = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html.unescape(response.content.decode())))
    return page[page.index("Old secrets") :]


def rows(response: Response) -> dict[str, list[str]]:
    """Return the names of what is listed for each key or list."""
    return {row.title: [item.name for item in row.items] for row in response.context["rows"]}


class TestKeys:
    def test_those_that_work_and_nobody_used_for_90_days_are_listed(self, client: Client, alice: User) -> None:
        for name, used in (("Never", None), ("Long ago", 91), ("Lately", 89)):
            age(a_billing_key(alice, name=name).key, used=used)
        a_billing_key(alice, name="New")
        for name, change in (("Off", {"enabled": False}), ("Expired", {"expires_at": NOW})):
            Key.objects.filter(pk=age(a_billing_key(alice, name=name).key).pk).update(**change)
        age(a_billing_key(a_user(an_account("globex"), "Gina", Role.ADMINISTRATOR), name="Theirs").key)

        page = client.get("/unused/")

        assert rows(page).keys() == {"Never", "Long ago"}
        assert re.search(r"Never .* never used .* Long ago .* last used", text(page))

    def test_one_click_disables_one_with_its_replay_and_leads_back(self, client: Client, alice: User) -> None:
        key = age(a_billing_key(alice).key)
        url = f"/keys/{key.public_id}/disable/?from=unused"
        assert url in client.get("/unused/").content.decode()

        assert "No calls were made." in client.get(url).content.decode()
        response = client.post(url)

        assert (response.status_code, response["Location"]) == (302, "/unused/")
        assert rows(client.get("/unused/")) == {}


class TestModules:
    def test_those_without_a_call_in_90_days_are_listed_with_the_last_one(self, client: Client, alice: User) -> None:
        given = frozenset({"customers", "invoices", "payments", "balance"})
        some = age(a_billing_key(alice, name="Some", modules=given).key, used=1)
        every = age(a_billing_key(alice, name="Every").key, used=1)
        for key in (some, every):
            summed(key, "customers", "203.0.113.8", days=89)
            summed(key, "invoices", "203.0.113.8", days=91)
            summed(key, "payments", "203.0.113.8", days=2, reason="module_not_granted")
        a_call(every.account, key_id=every.public_id, module="balance")
        age(a_billing_key(alice, name="Unused").key)

        page = client.get("/unused/modules/")

        found = rows(page)
        assert found.keys() == {"Some", "Every"}
        assert sorted(found["Some"]) == ["Balance", "Invoices", "Payments"]
        assert {"Invoices", "Payments"} < set(found["Every"])
        assert not {"Customers", "Balance"} & set(found["Every"])
        assert re.search(r"Invoices: last used", text(page))

    def test_what_was_granted_since_is_not(self, client: Client, alice: User) -> None:
        key = age(a_billing_key(alice, modules=frozenset({"customers", "invoices"})).key, used=1)
        summed(key, "customers", "203.0.113.8", days=1)
        settings = KeySettings.from_key(key)
        more = KeySettings(**{field: getattr(settings, field) for field in settings.__slots__}
                           | {"modules": frozenset({"customers", "invoices", "payments"})})  # fmt: skip
        edit(key=key, version=1, key_settings=more, by=confirmed(alice, "key.edit", key.public_id))

        assert rows(client.get("/unused/modules/")) == {key.name: ["Invoices"]}

    def test_one_click_removes_them_and_no_more(self, client: Client, alice: User) -> None:
        key = age(a_billing_key(alice, modules=frozenset({"customers", "invoices"})).key, used=1)
        summed(key, "customers", "203.0.113.8", days=1)
        page = client.get("/unused/modules/").content.decode()
        url = html.unescape(re.search(r'href="(/keys/\w+/shrink/[^"]*)"', page)[1])

        dialog = client.get(url)
        assert "Would have refused" not in dialog.content.decode()
        response = client.post(url, {"change": dialog.context["token"]})

        assert (response.status_code, response["Location"]) == (302, "/unused/modules/")
        assert [module.slug for module in Key.objects.get().modules.all()] == ["customers"]
        assert len(events("key.edited")) == 1
        assert rows(client.get("/unused/modules/")) == {}

    def test_a_call_that_came_meanwhile_is_asked_about(self, client: Client, alice: User) -> None:
        key = age(a_billing_key(alice, modules=frozenset({"customers", "invoices"})).key, used=1)
        a_call(key.account, key_id=key.public_id, module="invoices", rule="GET /invoices", path="/invoices")
        url = f"/keys/{key.public_id}/shrink/?module=invoices"
        token = client.get(url).context["token"]

        answer = client.post(url, {"change": token})
        assert answer.status_code == 409
        assert "Would have refused 1 of 1 call," in answer.content.decode()
        assert client.post(url, {"change": token, "accepts": token}).status_code == 302

    def test_a_key_that_changed_meanwhile_is_not_touched(self, client: Client, alice: User) -> None:
        key = age(a_billing_key(alice, modules=frozenset({"customers", "invoices"})).key, used=1)
        url = f"/keys/{key.public_id}/shrink/?module=invoices"
        token = client.get(url).context["token"]
        Key.objects.update(version=2)

        answer = client.post(url, {"change": token})
        assert answer.status_code == 409
        assert "The key was changed in the meantime." in answer.content.decode()
        assert not events("key.edited")


class TestAddresses:
    def test_entries_nobody_called_from_are_listed_and_removed(self, client: Client, alice: User) -> None:
        key = age(a_billing_key(alice, "203.0.113.0/24", "198.51.100.7/32", "2001:db8::/48").key, used=1)
        summed(key, "customers", "203.0.113.255", days=3)
        summed(key, "customers", "198.51.100.7", days=120)
        summed(key, "customers", "198.51.100.8", days=1)
        page = client.get("/unused/addresses/")
        assert rows(page) == {key.name: ["198.51.100.7", "2001:db8::/48"]}
        url = html.unescape(re.search(r'href="(/keys/\w+/shrink/[^"]*)"', page.content.decode())[1])

        token = client.get(url).context["token"]
        assert client.post(url, {"change": token}).status_code == 302
        assert [str(entry.network) for entry in key.addresses.all()] == ["203.0.113.0/24"]

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("address=198.51.100.0/24", "Without an entry the key would be open to any address."),
            ("address=192.0.2.0/24", "The key no longer has what was to be removed."),
            ("module=customers", "No module would be left."),
            ("", "The key no longer has what was to be removed."),
        ],
    )
    def test_nothing_is_removed_that_opens_or_ends_the_key(
        self, client: Client, alice: User, query: str, said: str
    ) -> None:
        key = a_billing_key(alice, "198.51.100.0/24", modules=frozenset({"customers"})).key
        url = f"/keys/{key.public_id}/shrink/?{query}"
        page = client.get(url).content.decode()
        assert said in page
        assert ("/disable/?from=unused" in page) is ("Disable the key instead." in page)
        answer = client.post(url, {"change": "x"})
        assert answer.status_code == 409
        assert said in answer.content.decode()
        assert not events("key.edited")

    def test_what_is_fixed_at_creation_has_no_button(self, client: Client, alice: User) -> None:
        key = age(a_key_of("sip-caller", alice, modules=frozenset({"account-reader", "partner-reader"})).key, used=1)
        Key.objects.update(expires_at=NOW + timedelta(days=30))
        page = client.get("/unused/modules/")
        assert key.name in rows(page)
        assert "Roles is set at creation" in html.unescape(page.content.decode())
        assert "/shrink/" not in page.content.decode()


def test_entries_of_lists_in_use_are_listed(client: Client, alice: User) -> None:
    key = age(a_billing_key(alice).key, used=1)
    an_ip_list(alice, "203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "!192.0.2.9/32", used_by=key)
    an_ip_list(alice, "192.0.2.0/24", name="Spare")
    IpListEntry.objects.update(created_at=OLD)
    summed(key, "customers", "203.0.113.0", days=3)
    a_call(key.account, key_id=key.public_id, client_address="198.51.100.77")

    page = client.get("/unused/ip-lists/")

    assert rows(page) == {"Offices": ["192.0.2.0/24"]}
    entry = IpListEntry.objects.get(network="192.0.2.0/24", ip_list__name="Offices")
    assert f"/ip-lists/{entry.ip_list_id}/entries/disable/?entry={entry.pk}" in page.content.decode()


def test_old_secrets_that_nobody_uses_any_more_are_listed(client: Client, alice: User) -> None:
    for name, old_used, new_used in (("Moved", 3, 1), ("Still old", 0.5, 0.5), ("Not yet", 3, None)):
        key = a_billing_key(alice, name=name).key
        Secret.objects.filter(key=key).update(created_at=NOW - timedelta(days=2))
        old = a_secret(key, f"kw_{name}", retires_at=NOW + timedelta(days=2))
        Secret.objects.filter(pk=old.pk).update(created_at=OLD)
        for secret, days in ((old, old_used), (key.secrets.get(retires_at=None), new_used)):
            if days is not None:
                SecretUse.objects.create(secret=secret, used_at=NOW - timedelta(days=days), address="203.0.113.8")

    page = client.get("/unused/old-secrets/")

    assert rows(page).keys() == {"Moved"}
    assert "/overlap/end/" in page.content.decode()


def test_a_log_that_is_kept_for_less_proves_less(client: Client, alice: User, settings: Any) -> None:
    settings.LOG_RETENTION_DAYS = 30
    age(a_billing_key(alice).key, used=31)
    assert "30 days" in client.get("/unused/").content.decode()
    assert len(rows(client.get("/unused/"))) == 1


@pytest.mark.parametrize("after", ["x", "-1", "9" * 30, "1.5"])
def test_a_position_that_means_nothing_is_refused(client: Client, alice: User, after: str) -> None:
    answer = client.get(f"/unused/?after={after}")
    assert answer.status_code == 400


def test_readers_see_it_and_change_nothing(client: Client, alice: User) -> None:
    key = age(a_billing_key(alice).key)
    client.force_login(a_user(alice.account, "Rita", Role.ACCOUNT_READER))
    page = client.get("/unused/")
    assert key.name in rows(page)
    assert "/disable/" not in page.content.decode()
    assert client.get(f"/keys/{key.public_id}/shrink/?module=customers").status_code == 403


def test_it_comes_in_pages(client: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keys.views.unused.PAGE_SIZE", 2)
    for number in range(3):
        age(a_billing_key(alice, name=f"Robot {number}").key)
    first = client.get("/unused/")
    assert list(rows(first)) == ["Robot 0", "Robot 1"]
    following = re.search(r'href="(\?after=\d+)"', first.content.decode())
    assert following
    assert list(rows(client.get(f"/unused/{following[1]}"))) == ["Robot 2"]


@pytest.mark.parametrize("path", ["", "modules/", "addresses/", "ip-lists/", "old-secrets/"])
def test_asks_the_database_as_often_for_many_as_for_one(client: Client, alice: User, path: str) -> None:
    def add(name: str) -> None:
        key = age(a_billing_key(alice, "203.0.113.0/24", "198.51.100.0/24", name=name).key, used=1 if path else None)
        summed(key, "customers", "203.0.113.8", days=1)
        an_ip_list(alice, "192.0.2.0/24", name=name, used_by=key)
        IpListEntry.objects.update(created_at=OLD)
        a_secret(key, f"kw_{name}", retires_at=NOW + timedelta(days=2))
        Secret.objects.filter(key=key, retires_at=None).update(created_at=NOW - timedelta(days=2))

    add("One")
    client.get(f"/unused/{path}")
    with CaptureQueriesContext(connection) as few:
        assert len(rows(client.get(f"/unused/{path}"))) == 1
    for number in range(5):
        add(f"More {number}")
    with CaptureQueriesContext(connection) as many:
        assert len(rows(client.get(f"/unused/{path}"))) == 6
    assert len(many) == len(few)
