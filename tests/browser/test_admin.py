"""Support at work: an account is activated, a pasted log line leads to a key, and the key is disabled."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from accounts.models import Account
from core.permissions import Role
from keys.models import Api, Key, SecretUse
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.calls import a_call
from tests.factories.docs_links import a_docs_link
from tests.factories.key_rows import a_key

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
HEAVIEST = 38_000
EVENTS = "audit/event/"


@pytest.fixture
def acme(db: None) -> Account:
    return an_account(status=Account.Status.PENDING)


def test_a_pending_account_is_activated_gets_apis_and_its_people_can_add_keys(
    support: Page, live_server: Any, acme: Account, sign_in: SignIn
) -> None:
    alice = a_user(acme, "Alice", Role.ADMINISTRATOR)
    theirs = support.context.browser.new_context().new_page()
    sign_in(theirs, alice.email, PASSWORD)
    theirs.goto(live_server.url)
    expect(theirs.get_by_role("region", name="What happens next")).to_contain_text("Support activates the account.")
    assert_accessible(theirs)
    theirs.goto(f"{live_server.url}/keys/")
    expect(theirs.get_by_role("region", name="What happens next")).to_contain_text("manage.py enable_api API acme")
    expect(theirs.get_by_role("button", name="Add API key")).to_have_attribute("aria-disabled", "true")
    assert_accessible(theirs)

    support.goto(f"{live_server.url}/admin/")
    support.get_by_role("link", name="Accounts", exact=True).last.click()
    support.get_by_role("searchbox", name="Search").fill("acme")
    support.get_by_role("button", name="Search").click()
    expect(support).to_have_url(re.compile("q=acme"))
    assert_accessible(support)
    support.get_by_role("link", name="acme", exact=True).click()
    assert_accessible(support)
    support.get_by_role("link", name="Activate").click()
    assert_accessible(support)
    support.get_by_role("button", name="Yes, activate").click()
    expect(support.get_by_text("Acme is active. Next: enable APIs for it.")).to_be_visible()
    theirs.reload()
    expect(theirs.get_by_text("Support activates the account. Done.")).to_be_visible()
    assert_accessible(theirs)

    support.get_by_role("link", name="Enable APIs").click()
    assert_accessible(support)
    support.get_by_role("checkbox", name="Billing").check()
    support.get_by_role("checkbox", name="TextPeak").check()
    support.get_by_label("Your password").fill(PASSWORD)
    support.get_by_role("button", name="Yes, enable APIs").click()
    expect(support.get_by_text("Acme now has Billing, TextPeak.")).to_be_visible()

    theirs.reload()
    expect(theirs.get_by_role("region", name="What happens next")).to_have_count(0)
    expect(theirs.get_by_role("link", name="Add API key").first).to_be_visible()
    theirs.goto(live_server.url)
    steps = theirs.get_by_role("region", name="What happens next")
    expect(steps.get_by_role("link", name="Add API key")).to_be_visible()
    assert_accessible(theirs)
    theirs.context.close()


def test_a_key_is_found_by_a_log_line_and_disabled_within_a_minute(support: Page, live_server: Any) -> None:
    acme = an_account()
    bob = a_user(acme, "Bob")
    key, token = a_key(acme, bob, Api.objects.get(slug="billing"), "Night worker")
    request_id = a_call(acme, key_id=key.public_id)
    support.goto(f"{live_server.url}/admin/")
    assert_accessible(support)
    began = time.monotonic()
    support.get_by_label("Token, log line, request ID or search words").fill(
        f'203.0.113.8 "GET /customers?token={token}" 403 {request_id}'
    )
    support.get_by_role("button", name="Find", exact=True).click()
    expect(support.get_by_text("This is the key's current token.")).to_be_visible()
    assert_accessible(support)
    table = support.get_by_role("region", name="Table of keys")
    for width in (820, 1024, 1360):
        support.set_viewport_size({"width": width, "height": 860})
        assert table.evaluate("each => each.scrollWidth - each.clientWidth") == 0, width
    assert token not in support.content()
    assert token not in support.url
    support.get_by_role("link", name="Night worker").click()
    support.get_by_role("link", name="Disable").click()
    support.get_by_role("button", name="Yes, disable").click()
    expect(support.get_by_text("is disabled")).to_be_visible()
    assert time.monotonic() - began < 60
    assert not Key.objects.get(pk=key.pk).enabled


def test_the_pages_are_accessible_and_light(support: Page, live_server: Any, acme: Account) -> None:
    bob = a_user(acme, "Bob")
    call = a_call(acme)
    heavy = {}
    for path in (
        "",
        "find/",
        "accounts/account/",
        f"accounts/account/{acme.pk}/suspend/",
        "accounts/user/",
        f"accounts/user/{bob.pk}/change/",
        f"accounts/user/{bob.pk}/deactivate/",
        "audit/call/?account=acme",
        f"audit/call/{call}/change/",
        EVENTS,
        f"{EVENTS}?account=acme",
        "audit/call/?account=nobody",
    ):
        loaded = weigh(support, f"{live_server.url}/admin/{path}")
        # The trail of all accounts keeps what other tests committed, so that its weight depends on which ran before.
        if loaded > HEAVIEST and path != EVENTS:
            heavy[path] = loaded
        assert_accessible(support)
    assert heavy == {}


@pytest.mark.full
def test_no_table_is_wider_than_its_card(support: Page, live_server: Any) -> None:
    acme = an_account()
    bob = a_user(acme, "Bob")
    key, _ = a_key(acme, bob, Api.objects.get(slug="lms-call-logic"), "Warehouse robot")
    SecretUse.objects.create(secret=key.secrets.get(), used_at=key.created_at, address="203.0.113.7")
    a_call(acme, key_id=key.public_id, key_name="Warehouse robot", decision="denied", reason="recordings_not_allowed")
    a_docs_link(key, a_user(acme, "Alice", Role.ADMINISTRATOR))
    wide = {}
    for path in ("keys/key/", "audit/call/?account=acme", f"{EVENTS}?account=acme", "accounts/user/"):
        support.goto(f"{live_server.url}/admin/{path}")
        for width in (769, 820, 1024, 1280, 1440):
            support.set_viewport_size({"width": width, "height": 860})
            missing = support.locator(".scroll").evaluate("each => each.scrollWidth - each.clientWidth")
            if missing:
                wide[path, width] = missing
    assert wide == {}


def weigh(page: Page, url: str) -> int:
    """Bytes of the page and of all it loads, as a server compresses them."""
    answers: list[Response] = []
    # With a route for all of it, the browser takes nothing from its cache.
    page.route("**/*", lambda route: route.continue_())

    def heard(answer: Response) -> None:
        answers.append(answer)

    page.on("response", heard)
    page.goto(url)
    page.remove_listener("response", heard)
    page.unroute("**/*")
    return sum(len(gzip.compress(answer.body())) for answer in answers if answer.ok)


@pytest.mark.full
def test_a_request_id_in_the_trail_stands_in_one_line_or_on_the_events_page(
    support: Page, live_server: Any, acme: Account
) -> None:
    for width, shown in ((820, False), (1200, True), (1280, True), (1440, True), (390, True)):
        support.set_viewport_size({"width": width, "height": 860})
        support.goto(f"{live_server.url}/admin/{EVENTS}")
        cells = support.locator("td[data-label='Request ID'] > bdi")
        lines = cells.evaluate_all("all => all.map(each => each.checkVisibility() ? each.getClientRects().length : 0)")
        assert set(lines) == {int(shown)}, width
        scroll = support.locator(".scroll").first
        assert scroll.evaluate("each => each.scrollWidth - each.clientWidth") <= 0, width
    support.locator("tbody .name a").first.click()
    expect(support.get_by_text("Request ID", exact=True)).to_be_visible()
