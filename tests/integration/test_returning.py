"""What is done from a row of a list leads back to the list as it was: its tab, its filters, its page."""

from __future__ import annotations

import re
import uuid
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client

from accounts.models import User
from core.lists import PAGE_SIZE
from keys.models import IpList, Key
from tests.factories.accounts import PASSWORD
from tests.factories.keys import a_billing_key, a_key_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]
LISTED = "api=billing&status=active&sort=name&q=r%C3%B6b+%26"


def link(client: Client, page: str, label: str) -> str:
    """Where the row's link with this label leads."""
    found = re.search(
        rf'href="([^"]*)"[^>]*(?:title|aria-label|data-modal)="{label}', client.get(page).content.decode()
    )
    assert found, label
    return unescape(found[1])


def sent_to(client: Client, form: str, **given: Any) -> str:
    """Where the form at this address, posted as its page says, leads."""
    page = client.get(form).content.decode()
    action, cancel = (
        re.search(r'<form class="card form-card.*? action="([^"]*)"', page),
        re.search(r'href="([^"]*)" data-close>Cancel', page),
    )
    assert action
    assert cancel
    answer = client.post(unescape(action[1]), given)
    assert answer.status_code == 302, answer.content.decode()
    location = answer.headers["Location"]
    assert same(unescape(cancel[1]), location) or "delete" in form
    return location


def same(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return first.path == second.path and parse_qs(first.query) == parse_qs(second.query)


def test_edit_disable_enable_and_delete_of_a_key_return_to_its_list(client: Client, alice: User) -> None:
    key = a_billing_key(alice, name="röb & co").key
    page = f"/keys/?{LISTED}"
    assert f'<tr id="key-{key.public_id}">' in client.get(page).content.decode()

    given = {"name": key.name, "platform": "web", "every_module": "all", "expiry": "keep", "version": 1}
    for label, sent in (("Edit", given), ("Disable", {}), ("Delete", {})):
        location = sent_to(client, link(client, page, label), **sent)
        assert same(location, page), label
        assert urlsplit(location).fragment == f"key-{key.public_id}"
        if label == "Disable":
            # The message offers Enable too: it is shown once.
            assert same(sent_to(client, link(client, page, "Enable"), password=PASSWORD), page)
            sent_to(client, link(client, page, "Disable"))
            client.get(page)
            off = page.replace("active", "disabled")
            assert same(sent_to(client, link(client, off, "Enable"), password=PASSWORD), off)
    assert Key.objects.get().deleted_at


def test_what_is_opened_from_the_key_s_own_page_returns_there(client: Client, alice: User) -> None:
    key = a_billing_key(alice).key
    page = f"/keys/{key.public_id}/"

    assert sent_to(client, f"{page}disable/") == page
    assert sent_to(client, f"{page}enable/", password=PASSWORD) == page
    assert sent_to(client, f"{page}delete/") == "/keys/"


@pytest.mark.parametrize(
    "hostile",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "\r\nSet-Cookie: a=b",
        "?/../",
    ],
)
def test_what_it_carries_is_a_query_and_leads_nowhere_else(client: Client, alice: User, hostile: str) -> None:
    key = a_billing_key(alice).key
    answer = client.post(f"/keys/{key.public_id}/disable/?{urlencode({'back': hostile})}")

    location = urlsplit(answer.headers["Location"])
    assert (location.scheme, location.netloc, location.path) == ("", "", "/keys/")
    assert "Set-Cookie: a" not in str(answer.headers)
    # Too long to be a list's query.
    answer = client.post(f"/keys/{key.public_id}/disable/?back={'a' * 2001}")
    assert answer.headers["Location"] == f"/keys/{key.public_id}/"


def test_a_changed_and_a_shown_secret_lead_back_too(client: Client, alice: User) -> None:
    a_billing_key(alice, name="röb & co")
    page = f"/keys/?{LISTED}"
    change = link(client, page, "Change API key")
    secret = re.search(r'name="secret" value="([^"]*)"', client.get(change).content.decode())
    assert secret
    done = client.post(change, {"secret": secret[1], "overlap": "none", "password": PASSWORD}).content.decode()
    back = re.search(r'href="([^"]*)" data-close>Done', done)
    assert back
    assert same(unescape(back[1]), page)

    carried = re.search(
        r'data-reveal><input type="hidden" name="back" value="([^"]*)"', client.get(page).content.decode()
    )
    assert carried
    assert same(f"/keys/?{unescape(carried[1])}", page)


