"""Users, invitations and settings, as an Administrator and the one invited use them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from playwright.sync_api import Page, expect

from accounts.models import Account, User
from core.permissions import Role
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.keys import a_billing_key

SignIn = Callable[[Page, str, str], None]
NEW = "a long and quiet evening"


def mailed_link(live_server: Any) -> str:
    found = re.search(r"http://localhost:8000(/\S+)", str(mail.outbox[-1].body))
    assert found
    return f"{live_server.url}{found[1]}"


def test_from_the_invitation_to_the_first_sign_in(
    page: Page, plain_page: Page, live_server: Any, sign_in: SignIn, alice: User
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="Users").click()
    page.get_by_role("link", name="Invite user").click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("E-mail").fill("ivy@acme.example")
    panel.get_by_label("Auditor:").check()
    assert_accessible(page)
    panel.get_by_label("Your password").fill("wrong")
    panel.get_by_role("button", name="Invite", exact=True).click()
    expect(panel.get_by_text("Incorrect password")).to_be_visible()
    expect(panel.get_by_label("E-mail")).to_have_value("ivy@acme.example")
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Invite", exact=True).click()
    expect(panel.get_by_text("Invitation sent to ivy@acme.example")).to_be_visible()
    assert mailed_link(live_server).removeprefix(live_server.url) in (panel.locator(".link-text").text_content() or "")
    assert_accessible(page)
    panel.get_by_role("link", name="Done").click()
    row = page.get_by_role("row").filter(has_text="ivy@acme.example")
    row.get_by_role("link", name="Send again").click()
    expect(panel.get_by_label("E-mail")).to_have_value("ivy@acme.example")
    expect(panel.get_by_label("Auditor:")).to_be_checked()
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Invite", exact=True).click()
    expect(panel.get_by_text("Invitation sent to ivy@acme.example")).to_be_visible()

    # The one invited has no JavaScript.
    plain_page.goto(mailed_link(live_server))
    plain_page.get_by_label("Nickname").fill("Ivy")
    plain_page.get_by_label("Password").fill(NEW)
    plain_page.get_by_role("button", name="Join").click()
    expect(plain_page.get_by_text("Welcome to Acme")).to_be_visible()
    plain_page.get_by_label("E-mail").fill("ivy@acme.example")
    plain_page.get_by_label("Password").fill(NEW)
    plain_page.get_by_role("button", name="Sign in").click()
    expect(plain_page.get_by_role("heading", name="Overview")).to_be_visible()
    plain_page.get_by_role("link", name="Settings").click()
    expect(plain_page.get_by_role("button", name="Save changes")).to_have_count(0)


def test_a_user_loses_a_role(page: Page, live_server: Any, sign_in: SignIn, alice: User) -> None:
    bob = a_user(alice.account, "Bob", Role.AUDITOR)
    a_billing_key(alice, owner=bob)
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="Users").click()
    page.get_by_label("Role").select_option("Auditor")
    expect(page.get_by_role("cell", name="Alice", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Bob", exact=True).click()
    assert_accessible(page)
    page.get_by_role("link", name="Change roles").click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("Auditor:").uncheck()
    panel.get_by_label("Account Reader:").check()
    panel.get_by_role("button", name="Save changes").click()
    expect(panel.get_by_text("This grants a role")).to_be_visible()
    assert_accessible(page)
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Roles of Bob saved")).to_be_visible()


def test_masking_is_seen_before_it_is_saved(page: Page, live_server: Any, sign_in: SignIn, alice: User) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="Settings").click()
    assert_accessible(page)
    numbers = page.get_by_label("How phone numbers look")
    expect(numbers).to_contain_text("+442079460123 → +442079460123")
    page.get_by_label("Mask phone numbers").check()
    expect(numbers).to_contain_text("+442079460123 → +XXXXXXXX0123")
    page.get_by_label("Digits to show").fill("2")
    page.get_by_label("from the start").check()
    expect(numbers).to_contain_text("+442079460123 → +44XXXXXXXXXX")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Settings saved.")).to_be_visible()
    page.get_by_label("Mask phone numbers").uncheck()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("so it needs your confirmation")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Settings saved.")).to_be_visible()


@pytest.mark.full
def test_the_preview_needs_no_script(plain_page: Page, live_server: Any, sign_in: SignIn, alice: User) -> None:
    sign_in(plain_page, alice.email, PASSWORD)
    plain_page.goto(live_server.url)
    plain_page.get_by_role("link", name="Settings").click()
    plain_page.get_by_label("Mask phone numbers").check()
    plain_page.get_by_role("button", name="Preview").click()

    expect(plain_page.get_by_label("How phone numbers look")).to_contain_text("+XXXXXXXX0123")
    expect(plain_page.get_by_label("Mask phone numbers")).to_be_checked()
    assert not Account.objects.get().mask_phone


def test_a_forgotten_password_is_set_anew(page: Page, live_server: Any, alice: User) -> None:
    page.goto(f"{live_server.url}/login/")
    page.get_by_role("link", name="Forgot your password?").click()
    assert_accessible(page)
    page.get_by_label("E-mail").fill(alice.email)
    page.get_by_role("button", name="Send link").click()
    expect(page.get_by_role("heading", name="Check your e-mail")).to_be_visible()
    page.goto(mailed_link(live_server))
    assert_accessible(page)
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("Confirm new password").fill(NEW)
    page.get_by_role("button", name="Save password").click()
    expect(page.get_by_role("heading", name="Your password is set")).to_be_visible()


@pytest.mark.full
def test_an_account_that_is_not_active_says_why(page: Page, live_server: Any, sign_in: SignIn, alice: User) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)

    for status in ("pending", "suspended"):
        Account.objects.update(status=status)
        for name in ("Overview", "API keys", "Users", "Settings"):
            page.get_by_role("link", name=name, exact=True).first.click()
            expect(page.get_by_text(f"This account is {status}.")).to_be_visible()
            assert_accessible(page)


def test_a_password_is_shown_while_it_is_typed_and_hidden_before_it_is_sent(
    page: Page, live_server: Any, alice: User
) -> None:
    page.goto(f"{live_server.url}/login/")
    expect(page.get_by_text("to localhost:8000")).to_be_visible()
    page.get_by_label("E-mail").fill(alice.email)
    box = page.get_by_label("Password")
    box.fill("wrong password")
    page.get_by_role("button", name="Show typed text").click()
    expect(box).to_have_attribute("type", "text")
    expect(page.get_by_role("button", name="Show typed text")).to_have_attribute("aria-pressed", "true")
    assert_accessible(page)
    page.evaluate("""() => document.addEventListener("submit", (event) => {
        window.name = event.target.elements.password.type;
    })""")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Incorrect e-mail or password.")).to_be_visible()
    assert page.evaluate("window.name") == "password"


@pytest.mark.full
def test_without_javascript_a_password_has_no_button_to_show_it(plain_page: Page, live_server: Any) -> None:
    plain_page.goto(f"{live_server.url}/login/")
    expect(plain_page.get_by_label("Password")).to_be_visible()
    expect(plain_page.get_by_role("button", name="Show typed text")).to_be_hidden()
