"""What is done to many keys of the list: disabling them, and taking the list away as a file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from openpyxl import load_workbook

from accounts.models import Account, User
from core.actor import Actor
from core.authorization import AccountNotActive, Denied
from core.permissions import Role
from keys import exports
from keys.exports import KeyResource, KeySettingsResource
from keys.models import IpList, Key, KeyIpList, SecretUse
from keys.selectors.keys import with_file_columns
from keys.services import BulkResult, TooManyKeys, bulk, disable_many, state
from keys.views import bulk_actions
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.calls import a_call
from tests.factories.keys import a_billing_key, a_key_of, events
from tests.responses import Response

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in", "billing_enabled")]


@pytest.fixture
def three(alice: User) -> list[Key]:
    return [a_billing_key(alice, name=name).key for name in ("one", "two", "three")]


def enabled() -> set[str]:
    return set(Key.objects.filter(enabled=True).values_list("name", flat=True))


def hidden(page: Response) -> dict[str, list[str]]:
    """Return what the dialog would send."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.content.decode()):
        found.setdefault(name, []).append(value)
    return {name: values for name, values in found.items() if name != "csrfmiddlewaretoken"}


class TestDisablingSome:
    def test_asks_first_and_says_what_breaks(self, client: Client, alice: User, three: list[Key]):
        SecretUse.objects.create(
            secret=three[0].secrets.get(), used_at=timezone.now() - timedelta(minutes=5), address="203.0.113.8"
        )
        page = client.get("/keys/disable/", {"key": [three[0].public_id, three[1].public_id]})
        text = page.content.decode()

        assert "Disable 2 keys" in text
        assert "All calls with these keys are refused immediately" in text
        assert "1 of them was used in the last 7 days" in text
        assert "203.0.113.8" in text
        assert 'class="button danger" type="submit">Yes, disable<' in text
        assert "<li>one</li>" in text
        assert "<li>three</li>" not in text
        assert enabled() == {"one", "two", "three"}

    def test_is_done_by_the_dialogs_form(self, client: Client, alice: User, three: list[Key]):
        sent = hidden(client.get("/keys/disable/", {"key": [three[0].public_id, three[1].public_id], "sort": "name"}))
        answer = client.post("/keys/disable/", sent)

        assert (answer.status_code, answer["Location"]) == (302, "/keys/?sort=name")
        assert enabled() == {"three"}
        assert [json.loads(event.body)["target"]["label"] for event in events("key.disabled")] == ["one", "two"]
        assert "2 keys are disabled" in client.get("/keys/").content.decode()

    def test_all_that_match_the_filters(self, client: Client, alice: User, three: list[Key]):
        page = client.get("/keys/disable/", {"all": "1", "q": "t"})
        assert "Disable 2 keys" in page.content.decode()
        assert client.post("/keys/disable/", hidden(page)).status_code == 302

        assert enabled() == {"one"}

    def test_asks_again_when_other_keys_match_by_now(self, client: Client, alice: User, three: list[Key]):
        sent = hidden(client.get("/keys/disable/", {"all": "1"}))
        a_billing_key(alice, name="four")
        answer = client.post("/keys/disable/", sent)

        assert answer.status_code == 409
        assert "Nothing was changed" in answer.content.decode()
        assert len(enabled()) == 4
        assert client.post("/keys/disable/", hidden(answer)).status_code == 302
        assert enabled() == set()

    def test_keys_that_are_called_are_disabled_only_after_that_was_accepted(self, client: Client, unsummed: User):
        used, other, idle = (a_billing_key(unsummed, name=name).key for name in ("used", "other", "idle"))
        for key, calls in ((used, 3), (other, 2)):
            for hours in range(calls):
                a_call(key.account, time=timezone.now() - timedelta(hours=hours + 1), key_id=key.public_id)
        page = client.get("/keys/disable/", {"key": [used.public_id, idle.public_id]})
        assert "Would have refused 3 of 3 calls" in page.content.decode()
        assert 'type="checkbox" name="accepts"' in page.content.decode()
        asks = client.post("/keys/disable/", hidden(page))
        assert asks.status_code == 409
        assert "This change refuses calls." in asks.content.decode()
        assert enabled() == {"used", "other", "idle"}
        # The answer is about these keys and no others.
        accepts = asks.context["effect"].token
        others = {"key": [used.public_id, other.public_id], "selection": "2", "accepts": accepts}
        assert client.post("/keys/disable/", others).status_code == 409
        assert client.post("/keys/disable/", hidden(page) | {"accepts": accepts}).status_code == 302
        assert enabled() == {"other"}

    def test_needs_keys(self, client: Client, alice: User, three: list[Key]):
        for answer in (client.get("/keys/disable/"), client.post("/keys/disable/", {"selection": "0"})):
            assert "No keys are selected" in answer.content.decode()
        # Filters that mean nothing choose nothing, not everything.
        assert client.post("/keys/disable/", {"all": "1", "status": "gone", "selection": "3"}).status_code == 400
        assert client.post("/keys/disable/", {"all": "0", "selection": "3"}).status_code == 409
        assert len(enabled()) == 3

    def test_says_how_many_are_too_many(
        self, client: Client, alice: User, three: list[Key], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(bulk, "MAX_KEYS", 2)
        monkeypatch.setattr(bulk_actions.BulkAction, "limit", 2)
        for answer in (
            client.get("/keys/disable/?all=1"),
            client.post("/keys/disable/", {"all": "1", "selection": "3"}),
        ):
            assert "More than 2 keys match" in answer.content.decode()
            assert "Yes, disable" not in answer.content.decode()
        with pytest.raises(TooManyKeys):
            disable_many(account=alice.account, keys=[key.pk for key in three], by=acting(alice))
        assert len(enabled()) == 3

    def test_never_reaches_another_account(self, client: Client, alice: User, three: list[Key]):
        greta = a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR)
        foreign = a_billing_key(greta, name="foreign").key
        sent = {"key": [three[0].public_id, foreign.public_id]}
        page = client.get("/keys/disable/", sent)

        assert "foreign" not in page.content.decode()
        assert client.post("/keys/disable/", sent | {"selection": "2"}).status_code == 409
        assert client.post("/keys/disable/", hidden(page)).status_code == 302
        assert enabled() == {"two", "three", "foreign"}
        assert disable_many(account=alice.account, keys=[foreign.pk], by=acting(alice)) == BulkResult()
        with pytest.raises(Denied):
            disable_many(account=greta.account, keys=[foreign.pk], by=acting(alice))

    def test_is_all_or_nothing(self, alice: User, three: list[Key], monkeypatch: pytest.MonkeyPatch):
        """The second event cannot be written: not even the first key is disabled."""
        written = []

        def fail_at_the_second(*args: object, **kwargs: object) -> None:
            written.append(args)
            if len(written) == 2:
                raise RuntimeError("no room")

        monkeypatch.setattr(state, "record", fail_at_the_second)
        with pytest.raises(RuntimeError):
            disable_many(account=alice.account, keys=[key.pk for key in three], by=acting(alice))
        assert len(enabled()) == 3

    def test_is_not_for_an_account_that_is_not_active(self, client: Client, alice: User, three: list[Key]):
        Account.objects.update(status="suspended")

        assert client.post("/keys/disable/", {"all": "1", "selection": "3"}).status_code == 403
        assert "/keys/disable/" not in client.get("/keys/").content.decode()
        with pytest.raises(AccountNotActive):
            disable_many(account=alice.account, keys=[three[0].pk], by=Actor.from_command("test"))


