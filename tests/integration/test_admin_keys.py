"""Support's pages of keys: found wherever they are, read, disabled, taken away as a file; never a secret."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from accounts.models import Account, User
from core.permissions import Role
from keys import services
from keys.models import Key, Secret
from tests.factories.accounts import a_user, an_account
from tests.factories.keys import a_billing_key, a_key_of, confirmed, events
from tests.responses import Response, read_words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("support")]


@pytest.fixture
def bob(support: User) -> User:
    return a_user(an_account("globex"), "Bob", Role.ADMINISTRATOR)


def listed(client: Client, **query: Any) -> list[str]:
    response = client.get(reverse("admin:keys_key_changelist"), query)
    assert response.status_code == 200
    return re.findall(r'<td class="name"><a [^>]*><bdi>([^<]+)</bdi></a>', response.content.decode())


def page_of(key: Key) -> str:
    return reverse("admin:keys_key_change", args=[key.pk])


def disable_url(key: Key) -> str:
    return reverse("admin:keys_key_disable", args=[key.pk])


def test_keys_of_all_accounts_are_listed_newest_first_and_deleted_ones_are_not(
    client: Client, alice: User, bob: User
) -> None:
    a_billing_key(alice, name="First")
    a_billing_key(bob, name="Second")
    gone = a_billing_key(bob, name="Gone").key
    services.delete(key=gone, by=confirmed(bob, "key.delete", gone.public_id))

    assert listed(client) == ["Second", "First"]
    assert listed(client, account=alice.account_id) == ["First"]
    assert client.get(page_of(gone)).status_code == 404


def test_a_key_is_found_by_what_a_customer_says(client: Client, alice: User, bob: User) -> None:
    key = a_billing_key(alice, name="Invoice robot (new)").key
    other = a_billing_key(bob, name="Reporting").key

    for expected in (
        "robot",
        "inv",
        "Invoice rob",
        "new, invoice",
        "(new",
        key.public_id,
        key.public_id[-4:],
        "ALICE@acme",
        " robot ",
    ):
        assert listed(client, q=expected) == [key.name], expected
    assert listed(client, q=other.public_id) == [other.name]
    for expected in (
        "nvoice",
        "robot reporting",
        "robo invoice",
        key.public_id[:-1],
        "%",
        "\\",
        "'",
        "x" * 5000,
        "alice.acme",
    ):
        assert listed(client, q=expected) == [], expected
    assert listed(client, q="robot", account=bob.account_id) == []


def test_a_search_that_many_keys_match_shows_the_newest_hundred(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.selectors.search.MAX_KEYS_FOUND", 2)
    monkeypatch.setattr("keys.selectors.search.MIN_FOUND_FOR_SECOND_SCAN", 1)
    for number in range(4):
        a_billing_key(alice, name=f"Robot {number}")
    a_billing_key(alice, name="Other")

    assert listed(client, q="robot") == ["Robot 3", "Robot 2"]
    # Among the newest, among more of them, and by the index, with one of the two seen before and with none.
    for newest, more in ((3, 3), (2, 3), (2, 2), (1, 1)):
        monkeypatch.setattr("keys.selectors.search.FIRST_SCAN_LIMIT", newest)
        monkeypatch.setattr("keys.selectors.search.SECOND_SCAN_LIMIT", more)
        assert listed(client, q="robot") == ["Robot 3", "Robot 2"]


def test_no_filter_but_the_account_is_taken_from_the_address(client: Client, alice: User) -> None:
    a_billing_key(alice)
    for name in ("name__icontains", "secrets__digest__startswith", "owner__password__startswith", "public_id"):
        assert client.get(reverse("admin:keys_key_changelist"), {name: "a"}).status_code == 400, name


def test_the_page_tells_what_a_key_is_and_may_and_no_secret(client: Client, alice: User) -> None:
    made = a_billing_key(alice, "203.0.113.0/24", name="Invoice robot")
    page = client.get(page_of(made.key))

    for expected in (
        "Invoice robot",
        made.key.public_id,
        "********",
        "alice@acme.example",
        "203.0.113.0/24",
        "Billing",
        "Application website: https://shop.example; Platform: Server",
    ):
        assert expected in read_words(page)
    secret = Secret.objects.get(key=made.key)
    for never in (made.token, made.token.split("_")[-1], bytes(secret.digest).hex(), bytes(secret.sealed).hex()):
        assert never not in page.content.decode()


@pytest.mark.parametrize("slug", ["cloud-pbx", "sip-caller", "lms-call-logic", "lynx", "textpeak"])
def test_keys_of_every_preset_have_a_page(client: Client, alice: User, slug: str) -> None:
    assert client.get(page_of(a_key_of(slug, alice).key)).status_code == 200


def test_support_disables_a_key_after_yes_by_the_portals_own_service(
    client: Client, support: User, alice: User
) -> None:
    key = a_billing_key(alice, name="Invoice robot").key
    assert disable_url(key) in client.get(page_of(key)).content.decode()

    response = client.get(disable_url(key))
    assert "All calls with Invoice robot of Acme to Billing" in read_words(response)
    key.refresh_from_db()
    assert key.enabled
    done = client.post(disable_url(key), follow=True)
    assert "is disabled" in read_words(done)
    key.refresh_from_db()
    assert not key.enabled
    [event] = events("key.disabled")
    body = json.loads(event.body)
    assert body["actor"]["label"] == support.email
    assert (body["account_id"], body["target"]["id"]) == (alice.account_id, key.public_id)
    # A second time there is nothing to do.
    client.post(disable_url(key))
    assert len(events("key.disabled")) == 1


@pytest.mark.parametrize("status", ["pending", "suspended"])
def test_keys_of_an_account_that_is_not_active_are_refused_anyway_and_say_so(
    client: Client, alice: User, status: str
) -> None:
    key = a_billing_key(alice).key
    Account.objects.filter(pk=alice.account_id).update(status=status)

    page = client.get(page_of(key))
    assert f"Refused: the account is {status}" in read_words(page)
    assert disable_url(key) not in page.content.decode()
    client.post(disable_url(key))
    key.refresh_from_db()
    assert key.enabled


def test_a_deactivated_owner_is_said_to_be_why_calls_are_refused(client: Client, alice: User) -> None:
    key = a_billing_key(alice).key
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert "Refused: the owner is deactivated" in read_words(client.get(page_of(key)))


class TestWhatOnlyServicesMay:
    """Nothing is made, changed or deleted by Django's own forms."""

    @pytest.mark.parametrize("path", ["add/", "{pk}/delete/", "{pk}/history/", "{pk}/", "{pk}/enable/", "{pk}/reveal/"])
    def test_has_no_url(self, client: Client, alice: User, path: str) -> None:
        key = a_billing_key(alice).key
        url = reverse("admin:keys_key_changelist") + path.format(pk=key.pk)
        before = Key.objects.values().get(pk=key.pk)

        for answer in (client.get(url), client.post(url, {"name": "x", "post": "yes"})):
            assert answer.status_code == 404
        assert Key.objects.values().get(pk=key.pk) == before

    def test_is_not_done_by_a_post_to_a_page_that_is_read(self, client: Client, alice: User) -> None:
        key = a_billing_key(alice).key
        before = Key.objects.values().get(pk=key.pk)
        forged = {"name": "x", "enabled": "", "_save": "Save", "action": "delete_selected", "_selected_action": key.pk}

        for url in (page_of(key), reverse("admin:keys_key_changelist")):
            assert client.post(url, forged).status_code == 405
        assert Key.objects.values().get(pk=key.pk) == before
        assert len(events("admin.refused")) == 2


