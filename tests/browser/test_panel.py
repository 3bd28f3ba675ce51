"""The panel and what is in it: its address, Back, focus, address entries; and how a shown token goes away again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from core.permissions import Role
from keys.models import Key
from tests.browser.held_requests import HeldRequests
from tests.browser.painting import press_when_painted
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.keys import a_billing_key, a_key_of, billing_for
from tests.parameters import sampled

pytestmark = pytest.mark.django_db(transaction=True)
# The browser takes its time to go back.
LATE_BACK = """() => {
    const back = history.back.bind(history);
    history.back = () => setTimeout(() => { back(); setTimeout(() => { history.wentBack = true; }, 200); }, 500);
}"""
TOKEN = re.compile(r"kw_\w{12}_\w{38}")
ROBOTS = re.compile(r"/keys/\?.*q=robot")


@pytest.fixture
def alice() -> User:
    account = an_account()
    billing_for(account)
    return a_user(account, "Alice", Role.ADMINISTRATOR)


@pytest.fixture
def keys(page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]) -> Page:
    """The list of keys, with one key in it, seen by an administrator."""
    a_billing_key(alice, name="Invoice robot")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/?status=active")
    return page


def add_link(page: Page) -> Locator:
    return page.get_by_role("link", name="Add API key")


def opened(page: Page) -> Locator:
    add_link(page).click()
    panel = page.get_by_role("dialog", name="Add API key")
    expect(panel.get_by_label("Application name")).to_be_focused()
    return panel


def test_the_open_panel_has_an_address_that_can_be_shared(keys: Page, page: Page) -> None:
    opened(keys)
    expect(keys).to_have_url(re.compile(r"/keys/new/\?api=billing$"))
    shared = page.context.new_page()
    shared.goto(keys.url)
    expect(shared.get_by_role("heading", name="Add API key")).to_be_visible()


def test_a_closed_panel_gives_address_and_focus_back_without_a_request(keys: Page) -> None:
    panel, requests = keys.locator("#panel"), list[str]()
    keys.on("request", lambda request: requests.append(request.url))
    ways: dict[str, Callable[[], object]] = {
        "Escape": lambda: keys.keyboard.press("Escape"),
        "Close": panel.get_by_role("button", name="Close").click,
        "Cancel": panel.get_by_role("link", name="Cancel").click,
        "Back": keys.go_back,
    }
    for way, close in ways.items():
        opened(keys)
        requests.clear()
        close()
        expect(panel, way).to_be_hidden()
        expect(keys, way).to_have_url(re.compile(r"/keys/\?status=active$"))
        expect(add_link(keys), way).to_be_focused()
        assert [url for url in requests if "/static/" not in url] == [], way


@pytest.mark.full
@pytest.mark.parametrize("way", sampled(["Escape", "Back"], "Back"))
def test_a_filter_answered_while_the_panel_is_open_is_in_the_lists_address(keys: Page, way: str) -> None:
    held = HeldRequests(keys, ROBOTS)
    keys.get_by_label("Search", exact=True).fill("robot")
    held.wait()
    panel = opened(keys)
    with keys.expect_response(ROBOTS):
        held.wait().continue_()
    expect(keys.locator("#list.htmx-request")).to_have_count(0)
    expect(keys).to_have_url(re.compile(r"/keys/new/\?api=billing$"))
    if way == "Escape":
        keys.keyboard.press("Escape")
    else:
        keys.go_back()
    expect(panel).to_be_hidden()
    expect(keys).to_have_url(ROBOTS)


@pytest.mark.full
def test_a_filter_answered_as_the_panel_closes_is_in_the_lists_address(keys: Page) -> None:
    held = HeldRequests(keys, ROBOTS)
    keys.get_by_label("Search", exact=True).fill("robot")
    held.wait()
    panel = opened(keys)
    keys.evaluate(LATE_BACK)
    keys.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    held.wait().continue_()
    keys.wait_for_function("() => history.wentBack")
    expect(keys).to_have_url(ROBOTS)


def test_the_api_is_chosen_in_the_panel(keys: Page, alice: User) -> None:
    a_key_of("cloud-pbx", alice)
    keys.reload()
    add_link(keys).click()
    keys.locator("#panel").get_by_role("link", name="Cloud PBX").click()
    panel = keys.get_by_role("dialog", name="Add API user")
    expect(panel.get_by_label("Username")).to_be_focused()
    keys.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(keys).to_have_url(re.compile(r"/keys/\?status=active$"))


@pytest.mark.full
def test_forward_to_the_panels_address_shows_its_page(keys: Page) -> None:
    opened(keys)
    keys.go_back()
    expect(keys).to_have_url(re.compile("status=active"))
    keys.go_forward()
    expect(keys.get_by_role("heading", name="Add API key")).to_be_visible()


def test_addresses_are_added_and_removed_one_at_a_time(keys: Page) -> None:
    panel = opened(keys)
    field = panel.get_by_role("textbox", name="IP ACL")
    field.fill("203.0.113.7")
    field.press("Enter")
    field.fill("2001:db8::/32, 198.51.100.0/24")
    panel.get_by_role("button", name="Add", exact=True).click()
    expect(field).to_have_value("")
    entries = panel.get_by_role("list", name="Entries").get_by_role("listitem")
    expect(entries).to_have_text(["203.0.113.7", "2001:db8::/32", "198.51.100.0/24"])
    panel.get_by_role("button", name="Remove 2001:db8::/32").click()
    expect(entries).to_have_text(["203.0.113.7", "198.51.100.0/24"])
    assert panel.locator("textarea").first.input_value() == "203.0.113.7\n198.51.100.0/24"


@pytest.mark.full
def test_what_cannot_be_an_address_is_refused_where_it_is_typed(keys: Page) -> None:
    panel = opened(keys)
    field = panel.get_by_role("textbox", name="IP ACL")
    field.fill("office")
    panel.get_by_role("button", name="Add", exact=True).click()
    expect(panel.get_by_text("office is not an IP address or CIDR range. Write it like 203.0.113.7")).to_be_visible()
    expect(field).to_have_value("office")
    field.fill("203.0.113.7")
    assert field.evaluate("field => field.validationMessage") == ""


@pytest.mark.full
def test_an_address_typed_without_add_is_not_lost(keys: Page) -> None:
    panel = opened(keys)
    panel.get_by_role("textbox", name="IP ACL").fill("203.0.113.7")
    panel.get_by_label("Your password").focus()
    assert panel.locator("textarea").first.input_value() == "203.0.113.7"


def test_a_double_click_on_create_makes_one_key_and_shows_its_token(keys: Page) -> None:
    before = Key.objects.count()
    panel = opened(keys)
    panel.get_by_label("Application name").fill("Twice")
    panel.get_by_label("Platform").select_option("Server")
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Create").dblclick()
    created = keys.get_by_role("dialog", name="API key created")
    expect(created.locator("[data-secret]").first).to_contain_text("kw_")
    keys.wait_for_load_state("networkidle")
    expect(created.locator("[data-secret]").first).to_contain_text("kw_")
    assert Key.objects.count() == before + 1


@pytest.fixture
def revealed_token(keys: Page) -> Locator:
    """The token's place in the list, after it was asked for with the password."""
    keys.get_by_role("button", name="Show token").click()
    modal = keys.get_by_role("dialog", name="Show token")
    modal.get_by_label("Your password").fill(PASSWORD)
    modal.get_by_role("button", name="Show token").click()
    box = keys.locator("[data-secret]")
    expect(box).to_contain_text(TOKEN)
    return box


