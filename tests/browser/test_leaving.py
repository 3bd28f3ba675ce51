"""What would be lost is asked about once, whichever way a person leaves; what is done is said and has the focus."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from accounts.models import User
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.browser.held_requests import HeldRequests
from tests.factories.accounts import PASSWORD
from tests.factories.keys import a_billing_key

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("every_preset")]
SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def keys(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> Page:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/?api=sip-caller")
    return page


@pytest.fixture
def browser_questions(page: Page) -> list[str]:
    """The questions that the browser itself asked; the answer is to stay."""
    questions: list[str] = []

    def answer(dialog: Dialog) -> None:
        questions.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", answer)
    return questions


def panel_of(page: Page) -> Locator:
    page.get_by_role("link", name="Add API key").first.click()
    panel = page.locator("#panel")
    expect(panel.get_by_label("Name", exact=True)).to_be_focused()
    return panel


def created(page: Page) -> Locator:
    panel = panel_of(page)
    panel.get_by_label("Name", exact=True).fill("Robot")
    panel.get_by_label("Account Reader", exact=True).check()
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Create").click()
    expect(panel.locator("[data-secret]").first).to_contain_text("kw_")
    return panel


def leave(page: Page, panel: Locator, way: str) -> None:
    if way == "Escape":
        page.keyboard.press("Escape")
    elif way == "backdrop":
        page.mouse.click(20, 400)
    elif way == "Back":
        page.go_back()
    elif way == "Close":
        panel.get_by_role("button", name="Close").click()
    else:
        panel.get_by_role("link", name=way).click()


def test_a_begun_form_is_discarded_only_after_a_question(keys: Page, browser_questions: list[str]) -> None:
    question = keys.get_by_role("dialog", name="Discard what you entered?")
    panel = panel_of(keys)
    name = panel.get_by_label("Name", exact=True)
    name.fill("Robot")
    for way in ("Escape", "Close", "backdrop", "Back"):
        leave(keys, panel, way)
        expect(question).to_be_visible()
        expect(question.get_by_role("button", name="Keep editing")).to_be_focused()
        if way == "Escape":
            assert_accessible(keys)
            keys.keyboard.press("Escape")
        else:
            question.get_by_role("button", name="Keep editing").click()
        expect(question).to_be_hidden()
        expect(name).to_have_value("Robot")
        expect(keys).to_have_url(re.compile("/keys/new/"))
    # What came back with an error is still not saved.
    panel.get_by_label("Account Reader", exact=True).check()
    panel.get_by_label("Your password").fill("wrong")
    panel.get_by_role("button", name="Create").click()
    expect(panel.get_by_text("9 attempts left")).to_be_visible()
    leave(keys, panel, "Back")
    question.get_by_role("button", name="Discard").click()
    expect(panel).to_be_hidden()
    expect(keys).to_have_url(re.compile(r"api=sip-caller$"))
    panel = panel_of(keys)
    expect(panel.get_by_label("Name", exact=True)).to_have_value("")
    # Cancel is the answer already; and where nothing was typed nothing is asked.
    panel.get_by_label("Name", exact=True).fill("Robot")
    leave(keys, panel, "Cancel")
    expect(panel).to_be_hidden()
    panel_of(keys)
    leave(keys, panel, "backdrop")
    expect(panel).to_be_hidden()
    assert (browser_questions, Key.objects.count()) == ([], 0)


def test_a_new_secret_is_said_has_the_focus_and_is_not_lost_uncopied(keys: Page, browser_questions: list[str]) -> None:
    panel = created(keys)
    expect(keys.get_by_role("heading", name="API key created")).to_be_focused()
    expect(keys.get_by_role("status").last).to_have_text(
        "API key created. Copy it now: it is not stored and will not be shown again."
    )
    question = keys.get_by_role("dialog", name="Leave without copying?")
    for way in ("Escape", "Close", "backdrop", "Back", "Done", "View key"):
        leave(keys, panel, way)
        expect(question).to_be_visible()
        question.get_by_role("button", name="Go back").click()
        expect(panel.locator("[data-secret]").first).to_contain_text("kw_")
    assert browser_questions == []
    with keys.expect_event("dialog"):
        keys.evaluate("setTimeout(() => location.reload())")
    assert browser_questions == ["beforeunload"]
    expect(panel.locator("[data-secret]").first).to_contain_text("kw_")
    leave(keys, panel, "View key")
    question.get_by_role("button", name="Leave without copying").click()
    expect(keys.get_by_role("heading", name="Robot", exact=True)).to_be_visible()
    # A changed one is the same; once copied it may go.
    keys.get_by_role("link", name="Change API key", exact=True).click()
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Yes, change API key").click()
    expect(keys.get_by_role("heading", name="API key changed")).to_be_focused()
    expect(keys.get_by_role("status").last).to_contain_text("API key changed. Copy it now")
    leave(keys, panel, "Escape")
    question.get_by_role("button", name="Go back").click()
    panel.get_by_role("button", name="Copy").first.click()
    leave(keys, panel, "Escape")
    expect(panel).to_be_hidden()
    assert browser_questions == ["beforeunload"]


@pytest.mark.full
def test_what_was_typed_before_the_scripts_had_come_is_asked_about(
    page: Page, live_server: Any, alice: User, sign_in: SignIn, browser_questions: list[str]
) -> None:
    key = a_billing_key(alice).key
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    held = HeldRequests(page, "**/js/leaving.js")
    page.goto(f"{live_server.url}/keys/{key.public_id}/edit/", wait_until="commit")
    page.get_by_label("Application name").fill("Other")
    held.wait().continue_()
    page.wait_for_load_state()
    with page.expect_event("dialog"):
        page.evaluate("setTimeout(() => location.reload())")
    assert browser_questions == ["beforeunload"]


@pytest.mark.full
def test_a_page_of_its_own_asks_too_and_a_saved_form_does_not(
    page: Page, live_server: Any, alice: User, sign_in: SignIn, browser_questions: list[str]
) -> None:
    key = a_billing_key(alice).key
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/edit/")
    page.get_by_label("Application name").fill("Other")
    page.get_by_role("link", name="API logs").click()
    question = page.get_by_role("dialog", name="Discard what you entered?")
    question.get_by_role("button", name="Keep editing").click()
    with page.expect_event("dialog"):
        page.evaluate("setTimeout(() => location.reload())")
    assert browser_questions == ["beforeunload"]
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Other saved.")).to_be_visible()
    # Native forms are sent without a question.
    page.goto(f"{live_server.url}/profile/password/")
    page.get_by_label("New password", exact=True).fill("another long password")
    page.get_by_role("link", name="API logs").click()
    expect(page.get_by_role("heading", name="API logs")).to_be_visible()
    assert browser_questions == ["beforeunload"]
