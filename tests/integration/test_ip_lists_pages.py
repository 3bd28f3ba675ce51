"""The pages of IP lists: the list, a list's own page, making, changing, deleting, and their files."""

from __future__ import annotations

import csv
import io
import json
import re
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from accounts.models import Account, User
from core.lists import PAGE_SIZE
from core.permissions import Role
from keys.ip_lists.entries import Entry
from keys.models import IpList, IpListEntry, Key
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key, events
from tests.responses import Response, read_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]
HX = {"HX-Request": "true"}


@pytest.fixture
def offices(alice: User) -> IpList:
    return an_ip_list(alice, "203.0.113.7", "!2001:db8::/32")


@pytest.fixture
def robot(alice: User, offices: IpList) -> Key:
    key = a_billing_key(alice, name="Robot").key
    offices.uses.create(key=key)
    return key


def names(response: Response) -> list[str]:
    assert response.status_code == 200, read_page(response)
    return re.findall(r'<td class="name"><a href="/ip-lists/[^>]*>([^<]*)</a>', response.content.decode())


def networks(response: Response) -> list[str]:
    assert response.status_code == 200, read_page(response)
    return re.findall(r'<td class="name"><span class="mono">([^<]*)</span>', response.content.decode())


def entries(ip_list: IpList) -> set[tuple[str, str, bool]]:
    return {(str(row.network), row.description, row.enabled) for row in ip_list.entries.all()}


class TestTheList:
    def test_shows_the_accounts_lists_with_their_numbers(self, client: Client, alice: User, robot: Key) -> None:
        an_ip_list(a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR), name="Foreign")
        an_ip_list(alice, name="Empty")

        page = client.get("/ip-lists/")

        assert names(page) == ["Empty", "Offices"]
        assert "1 of 2 enabled" in read_page(page)
        assert "1 key<" in read_page(page)
        assert "No key" in read_page(page)

    def test_explains_itself_when_there_is_none(self, client: Client, alice: User) -> None:
        assert "No IP lists yet" in read_page(client.get("/ip-lists/"))

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("q=off", ["Offices"]),
            ("q=ber", ["Home Berlin"]),
            ("q=lin", []),
            ("q=203.0.113.7", ["Offices"]),
            ("q=2001:db8::5", ["Offices"]),
            ("q=192.0.2.9", ["Home Berlin"]),
            ("q=10.0.0.1", []),
            ("sort=-name", ["Offices", "Home Berlin"]),
            ("sort=created", ["Offices", "Home Berlin"]),
        ],
    )
    def test_is_searched_by_name_and_address_and_sorted(
        self, client: Client, alice: User, offices: IpList, query: str, found: list[str]
    ) -> None:
        an_ip_list(alice, "192.0.2.0/24", name="Home Berlin")

        assert names(client.get(f"/ip-lists/?{query}")) == found

    @pytest.mark.parametrize("query", ["sort=entries", "page=0", "qq=x", "page=x"])
    def test_shows_nothing_when_a_filter_means_nothing(self, client: Client, offices: IpList, query: str) -> None:
        for path in ("/ip-lists/", f"/ip-lists/{offices.pk}/"):
            page = client.get(f"{path}?{query}")
            assert page.status_code == 400
            assert "203.0.113.7" not in read_page(page)

    def test_asks_the_database_as_often_for_many_as_for_one(self, client: Client, alice: User, robot: Key) -> None:
        client.get("/ip-lists/")
        with CaptureQueriesContext(connection) as few:
            client.get("/ip-lists/")
        for number in range(20):
            an_ip_list(alice, "203.0.113.7", name=f"List {number}", used_by=robot)
        with CaptureQueriesContext(connection) as many:
            client.get("/ip-lists/")

        assert len(many) == len(few)

    def test_is_a_fragment_for_htmx(self, client: Client, offices: IpList) -> None:
        for path in ("/ip-lists/", f"/ip-lists/{offices.pk}/"):
            assert "<html" not in read_page(client.get(path, headers=HX))

    @pytest.mark.parametrize("status", [Account.Status.PENDING, Account.Status.SUSPENDED])
    def test_offers_nothing_that_an_account_may_not_do_and_says_why(
        self, client: Client, alice: User, offices: IpList, status: str
    ) -> None:
        Account.objects.update(status=status)

        for path in ("/ip-lists/", f"/ip-lists/{offices.pk}/"):
            page = read_page(client.get(path))
            assert f"The account is {status}: its IP lists cannot be changed." in page
            assert 'aria-disabled="true"' in page
            assert "/edit/" not in page
            assert "/delete/" not in page
        for path in ("new/", f"{offices.pk}/import/", f"{offices.pk}/entries/new/", f"{offices.pk}/delete/"):
            assert client.get(f"/ip-lists/{path}").status_code == 403


