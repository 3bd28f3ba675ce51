"""Support at work on keys, IP lists and APIs: signs in with a second factor, finds, disables and imports, in a browser
with JavaScript and in one without."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Page, expect

from accounts.models import User
from core.permissions import Role
from keys.models import Api, Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user, code_of, with_totp
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key
from tests.parameters import sampled
from tests.unit.keys.documents import a_document, operation

pytestmark = pytest.mark.django_db(transaction=True)
BAD = {17: "300.1.2.3", 500: "10.0.0.1/8", 999: "nonsense"}


def signed_in(page: Page, url: str) -> Page:
    """As Support, by password and code."""
    sam = a_user(None, "Sam", Role.SUPPORT)
    secret = with_totp(sam)
    page.goto(f"{url}/admin/")
    page.get_by_label("E-mail").fill(sam.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Token, log line, request ID or search words")).to_be_visible()
    return page


@pytest.mark.parametrize("scripted", sampled([True, False], True), ids=["with JavaScript", "without"])
def test_from_the_sign_in_to_a_disabled_key_in_under_a_minute(
    request: pytest.FixtureRequest, live_server: Any, alice: User, scripted: bool
) -> None:
    key = a_billing_key(alice, name="Invoice robot").key
    page: Page = request.getfixturevalue("page" if scripted else "plain_page")
    began = time.monotonic()
    signed_in(page, live_server.url)

    line = f'2026-03-01T10:00:00Z 203.0.113.8 "GET /v1/invoices" 401 key={key.public_id} robot/2.1'
    page.get_by_label("Token, log line, request ID or search words").fill(line)
    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_role("link", name="Invoice robot").first.click()
    expect(page.get_by_text("alice@acme.example")).to_be_visible()
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Yes, disable").click()
    expect(page.get_by_text(f"Invoice robot ({key.public_id}) is disabled.")).to_be_visible()

    assert time.monotonic() - began < 60
    assert not Key.objects.get(pk=key.pk).enabled


@pytest.mark.parametrize("scripted", sampled([True, False], True), ids=["with JavaScript", "without"])
def test_a_thousand_entries_of_which_three_are_wrong(
    request: pytest.FixtureRequest, live_server: Any, alice: User, tmp_path: Path, scripted: bool
) -> None:
    offices = an_ip_list(alice, "203.0.113.7")
    page = signed_in(request.getfixturevalue("page" if scripted else "plain_page"), live_server.url)
    file = tmp_path / "entries.csv"
    rows = [f"{BAD.get(n, f'10.{n >> 8}.{n & 255}.0/24')},Office {n}" for n in range(1_000)]
    file.write_text("\n".join(["network,description", *rows]))

    page.get_by_role("link", name="IP lists", exact=True).last.click()
    page.get_by_role("link", name="Offices").click()
    page.get_by_role("link", name="Import entries").click()
    page.get_by_label("Or upload a file").set_input_files(file)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="3 invalid lines")).to_be_visible()
    for line, value in BAD.items():
        row = page.get_by_role("row").filter(has_text=value).first
        expect(row).to_contain_text(str(line + 2))
    if scripted:
        assert_accessible(page)
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add 997 entries").click()
    expect(page.get_by_text("Some lines are invalid.")).to_be_visible()
    assert offices.entries.count() == 1

    page.get_by_label("Skip the invalid lines").check()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add 997 entries").click()
    expect(page.get_by_text("997 entries are added to Offices.")).to_be_visible()
    assert offices.entries.count() == 998


def test_an_api_is_changed_after_a_look_at_what_changes(
    page: Page, live_server: Any, alice: User, tmp_path: Path
) -> None:
    a_billing_key(alice)
    billing = Api.objects.get(slug="billing")
    signed_in(page, live_server.url)
    document = tmp_path / "document.yaml"
    document.write_text(yaml.safe_dump(a_document({"/goods": {"get": operation("Goods")}})))

    page.goto(f"{live_server.url}/admin/keys/api/{billing.pk}/change/")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download the policy").click()
    policy = Path(downloading.value.path()).read_text()
    page.get_by_role("link", name="Change document or policy").click()
    assert_accessible(page)
    expect(page.get_by_label("Policy (text)")).to_have_value(policy)
    page.get_by_label("OpenAPI document (file)").set_input_files(document)
    page.get_by_label("Policy (text)").fill(policy.replace("plural: API keys", "plural: shop keys"))
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("module added: goods")).to_be_visible()
    expect(page.get_by_text("keys of this API: 1, in 1 account")).to_be_visible()
    expect(page.get_by_role("region", name="Policy, line by line", exact=True).locator("ins")).to_have_text(
        "+ plural: shop keys"
    )
    assert_accessible(page)
    page.get_by_role("button", name="Edit further").click()
    expect(page.get_by_label("Policy (text)")).to_have_value(re.compile("plural: shop keys"))
    page.get_by_role("button", name="Preview").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Yes, change it").click()
    expect(page.get_by_text("Shop is changed.")).to_be_visible()
    changed = Api.objects.get(pk=billing.pk)
    assert (changed.name, changed.policy["plural"]) == ("Shop", "shop keys")


def test_the_pages_are_accessible(page: Page, live_server: Any, alice: User) -> None:
    key = a_billing_key(alice, "203.0.113.7").key
    offices = an_ip_list(alice, "203.0.113.7", "!198.51.100.0/24", used_by=key)
    signed_in(page, live_server.url)
    for path in (
        *("key/", "key/?q=none", "key/export/", f"key/{key.pk}/change/", f"key/{key.pk}/disable/"),
        *("iplist/", f"iplist/{offices.pk}/change/", f"iplist/{offices.pk}/export/", f"iplist/{offices.pk}/import/"),
        *("api/", "api/new/", f"api/{key.api_id}/change/", f"api/{key.api_id}/enable/"),
        f"api/{key.api_id}/request-link/",
    ):
        answer = page.goto(f"{live_server.url}/admin/keys/{path}")
        assert answer is not None
        assert answer.ok
        assert_accessible(page)
