"""A partner says that a call is refused. The Administrator looks at the row, asks again, and sees which check it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Address, Api
from tests.browser.accessibility import assert_accessible
from tests.browser.test_widths import BROKEN
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.key_rows import KeyAndToken, a_key
from tests.parameters import sampled

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def partner(alice: User) -> KeyAndToken:
    """A key whose last call was refused for its address."""
    assert alice.account is not None
    made = a_key(alice.account, alice, Api.objects.get(slug="billing"), "Partner", networks=("203.0.113.7",))
    a_call(
        alice.account, key_id=made.key.public_id, key_name="Partner", path="/v1/unknown", decision="denied",
        reason="ip_not_allowed", client_address="198.51.100.9", module="", rule="",
    )  # fmt: skip
    return made


def check(page: Page, url: str, alice: User, partner: KeyAndToken, sign_in: SignIn) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{url}/logs/")
    page.locator("table.table tbody tr:not(.day)").first.get_by_role("link").first.click()
    page.get_by_role("link", name="Check again now").click()
    expect(page.get_by_role("heading", name="Refused: 403 ip_not_allowed")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="Client address")
    expect(row).to_contain_text("198.51.100.9; the key admits 203.0.113.7/32")
    # The address is added, and the same question has another answer.
    Address.objects.create(key=partner.key, network="198.51.100.9/32")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("heading", name="Refused: 403 module_not_granted")).to_be_visible()
    page.get_by_label("Or a token").fill(partner.token)
    page.get_by_label("Key", exact=False).first.fill("")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_text("the current secret of the key matches")).to_be_visible()
    assert partner.token not in page.content()
    assert page.url == f"{url}/access-check/"


def test_from_the_refused_row_to_the_check_that_decides(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, partner: KeyAndToken
) -> None:
    check(page, live_server.url, alice, partner, sign_in)
    assert_accessible(page)


def test_without_javascript(
    plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, partner: KeyAndToken
) -> None:
    check(plain_page, live_server.url, alice, partner, sign_in)


@pytest.mark.parametrize("width", sampled([820, 1280], 820))
def test_no_check_has_a_broken_name(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, partner: KeyAndToken, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/access-check/?key={partner.key.public_id}")
    page.get_by_label("Path and query").fill("/a/../b")
    page.get_by_label("Client address").fill("203.0.113.7")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("heading", name="Refused: 403 unreadable_request")).to_be_visible()
    assert page.evaluate(BROKEN) == []
