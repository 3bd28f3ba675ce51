"""Controls that stand beside each other are in line, and what opens stands beneath what opens it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key, api_for

pytestmark = [pytest.mark.full, pytest.mark.django_db(transaction=True)]
SignIn = Callable[[Page, str, str], None]
LINES = """each => {
    const range = new Range();
    range.selectNodeContents(each);
    return new Set([...range.getClientRects()].map(({top}) => top)).size;
}"""


def boxes(controls: Locator) -> list[dict[str, Any]]:
    return controls.evaluate_all("all => all.map(each => each.getBoundingClientRect().toJSON())")


def test_the_filters_of_the_log_stand_in_columns(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    page.get_by_text("More filters").click()
    for width, columns in ((390, 2), (1024, 4), (1440, 6)):
        page.set_viewport_size({"width": width, "height": 900})
        fields = boxes(page.locator(".more-fields :is(input, select)"))
        assert len({round(field["width"]) for field in fields}) == 1, width
        assert len({round(field["x"]) for field in fields}) == columns, width
        times = boxes(page.locator(".filters > .times input"))
        assert {round(each["y"]) for each in times} == {round(times[0]["y"])}, width
        assert_accessible(page)


def test_figures_open_beneath_their_heading_and_break_no_word(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    call = {"decision": "denied", "reason": "key_disabled", "duration_ms": 7, "client_address": "198.51.100.123"}
    a_call(alice.account, time=datetime.now(UTC), **call)
    sign_in(page, alice.email, PASSWORD)
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{live_server.url}/logs/")
    for name in ("Denied calls by address", "Response times"):
        summary = page.locator("summary", has_text=name)
        summary.click()
        [above], [table] = boxes(summary), boxes(page.locator("details", has=summary).locator("table"))
        assert table["top"] >= above["bottom"], name
        assert table["right"] <= 390, name
    for word in ("Denied", "198.51.100.123", "Median"):
        cell = page.locator("details[open] table").get_by_text(word, exact=True)
        assert cell.evaluate(LINES) == 1, word
    assert_accessible(page)


def test_the_buttons_of_a_new_secret_stay_together(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    assert alice.account
    api_for(alice.account, "cloud-pbx")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/new/?api=cloud-pbx")
    page.get_by_label("Username").fill("dialer")
    page.get_by_role("textbox", name="API User IP ACL").fill("203.0.113.7")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="API user created")).to_be_visible()
    for width in (390, 1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        for line in page.locator("[data-secret]").all():
            eye, copy = boxes(line.locator("button"))
            assert eye["y"] == copy["y"], width


def test_the_forms_of_the_administration_are_in_line(support: Page, live_server: Any, alice: User) -> None:
    a_call(alice.account, time=datetime.now(UTC))
    widths = (390, 1024, 1440)
    for name in ("call", "event"):
        support.goto(f"{live_server.url}/admin/audit/{name}/?account=acme")
        support.get_by_text("More filters").click()
        for width in widths:
            support.set_viewport_size({"width": width, "height": 900})
            fields = support.locator(".narrowing :is(input:not([type=hidden]), select)")
            heights = {round(each["height"]) for each in boxes(fields)}
            assert len(heights) == 1, (name, width)
    support.goto(f"{live_server.url}/admin/find/")
    for width in widths:
        support.set_viewport_size({"width": width, "height": 900})
        lefts = {round(each["x"]) for each in boxes(support.locator("#find :is(label, textarea, input[type=file])"))}
        assert len(lefts) == 1, width
        assert_accessible(support)


def test_the_figures_of_the_overview_stand_on_one_grid(
    page: Page, alice: User, live_server: Any, sign_in: SignIn
) -> None:
    key = a_billing_key(alice).key
    a_call(alice.account, key_id=key.public_id)
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    for width, columns in ((390, 2), (820, 5), (1280, 5), (1440, 5)):
        page.set_viewport_size({"width": width, "height": 900})
        rows = [boxes(row.locator(".figure")) for row in page.locator(".figures").all()]
        assert [len(row) for row in rows] == [4, 4, 5]
        assert len({round(figure["x"]) for row in rows for figure in row}) == columns, width
        assert len({round(figure["width"]) for row in rows for figure in row}) == 1, width


@pytest.mark.parametrize("width", [820, 1280])
def test_a_message_is_above_the_headings_of_a_list_in_whose_middle_it_leads(
    page: Page, alice: User, live_server: Any, sign_in: SignIn, width: int
) -> None:
    for number in range(30):
        a_billing_key(alice, "203.0.113.7", name=f"Robot {number}")
    page.set_viewport_size({"width": width, "height": 700})
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_role("link", name="Disable Robot 3", exact=True).click()
    page.get_by_role("button", name="Yes, disable").click()
    message = page.locator(".messages .note")
    expect(message).to_contain_text("Robot 3 is disabled")
    page.get_by_role("link", name="Robot 3", exact=True).scroll_into_view_if_needed()
    assert message.evaluate("""each => {
        const { left, top, width, height } = each.getBoundingClientRect();
        const seen = [0.2, 0.5, 0.8].map(part => document.elementFromPoint(left + width / 2, top + part * height));
        return scrollY > 0 && seen.every(one => each.contains(one));
    }""")


def test_the_actions_on_selected_rows_stand_on_one_line_with_their_count(
    page: Page, alice: User, live_server: Any, sign_in: SignIn
) -> None:
    office = an_ip_list(alice, "203.0.113.7", used_by=a_billing_key(alice).key)
    sign_in(page, alice.email, PASSWORD)
    for path in ("keys/", "ip-lists/", f"ip-lists/{office.pk}/"):
        page.goto(f"{live_server.url}/{path}")
        page.get_by_label("Select all on this page").check()
        for width in (820, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            line = boxes(page.locator(":is(#chosen, .bulk-actions) > :is([data-selected], .button)"))
            assert len({round(each["y"] + each["height"] / 2) for each in line}) == 1, (path, width)


def test_what_became_of_a_form_is_as_wide_as_the_form(
    plain_page: Page, alice: User, live_server: Any, sign_in: SignIn
) -> None:
    page = plain_page
    page.set_viewport_size({"width": 1440, "height": 900})
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/users/invite/")
    [form] = boxes(page.locator("main form"))
    page.get_by_label("E-mail").fill("ivy@acme.example")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_text("Invitation sent to ivy@acme.example")).to_be_visible()
    assert {each["width"] for each in boxes(page.locator("main :is(.note, .form-foot)"))} == {form["width"]}


@pytest.mark.parametrize("path", ["search/", "settings/"])
def test_a_button_for_who_has_no_script_is_as_wide_as_its_word(
    plain_page: Page, alice: User, live_server: Any, sign_in: SignIn, path: str
) -> None:
    sign_in(plain_page, alice.email, PASSWORD)
    plain_page.goto(f"{live_server.url}/{path}")
    [button] = boxes(plain_page.locator("main .button.no-js-only"))
    assert button["width"] < 120