class TestAList:
    def test_shows_entries_and_the_keys_that_use_it(self, client: Client, offices: IpList, robot: Key) -> None:
        page = client.get(f"/ip-lists/{offices.pk}/")

        assert networks(page) == ["203.0.113.7", "2001:db8::/32"]
        assert f'href="/keys/{robot.public_id}/"' in read_page(page)
        assert "No address is allowed" not in read_page(page)

    def test_says_that_it_admits_nobody(self, client: Client, offices: IpList, robot: Key) -> None:
        offices.entries.update(enabled=False)

        assert "keys restricted only to this list are refused" in read_page(client.get(f"/ip-lists/{offices.pk}/"))
        robot.list_grants.all().delete()
        assert "would be refused from every address" in read_page(client.get(f"/ip-lists/{offices.pk}/"))

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("q=203.0.113.7", ["203.0.113.7"]),
            ("q=203.0", ["203.0.113.7"]),
            ("q=2001:db8::5", ["2001:db8::/32"]),
            ("q=2001:db8:", ["2001:db8::/32"]),
            ("q=ext", ["203.0.113.7"]),
            ("q=%25", []),
            ("state=enabled", ["203.0.113.7"]),
            ("state=disabled", ["2001:db8::/32"]),
            ("sort=-network", ["2001:db8::/32", "203.0.113.7"]),
        ],
    )
    def test_is_searched_and_sorted(self, client: Client, offices: IpList, query: str, found: list[str]) -> None:
        offices.entries.filter(enabled=True).update(description="The exterior")

        assert networks(client.get(f"/ip-lists/{offices.pk}/?{query}")) == found

    def test_of_ten_thousand_entries_comes_in_pages(self, client: Client, offices: IpList) -> None:
        many = (Entry(network=ip_network(f"10.{n >> 8}.{n & 255}.0/24")) for n in range(9_998))
        IpListEntry.objects.bulk_create(IpListEntry(ip_list=offices, **entry._asdict()) for entry in many)

        with CaptureQueriesContext(connection) as queries:
            first = client.get(f"/ip-lists/{offices.pk}/")
        assert len(networks(first)) == PAGE_SIZE
        assert "Select all 10000, including other pages" in read_page(first)
        assert len(networks(client.get(f"/ip-lists/{offices.pk}/?page=200"))) == PAGE_SIZE
        assert len(queries) < 20
        assert len(first.content) < 300_000

    def test_is_not_there_for_another_account(self, client: Client, alice: User) -> None:
        foreign = an_ip_list(a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR), "203.0.113.7")

        for rest in ("", "edit/", "delete/", "import/", "entries/new/", "entries/delete/"):
            assert client.get(f"/ip-lists/{foreign.pk}/{rest}").status_code == 404
        assert "No lists are selected" in read_page(client.get(f"/ip-lists/delete/?list={foreign.pk}"))
        assert client.post(f"/ip-lists/delete/?list={foreign.pk}").status_code == 422


