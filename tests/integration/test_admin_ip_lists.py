"""Support's pages of IP lists: read, taken away as a file, and entries imported after Support's own confirmation."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from openpyxl import Workbook, load_workbook

from accounts.models import Account, User
from core.permissions import Role
from keys.models import IpList, IpListEntry
from tests.factories.accounts import PASSWORD, a_user, an_account, code_of, with_totp
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import events
from tests.responses import Response, read_words

pytestmark = pytest.mark.django_db

BAD = {17: "300.1.2.3", 500: "10.0.0.1/8", 999: "nonsense"}


@pytest.fixture
def sam(db: None) -> User:
    return a_user(None, "Sam", Role.SUPPORT)


@pytest.fixture
def secret(sam: User) -> str:
    """Of Support's authenticator app."""
    return with_totp(sam)


@pytest.fixture
def support(client: Client, sam: User, secret: str) -> User:
    client.force_login(sam)
    return sam


@pytest.fixture
def offices(support: User) -> IpList:
    return an_ip_list(a_user(an_account(), "Alice", Role.ADMINISTRATOR), "203.0.113.7")


def url(ip_list: IpList, page: str) -> str:
    return reverse(f"admin:keys_iplist_{page}", args=[ip_list.pk])


def a_thousand() -> str:
    lines = [f"{BAD.get(n, f'10.{n >> 8}.{n & 255}.0/24')},Office {n}" for n in range(1_000)]
    return "\n".join(["network,description", *lines])


def previewed(client: Client, ip_list: IpList, given: str | bytes) -> Response:
    data: dict[str, Any] = {"text": given}
    if isinstance(given, bytes):
        data = {"file": SimpleUploadedFile("entries", given)}
    return client.post(url(ip_list, "import"), data)


def confirm(client: Client, ip_list: IpList, page: Response, **given: Any) -> Response:
    seal = re.search(r'name="shown" value="([^"]+)"', page.content.decode())
    assert seal is not None
    return client.post(url(ip_list, "import"), {"shown": seal[1], **given})


def test_lists_are_found_and_read(client: Client, offices: IpList) -> None:
    entry = offices.entries.get()
    bob = a_user(an_account("globex"), "Bob", Role.ADMINISTRATOR)
    an_ip_list(bob, "!198.51.100.0/24", name="Branches")
    path = reverse("admin:keys_iplist_changelist")

    for query, found in (("", {"Offices", "Branches"}), ("offi", {"Offices"}), ("globex", {"Branches"}), ("x", set())):
        names = re.findall(
            r'<td class="name"><a [^>]*><bdi>([^<]+)</bdi></a>', client.get(path, {"q": query}).content.decode()
        )
        assert set(names) == found
    page = client.get(url(offices, "change"))
    assert "203.0.113.7" in read_words(page)
    assert f"{entry.created_at:%Y-%m-%d %H:%M:%S} UTC" in read_words(page)
    assert client.post(url(offices, "change"), {"name": "x"}).status_code == 405
    assert client.get(path, {"entries__description__startswith": "a"}).status_code == 400


def test_three_bad_rows_of_a_thousand_are_named_and_nothing_is_imported_until_they_are_left_out(
    client: Client, support: User, offices: IpList
) -> None:
    page = previewed(client, offices, a_thousand())

    content = read_words(page)
    assert "3 invalid lines" in content
    assert "997 entries to add" in content
    for line, value in BAD.items():
        assert re.search(rf"{line + 2} network {re.escape(value)} ", content), value
    refused = confirm(client, offices, page, password=PASSWORD)
    assert refused.status_code == 422
    assert "Some lines are invalid" in read_words(refused)
    assert offices.entries.count() == 1
    assert events("ip_list.entries_added") == []

    done = confirm(client, offices, page, password=PASSWORD, leave_out="on")
    assert done.status_code == 302
    assert "997 entries are added" in read_words(client.get(done["Location"]))
    assert offices.entries.count() == 998
    [event] = events("ip_list.entries_added")
    body = json.loads(event.body)
    assert (body["actor"]["label"], body["confirmed_by"]) == (support.email, "password")
    assert body["account_id"] == offices.account_id
    added = IpListEntry.objects.filter(ip_list=offices).exclude(network="203.0.113.7/32")
    lines = sorted(f"{row.network}\t{row.description}\ttrue\n" for row in added)
    assert body["data"]["entries"] == 997
    assert body["data"]["sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_support_always_confirms_with_something_of_its_own(client: Client, secret: str, offices: IpList) -> None:
    page = previewed(client, offices, "192.0.2.1")

    for given in ({}, {"password": "wrong"}, {"passkey": "{}"}):
        assert confirm(client, offices, page, **given).status_code == 422
        assert offices.entries.count() == 1
    assert confirm(client, offices, page, password=code_of(secret)).status_code == 302
    assert offices.entries.count() == 2


def test_only_what_was_shown_to_them_is_imported(client: Client, support: User, offices: IpList) -> None:
    page = previewed(client, offices, "192.0.2.1")
    other = an_ip_list(a_user(offices.account, "Bob", Role.ADMINISTRATOR), name="Other")
    tom = a_user(None, "Tom", Role.SUPPORT)
    with_totp(tom)
    theirs = Client()
    theirs.force_login(tom)

    forged = client.post(url(offices, "import"), {"shown": "x", "password": PASSWORD})
    for answer in (
        forged,
        confirm(client, other, page, password=PASSWORD),
        confirm(theirs, offices, page, password=PASSWORD),
    ):
        assert answer.status_code == 422
        assert "Preview the entries or upload the file again" in read_words(answer)
    assert (offices.entries.count(), other.entries.count()) == (1, 0)


def test_what_was_added_meanwhile_stops_all_of_it(client: Client, offices: IpList) -> None:
    page = previewed(client, offices, "192.0.2.1\n192.0.2.2")
    IpListEntry.objects.create(ip_list=offices, network="192.0.2.2/32")

    answer = confirm(client, offices, page, password=PASSWORD)
    assert answer.status_code == 422
    assert "192.0.2.2 is already on this list" in read_words(answer)
    assert offices.entries.count() == 2


def test_a_workbook_keeps_its_texts_and_its_formulas_are_no_values(client: Client, offices: IpList) -> None:
    book = Workbook()
    for row in (
        ["network", "description", "enabled"],
        ["192.0.2.1", "00441234567890", "no"],
        ["192.0.2.2", "+441234567890", True],
        ["192.0.2.3", '=HYPERLINK("http://evil.example")', None],
        ["=1+1", "Sum", None],
    ):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)

    page = previewed(client, offices, content.getvalue())
    assert read_words(page).count("This cell contains a formula") == 2
    assert "4 description" in read_words(page)
    assert "5 network" in read_words(page)
    assert confirm(client, offices, page, password=PASSWORD, leave_out="on").status_code == 302
    found = {(str(row.network), row.description, row.enabled) for row in offices.entries.exclude(description="")}
    assert found == {("192.0.2.1/32", "00441234567890", False), ("192.0.2.2/32", "+441234567890", True)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "No entries found"),
        ("\n".join(f"10.{n >> 8}.{n & 255}.1" for n in range(10_001)), "There are more than 10,000 entries"),
        (b"\x89PNG\0", "neither a text file nor an XLSX workbook"),
        (b"1" * 1_500_000, "The file is too large"),
    ],
)
def test_what_cannot_be_read_is_said(client: Client, offices: IpList, given: str | bytes, message: str) -> None:
    page = previewed(client, offices, given)

    assert page.status_code == 422
    assert message in read_words(page)


