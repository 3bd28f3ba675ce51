"""Mass insert: what a preview says, and that confirming it adds exactly that, or nothing."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import User
from core.permissions import Role
from keys.ip_lists import importing
from keys.ip_lists.entry_parser import EntryRow
from keys.models import IpList
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key, events
from tests.responses import Response, read_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]

PASTED = """\
# Offices of the provider
network,description,enabled
198.51.100.0/24,Berlin
10.0.0.1/8,Wrong bits

2001:db8::/32,"Zürich, main",no
203.0.113.7,Again
198.51.100.0/24,Twice
nonsense,Nowhere
192.0.2.1,Lab,maybe
192.0.2.2,198.51.100.9
192.0.2.3
"""


@pytest.fixture
def offices(alice: User) -> IpList:
    return an_ip_list(alice, "203.0.113.7")


def previewed(client: Client, ip_list: IpList, pasted: str | SimpleUploadedFile) -> Response:
    given = {"text": pasted} if isinstance(pasted, str) else {"file": pasted}
    return client.post(f"/ip-lists/{ip_list.pk}/import/", given)


def seal(page: Response) -> str:
    return re.search(r'name="shown" value="([^"]+)"', page.content.decode()).group(1)


def confirm(client: Client, ip_list: IpList, page: Response, **given: Any) -> Response:
    return client.post(f"/ip-lists/{ip_list.pk}/import/", {"shown": seal(page), **given})


def entries(ip_list: IpList) -> set[tuple[str, str, bool]]:
    return {(str(row.network), row.description, row.enabled) for row in ip_list.entries.all()}


RIGHT = {("198.51.100.0/24", "Berlin", True), ("2001:db8::/32", "Zürich, main", False), ("192.0.2.3/32", "", True)}
THERE = {("203.0.113.7/32", "", True)}


def test_the_preview_tells_what_would_be_added_and_each_wrong_line(client: Client, offices: IpList) -> None:
    page = previewed(client, offices, PASTED)

    assert page.status_code == 200
    cells = [re.sub(r"\s*<[^>]+>\s*", "|", row) for row in re.findall(r"<tr><td.*?</tr>", read_page(page))]
    assert [row.strip("|").split("|")[0] for row in cells] == [
        "4", "7", "8", "9", "10", "11", "198.51.100.0/24", "2001:db8::/32", "192.0.2.3",
    ]  # fmt: skip
    for expected in (
        "6 invalid lines",
        "Did you mean 10.0.0.0/8 or 10.0.0.1?",
        "203.0.113.7 is already on this list",
        "198.51.100.0/24 is already on line 3",
        "nonsense is not an IP address",
        "'maybe' is not true or false",
        "This is an address, but a description was expected",
        "3 entries to add",
    ):
        assert expected in read_page(page)
    assert entries(offices) == THERE


def test_invalid_lines_that_are_not_shown_are_counted_by_lines(client: Client, offices: IpList) -> None:
    page = previewed(client, offices, "\n".join(["nonsense,198.51.100.9,maybe"] * 150))

    assert "150 invalid lines" in read_page(page)
    assert "and 50 more." in read_page(page)


def test_wrong_lines_stop_it_until_they_are_left_out(client: Client, offices: IpList) -> None:
    page = previewed(client, offices, PASTED)

    refused = confirm(client, offices, page)
    assert refused.status_code == 422
    assert "Some lines are invalid. Select this to skip them" in read_page(refused)
    assert "nonsense is not an IP address" in read_page(refused)
    assert entries(offices) == THERE
    assert confirm(client, offices, refused, leave_out="on").status_code == 302
    assert entries(offices) == THERE | RIGHT
    [event] = events("ip_list.entries_added")
    data = json.loads(event.body)["data"]
    assert (data["entries"], set(data["networks"])) == (3, {"198.51.100.0/24", "2001:db8::/32", "192.0.2.3"})


def test_a_file_of_our_own_export_comes_back_as_it_was(client: Client, alice: User, offices: IpList) -> None:
    offices.entries.update(description="=1+1")
    previewed(client, offices, "::1,x")
    for format in ("csv", "xlsx"):
        content = client.post(f"/ip-lists/{offices.pk}/export/", {"format": format}).content
        copy = an_ip_list(alice, name=f"Copy as {format}")
        page = previewed(client, copy, SimpleUploadedFile(f"copy.{format}", content))
        assert "wrong line" not in read_page(page)
        assert confirm(client, copy, page).status_code == 302
        assert entries(copy) == entries(offices)


def test_very_wide_ranges_must_be_meant(client: Client, offices: IpList) -> None:
    page = previewed(client, offices, "::/0\n8.0.0.0/7")
    assert "covers every IPv6 address" in read_page(page)

    refused = confirm(client, offices, page)
    assert refused.status_code == 422
    assert "one in 128 of all IPv4 addresses. Select" in read_page(refused)
    assert confirm(client, offices, refused, acknowledge_wide="on").status_code == 302
    assert offices.entries.count() == 3


def test_a_list_in_use_asks_for_the_password(client: Client, alice: User, offices: IpList) -> None:
    offices.uses.create(key=a_billing_key(alice).key)
    page = previewed(client, offices, "192.0.2.1")
    assert 'type="password"' in read_page(page)

    for given in ({}, {"password": "wrong"}):
        assert confirm(client, offices, page, **given).status_code == 422
        assert entries(offices) == THERE
    assert confirm(client, offices, page, password=PASSWORD).status_code == 302


def test_what_was_added_meanwhile_stops_it(client: Client, alice: User, offices: IpList) -> None:
    page = previewed(client, offices, "192.0.2.1\n192.0.2.2")
    confirm(client, offices, page)

    again = confirm(client, offices, page)
    assert again.status_code == 422
    assert "192.0.2.1 is already on this list" in read_page(again)
    assert offices.entries.count() == 3


def test_only_what_was_shown_is_added(client: Client, alice: User, offices: IpList) -> None:
    """Not something else, not to another list, not by someone else, not tomorrow."""
    page = previewed(client, offices, "192.0.2.1")
    other = an_ip_list(alice, name="Other")
    bob = a_user(alice.account, "Bob", Role.ADMINISTRATOR)
    theirs = Client()
    theirs.force_login(bob)

    path = f"/ip-lists/{offices.pk}/import/"
    forged = client.post(path, {"shown": seal(page)[:-3] + "abc"})
    for answer in (
        forged,
        confirm(client, other, page),
        confirm(theirs, offices, page),
        client.post(path, {"shown": ""}),
    ):
        assert answer.status_code == 422
        assert "Preview the entries or upload the file again" in read_page(answer)
    assert (offices.entries.count(), other.entries.count()) == (1, 0)


def test_a_preview_is_good_for_an_hour(client: Client, offices: IpList, monkeypatch: pytest.MonkeyPatch) -> None:
    page = previewed(client, offices, "192.0.2.1")
    later = (timezone.now() + timedelta(minutes=61)).timestamp()
    with monkeypatch.context() as patch:
        patch.setattr("django.core.signing.time.time", lambda: later)
        assert importing.PREVIEW_SECONDS == 3600
        with pytest.raises(importing.signing.SignatureExpired):
            importing.load_preview(offices, offices.account.users.get().pk, seal(page))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "No entries found"),
        ({"text": " \n"}, "No entries found"),
        ({"text": "::1", "file": b"::2"}, "not both"),
        ({"file": b"\x89PNG\0"}, "neither a text file nor an XLSX workbook"),
        ({"file": b""}, "No entries found"),
        ({"file": b"1" * 1_500_000}, "The file is too large"),
    ],
)
def test_what_cannot_be_read_is_said_at_the_field(
    client: Client, offices: IpList, given: dict[str, Any], message: str
) -> None:
    if "file" in given:
        given = given | {"file": SimpleUploadedFile("entries.csv", given["file"])}
    page = client.post(f"/ip-lists/{offices.pk}/import/", given)

    assert page.status_code == 422
    assert message in read_page(page)


def test_nothing_but_wrong_lines_offers_nothing_to_add(client: Client, offices: IpList) -> None:
    page = previewed(client, offices, "nonsense\nmore nonsense")

    assert "No valid entries" in read_page(page)
    assert 'name="shown"' not in page.content.decode()


def test_ten_thousand_lines_fit(client: Client, offices: IpList) -> None:
    lines = "\n".join(f"10.{n >> 8}.{n & 255}.0/24,Office number {n} in a town" for n in range(9_999))
    began = time.process_time()
    page = previewed(client, offices, lines)
    seen = time.process_time() - began
    assert "9999 entries to add" in read_page(page)
    began = time.process_time()
    assert confirm(client, offices, page).status_code == 302
    added = time.process_time() - began

    assert offices.entries.count() == 10_000
    assert "at most 10,000 entries" in read_page(confirm(client, offices, previewed(client, offices, "::1")))
    assert seen < 30
    assert added < 30


def test_lines_are_counted_over_all_rows_that_are_validated_together(monkeypatch: pytest.MonkeyPatch, offices: IpList):
    monkeypatch.setattr(importing, "ROWS_AT_A_TIME", 3)
    monkeypatch.setattr(importing, "MAX_WRONG_LINES", 3)
    rows = [EntryRow(n, f"192.0.2.{n % 10}" if n < 13 else "x", "", "maybe" if n > 14 else "") for n in range(1, 20)]
    rests: list[None] = []

    seen = importing.build_preview(offices, rows, lambda: rests.append(None))

    assert [str(entry.network) for entry in seen.entries] == [f"192.0.2.{n % 10}/32" for n in range(1, 11)]
    assert [(cell.line, cell.why) for cell in seen.wrong[:2]] == [
        (11, "192.0.2.1 is already on line 1."),
        (12, "192.0.2.2 is already on line 2."),
    ]
    assert ([cell.line for cell in seen.wrong], seen.wrong_count) == ([11, 12, 13], 9)
    assert len(rests) == 7


def test_pasted_lines_are_corrected_in_their_preview(client: Client, offices: IpList) -> None:
    path = f"/ip-lists/{offices.pk}/import/"
    page = previewed(client, offices, "198.51.100.0/24, Berlin\r\nnonsense")
    digest = re.search(r'name="digest" value="(\w+)"', page.content.decode()).group(1)
    assert "198.51.100.0/24, Berlin\nnonsense</textarea>" in page.content.decode().replace("\r", "")
    sent = {"shown": seal(page), "digest": digest, "leave_out": "on"}

    edited = client.post(path, sent | {"text": "198.51.100.0/24, Berlin\n192.0.2.1"})
    assert "The entries were edited after their preview" in read_page(edited)
    assert "2 entries to add" in read_page(edited)
    again = client.post(path, sent | {"text": "192.0.2.7", "again": "1"})
    assert "1 entry to add" in read_page(again)
    assert "edited after" not in read_page(again)
    assert entries(offices) == THERE
    assert client.post(path, sent | {"text": "198.51.100.0/24, Berlin\nnonsense"}).status_code == 302
    assert entries(offices) == THERE | {("198.51.100.0/24", "Berlin", True)}


def test_an_expired_preview_keeps_the_pasted_lines(client: Client, offices: IpList) -> None:
    page = client.post(f"/ip-lists/{offices.pk}/import/", {"shown": "forged", "text": "192.0.2.1, Lab", "digest": "x"})
    assert page.status_code == 200  # edited, as far as can be told: previewed again
    assert "1 entry to add" in read_page(page)