class TestMakingOne:
    def test_makes_it_with_its_entries(self, client: Client, alice: User) -> None:
        given = {"name": "Offices", "description": "Ours", "addresses": "203.0.113.7\n::1,::2# Hall\n::1"}
        answer = client.post("/ip-lists/new/", given)

        made = IpList.objects.get()
        assert answer.headers["Location"] == f"/ip-lists/{made.pk}/"
        assert entries(made) == {("203.0.113.7/32", "", True), ("::1/128", "Hall", True), ("::2/128", "Hall", True)}

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"name": ""}, "This field is required"),
            ({"name": "offices"}, "A list named offices already exists"),
            ({"name": "\u202eX"}, "invisible characters"),
            ({"addresses": "10.0.0.1/8"}, "Did you mean 10.0.0.0/8 or 10.0.0.1"),
            ({"addresses": "nonsense"}, "nonsense is not an IP address"),
            ({"addresses": f"203.0.113.7 # {'x' * 201}"}, "201 characters long"),
            (
                {"addresses": "0.0.0.0/0"},
                ('every IPv4 address, so it restricts nothing. Select "I understand, add it anyway"'),
            ),
        ],
    )
    def test_says_what_is_wrong_and_keeps_what_was_typed(
        self, client: Client, offices: IpList, given: dict[str, str], message: str
    ) -> None:
        typed = {"name": "New", "description": "Kept", **given}
        page = client.post("/ip-lists/new/", typed)

        assert page.status_code == 422
        assert message in read_page(page)
        assert 'value="Kept"' in read_page(page)
        assert IpList.objects.count() == 1

    def test_takes_a_very_wide_range_that_is_meant(self, client: Client, alice: User) -> None:
        client.post("/ip-lists/new/", {"name": "All", "addresses": "0.0.0.0/0", "acknowledge_wide": "on"})

        assert entries(IpList.objects.get()) == {("0.0.0.0/0", "", True)}

    @pytest.mark.parametrize("path", ["/ip-lists/new/", "/ip-lists/{}/entries/new/"])
    def test_fills_in_ones_own_address_and_saves_nothing(self, client: Client, offices: IpList, path: str) -> None:
        given = {"name": "Kept", "description": "Mine", "addresses": "192.0.2.1", "mine": "1"}
        page = client.post(path.format(offices.pk), given, REMOTE_ADDR="198.51.100.77")

        assert page.status_code == 200
        assert "198.51.100.77" in read_page(page).replace("Add my current address, 198.51.100.77", "")
        assert 'value="Mine"' in read_page(page)
        assert (IpList.objects.count(), offices.entries.count()) == (1, 2)


class TestEditing:
    def test_saves(self, client: Client, offices: IpList) -> None:
        client.post(f"/ip-lists/{offices.pk}/edit/", {"name": "Homes", "description": "Ours", "version": 1})

        offices.refresh_from_db()
        assert (offices.name, offices.description, offices.version) == ("Homes", "Ours", 2)

    def test_tells_the_second_of_two_what_the_first_saved(self, client: Client, alice: User, offices: IpList) -> None:
        client.post(f"/ip-lists/{offices.pk}/edit/", {"name": "First", "description": "", "version": 1})
        page = client.post(f"/ip-lists/{offices.pk}/edit/", {"name": "Second", "description": "", "version": 1})

        assert page.status_code == 409
        for expected in ("Someone else saved this list", alice.email, "First", 'value="Second"', 'value="2"'):
            assert expected in read_page(page)
        client.post(f"/ip-lists/{offices.pk}/edit/", {"name": "Second", "description": "", "version": 2})
        assert IpList.objects.get().name == "Second"

    def test_changes_an_entry_and_tells_the_second_of_two(self, client: Client, offices: IpList) -> None:
        row = offices.entries.get(enabled=True)
        path, given = f"/ip-lists/{offices.pk}/entries/{row.pk}/edit/", {"stamp": Entry.from_row(row).stamp}
        client.post(path, {**given, "network": "203.0.113.8", "description": "First", "enabled": "on"})
        assert ("203.0.113.8/32", "First", True) in entries(offices)

        page = client.post(path, {**given, "network": "203.0.113.9", "description": "Second", "enabled": "on"})
        assert page.status_code == 409
        for expected in ("Someone else saved this entry", "203.0.113.8", 'value="203.0.113.9"', 'value="Second"'):
            assert expected in read_page(page)
        stamp = re.search(r'name="stamp" value="(\w+)"', read_page(page)).group(1)
        client.post(path, {"stamp": stamp, "network": "203.0.113.9", "description": "Second", "enabled": "on"})
        assert ("203.0.113.9/32", "Second", True) in entries(offices)

    def test_an_entry_of_another_list_is_not_there(self, client: Client, alice: User, offices: IpList) -> None:
        other = an_ip_list(alice, "192.0.2.1", name="Other").entries.get()

        assert client.get(f"/ip-lists/{offices.pk}/entries/{other.pk}/edit/").status_code == 404


