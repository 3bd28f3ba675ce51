"""Nine in the evening: a line with a key of the company was pasted somewhere public. Its Administrator signs in."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Api, SecretUse
from tests.browser.accessibility import assert_accessible
from tests.browser.test_find import Addresses
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.key_rows import KeyAndToken, a_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]
THIEF = "198.51.100.9"


@pytest.fixture
def leaked(alice: User) -> KeyAndToken:
    """A key that someone has just used from an address of their own."""
    assert alice.account is not None
    made = a_key(alice.account, alice, Api.objects.get(slug="billing"), "Night worker")
    at = timezone.now() - timedelta(minutes=3)
    SecretUse.objects.create(secret=made.key.secrets.get(), used_at=at, address=THIEF)
    a_call(alice.account, key_id=made.key.public_id, key_name="Night worker", client_address=THIEF)
    return made


def check_and_disable(page: Page, url: str, alice: User, leaked: KeyAndToken, sign_in: SignIn) -> None:
    """From the pasted line to the disabled key, and to the calls of whoever had it."""
    sign_in(page, alice.email, PASSWORD)
    page.goto(url)
    began = time.monotonic()
    page.get_by_role("link", name="Find a leaked key").click()
    page.get_by_label("Token, log line").fill(f"\n# deploy\nexport BILLING_KEY={leaked.token}\n")
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.get_by_role("heading", name="1 key found by a token")).to_be_visible()
    note = page.locator(".note.bad")
    expect(note).to_contain_text("line 3")
    expect(note).to_contain_text("It is live: accepted from any address.")
    expect(note).to_contain_text(f"3 minutes ago from {THIEF}")
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Yes, disable").click()
    # Back at what was found, without the text.
    expect(page.get_by_text("the key is disabled")).to_be_visible()
    expect(page.get_by_text("Night worker is disabled: calls with it are refused.")).to_be_visible()
    expect(page).to_have_url(f"{url}/find/?keys={leaked.key.public_id}#key-{leaked.key.public_id}")
    assert time.monotonic() - began < 60
    leaked.key.refresh_from_db()
    assert not leaked.key.enabled
    assert leaked.token not in page.content()
    page.wait_for_load_state()
    page.get_by_role("link", name="Calls in the last 30 days").click()
    expect(page.get_by_role("cell", name=THIEF)).to_be_visible()


def test_from_the_pasted_line_to_the_disabled_key(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, leaked: KeyAndToken
) -> None:
    addresses = Addresses(page)
    check_and_disable(page, live_server.url, alice, leaked, sign_in)
    assert [each for each in addresses.seen if leaked.token[16:24] in each] == []


def test_without_javascript(
    plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, leaked: KeyAndToken
) -> None:
    check_and_disable(plain_page, live_server.url, alice, leaked, sign_in)


def test_a_file_and_a_new_secret_and_a_reload_that_sends_nothing_again(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, leaked: KeyAndToken, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    log.write_text("nothing\n" * 1_000 + f"Bearer {leaked.token}\n")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_role("link", name="Find a leaked key").click()
    page.get_by_label("Or upload a file").set_input_files(log)
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.locator(".note.bad")).to_contain_text("line 1001")
    assert_accessible(page)
    address = f"{live_server.url}/find/?keys={leaked.key.public_id}"
    expect(page).to_have_url(address)
    methods: list[str] = []
    page.on("request", lambda request: methods.append(request.method))
    page.reload()
    expect(page.get_by_role("heading", name="The key that you found")).to_be_visible()
    assert "POST" not in methods
    page.get_by_role("link", name="Change API key").click()
    page.get_by_role("dialog").get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Yes, change API key").click()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", name="The key that you found")).to_be_visible()
    expect(page).to_have_url(re.compile(re.escape(address) + "(#.*)?$"))
    assert leaked.key.secrets.count() == 2


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, tmp_path: Path
) -> None:
    large = tmp_path / "dump"
    large.write_bytes(bytes(8_000_001))
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/find/")
    field = page.get_by_label("Or upload a file")
    field.set_input_files(large)
    page.get_by_role("button", name="Find", exact=True).click()
    assert "8,000,001 bytes" in str(field.evaluate("field => field.validationMessage"))
    assert page.url == f"{live_server.url}/find/"
