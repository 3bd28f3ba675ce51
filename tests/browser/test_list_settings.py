"""Columns, their order and saved filters of a list, with JavaScript and without."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import ListSettings, User
from keys.list_columns import COLUMNS
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.keys import a_billing_key
from tests.parameters import sampled

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]


def test_columns_are_chosen_and_ordered_and_filters_saved(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    a_call(alice.account, decision="denied", reason="ip_not_allowed")
    a_call(alice.account)
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    page.get_by_label("Decision", exact=True).select_option("denied")
    expect(page.locator("tr[data-position]")).to_have_count(1)
    page.get_by_role("link", name="Columns").click()
    modal = page.locator("#modal")
    modal.get_by_label("Owner", exact=True).check()
    modal.get_by_label("API", exact=True).uncheck()
    for _ in range(2):
        modal.get_by_role("button", name="Move Status up").press("Enter")
    expect(modal.get_by_role("button", name="Move Status up")).to_be_focused()
    modal.get_by_label("Rows per page").select_option("25")
    assert_accessible(page)
    modal.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("columnheader")).to_have_text(
        ["Time (UTC)", "Decision", "Request", "Key", "Status", "Client address", "Reason", "Owner"]
    )
    expect(page).to_have_url(re.compile(r"/logs/\?decision=denied$"))
    page.get_by_role("link", name="Save filter").click()
    modal.get_by_label("Name").fill("Refused")
    modal.get_by_label("Share with everyone in the account").check()
    assert_accessible(page)
    modal.get_by_role("button", name="Save filter").click()
    expect(page.get_by_text('Filter "Refused" saved.')).to_be_visible()
    page.goto(f"{live_server.url}/logs/")
    page.get_by_text("Saved filters").click()
    assert_accessible(page)
    page.get_by_role("link", name="Refused", exact=True).click()
    expect(page.get_by_role("link", name="Remove Decision: Denied")).to_be_visible()
    page.get_by_text("Saved filters").click()
    page.get_by_role("link", name="Delete the filter Refused").click()
    modal.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text('Filter "Refused" deleted.')).to_be_visible()


@pytest.mark.full
@pytest.mark.parametrize("width", sampled([1360, 390], 390))
def test_a_column_is_dragged_to_its_place(
    page: Page, live_server: Any, alice: User, sign_in: SignIn, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 600})
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/lists/log/columns/")
    rows = page.locator("[data-columns] li")

    def list_labels() -> list[str]:
        return [str(button.get_attribute("aria-label")) for button in page.locator("[data-move='-1']").all()]

    def drag(row: int, to: int) -> None:
        handle = rows.nth(row).locator("[data-drag]")
        handle.hover()
        page.mouse.down()
        target = rows.nth(to).bounding_box()
        assert target
        page.mouse.move(target["x"] + 5, target["y"] + target["height"] / 2, steps=4)
        page.mouse.up()
        expect(page.locator("#live")).to_have_text(f"Column {to + 1} of {len(labels)}")

    labels = list_labels()
    drag(4, 1)
    drag(1, 3)
    expected = [*labels[:3], labels[4], labels[3], *labels[5:]]
    assert list_labels() == expected
    positions = [field.input_value() for field in page.locator("[data-position]").all()]
    assert positions == [str(place) for place in range(1, len(labels) + 1)]
    page.get_by_role("button", name="Save changes").click()
    page.wait_for_url("**/logs/")
    page.goto(f"{live_server.url}/lists/log/columns/")
    assert list_labels() == expected


@pytest.mark.full
def test_the_same_without_javascript(plain_page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    page = plain_page
    a_call(alice.account)
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/?decision=allowed")
    page.get_by_role("link", name="Columns").click()
    page.get_by_label("API", exact=True).uncheck()
    page.get_by_label("Position of Status").fill("2")
    page.get_by_label("Position of Decision").fill("3")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("columnheader").nth(1)).to_have_text("Status")
    page.get_by_role("link", name="Save filter").click()
    page.get_by_label("Name").fill("Let through")
    page.get_by_role("button", name="Save filter").click()
    page.get_by_text("Saved filters").click()
    expect(page.get_by_role("link", name="Let through", exact=True)).to_be_visible()


@pytest.mark.full
@pytest.mark.parametrize("width", sampled([1440, 1100], 1100))
def test_many_columns_are_scrolled_beside_name_and_actions(
    page: Page, live_server: Any, alice: User, sign_in: SignIn, width: int
) -> None:
    a_billing_key(alice, "203.0.113.7", name="Invoice robot of the warehouse")
    columns = ["name", *(name for name in COLUMNS if name != "name")]
    ListSettings.objects.create(user=alice, list_name="keys", columns=columns, page_size=50)
    sign_in(page, alice.email, PASSWORD)
    page.set_viewport_size({"width": width, "height": 860})
    page.goto(f"{live_server.url}/keys/")
    area = page.get_by_role("region", name="API keys").bounding_box()
    actions = page.get_by_role("link", name="Edit Invoice").bounding_box()
    assert actions["x"] + actions["width"] <= area["x"] + area["width"]
    page.get_by_role("region", name="API keys").evaluate("each => { each.scrollLeft = 500; }")
    name = page.get_by_role("link", name="Invoice robot of the warehouse", exact=True).bounding_box()
    assert name["x"] >= area["x"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