class TestLettingMoreIn:
    """Of a list in use it needs the password, in the same POST."""

    @pytest.fixture
    def deeds(self, offices: IpList, robot: Key) -> dict[str, tuple[str, dict[str, Any]]]:
        on, off = offices.entries.order_by("-enabled")
        here = f"/ip-lists/{offices.pk}/entries"
        return {
            "add": (f"{here}/new/", {"network": "192.0.2.1", "enabled": "on"}),
            "enable": (f"{here}/enable/?entry={off.pk}", {}),
            "widen": (
                f"{here}/{on.pk}/edit/",
                {"network": "203.0.113.0/24", "enabled": "on", "stamp": Entry.from_row(on).stamp},
            ),
        }

    @pytest.mark.parametrize("deed", ["add", "enable", "widen"])
    def test_asks_for_the_password(
        self, client: Client, offices: IpList, deeds: dict[str, tuple[str, dict[str, Any]]], deed: str
    ) -> None:
        (path, given), before = deeds[deed], entries(offices)

        for password, expected in ((None, "so confirm with your password"), ("wrong", "Incorrect password")):
            page = client.post(path, {**given, **({"password": password} if password else {})})
            assert page.status_code == 422
            assert expected in read_page(page)
            assert 'type="password"' in read_page(page)
            assert entries(offices) == before
        assert client.post(path, {**given, "password": PASSWORD}).status_code == 302
        assert entries(offices) != before

    def test_letting_less_in_does_not(self, client: Client, offices: IpList, robot: Key) -> None:
        row = offices.entries.get(enabled=True)
        path = f"/ip-lists/{offices.pk}/entries/{{}}/?entry={row.pk}"

        assert "Keys restricted only to this list will be refused" in read_page(client.get(path.format("disable")))
        assert client.post(path.format("disable")).status_code == 302
        assert client.post(path.format("delete")).status_code == 302
        assert entries(offices) == {("2001:db8::/32", "", False)}


class TestSeveralAtOnce:
    @pytest.mark.parametrize("headers", [{}, HX])
    def test_asks_first_naming_them(self, client: Client, offices: IpList, headers: dict[str, str]) -> None:
        query = "&".join(f"entry={row.pk}" for row in offices.entries.all())
        page = client.get(f"/ip-lists/{offices.pk}/entries/delete/?{query}", headers=headers)

        assert "Delete these 2 entries" in read_page(page)
        assert "203.0.113.7" in read_page(page)
        assert offices.entries.count() == 2
        client.post(f"/ip-lists/{offices.pk}/entries/delete/?{query}")
        assert offices.entries.count() == 0

    @pytest.mark.parametrize("query", ["", "?entry=0", "?entry=x", "?entry=99999999999999999999", "?every=1&q=zzz"])
    def test_says_when_nothing_is_chosen(self, client: Client, offices: IpList, query: str) -> None:
        for ask, status in ((client.get, 200), (client.post, 422)):
            page = ask(f"/ip-lists/{offices.pk}/entries/delete/{query}")
            assert page.status_code == status
            assert "No entries are selected" in read_page(page)
        assert offices.entries.count() == 2

    def test_takes_every_entry_that_the_filters_let_through(self, client: Client, offices: IpList) -> None:
        client.post(f"/ip-lists/{offices.pk}/entries/delete/?every=1&state=disabled")
        assert entries(offices) == {("203.0.113.7/32", "", True)}
        client.post(f"/ip-lists/{offices.pk}/entries/disable/?every=1")
        assert entries(offices) == {("203.0.113.7/32", "", False)}

    def test_a_filter_that_means_nothing_chooses_nothing(self, client: Client, offices: IpList) -> None:
        for wrong in ("state=dead", "sate=enabled", "state=enabled&state=disabled"):
            answer = client.post(f"/ip-lists/{offices.pk}/entries/delete/?every=1&{wrong}")
            assert answer.status_code == 400
            assert "Nothing is selected because the filters cannot be applied" in read_page(answer)
        assert client.post(f"/ip-lists/{offices.pk}/entries/delete/?every=1", {"state": "dead"}).status_code == 400
        assert offices.entries.count() == 2

    def test_lists_are_deleted_but_not_those_in_use(
        self, client: Client, alice: User, offices: IpList, robot: Key
    ) -> None:
        free = an_ip_list(alice, name="Free")
        both = f"/ip-lists/delete/?list={free.pk}&list={offices.pk}"

        content = read_page(client.get(both))
        assert "Offices cannot be deleted while keys use it" in content
        assert ">Robot</a>" in content
        assert f'action="/ip-lists/delete/?list={free.pk}"' in content
        assert client.post(both).status_code == 409
        assert IpList.objects.count() == 2
        assert client.post(f"/ip-lists/delete/?list={free.pk}").status_code == 302
        assert client.post(f"/ip-lists/{offices.pk}/delete/").status_code == 409
        assert IpList.objects.get() == offices


