"""Nothing moves while a page loads, however late scripts and charts arrive; nor when a timer ends during a click."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.models import User
from keys.models import Api
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key, a_key_of
from tests.factories.notices import a_notice, an_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
# What moved since the page was first painted.
MOVED = """() => new Promise(done => {
    const found = [];
    new PerformanceObserver(list => list.getEntries().forEach(entry => found.push(
        ...entry.sources.map(({node, previousRect, currentRect}) =>
            `${node?.outerHTML?.slice(0, 60)}: ${previousRect.x},${previousRect.y} to ${currentRect.x},${currentRect.y}`
    )))).observe({type: "layout-shift", buffered: true});
    setTimeout(() => done(found), 100);
})"""


def late(route: Route) -> None:
    """Answers that arrive when there was time to paint without them."""
    answer = route.fetch()
    route.request.frame.page.wait_for_timeout(250)
    route.fulfill(response=answer)


def movements(page: Page, urls: list[str], width: int) -> dict[str, list[str]]:
    page.set_viewport_size({"width": width, "height": 900})
    moved = {}
    for url in urls:
        page.goto(url, wait_until="networkidle")
        if found := page.evaluate(MOVED):
            moved[url] = found
    return moved


@pytest.mark.full
@pytest.mark.parametrize("width", [320, 390, 600, 1024, 1440])
def test_no_page_moves_while_it_loads(page: Page, live_server: Any, alice: User, sign_in: SignIn, width: int) -> None:
    offices = an_ip_list(alice, "192.0.2.1")
    key = a_billing_key(alice, "203.0.113.7", "2001:db8:7::/48", ip_lists=frozenset({offices.pk})).key
    for decision, reason in (("allowed", ""), ("denied", "key_disabled")):
        call = {"key_id": key.public_id, "decision": decision, "reason": reason, "duration_ms": 7}
        a_call(alice.account, time=datetime.now(UTC), **call)
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.route("**/js/*.js", late)
    page.route("**/logs/chart/**", late)
    paths = ["keys/", f"keys/{key.public_id}/edit/", "keys/new/?api=billing", "logs/", "logs/?decision=denied"]
    assert movements(page, [f"{live_server.url}/{path}" for path in paths], width) == {}


@pytest.mark.full
@pytest.mark.parametrize("width", [390, 1280])
def test_no_other_page_moves(page: Page, live_server: Any, alice: User, sign_in: SignIn, width: int) -> None:
    bob = a_user(alice.account, "Bob")
    key = a_billing_key(alice, "203.0.113.7", owner=bob).key
    offices = an_ip_list(alice, "192.0.2.1", used_by=key)
    endpoint = an_endpoint(alice, tested=False)
    a_notice(alice, key)
    a_call(alice.account, key_id=key.public_id)
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.route("**/js/*.js", late)
    one, bulk = f"keys/{key.public_id}/", f"?key={key.public_id}"
    paths = [
        *("", one, f"{one}docs/", f"{one}docs/links/", f"{one}networks/"),
        *(f"keys/{action}/{bulk}" for action in ("addresses", "expiry", "reassign", "change")),
        *(f"ip-lists/{offices.pk}/", f"ip-lists/{offices.pk}/add-keys/"),
        *("audit/", "audit/digests/", "users/", f"users/{bob.pk}/deactivate/", "unused/", "unused/addresses/"),
        *("settings/", "settings/notices/", f"settings/notices/webhooks/{endpoint.pk}/", "search/", "find/"),
        *(f"access-check/{bulk}", "lists/keys/columns/", "profile/"),
    ]
    assert movements(page, [f"{live_server.url}/{path}" for path in paths], width) == {}


@pytest.mark.full
def test_the_administration_does_not_move_aside_for_its_menu(support: Page, live_server: Any) -> None:
    support.route("**/js/*.js", late)
    api = Api.objects.get(slug="billing")
    paths = ["keys/key/", f"keys/api/{api.pk}/change/", "audit/call/"]
    assert movements(support, [f"{live_server.url}/admin/{path}" for path in paths], 1280) == {}


@pytest.mark.full
def test_a_shown_token_is_not_hidden_during_a_click(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    a_billing_key(alice)
    page.clock.install()
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_role("button", name="Show token").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.locator("#modal").get_by_role("button", name="Show token").click()
    hide = page.get_by_role("button", name="Hide token")
    expect(hide).to_be_visible()
    page.mouse.move(300, 5)
    page.mouse.down()
    page.clock.run_for(31_000)
    expect(hide).to_be_visible()
    page.mouse.up()
    page.clock.run_for(1_000)
    expect(hide).to_have_count(0)


@pytest.mark.full
def test_a_copy_button_gets_its_name_back_after_the_click(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    key = a_key_of("lms-call-logic", alice).key
    page.clock.install()
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/docs/")
    label = page.locator("[data-copy] > span").first
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    label.click()
    expect(label).to_have_text("Copied")
    page.mouse.down()
    page.clock.run_for(3_000)
    expect(label).to_have_text("Copied")
    page.mouse.move(300, 5)
    page.mouse.up()
    page.clock.run_for(3_000)
    expect(label).to_have_text("Copy")