def test_those_ticked_on_a_later_page_are_disabled_and_the_page_stays(client: Client, alice: User) -> None:
    keys = [a_billing_key(alice, name="Robot").key for _ in range(3)]
    position = f"{keys[2].created_at.isoformat()}~{keys[2].pk}"
    page = f"/keys/?{urlencode({'api': 'billing', 'after': position})}"
    back = urlsplit(page).query

    content = client.get("/keys/disable/", {"key": keys[0].public_id, "api": "billing", "back": back}).content.decode()
    sent = {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', content)}
    sent.pop("csrfmiddlewaretoken", None)
    assert same(client.post("/keys/disable/", sent).headers["Location"], page)


def test_when_a_page_s_last_key_is_deleted_the_one_before_is_shown(client: Client, alice: User) -> None:
    made = [a_billing_key(alice, name=f"Robot {number}").key for number in range(2)]
    Key.objects.filter(pk=made[0].pk).update(deleted_at=made[0].created_at)
    last = f"{made[1].created_at.isoformat()}~{made[1].pk}"

    page = client.get("/keys/", {"after": last})
    assert [row.name for row in page.context["rows"]] == ["Robot 1"]
    assert (page.context["previous"], page.context["next"]) == ("", "")


def test_ip_lists_and_their_entries_return_to_their_lists(client: Client, alice: User) -> None:
    office = IpList.objects.create(account=alice.account, name="Office")
    for number in range(PAGE_SIZE + 1):
        office.entries.create(network=f"10.0.0.{number}", description="desk")
    lists = "/ip-lists/?q=off&sort=name"
    location = sent_to(client, link(client, lists, "Edit"), name="Office 2", version=1)
    assert same(location, lists)
    assert f'<tr id="{urlsplit(location).fragment}">' in client.get(lists).content.decode()

    entries = f"/ip-lists/{office.pk}/?q=desk&page=2"
    for label in ("Disable", "Enable"):
        assert same(sent_to(client, link(client, entries, label)), entries)
    entry = office.entries.order_by("network").last()
    assert entry
    edit = link(client, entries, "Edit 10")
    stamp = re.search(r'name="stamp" value="([^"]*)"', client.get(edit).content.decode())
    assert stamp
    given = {"network": str(entry.network), "description": "desk", "enabled": "on", "stamp": unescape(stamp[1])}
    location = sent_to(client, edit, **given)
    assert same(location, entries)
    assert f'<tr id="{urlsplit(location).fragment}">' in client.get(entries).content.decode()
    # The second page is gone with its only entry, so the first is shown.
    assert same(sent_to(client, link(client, entries, "Delete 10")), entries)
    shown = client.get(entries)
    assert (shown.context["filter"].page_number, len(shown.context["rows"])) == (1, PAGE_SIZE)
    assert same(sent_to(client, link(client, lists, "Delete")), lists)


def test_a_withdrawn_invitation_returns_to_the_users(client: Client, alice: User) -> None:
    client.post(
        "/users/invite/",
        {"email": "new@acme.example", "roles": ["auditor"], "password": PASSWORD, "form_token": str(uuid.uuid4())},
    )
    page = "/users/?q=ali"
    assert same(sent_to(client, link(client, page, "Withdraw invitation")), page)


def test_call_download_is_among_the_actions_of_a_key_that_may(client: Client, alice: User) -> None:
    may = a_key_of("lms-call-logic", alice, recordings=True).key
    may_not = a_key_of("lms-call-logic", alice).key
    page = client.get("/keys/?api=lms-call-logic").content.decode()

    assert f'href="/keys/{may.public_id}/call-download/" aria-label="Call Download API doc of' in page
    assert f"/keys/{may_not.public_id}/call-download/" not in page
