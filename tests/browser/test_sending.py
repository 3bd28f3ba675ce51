"""A form is sent once, and what was typed outlives the session in which it was begun."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import DocsLink, IpList
from tests.browser.accessibility import assert_accessible
from tests.browser.held_requests import HeldRequests
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]


def begin_list(page: Page, live_server: Any) -> None:
    page.goto(f"{live_server.url}/ip-lists/")
    page.get_by_role("link", name="Add IP list").first.click()
    page.locator("#panel").get_by_label("Name").fill("Offices")


def test_a_form_outlives_its_session(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    sign_in(page, alice.email, PASSWORD)
    begin_list(page, live_server)
    panel, ended = page.locator("#panel"), page.get_by_role("dialog", name="Your session has ended")
    Session.objects.all().delete()
    panel.get_by_role("button", name="Create").click()
    expect(ended).to_be_visible()
    assert_accessible(page)
    ended.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("You are not signed in yet.")).to_be_visible()

    with page.context.expect_page() as opened:
        ended.get_by_role("link", name="Sign in").click()
    other = opened.value
    for user, said in (
        (a_user(alice.account, "Bob"), "Another user has signed in."),
        (alice, "You are signed in again."),
    ):
        other.goto(f"{live_server.url}/login/")
        if other.get_by_role("button", name="Sign out").is_visible():
            other.get_by_role("button", name="Sign out").click()
            other.goto(f"{live_server.url}/login/")
        other.get_by_label("E-mail").fill(user.email)
        other.get_by_label("Password").fill(PASSWORD)
        other.get_by_role("button", name="Sign in").click()
        expect(other.get_by_role("button", name="Sign out")).to_be_visible()
        ended.get_by_role("button", name="Continue").click()
        expect(page.get_by_text(said)).to_be_visible()
    expect(ended).to_be_hidden()
    expect(panel.get_by_label("Name")).to_have_value("Offices")
    panel.get_by_role("button", name="Create").click()
    expect(page.get_by_text("IP list Offices created.")).to_be_visible()


@pytest.mark.full
def test_a_form_is_renewed_after_its_user_signed_in_again_elsewhere(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    sign_in(page, alice.email, PASSWORD)
    begin_list(page, live_server)
    page.context.clear_cookies(name="csrf")
    panel = page.locator("#panel")
    panel.get_by_role("button", name="Create").click()
    expect(page.get_by_text("You are signed in again. Nothing was saved yet")).to_be_visible()
    panel.get_by_role("button", name="Create").click()
    expect(page.get_by_text("IP list Offices created.")).to_be_visible()


FILE = {"name": "offices.txt", "mimeType": "text/plain", "buffer": b"203.0.113.7, Berlin"}
# What is in the fields of a page: of a file that it is chosen, of a box that it is not ticked.
READ = """() => [...document.querySelectorAll("#main form :is(input:not([type=hidden]), textarea)")].map((field) => (
  (field.type === "file" && field.files.length && "file") || (field.type === "checkbox" && !field.checked && "off")
  || field.value))"""
TOKEN = "kw_AAAAAAAAAAAA_" + "a" * 38


def fill_import(page: Page) -> None:
    page.get_by_label("Or upload a file").set_input_files(FILE)  # type: ignore[arg-type]


def fill_access_check(page: Page) -> None:
    page.get_by_label("Path and query").fill("/customers")
    page.get_by_label("Client address").fill("203.0.113.7")
    page.get_by_label("Or a token").fill(TOKEN)


def fill_leak_check(page: Page) -> None:
    page.get_by_label("Or upload a file").set_input_files(FILE)  # type: ignore[arg-type]
    page.get_by_label("Token, log line").fill(f"export KEY={TOKEN}")


def fill_notices(page: Page) -> None:
    page.get_by_role("checkbox", name=": mail").first.uncheck()


def fill_passkey(page: Page) -> None:
    # As if the browser had made one.
    page.locator("[name=credential]").evaluate("field => { field.value = '{}'; }")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_label("Your password").fill(PASSWORD)


@pytest.mark.parametrize(
    ("path", "fill", "button", "kept"),
    [
        ("/ip-lists/{}/import/", fill_import, "Preview", ["", "file"]),
        ("/access-check/", fill_access_check, "Check", ["", "", "GET", "/customers", "203.0.113.7"]),
        ("/find/", fill_leak_check, "Find", ["", "file"]),
        pytest.param("/settings/notices/", fill_notices, "Save changes", ["off"], marks=pytest.mark.full),
        ("/profile/passkeys/new/", fill_passkey, "Add", ["Laptop", ""]),
    ],
)
def test_a_form_that_the_browser_sends_outlives_its_session_without_its_secrets(
    page: Page, live_server: Any, alice: User, sign_in: SignIn,
    path: str, fill: Callable[[Page], None], button: str, kept: list[str],
) -> None:  # fmt: skip
    address = live_server.url + path.format(an_ip_list(alice).pk)
    sign_in(page, alice.email, PASSWORD)
    page.goto(address)
    fill(page)
    Session.objects.all().delete()
    send = page.locator("#main").get_by_role("button", name=button, exact=True)
    send.click()
    ended = page.get_by_role("dialog", name="Your session has ended")
    expect(ended).to_be_visible()
    assert page.evaluate(READ)[: len(kept)] == kept

    sign_in(page.context.new_page(), alice.email, PASSWORD)
    page.context.new_page().goto(live_server.url)
    ended.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("You are signed in again.")).to_be_visible()
    assert (page.url, page.evaluate(READ)[: len(kept)]) == (address, kept)


def test_without_javascript_a_lost_form_is_said_to_be_and_opened_again(
    plain_page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/ip-lists/new/")
    page.get_by_label("Name").fill("Offices")
    Session.objects.all().delete()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Your session has ended, so nothing was saved.")).to_be_visible()
    page.get_by_label("E-mail").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Add IP list")).to_be_visible()


def test_a_form_is_sent_once_however_often_its_button_is_pressed(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    sign_in(page, alice.email, PASSWORD)
    begin_list(page, live_server)
    held = HeldRequests(page, "**/ip-lists/new/")
    create = page.locator("#panel").get_by_role("button", name="Create")
    create.click()
    held.wait()
    create.click()
    create.click()
    held.wait().continue_()
    expect(page.get_by_text("IP list Offices created.")).to_be_visible()
    assert (len(held.routes), IpList.objects.count()) == (1, 1)


@pytest.mark.full
def test_a_link_that_is_shown_once_is_not_lost_uncopied(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    key = a_billing_key(alice).key
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/")
    page.get_by_role("link", name="Share doc").click()
    panel, question = page.locator("#panel"), page.get_by_role("dialog", name="Leave without copying?")
    panel.get_by_role("button", name="Create link").click()
    expect(panel.get_by_text("Link created.")).to_be_visible()
    # A second link would take the first one's place.
    panel.get_by_role("button", name="Create link").click()
    question.get_by_role("button", name="Go back").click()
    page.keyboard.press("Escape")
    question.get_by_role("button", name="Go back").click()
    assert DocsLink.objects.count() == 1
    panel.get_by_role("button", name="Copy", exact=True).click()
    panel.get_by_role("button", name="Create link").click()
    expect(panel.get_by_role("button", name="Revoke link")).to_have_count(2)
    expect(question).to_be_hidden()
    assert DocsLink.objects.count() == 2