def test_very_wide_ranges_must_be_meant(client: Client, offices: IpList) -> None:
    page = previewed(client, offices, "::/0")

    assert confirm(client, offices, page, password=PASSWORD).status_code == 422
    assert offices.entries.count() == 1
    assert confirm(client, offices, page, password=PASSWORD, acknowledge_wide="on").status_code == 302


@pytest.mark.parametrize("status", ["pending", "suspended"])
def test_lists_of_an_account_that_is_not_active_are_not_changed(client: Client, offices: IpList, status: str) -> None:
    page = previewed(client, offices, "192.0.2.1")
    Account.objects.filter(pk=offices.account_id).update(status=status)

    answer = confirm(client, offices, page, password=PASSWORD)
    assert f"Acme is {status}: its IP lists cannot be changed" in read_words(client.get(answer["Location"]))
    assert "Import entries" not in read_words(client.get(url(offices, "change")))
    assert offices.entries.count() == 1


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_the_file_of_a_list_is_neutral_and_comes_back_as_it_was(
    client: Client, support: User, offices: IpList, format: str
) -> None:
    described = {"192.0.2.1/32": "=1+1", "192.0.2.2/32": "00441234567890", "192.0.2.3/32": "+441234567890"}
    for network, description in described.items():
        IpListEntry.objects.create(ip_list=offices, network=network, description=description)

    answer = client.post(url(offices, "export"), {"format": format})
    assert answer.status_code == 200
    if format == "csv":
        cells = {row["description"] for row in csv.DictReader(io.StringIO(answer.content.decode(), newline=""))}
    else:
        sheet = load_workbook(io.BytesIO(answer.content)).active
        assert {row[1].data_type for row in sheet.iter_rows(min_row=2) if row[1].value} == {"s"}
        cells = {row[1].value or "" for row in sheet.iter_rows(min_row=2)}
    # A cell that is typed as text is no formula, and stays what it was.
    formula = "'=1+1" if format == "csv" else "=1+1"
    assert cells == {"", formula, "00441234567890", "+441234567890"}
    [event] = events("ip_list.exported")
    body = json.loads(event.body)
    assert (body["actor"]["label"], body["account_id"]) == (support.email, offices.account_id)
    actual = body["data"]
    assert (actual["rows"], actual["filters"], actual["format"]) == (4, {}, format)

    copy = an_ip_list(a_user(offices.account, "Bob", Role.ADMINISTRATOR), name="Copy")
    page = previewed(client, copy, answer.content)
    assert confirm(client, copy, page, password=PASSWORD).status_code == 302
    assert set(copy.entries.values_list("network", "description")) == set(
        offices.entries.values_list("network", "description")
    )


def test_pasted_lines_are_corrected_in_their_preview(client: Client, offices: IpList) -> None:
    page = previewed(client, offices, "192.0.2.1\nnonsense")
    found = dict(re.findall(r'name="(shown|digest)" value="([^"]+)"', page.content.decode()))

    edited = client.post(url(offices, "import"), found | {"text": "192.0.2.1\n192.0.2.2"})
    assert "The entries were edited after their preview" in read_words(edited)
    assert "2 entries to add" in read_words(edited)
    none = client.post(url(offices, "import"), found | {"text": "nonsense", "again": "1"})
    assert "nonsense</textarea>" in none.content.decode()
    assert not offices.entries.filter(network__in=["192.0.2.1/32", "192.0.2.2/32"]).exists()