class TestTheFiles:
    def test_hold_what_the_filters_let_through(self, client: Client, alice: User, offices: IpList, robot: Key) -> None:
        an_ip_list(alice, name="Empty")
        answer = client.post("/ip-lists/export/?q=off", {"format": "csv"})

        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert re.search(r'"keyward-acme-ip-lists-\d{8}T\d{6}Z-\d+.csv"', answer.headers["Content-Disposition"])
        [row] = csv.DictReader(io.StringIO(answer.content.decode()))
        created = row.pop("created")
        assert row == {
            "name": "Offices",
            "description": "",
            "entries": "2",
            "enabled_entries": "1",
            "used_by_keys": "1",
        }
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created)
        [event] = events("ip_lists.exported")
        data = json.loads(event.body)["data"]
        assert (data["rows"], data["filters"], data["format"]) == (1, {"q": "off"}, "csv")

    def test_come_as_workbooks_too(self, client: Client, offices: IpList) -> None:
        answer = client.post(f"/ip-lists/{offices.pk}/export/?state=enabled", {"format": "xlsx"})

        rows = list(load_workbook(io.BytesIO(answer.content)).active.values)
        assert rows[0] == ("network", "description", "enabled", "created")
        assert rows[1][:3] == ("203.0.113.7", None, "true")
        assert len(rows) == 2
        assert [event.target_id for event in events("ip_list.exported")] == [str(offices.pk)]

    @pytest.mark.parametrize("format", ["csv", "xlsx"])
    def test_have_no_cell_that_a_spreadsheet_takes_for_a_formula(
        self, client: Client, offices: IpList, format: str
    ) -> None:
        offices.entries.update(description="=HYPERLINK(1)")
        IpList.objects.update(name="@SUM(A1)")

        for path in ("/ip-lists/export/", f"/ip-lists/{offices.pk}/export/"):
            answer = client.post(path, {"format": format})
            if format == "csv":
                cells = [cell for row in csv.reader(io.StringIO(answer.content.decode())) for cell in row]
                assert [cell for cell in cells if cell[:1] in ("=", "@")] == []
                assert any(cell.startswith(("'=", "'@")) for cell in cells)
            else:
                # The cell's type says that it is a text, so nothing needs to stand before it.
                sheet = load_workbook(io.BytesIO(answer.content)).active
                typed = [cell for row in sheet.iter_rows() for cell in row]
                assert "f" not in {cell.data_type for cell in typed}
                assert any(str(cell.value).startswith(("=", "@")) for cell in typed)

    def test_are_of_a_known_format(self, client: Client, offices: IpList) -> None:
        for path in ("/ip-lists/export/", f"/ip-lists/{offices.pk}/export/"):
            assert client.post(path, {"format": "exe"}).status_code == 422
            assert client.post(f"{path}?sort=x", {"format": "csv"}).status_code == 400
        assert events("ip_lists.exported") == []


@pytest.mark.parametrize("typed", ["203.0.113.77 # office", "203.0.113.77#office", " 203.0.113.77  #  office "])
def test_a_comment_in_the_box_of_one_entry_is_its_description_as_in_a_file(
    client: Client, offices: IpList, typed: str
) -> None:
    path = f"/ip-lists/{offices.pk}/entries/new/"

    assert client.post(path, {"network": typed, "enabled": "on"}).status_code == 302
    assert client.post(path, {"network": "203.0.113.78 # a", "description": "a", "enabled": "on"}).status_code == 302
    found = dict(offices.entries.filter(description__gt="").values_list("network", "description"))
    assert {str(network): description for network, description in found.items()} == {
        "203.0.113.77/32": "office",
        "203.0.113.78/32": "a",
    }
    answer = client.post(path, {"network": "203.0.113.79 # b", "description": "a", "enabled": "on"})
    assert answer.status_code == 422
    assert '"b" after # is a description, too. Remove one of them.' in read_page(answer)
    assert "203.0.113.79 # b" in read_page(answer)
    long = client.post(path, {"network": f"203.0.113.80 # {'x' * 201}", "enabled": "on"})
    assert long.status_code == 422
