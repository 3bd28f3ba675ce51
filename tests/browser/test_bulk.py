"""Selected keys of the list: how they are selected, what is done to them, and what could not be done and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Address, IpList, Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.keys import a_billing_key, a_key_of
from tests.parameters import sampled

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def robots(alice: User) -> None:
    for number in range(4):
        a_billing_key(alice, "203.0.113.7", name=f"Robot {number}")
    a_key_of("sip-caller", alice, name="Autodialer")
    IpList.objects.create(account=alice.account, name="Office")


def addresses() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, network in Address.objects.order_by("pk").values_list("key__name", "network"):
        found.setdefault(name, []).append(str(network))
    return found


def expect_marked(page: Page, *names: str) -> None:
    expect(page.locator("tr.marked .name")).to_have_text(names)


@pytest.mark.usefixtures("robots")
def test_an_address_is_added_to_a_range_of_rows(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/?sort=name&status=active")
    bar, modal = page.locator("#chosen"), page.locator("#modal")
    page.get_by_label("Select Autodialer").check()
    page.get_by_label("Select Robot 2").click(modifiers=["Shift"])
    expect(bar.get_by_text("With 4 selected:")).to_be_visible()
    expect(page.get_by_label("Select Robot 3")).not_to_be_checked()
    # The bar stays in sight while rows are selected.
    page.set_viewport_size({"width": 1360, "height": 320})
    page.get_by_label("Select Autodialer").evaluate("box => box.scrollIntoView({block: 'start'})")
    expect(bar).to_be_in_viewport()
    page.set_viewport_size({"width": 1360, "height": 860})
    bar.get_by_role("button", name="Addresses").click()
    expect(modal.get_by_role("heading", name="Addresses of 4 keys")).to_be_visible()
    modal.get_by_label("Add addresses").fill("300.1.1.1")
    modal.get_by_role("button", name="Add", exact=True).first.click()
    expect(modal.get_by_text("300 is more than 255")).to_be_visible()
    modal.get_by_label("Add addresses").fill("198.51.100.7")
    modal.get_by_role("button", name="Add", exact=True).first.click()
    expect(modal.get_by_text("Effect on the last 30 days:")).to_be_visible()
    assert_accessible(page)
    modal.get_by_role("button", name="Save changes").click()
    expect(modal.get_by_text("confirm with your password")).to_be_visible()
    expect(modal.locator("code", has_text="198.51.100.7")).to_be_visible()
    modal.get_by_label("Your password").fill(PASSWORD)
    modal.get_by_label("Your password").press("Enter")
    expect(modal.get_by_role("heading", name="3 of 4 keys changed")).to_be_focused()
    expect(modal.get_by_text("Autodialer: Accepts calls from any address")).to_be_visible()
    assert_accessible(page)
    with page.expect_event("load"):
        modal.get_by_role("link", name="Done").click()
    expect(page).to_have_url(re.compile(r"/keys/\?sort=name&status=active$"))
    expect_marked(page, "Robot 0", "Robot 1", "Robot 2")
    expect(page.get_by_label("Select Robot 2")).not_to_be_checked()
    both = ["203.0.113.7/32", "198.51.100.7/32"]
    assert addresses() == {f"Robot {n}": both if n < 3 else both[:1] for n in range(4)}


@pytest.mark.usefixtures("robots")
def test_what_was_disabled_can_be_enabled_from_the_message(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/?api=billing")
    page.get_by_label("Select all on this page").check()
    page.locator("#chosen").get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Yes, disable").click()
    expect(page.get_by_text("4 keys are disabled")).to_be_visible()
    expect_marked(page, "Robot 3", "Robot 2", "Robot 1", "Robot 0")
    assert_accessible(page)
    assert Key.objects.filter(enabled=True).count() == 1
    page.locator(".messages").get_by_role("link", name="Enable").click()
    page.locator("#modal").get_by_label("Your password").fill(PASSWORD)
    page.locator("#modal").get_by_role("button", name="Enable", exact=True).click()
    expect(page.get_by_text("4 keys are enabled")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/keys/\?api=billing#chosen$"))
    assert Key.objects.filter(enabled=True).count() == 5


@pytest.mark.full
@pytest.mark.usefixtures("robots")
def test_without_javascript_each_action_is_a_page(
    plain_page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    page, bob = plain_page, a_user(alice.account, "Bob")
    sign_in(page, alice.email, PASSWORD)

    def act(button: str) -> None:
        page.goto(f"{live_server.url}/keys/?q=rob&sort=name")
        page.get_by_label(re.compile("Select all .*that match")).check()
        page.locator("#chosen").get_by_role("button", name=button).click()
        expect(page.get_by_role("listitem").filter(has_text="Robot 3").or_(page.get_by_text("XLSX"))).to_be_visible()

    def is_back(message: str) -> None:
        expect(page.get_by_text(message)).to_be_visible()
        expect(page).to_have_url(re.compile(r"/keys/\?q=rob&sort=name#chosen$"))
        expect_marked(page, "Robot 0", "Robot 1", "Robot 2", "Robot 3")

    act("Reassign")
    page.get_by_label("New owner").select_option(str(bob.pk))
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Reassign").click()
    is_back("4 keys are reassigned.")
    assert Key.objects.filter(owner=bob).count() == 4
    act("Addresses")
    page.locator("[name=add_lists]").select_option("Office")
    page.get_by_text("Remove addresses", exact=True).first.click()
    page.locator("[name=remove_networks]").select_option("203.0.113.7")
    page.get_by_role("button", name="Save changes").click()
    # Nothing of the list's addresses is let in, and the only one that was is gone: no consent is due.
    is_back("4 keys are changed.")
    assert addresses() == {}
    act("Expiry")
    page.get_by_label("Expires on").fill("2099-12-31")
    page.get_by_role("button", name="Save changes").click()
    is_back("4 keys are changed.")
    act("Change API key")
    page.get_by_label("24 hours").check()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Yes, change API keys").click()
    is_back("4 keys are changed.")
    act("Export")
    expect(page.get_by_text("rob", exact=True)).to_be_visible()


@pytest.mark.parametrize("scripted", sampled([True, False], True))
@pytest.mark.usefixtures("robots")
def test_keys_are_added_from_the_page_of_a_list(
    request: pytest.FixtureRequest, live_server: Any, alice: User, sign_in: SignIn, scripted: bool
) -> None:
    office = IpList.objects.get()
    page: Page = request.getfixturevalue("page" if scripted else "plain_page")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/ip-lists/{office.pk}/")
    page.get_by_role("link", name="Add keys").click()
    for name in ("Robot 1", "Autodialer"):
        key = Key.objects.get(name=name)
        if scripted:
            page.locator("[data-picker-choice]").select_option(key.public_id)
            page.get_by_role("button", name="Add", exact=True).click()
    if not scripted:
        page.locator("[name=key]").select_option([key.public_id for key in Key.objects.exclude(name__endswith="0")])
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Addresses of")).to_be_visible()
    # The list is filled in, and the confirmation asked for.
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Autodialer: Accepts calls from any address")).to_be_visible()
    page.get_by_role("link", name="Done").click()
    used = page.locator("#used-by")
    expect(used.get_by_role("link", name="Robot 1")).to_be_visible()
    expect(used.get_by_role("link", name="Autodialer")).to_have_count(0)
    assert office.keys.count() == (1 if scripted else 3)
    expect(page).to_have_url(re.compile(rf"/ip-lists/{office.pk}/"))
