"""A filter that is not understood is never ignored: not in an address, not in a body, on no page, list or export."""

from __future__ import annotations

import json
from html import unescape

import pytest
from django.test import Client
from django.utils.html import escape

from accounts.models import User
from audit.trail.selectors import list_events
from core.permissions import Role
from keys.models import IpList, Key
from tests.factories.accounts import ADDRESS, a_user, with_totp
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]
LOG = ("address=999.1.1.1", "adress=192.0.2.1", "status=999", "from=yesterday", "request_id=x", "decision=no")
TRAIL = ("address=999.1.1.1", "event=user.flew", "kind=cat", "wo=alice", "range=7y")
# Each list, its export, and filters that mean nothing there.
PAGES = {
    "/logs/": LOG,
    "/audit/": TRAIL,
    "/keys/": ("status=gone", "api=nothing", "owner=Nobody", "module=x", "expires=8", "statsu=active"),
    "/users/": ("role=king", "status=asleep", "rule=auditor"),
    "/ip-lists/": ("name=Offices", "sort=size"),
    "/ip-lists/{}/": ("state=dead", "sate=enabled"),
}


@pytest.fixture
def offices(alice: User) -> IpList:
    return an_ip_list(alice, "203.0.113.7", name="Offices")


@pytest.mark.parametrize("page", PAGES)
def test_by_no_page_and_by_no_export(client: Client, offices: IpList, page: str) -> None:
    assert offices.account is not None
    path = page.format(offices.pk)
    a_call(offices.account)
    for filter in PAGES[page]:
        name, value = filter.split("=")
        assert client.get(f"{path}?{filter}").status_code == 400, filter
        assert client.get(f"{path}export/?{filter}").status_code == 400, filter
        # In the address of a POST, in its body, and in both.
        assert client.post(f"{path}export/?{filter}", {"format": "csv"}).status_code == 400, filter
        assert client.post(f"{path}export/", {"format": "csv", name: value}).status_code == 400, filter
    name, value = ("range", "7d") if page in ("/logs/", "/audit/") else ("q", "x")
    twice = client.post(f"{path}export/?{name}={value}", {"format": "csv", name: value})
    assert twice.status_code == 400
    assert escape(f'"{name}" appears more than once') in twice.content.decode()
    exports = list_events(offices.account_id).filter(name__contains="export")
    assert not exports.exists()


def test_a_good_filter_in_the_address_of_a_post_narrows_the_file(client: Client, alice: User) -> None:
    a_user(alice.account, "Bob")
    content = client.post("/users/export/?role=administrator", {"format": "csv"}).content
    assert (b"Alice" in content, b"Bob" in content) == (True, False)


def test_every_unknown_name_is_said(client: Client) -> None:
    page = client.get("/logs/?adress=1&wo=2").content.decode()
    assert escape('There is no filter "adress", "wo". There are: Time, From, To, ') in page


@pytest.mark.parametrize("path", ["/logs/", "/audit/", "/keys/", "/users/", "/ip-lists/"])
def test_the_filters_there_are_have_the_labels_of_the_page(client: Client, path: str) -> None:
    page = client.get(f"{path}?nonsense=1")
    listed = page.content.decode().partition("There are: ")[2].partition(".</p>")[0].split(", ")
    assert page.status_code == 400
    assert listed
    assert not {"Position", "Selected keys", "Sort", "Page", "Time zone", "None"} & {*listed}
    assert all(label[0].isupper() for label in listed), listed


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("/keys/?status=gone", '<strong>Status:</strong> "gone" is not a choice. Choose one of: Active, '),
        ("/keys/?expires=8", '"8" is not a choice. Choose one of: '),
        ("/keys/?sort=%25s", '"%s" is not a choice. Choose one of: Created, Name, Owner, '),
        ("/keys/?module=x", "Select an API's tab before filtering by module."),
        ("/logs/?decision=no", '"no" is not a choice. Choose one of: Allowed, Denied.'),
        ("/audit/?event=user.flew", '"user.flew" is not a choice. Choose one of the list.'),
    ],
)
def test_an_unknown_choice_is_named_with_its_filter_and_what_there_is(client: Client, query: str, message: str) -> None:
    page = client.get(query)
    assert page.status_code == 400
    assert message in unescape(page.content.decode())
    assert "Select a valid choice" not in page.content.decode()


def test_a_filter_of_spaces_narrows_nothing_and_is_not_told_as_one(client: Client, alice: User) -> None:
    content = client.post("/users/export/", {"format": "csv", "q": "  "}).content
    assert b"Alice" in content
    event = list_events(alice.account_id).get(name="users.exported")
    assert json.loads(event.body)["data"]["filters"] == {}


def test_no_key_is_disabled_by_filters_that_mean_nothing(client: Client, alice: User) -> None:
    a_billing_key(alice)
    for address, body in (("?stats=active", {}), ("", {"stats": "active"}), ("?status=active", {"status": "active"})):
        sent = {"all": "1", "selection": "1"} | body
        assert client.post(f"/keys/disable/{address}", sent).status_code == 400
    assert Key.objects.get().enabled


@pytest.fixture
def support() -> Client:
    sam = a_user(None, "Sam", Role.SUPPORT)
    with_totp(sam)
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(sam)
    return client


def test_not_in_the_administration(support: Client, alice: User, offices: IpList) -> None:
    wrong = {
        "accounts/account": ("nmae=x", "status__exact=active&status__exact=pending", "q=%00", "e=1"),
        "accounts/user": ("is_active__exact=maybe", "account=1", "q=%00"),
        "keys/key": ("account=acme", "enabled=1", "q=%00"),
        "keys/iplist": ("account=acme", "name=x", "q=%00"),
        "keys/api": ("slug=x", "q=%00"),
        "audit/call": ("account=nobody", "adress=1", "address=999.1.1.1", "status=abc"),
        "audit/event": ("account=nobody", "wo=alice", "address=999.1.1.1"),
    }
    for path, filters in wrong.items():
        assert support.get(f"/admin/{path}/").status_code == 200
        for filter in filters:
            assert support.get(f"/admin/{path}/?{filter}").status_code == 400, (path, filter)
        for filter in ("nonsense=1", "o=zzz", "p=abc", "after=garbage", "_popup=1", "_to_field=password"):
            assert support.get(f"/admin/{path}/?{filter}").status_code == 400, (path, filter)
    for address, message in (
        ("keys/key/?account=acme", "The filters cannot be applied: account."),
        ("keys/key/?enabled=1", 'There is no "enabled" here. There are: Search.'),
        ("accounts/account/?nmae=x", 'There is no "nmae" here. There are: Search, Status.'),
        ("keys/api/?slug=x", 'There is no "slug" here. There are: Search.'),
    ):
        assert message in unescape(support.get(f"/admin/{address}").content.decode()), address
    exports = ("keys/key/export/", "accounts/user/export/", f"keys/iplist/{offices.pk}/export/")
    for path in exports:
        good = {"format": "csv"} | ({} if "iplist" in path else {"account": "acme"})
        answers = [support.post(f"/admin/{path}?state=disabled", good)]
        answers.append(support.post(f"/admin/{path}", good | {"q": "x"}))
        assert [answer.status_code for answer in answers] == [400, 400]
        labels = f"{'' if 'iplist' in path else 'Account, '}Format, Include the signed manifest."
        assert escape(f'There is no "state" here. There are: {labels}') in answers[0].content.decode()
    assert not list_events(alice.account_id).filter(name__endswith=".exported").exists()
