"""Address entries in a browser: what is typed is answered at Add, in the server's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from core.permissions import Role
from keys.decision.addresses import BadAddress, parse_network
from keys.models import IpList, Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import api_for
from tests.unit.keys.test_addresses import NETWORKS, REFUSED_NETWORKS

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
TYPED = [
    *(text for text, _ in (*NETWORKS, *REFUSED_NETWORKS)),
    *("1.1.1.1/24", "300.1.2.3", "1.2.3.999/8", "1.2.3.4/33", "1.2.3.4/0", "1.2.3.4/31", "::1/129", "::1/127"),
    *("2001:db8:0:0:1:0:0:1/64", "1:0:0:2:0:0:0:3/111", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8/15", "fe80::1/10"),
    *("::1.2.3.4", "::1.2.3.04", "64:ff9b::192.0.2.1/96", "::ffff:1.2.3.4/127", "::ffff:0:0/95", "FFFF::/16", "g::1"),
    *("1:2:3:4:5:6:7:8:9", "12345::", ":::", ":", "/24", "1.2.3.4/", "1.2.3.4/1000", "999999999999.1.2.3", "1.2.3.-4"),
]


@pytest.fixture
def alice() -> User:
    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    assert user.account is not None
    for slug in ("cloud-pbx", "billing", "lynx"):
        api_for(user.account, slug)
    return user


def problem(text: str) -> str:
    try:
        parse_network(text)
    except BadAddress as bad:
        return str(bad)
    return ""


def test_the_browser_says_of_a_network_what_the_server_says(page: Page, live_server: Any) -> None:
    page.goto(f"{live_server.url}/login/")
    message = page.evaluate("typed => typed.map(window.keyward.networkProblem)", TYPED)

    assert dict(zip(TYPED, message, strict=True)) == {text: problem(text) for text in TYPED}


def test_what_is_no_network_is_answered_at_add_with_what_would_be_right(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    sign_in(page, alice.email, PASSWORD)
    # A key's own addresses have no descriptions; a list's have.
    for path, label, described in (
        ("keys/new/?api=cloud-pbx", "API User IP ACL", "198.51.100.2"),
        ("ip-lists/new/", "Entries", "198.51.100.2 # office"),
    ):
        page.goto(f"{live_server.url}/{path}")
        field, add = page.get_by_role("textbox", name=label), page.get_by_role("button", name="Add", exact=True)
        field.fill("1.1.1.1/24")
        add.click()
        expect(page.get_by_role("alert").get_by_text("Did you mean 1.1.1.0/24 or 1.1.1.1?")).to_be_visible()
        expect(field).to_be_focused()
        expect(field).to_have_value("1.1.1.1/24")
        assert_accessible(page)
        field.fill("198.51.100.1, 300.1.2.3")
        expect(page.get_by_text("Did you mean")).to_be_hidden()
        field.press("Enter")
        expect(page.get_by_role("alert").get_by_text("300.1.2.3 is not an IP address: 300 is more")).to_be_visible()
        expect(page.get_by_role("list", name="Entries").get_by_role("listitem")).to_have_count(0)
        field.fill("198.51.100.1")
        add.click()
        expect(page.get_by_role("list", name="Entries").get_by_role("listitem")).to_have_text(["198.51.100.1"])
        expect(page.get_by_text("is not an IP address")).to_be_hidden()
        field.fill("198.51.100.2 # office 198.51.100.3")
        add.click()
        expect(page.get_by_role("alert").get_by_text("198.51.100.3 stands after #")).to_be_visible()
        field.fill("198.51.100.2 # office")
        add.click()
        expect(page.get_by_role("list", name="Entries").get_by_role("listitem")).to_have_text(
            ["198.51.100.1", described]
        )


@pytest.mark.full
def test_what_is_no_network_is_not_sent(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    """Neither from a field that is seen nor from one that is folded away: the form opens, and says which."""
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/new/?api=billing")
    page.get_by_label("Application name").fill("Robot")
    page.get_by_label("Platform").select_option("Server")
    page.get_by_label("Your password").fill(PASSWORD)
    field = page.get_by_role("textbox", name="IP ACL")
    field.fill("10.0.0.1/8")
    page.get_by_role("button", name="Create").click()
    expect(field).to_be_focused()
    assert "Did you mean 10.0.0.0/8" in field.evaluate("field => field.validationMessage")
    page.goto(f"{live_server.url}/keys/new/?api=lynx")
    page.get_by_label("Nickname").select_option(label="Alice")
    page.get_by_label("All, including those added later").check()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_text("More settings").click()
    field.fill("300.1.2.3")
    page.get_by_text("More settings").click()
    expect(field).to_be_hidden()
    page.get_by_role("button", name="Create").click()
    expect(field).to_be_focused()
    expect(field).to_have_value("300.1.2.3")
    assert Key.objects.count() == 0


@pytest.mark.full
def test_an_entry_of_a_list_is_answered_at_add(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    offices = an_ip_list(alice)
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/ip-lists/{offices.pk}/")
    page.get_by_role("link", name="Add entry").first.click()
    panel = page.get_by_role("dialog")
    for typed, expected in (("1.1.1.1/24", "Did you mean 1.1.1.0/24"), ("300.1.2.3", "300 is more than 255")):
        panel.get_by_label("Address or range").fill(typed)
        panel.get_by_role("button", name="Add", exact=True).click()
        expect(panel.get_by_text(expected)).to_be_visible()
    assert IpList.objects.get().entries.count() == 0
