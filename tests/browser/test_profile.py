"""Second factors in a browser: an authenticator app, a passkey, a recovery code; and a session that was lost."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from playwright.sync_api import Error, Page, expect

from accounts.models import User
from core.permissions import Role
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.browser.held_requests import HeldRequests
from tests.factories.accounts import PASSWORD, a_user, an_account, code_of, recovery_codes_of, with_totp
from tests.factories.keys import a_billing_key, billing_for

pytestmark = pytest.mark.django_db(transaction=True)
SHOTS = os.environ.get("SHOTS")


def look(page: Page, name: str) -> None:
    if not name.startswith("plain"):
        assert_accessible(page)
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


@pytest.fixture
def alice() -> Any:
    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    billing_for(user.account)
    return user


@pytest.fixture
def portal(live_server: Any, settings: Any) -> str:
    """Passkeys are for the portal's own address, which in a test has a port of its own."""
    settings.BASE_URL = live_server.url
    return live_server.url


@pytest.fixture
def key_of_the_device(page: Page) -> Iterator[None]:
    """A virtual authenticator that always says yes."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield
    session.detach()


def first_step(page: Page, portal: str, user: User) -> None:
    page.goto(f"{portal}/login/")
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login/"))


def add_app(page: Page, name: str) -> tuple[str, list[str]]:
    """On the page that adds an app: the app's secret and the recovery codes."""
    look(page, f"{name}-totp")
    secret = page.locator("dd.mono").inner_text().replace(" ", "")
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    look(page, f"{name}-codes")
    return secret, [code.replace(" ", "") for code in page.locator(".codes code").all_inner_texts()]


def test_an_authenticator_app_is_added_and_signs_in(
    page: Page, portal: str, alice: User, live_server: Any, sign_in: Callable[[Page, str, str], None]
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="Alice Acme").click()
    look(page, "profile")
    page.get_by_role("link", name="Add authenticator app").click()
    ground = page.locator(".qr").evaluate("box => getComputedStyle(box).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    secret, codes = add_app(page, "add")
    assert len(codes) == 10
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("dialog", name="Leave without copying?").get_by_role("button", name="Go back").click()
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_text("10 unused recovery codes")).to_be_visible()
    look(page, "profile-with-app")
    with pytest.raises(Error, match="CACHE_MISS"):
        page.go_back()
    page.wait_for_url("chrome-error://**")

    page.goto(f"{portal}/profile/")
    sign_out(page)
    first_step(page, portal, alice)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    look(page, "second-factor")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    look(page, "second-factor-wrong")
    page.get_by_label("Code").fill(code_of(secret, 1))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_recovery_code_signs_in_where_the_app_is_lost(plain_page: Page, portal: str, alice: User) -> None:
    with_totp(alice)
    code = recovery_codes_of(alice)[0]
    first_step(plain_page, portal, alice)
    look(plain_page, "plain-second-factor")
    plain_page.get_by_label("Code").fill(f"{code[:4]} {code[4:]}")
    plain_page.get_by_role("button", name="Sign in").click()
    expect(plain_page.get_by_role("heading", name="Overview")).to_be_visible()


@pytest.mark.full
def test_without_javascript_an_app_is_added_and_removed(plain_page: Page, portal: str, alice: User) -> None:
    page = plain_page
    first_step(page, portal, alice)
    page.goto(f"{portal}/profile/")
    look(page, "plain-profile")
    page.get_by_role("link", name="Add authenticator app").click()
    secret, _ = add_app(page, "plain")
    page.goto(f"{portal}/profile/")
    page.get_by_role("link", name="Remove the authenticator app").click()
    page.get_by_label("Your password or authenticator code").fill(code_of(secret, 1))
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Removed")).to_be_visible()
    assert not Authenticator.objects.exists()


def test_a_passkey_is_added_signs_in_and_confirms(
    page: Page,
    portal: str,
    alice: User,
    key_of_the_device: None,
    live_server: Any,
    sign_in: Callable[[Page, str, str], None],
) -> None:
    key = a_billing_key(alice).key
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.goto(f"{portal}/profile/passkeys/new/")
    look(page, "add-passkey")
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_text('Passkey "laptop"')).to_be_visible()

    sign_out(page)
    first_step(page, portal, alice)
    look(page, "second-factor-passkey")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    page.goto(f"{portal}/keys/{key.public_id}/")
    page.get_by_role("button", name="Show token").first.click()
    modal = page.locator("#modal")
    look(page, "reveal-with-passkey")
    # Pressed twice: the answer to the first question is the right one.
    held = HeldRequests(page, "**/profile/challenge/")
    modal.get_by_role("button", name="Use a passkey instead").click()
    held.wait()
    modal.get_by_role("button", name="Use a passkey instead").click()
    held.wait().continue_()
    expect(modal).to_be_hidden()
    assert len(held.routes) == 1
    page.unroute("**/profile/challenge/")
    expect(page.get_by_text(re.compile("kw_[0-9A-Za-z]{12}_")).first).to_be_visible()

    page.goto(f"{portal}/profile/")
    page.get_by_role("link", name="Remove passkey laptop").click()
    look(page, "remove-passkey")
    page.get_by_role("button", name="Use a passkey instead").click()
    expect(page.get_by_text("Removed")).to_be_visible()


def test_a_form_sent_after_the_session_ended_stays_in_the_browser_without_its_password(
    page: Page, portal: str, alice: User, live_server: Any, sign_in: Callable[[Page, str, str], None]
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.goto(f"{portal}/keys/new/?api=billing")
    page.get_by_label("Application name").fill("Invoice robot")
    page.get_by_label("Platform").select_option("Server")
    page.get_by_label("Your password").fill(PASSWORD)
    Session.objects.all().delete()
    page.get_by_role("button", name="Create").click()

    expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()
    expect(page.get_by_label("Application name")).to_have_value("Invoice robot")
    expect(page.get_by_label("Your password")).to_have_value("")
    assert not Key.objects.exists()
    assert PASSWORD not in str([session.get_decoded() for session in Session.objects.all()])
    assert PASSWORD not in page.content()


def test_support_adds_a_second_factor_and_comes_to_the_administration(page: Page, portal: str) -> None:
    sam = a_user(None, "Sam", Role.SUPPORT)
    page.goto(f"{portal}/admin/")
    expect(page).to_have_url(re.compile(r"/login/\?next="))
    page.get_by_label("E-mail").fill(sam.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Add a second factor")).to_be_visible()
    look(page, "enrol")
    page.goto(f"{portal}/admin/")
    expect(page.get_by_role("heading", name="Add a second factor")).to_be_visible()
    page.get_by_role("link", name="Authenticator app").click()
    add_app(page, "enrol")
    page.get_by_role("link", name="I have saved them").click()
    expect(page).to_have_url(f"{portal}/admin/")
    expect(page.get_by_role("heading", name="Administration", exact=True)).to_be_visible()
    look(page, "admin")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login/"))


@pytest.mark.full
def test_a_telephone_shows_the_profile(
    narrow_page: Page, portal: str, alice: User, live_server: Any, sign_in: Callable[[Page, str, str], None]
) -> None:
    sign_in(narrow_page, alice.email, PASSWORD)
    narrow_page.goto(live_server.url)
    narrow_page.goto(f"{portal}/profile/")
    look(narrow_page, "profile-narrow")
    assert narrow_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
