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
from tests.factories.keys import a_billing_key, api_for

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
LINES = """each => {
    const range = new Range();
    range.selectNodeContents(each);
    return new Set([...range.getClientRects()].map(({top}) => top)).size;
}"""


def boxes(controls: Locator) -> list[dict[str, Any]]:
    return controls.evaluate_all("all => all.map(each => each.getBoundingClientRect().toJSON())")


@pytest.mark.parametrize(("width", "columns"), [(390, 2), (1024, 4), (1440, 6)])
def test_the_filters_of_the_log_stand_in_columns(
    page: Page, live_server: Any, alice: User, sign_in: SignIn, width: int, columns: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    page.get_by_text("More filters").click()
    fields = boxes(page.locator(".more-fields :is(input, select)"))
    assert len({round(field["width"]) for field in fields}) == 1
    assert len({round(field["x"]) for field in fields}) == columns
    times = boxes(page.locator(".filters > .times input"))
    assert {round(each["y"]) for each in times} == {round(times[0]["y"])}
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


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_the_forms_of_the_administration_are_in_line(support: Page, live_server: Any, alice: User, width: int) -> None:
    a_call(alice.account, time=datetime.now(UTC))
    support.set_viewport_size({"width": width, "height": 900})
    for name in ("call", "event"):
        support.goto(f"{live_server.url}/admin/audit/{name}/?account=acme")
        support.get_by_text("More filters").click()
        fields = support.locator(".narrowing :is(input:not([type=hidden]), select)")
        heights = {round(each["height"]) for each in boxes(fields)}
        assert len(heights) == 1, name
    support.goto(f"{live_server.url}/admin/find/")
    lefts = {round(each["x"]) for each in boxes(support.locator("#find :is(label, textarea, input[type=file])"))}
    assert len(lefts) == 1
    assert_accessible(support)


@pytest.mark.parametrize(("width", "columns"), [(390, 2), (820, 5), (1280, 5), (1440, 5)])
def test_the_figures_of_the_overview_stand_on_one_grid(
    page: Page, alice: User, live_server: Any, sign_in: SignIn, width: int, columns: int
) -> None:
    key = a_billing_key(alice).key
    a_call(alice.account, key_id=key.public_id)
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    rows = [boxes(row.locator(".figure")) for row in page.locator(".figures").all()]
    assert [len(row) for row in rows] == [4, 4, 5]
    assert len({round(figure["x"]) for row in rows for figure in row}) == columns
    assert len({round(figure["width"]) for row in rows for figure in row}) == 1
