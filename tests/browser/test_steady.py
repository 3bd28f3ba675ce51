"""Nothing moves under a pointer: what is clicked first after a field was left gets its click."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from keys.key_settings import KeySettings
from keys.models import Key
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("every_preset")]
SignIn = Callable[[Page, str, str], None]
CONTROLS = "main :is(input, select, textarea, button, a, summary)"
# Where each control stands, before and after a field was filled in and left.
LEFT = """async ([selector, text]) => {
    const seen = () => [...document.querySelectorAll(selector)].filter(each => each.checkVisibility());
    const where = () => seen().map(each => {
        const {x, y} = each.getBoundingClientRect();
        return `${each.name || each.textContent.trim()} ${x} ${y}`;
    });
    const moved = [];
    const typed = "input:not([type=checkbox], [type=radio], [type=file]), textarea";
    const fields = seen().filter(each => each.matches(typed));
    for (const field of fields) {
        field.focus();
        field.value = field.type === "number" ? "7" : field.type === "date" ? "2031-01-01" : text;
        field.dispatchEvent(new Event("input", {bubbles: true}));
        await new Promise(requestAnimationFrame);
        const before = where();
        field.dispatchEvent(new Event("change", {bubbles: true}));
        field.blur();
        await new Promise(done => setTimeout(done, 120));
        const after = where();
        if (before.join() !== after.join()) moved.push(field.name || field.id);
    }
    return [fields.length, moved];
}"""


def slow_click(page: Page, control: Locator) -> None:
    """As a hand does it: a tenth of a second between down and up, wherever the page has gone meanwhile."""
    control.scroll_into_view_if_needed()
    box = control.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + min(box["width"] / 2, 9), box["y"] + box["height"] / 2)
    page.mouse.down()
    page.wait_for_timeout(100)
    page.mouse.up()


def test_the_first_click_after_an_address_is_not_lost(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_role("navigation", name="APIs").get_by_role("link", name="Cloud PBX").click()
    page.get_by_role("link", name="Add API user").first.click()
    panel = page.locator("#panel")
    field = panel.get_by_role("textbox", name="API User IP ACL")
    panel.get_by_label("Username").fill("dialer")
    typed = iter(range(1, 20))
    for name in ("Mask Phone Number", "HLR Lookup", "Active?"):
        field.fill(f"203.0.113.{next(typed)}")
        ticked = panel.get_by_label(name).is_checked()
        slow_click(page, panel.get_by_label(name))
        expect(panel.get_by_label(name)).to_be_checked(checked=not ticked)
    field.fill(f"203.0.113.{next(typed)}")
    slow_click(page, panel.get_by_text("More settings"))
    expect(panel.get_by_label("Expiration")).to_be_visible()
    field.fill(f"203.0.113.{next(typed)}")
    slow_click(page, panel.get_by_label("Your password"))
    expect(panel.get_by_label("Your password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    field.fill("203.0.113.7")
    slow_click(page, panel.get_by_role("button", name="Create"))
    expect(page.get_by_role("heading", name="API user created")).to_be_visible()
    key = Key.objects.get()
    assert (key.mask_phone, key.hlr_lookup, key.enabled) == (True, True, False)
    assert list(map(str, KeySettings.from_key(key).networks)) == ["203.0.113.7/32"]


def test_no_form_moves_when_a_field_is_left(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    offices, key = an_ip_list(alice, "192.0.2.1"), a_billing_key(alice, "192.0.2.1").key
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    paths = [
        *(f"keys/new/?api={slug}" for slug in ("cloud-pbx", "billing", "sip-caller", "textpeak")),
        *(f"keys/{key.public_id}/edit/", "ip-lists/new/", f"ip-lists/{offices.pk}/entries/new/", "settings/"),
        *(f"ip-lists/{offices.pk}/import/", "users/invite/"),
    ]
    for path in paths:
        page.goto(f"{live_server.url}/{path}")
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        count, moved = page.evaluate(LEFT, [CONTROLS, "203.0.113.7"])
        assert (count > 0, moved) == (True, []), path


@pytest.mark.full
def test_a_filter_that_is_left_does_not_take_the_click(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    """Neither by asking for the list while the button is down, nor by an answer that comes then."""
    for number in range(3):
        a_call(alice.account, path=f"/invoices/{number}")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/", wait_until="networkidle")
    page.get_by_text("More filters").click()
    page.get_by_label("Path contains").fill("invoices/1")
    row = page.locator("#log tbody tr[data-position]").nth(1)
    slow_click(page, row.get_by_role("link").first)
    expect(page.get_by_role("dialog", name="Call")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#log tbody tr[data-position]")).to_have_count(1)
    page.get_by_role("textbox", name="Path contains").fill("invoices")
    page.evaluate("dispatchEvent(new Event('pointerdown'))")
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    assert json.loads(page.evaluate("JSON.stringify(location.search.includes('invoices%2F1'))"))
    page.evaluate("dispatchEvent(new Event('pointerup'))")
    expect(page.locator("#log tbody tr[data-position]")).to_have_count(3)


@pytest.mark.full
def test_a_menu_of_the_other_button_holds_up_no_filter(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    for number in range(3):
        a_call(alice.account, path=f"/invoices/{number}")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/?path=invoices/1")
    page.mouse.move(300, 5)
    page.mouse.down(button="right")
    page.get_by_label("Path contains").fill("invoices")
    page.keyboard.press("Tab")
    expect(page.locator("#log tbody tr[data-position]")).to_have_count(3)