class TestExport:
    HEADERS = (
        *("created", "status", "name", "owner", "user_status", "api", "api_id", "token", "modules", "addresses"),
        *("ip_lists", "secret_made", "last_used", "expires", "rotation"),
    )

    def rows(self, response: Response) -> list[list[str]]:
        assert response.status_code == 200
        return list(csv.reader(io.StringIO(response.content.decode())))

    @pytest.mark.parametrize("table", [KeyResource, KeySettingsResource])
    def test_asks_the_database_once_for_all_lines_and_once_for_an_apis_modules(
        self, alice: User, table: type[KeyResource], django_assert_num_queries: Callable[..., Any]
    ):
        for _ in range(3):
            a_billing_key(alice, "203.0.113.7", modules=frozenset({"cdrs"}))
        with django_assert_num_queries(2):
            assert len(table().export(with_file_columns(Key.objects.order_by("pk")), format="csv")) == 3

    def test_names_what_a_granted_module_contains(self, client: Client, alice: User):
        for role in ("administrator", "partner-reader"):
            a_key_of("sip-caller", alice, name=role, modules=frozenset({role}))
        headers, *lines = self.rows(client.post("/keys/export/", {"format": "csv", "sort": "name"}))

        assert [line[headers.index("modules")] for line in lines] == [
            "Administrator, Account Reader, Partner Admin, Partner Reader",
            "Partner Reader",
        ]

    def test_holds_the_lists_columns_and_never_a_token(self, client: Client, alice: User):
        made = a_billing_key(alice, "203.0.113.7", "203.0.113.0/24", name="Robot", modules=frozenset({"cdrs"}))
        office = IpList.objects.create(account=alice.account, name="Office")
        KeyIpList.objects.create(key=made.key, ip_list=office)
        a_billing_key(alice, name="Open")
        answer = client.post("/keys/export/", {"format": "csv", "sort": "-name"})
        headers, robot, plain = self.rows(answer)

        assert tuple(headers) == self.HEADERS
        data = dict(zip(headers, robot, strict=True))
        assert (data["name"], data["owner"], data["user_status"], data["api"]) == (
            "Robot",
            "Alice",
            "active",
            "Billing",
        )
        assert data["token"] == f"kw_{made.key.public_id}_********"
        assert (data["addresses"], data["ip_lists"]) == ("203.0.113.7, 203.0.113.0/24", "Office")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", data["secret_made"])
        assert (data["last_used"], data["expires"]) == ("", "")
        data = dict(zip(headers, plain, strict=True))
        assert (data["name"], data["modules"], data["addresses"]) == ("Open", "all", "any")
        assert made.token not in answer.content.decode()
        assert re.search(r'filename="keyward-acme-keys-\d{8}T\d{6}Z-\d+.csv"', answer["Content-Disposition"])
        assert answer["Cache-Control"] == "no-store"

    def test_takes_the_pages_filters_and_says_so_in_the_trail(self, client: Client, alice: User):
        a_billing_key(alice, name="Robot")
        a_billing_key(alice, name="Other")
        page = client.get("/keys/export/", {"q": "rob", "status": "active"}).content.decode()
        assert "<dt>Status</dt><dd>Active</dd>" in page
        answer = client.post("/keys/export/", {"format": "csv", "q": "rob", "status": "active"})

        assert [row[2] for row in self.rows(answer)[1:]] == ["Robot"]
        [event] = events("keys.exported")
        data = json.loads(event.body)["data"]
        assert (data["filters"], data["format"], data["rows"]) == ({"q": "rob", "status": "active"}, "csv", 1)
        assert data["filters_in_words"] == {"Search": "rob", "Status": "Active"}

    def test_takes_only_the_selected_rows(self, client: Client, alice: User, three: list[Key]):
        chosen = {"key": [three[0].public_id, three[2].public_id], "sort": "name"}
        dialog = client.get("/keys/export/", chosen)
        assert f"<dt>Selected keys</dt><dd>{three[0].public_id} {three[2].public_id}</dd>" in dialog.content.decode()
        sent = hidden(dialog)
        assert [row[2] for row in self.rows(client.post("/keys/export/", sent | {"format": "csv"}))[1:]] == [
            "one",
            "three",
        ]
        sent = hidden(client.get("/keys/export/", chosen | {"all": "1"}))
        assert len(self.rows(client.post("/keys/export/", sent | {"format": "csv"}))) == 4

    @pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "007", "+49 30 1234"])
    def test_no_cell_is_a_formula(self, client: Client, alice: User, name: str):
        a_billing_key(alice, name=name)
        (_, row) = self.rows(client.post("/keys/export/", {"format": "csv"}))
        assert row[2] == (name if name == "007" else f"'{name}")
        sheet = load_workbook(io.BytesIO(client.post("/keys/export/", {"format": "xlsx"}).content)).active

        # In a workbook the cell's type says that it is a text, so nothing is put before it, and leading zeros stay.
        assert tuple(cell.value for cell in sheet[1]) == self.HEADERS
        assert (sheet["C2"].value, sheet["C2"].data_type) == (name, "s")

    def test_refuses_what_it_cannot_do(self, client: Client, alice: User, monkeypatch: pytest.MonkeyPatch):
        a_billing_key(alice)
        a_billing_key(alice)
        assert client.post("/keys/export/", {"format": "pdf"}).status_code == 422
        assert client.post("/keys/export/", {"format": "csv", "status": "gone"}).status_code == 400
        monkeypatch.setattr(exports, "MAX_ROWS", {"csv": 2, "xlsx": 1})
        answer = client.post("/keys/export/", {"format": "xlsx"})
        assert answer.status_code == 422
        assert "More than 1 keys match" in answer.content.decode()
        assert "or export CSV (up to 2)" in answer.content.decode()
        a_billing_key(alice)
        assert client.post("/keys/export/", {"format": "csv"}).status_code == 422
        assert events("keys.exported") == []