class TestTheFile:
    def export(self, client: Client, format: str, account: str = "acme") -> Response:
        return client.post(reverse("admin:keys_key_export"), {"account": account, "format": format})

    def test_has_the_settings_of_one_accounts_keys(self, client: Client, support: User, alice: User, bob: User) -> None:
        a_billing_key(alice, "203.0.113.7", name="=1+1")
        a_billing_key(alice, name="00441234567890")
        a_billing_key(bob, name="Theirs")

        answer = self.export(client, "csv")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
        assert [row["name"] for row in rows] == ["00441234567890", "'=1+1"]
        assert rows[1]["addresses"] == "203.0.113.7"
        assert rows[1]["settings"] == "platform: server; website: https://shop.example"
        assert rows[1]["enabled"] == "true"
        assert "acme-keys" in answer["Content-Disposition"]
        [event] = events("keys.exported")
        body = json.loads(event.body)
        assert (body["actor"]["label"], body["account_id"]) == (support.email, alice.account_id)
        actual = body["data"]
        assert (actual["rows"], actual["filters"], actual["format"]) == (2, {}, "csv")

    def test_of_xlsx_has_cells_of_text(self, client: Client, alice: User) -> None:
        made = a_billing_key(alice, name="=1+1")
        a_billing_key(alice, name="00441234567890")

        answer = self.export(client, "xlsx")
        cells = [row[2] for row in load_workbook(io.BytesIO(answer.content)).active.iter_rows(min_row=2)]
        assert [(cell.value, cell.data_type) for cell in cells] == [("00441234567890", "s"), ("=1+1", "s")]
        assert made.token.encode() not in answer.content

    def test_is_refused_for_no_account(self, client: Client, alice: User) -> None:
        answer = self.export(client, "csv", "nobody")

        assert answer.status_code == 422
        assert 'There is no account "nobody"' in read_words(answer)
        assert self.export(client, "exe").status_code == 422
        assert events("keys.exported") == []

    def test_that_would_be_too_large_is_refused(
        self, client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("keys.exports.MAX_ROWS", {"csv": 1, "xlsx": 1})
        for _ in range(2):
            a_billing_key(alice)

        answer = self.export(client, "csv")
        assert answer.status_code == 422
        assert "More than 1 keys match" in read_words(answer)
