"""Everyday tasks of an Administrator, counted: clicks and typed fields, from the page where one would start.

A password or code that confirms is not a field: it is counted by itself. Enter in a field is no click. Each test does
one task and says how many clicks and fields it may take; the table is printed after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from keys.models import Address, Key
from tests.browser.painting import press_when_painted
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.keys import a_billing_key, api_for

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]


@dataclass
class Hand:
    """What a person does with mouse and keyboard, counted."""

    page: Page
    clicks: int = 0
    fields: int = 0
    passwords: int = 0

    def click(self, target: Locator, **options: Any) -> None:
        target.click(**options)
        self.clicks += 1

    def fill(self, target: Locator, text: str) -> None:
        target.fill(text)
        self.fields += 1

    def choose(self, target: Locator, option: str) -> None:
        target.select_option(option)
        self.fields += 1

    def confirm(self) -> None:
        """Type the password and press Enter."""
        box = self.page.get_by_label("Your password")
        box.fill(PASSWORD)
        box.press("Enter")
        self.passwords += 1

    def __str__(self) -> str:
        password = " + password" if self.passwords else ""
        return f"{self.clicks} + {self.fields}{password}"


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[tuple[str, str, str]]]:
    """The tasks with what they took and may take, printed after the last test of this file."""
    rows: list[tuple[str, str, str]] = []
    yield rows
    writer = request.config.get_terminal_writer()
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        for task, took, aim in [("task", "clicks + fields", "at most"), *rows]:
            writer.write(f"\n{task:45} {took:20} {aim}")
        writer.line()


@pytest.fixture
def hand(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> Hand:
    """Alice at 1440 px, signed in."""
    page.set_viewport_size({"width": 1440, "height": 900})
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    return Hand(page)


@pytest.fixture
def takes(hand: Hand, table: list[tuple[str, str, str]]) -> Callable[..., None]:
    """`takes("disable a key", clicks=2, fields=0)`: at most."""

    def check(task: str, *, clicks: int, fields: int = 0, password: bool = False) -> None:
        table.append((task, str(hand), f"{clicks} + {fields}{' + password' if password else ''}"))
        assert (hand.clicks <= clicks, hand.fields <= fields, hand.passwords <= password) == (True, True, True), hand

    return check


def test_create_a_key_from_all_and_copy_it(
    hand: Hand, live_server: Any, alice: User, takes: Callable[..., None]
) -> None:
    assert alice.account is not None
    for slug in ("billing", "textpeak"):
        api_for(alice.account, slug)
    page = hand.page
    page.goto(f"{live_server.url}/keys/")
    hand.click(page.get_by_role("link", name="Add API key").first)
    panel = page.locator("#panel")
    hand.click(panel.get_by_role("link", name="Billing"))
    hand.fill(panel.get_by_label("Application name"), "Invoice robot")
    hand.choose(panel.get_by_label("Platform"), "server")
    hand.confirm()
    hand.click(panel.get_by_role("button", name="Copy", exact=True).first)
    expect(panel.get_by_text("Copied").first).to_be_visible()
    assert Key.objects.get().name == "Invoice robot"
    panel.get_by_role("link", name="Done").click()
    expect(page.locator("tr:target")).to_contain_text("Invoice robot")
    takes("create a key, from All, and copy it", clicks=4, fields=3, password=True)


def test_disable_a_key(hand: Hand, live_server: Any, alice: User, takes: Callable[..., None]) -> None:
    a_billing_key(alice, name="Robot")
    page = hand.page
    page.goto(f"{live_server.url}/keys/?status=active&q=rob")
    hand.click(page.get_by_role("link", name="Disable Robot"))
    hand.click(page.get_by_role("button", name="Yes, disable"))
    expect(page.get_by_text("Robot is disabled")).to_be_visible()
    assert "status=active&q=rob#key-" in page.url
    takes("disable a key, back on its row", clicks=2)


def test_rotate_with_an_overlap(hand: Hand, live_server: Any, alice: User, takes: Callable[..., None]) -> None:
    key = a_billing_key(alice, name="Robot").key
    page = hand.page
    page.goto(f"{live_server.url}/keys/")
    hand.click(page.get_by_role("button", name="More actions for Robot"))
    hand.click(page.get_by_role("link", name="Change API key of Robot"))
    hand.click(page.get_by_label("24 hours"))
    hand.confirm()
    expect(page.get_by_role("heading", name="API key changed")).to_be_visible()
    assert key.secrets.filter(retires_at__isnull=False).count() == 1
    takes("change an API key with an overlap", clicks=3, password=True)


def test_find_keys_without_a_restriction(hand: Hand, live_server: Any, alice: User, takes: Callable[..., None]) -> None:
    a_billing_key(alice, name="Open")
    a_billing_key(alice, "203.0.113.7", name="Restricted")
    page = hand.page
    page.goto(live_server.url)
    hand.click(page.get_by_role("link", name="any address"))
    expect(page.get_by_role("link", name="Open", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Restricted", exact=True)).to_be_hidden()
    takes("which keys have no address restriction", clicks=1)


def test_cure_a_refused_address(hand: Hand, live_server: Any, alice: User, takes: Callable[..., None]) -> None:
    key = a_billing_key(alice, "203.0.113.7", name="Partner").key
    refused: dict[str, Any] = {"key_name": "Partner", "decision": "denied", "reason": "ip_not_allowed"}
    call = a_call(alice.account, key_id=key.public_id, client_address="198.51.100.40", **refused)
    page = hand.page
    page.goto(f"{live_server.url}/logs/")
    hand.click(page.locator(f"a[href$='{call}/']"))
    expect(page.locator("#panel")).to_contain_text("Allowed: 203.0.113.7")
    hand.click(page.get_by_role("link", name="Allow 198.51.100.40"))
    hand.confirm()
    expect(page.get_by_text("Partner saved.")).to_be_visible()
    assert key.addresses.filter(network="198.51.100.40/32").exists()
    takes("why was a call refused, and allow its address", clicks=2, password=True)


def test_add_an_address_to_five_keys(hand: Hand, live_server: Any, alice: User, takes: Callable[..., None]) -> None:
    for number in range(6):
        a_billing_key(alice, "203.0.113.7", name=f"Robot {number}")
    page = hand.page
    page.goto(f"{live_server.url}/keys/")
    for number in range(5):
        hand.click(page.get_by_label(f"Select Robot {number}"))
    hand.click(page.locator("#chosen").get_by_role("button", name="Addresses"))
    hand.fill(page.get_by_label("Add addresses"), "198.51.100.7")
    hand.confirm()
    expect(page.get_by_text("5 keys are changed.")).to_be_visible()
    assert Address.objects.filter(network="198.51.100.7").count() == 5
    takes("add an address to 5 keys", clicks=6, fields=1, password=True)


def test_give_an_integrator_the_documentation(
    hand: Hand, live_server: Any, alice: User, takes: Callable[..., None]
) -> None:
    key = a_billing_key(alice, name="Partner").key
    page = hand.page
    page.goto(f"{live_server.url}/keys/{key.public_id}/")
    hand.click(page.get_by_role("link", name="Share doc"))
    hand.click(page.locator("#panel").get_by_role("button", name="Create link"))
    expect(page.locator("#panel")).to_contain_text("Link created.")
    takes("give an integrator the documentation", clicks=2)


def test_find_whose_token_it_is(hand: Hand, live_server: Any, alice: User, takes: Callable[..., None]) -> None:
    made = a_billing_key(alice, name="Partner")
    page = hand.page
    page.goto(f"{live_server.url}/audit/")
    press_when_painted(page, "Control+k")
    box = page.get_by_label("Search for")
    hand.fill(box, f"Authorization: Token {made.token}")
    box.press("Enter")
    expect(page.get_by_role("heading", name="1 key found by a token")).to_be_visible()
    takes("whose is this token", clicks=0, fields=1)


def test_invite_a_colleague(hand: Hand, live_server: Any, alice: User, takes: Callable[..., None]) -> None:
    page = hand.page
    page.goto(f"{live_server.url}/users/")
    hand.click(page.get_by_role("link", name="Invite user"))
    hand.fill(page.locator("#panel").get_by_label("E-mail"), "ivy@acme.example")
    hand.click(page.locator("#panel").get_by_label("Auditor:"))
    hand.confirm()
    expect(page.locator("#panel .link-text")).to_contain_text("/invitation/")
    takes("invite a colleague, with a link to copy", clicks=2, fields=3, password=True)
