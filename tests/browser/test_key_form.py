"""The form of a key in a browser: fields that depend on another, and what is asked before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.key_settings import KeySettings
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.keys import a_key_of
from tests.parameters import sampled

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("every_preset")]
SignIn = Callable[[Page, str, str], None]


@pytest.mark.full
def test_roles_are_chosen_by_ticking_them_and_some_are_needed(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/new/?api=sip-caller")
    all_roles, selected = (
        page.get_by_label("All, including those added later"),
        page.get_by_label("Selected", exact=True),
    )
    reader, create = page.get_by_label("Account Reader", exact=True), page.get_by_role("button", name="Create")
    page.get_by_label("Name", exact=True).fill("Robot")
    page.get_by_label("Your password").fill(PASSWORD)
    expect(page.locator("legend", has_text="Roles").get_by_text("optional")).to_have_count(0)
    create.click()
    assert all_roles.evaluate("radio => radio.validity.valueMissing")
    reader.focus()
    page.keyboard.press("Space")
    expect(selected).to_be_checked()
    page.keyboard.press("Space")
    create.click()
    assert page.evaluate("document.querySelector('[name=modules]').validationMessage").startswith("Select at least one")
    all_roles.check()
    expect(reader).to_be_hidden()
    selected.check()
    reader.check()
    page.get_by_label("Expiration").select_option(label="A date")
    create.click()
    expect(page.get_by_label("Expires on")).to_be_focused()
    assert Key.objects.count() == 0
    page.get_by_label("Expires on").fill("2031-01-01")
    create.click()
    expect(page.get_by_role("heading", name="API key created")).to_be_visible()
    assert KeySettings.from_key(Key.objects.get()).modules == {"account-reader"}


@pytest.mark.full
def test_roles_are_chosen_by_ticking_them_without_javascript(
    plain_page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/new/?api=lynx")
    page.get_by_label("Nickname").select_option(label="Alice")
    page.get_by_label("Offer List", exact=True).check()
    page.get_by_label("Your password").fill("wrong")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_label("Selected", exact=True)).to_be_checked()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="API key created")).to_be_visible()
    assert KeySettings.from_key(Key.objects.get()).modules == {"offer-list"}


def test_an_api_user_is_disabled_and_enabled_in_its_edit_form(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    key = a_key_of("cloud-pbx", alice).key
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/")
    panel = page.locator("#panel")
    page.get_by_role("link", name="Edit", exact=True).click()
    panel.get_by_label("Active?").uncheck()
    panel.get_by_role("button", name="Save changes").click()
    expect(panel.get_by_text("All calls with dialer to Cloud PBX are refused")).to_be_visible()
    assert_accessible(page)
    panel.get_by_label("Yes, disable it").check()
    panel.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("dialer saved and disabled. Calls with it are refused.")).to_be_visible()
    page.get_by_role("link", name="Edit", exact=True).click()
    panel.get_by_label("Active?").check()
    panel.get_by_role("button", name="Save changes").click()
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("dialer saved and enabled.")).to_be_visible()


@pytest.mark.full
@pytest.mark.parametrize("scripted", sampled([True, False], True))
def test_a_list_is_made_in_place_where_there_is_none(
    request: pytest.FixtureRequest, live_server: Any, alice: User, sign_in: SignIn, scripted: bool
) -> None:
    page: Page = request.getfixturevalue("page" if scripted else "plain_page")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/new/?api=textpeak")
    expect(page.get_by_text("The account has no IP lists yet.")).to_be_visible()
    page.get_by_text("Create an IP list").click()
    page.get_by_label("API key name").fill("SMS robot")
    page.get_by_label("List name").fill("Office")
    entries = page.get_by_role("textbox", name="List entries")
    if scripted:
        entries.fill("1.1.1.1/24")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_text("Did you mean 1.1.1.0/24 or 1.1.1.1?")).to_be_visible()
        entries.fill("1.1.1.0/24")
        assert_accessible(page)
    else:
        entries.fill("1.1.1.0/24")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("restricted to the new IP list Office")).to_be_visible()
    assert [each.name for each in Key.objects.get().ip_lists.all()] == ["Office"]