def test_a_shown_token_is_copied_and_said_to_be(keys: Page, revealed_token: Locator) -> None:
    keys.context.grant_permissions(["clipboard-read", "clipboard-write"])
    revealed_token.get_by_role("button", name="Copy").click()
    expect(keys.get_by_role("status")).to_have_text("Copied")
    copied = keys.evaluate("navigator.clipboard.readText()")
    assert TOKEN.fullmatch(copied)


def test_hiding_a_token_takes_it_off_the_page(keys: Page, revealed_token: Locator) -> None:
    revealed_token.get_by_role("button", name="Hide token").click()
    expect(revealed_token).to_contain_text("********")
    expect(revealed_token.get_by_role("button", name="Copy")).to_be_hidden()
    assert not TOKEN.search(keys.content())


def test_a_token_hides_itself_after_30_seconds(
    page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    page.clock.install()
    a_billing_key(alice)
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    page.get_by_role("button", name="Show token").click()
    modal = page.get_by_role("dialog", name="Show token")
    modal.get_by_label("Your password").fill(PASSWORD)
    modal.get_by_role("button", name="Show token").click()
    box = page.locator("[data-secret]")
    expect(box).to_contain_text(TOKEN)
    page.clock.run_for(29_000)
    expect(box).to_contain_text(TOKEN)
    page.clock.run_for(2_000)
    expect(box).to_contain_text("********")


def test_a_token_is_hidden_when_the_page_is(keys: Page, revealed_token: Locator) -> None:
    keys.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    expect(revealed_token).to_contain_text("********")


def test_going_back_to_the_page_does_not_bring_the_token_back(
    keys: Page, revealed_token: Locator, live_server: Any
) -> None:
    keys.goto(f"{live_server.url}/logs/")
    keys.go_back()
    expect(keys.locator("[data-secret]")).to_contain_text("********")
    assert not TOKEN.search(keys.content())


def test_times_are_utc_until_the_reader_asks_for_their_own(
    page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    key = a_billing_key(alice).key
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/")
    created = page.locator("time[data-absolute]").first
    expect(created).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"))
    page.get_by_role("button", name="Local").click()
    expect(created).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d$"))
    page.reload()
    expect(created).to_have_text(re.compile(r"[+-]\d\d:\d\d$"))


def test_a_key_is_duplicated_from_its_menu(keys: Page, alice: User) -> None:
    first = Key.objects.get()
    a_billing_key(alice, "203.0.113.7", name="Old app", modules=frozenset({"cdrs"}))
    keys.reload()
    keys.get_by_role("button", name="More actions for Old app").focus()
    press_when_painted(keys, "Enter")
    keys.keyboard.press("Tab")
    expect(keys.get_by_role("link", name="Doc of Old app")).to_be_focused()
    keys.get_by_role("link", name="Duplicate Old app").press("Enter")
    panel = keys.get_by_role("dialog", name="Duplicate Old app")
    expect(panel.get_by_label("Application name")).to_have_value("Old app copy")
    expect(panel.locator("code", has_text="203.0.113.7")).to_be_visible()
    keys.keyboard.press("Escape")
    expect(keys.get_by_role("button", name="More actions for Old app")).to_be_focused()
    keys.get_by_role("button", name="More actions for Old app").click()
    keys.get_by_role("link", name="Duplicate Old app").click()
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Create").click()
    expect(keys.get_by_role("heading", name="API key created")).to_be_visible()
    made = Key.objects.get(name="Old app copy")
    assert [str(entry.network) for entry in made.addresses.all()] == ["203.0.113.7/32"]
    assert [module.slug for module in made.modules.all()] == ["cdrs"]
    assert (made.fields, made.enabled) == (first.fields, True)
