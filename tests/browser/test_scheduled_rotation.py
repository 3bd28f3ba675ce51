"""An Administrator has a key's secret changed every 90 days, and reads the new one when the hourly job has changed it;
with JavaScript and without."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from core.actor import Actor
from keys.models import Key, Secret
from keys.services import rotate_due_keys
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]


@pytest.mark.parametrize("kind", ["page", "plain_page"])
def test_a_secret_is_changed_by_its_schedule(
    kind: str, request: pytest.FixtureRequest, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    page: Page = request.getfixturevalue(kind)
    # axe is a script.
    check = assert_accessible if kind == "page" else lambda _: None
    key = a_billing_key(alice).key
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/edit/")
    page.get_by_text("More settings").click()
    page.get_by_label("Scheduled rotation").select_option("Every 90 days")
    page.get_by_label("After each rotation, keep the old secret working for").select_option("24 hours")
    check(page)
    if kind == "plain_page":
        # A script follows what is chosen.
        page.get_by_role("button", name="Check effect").click()
    expect(page.get_by_text("for the first time; the old one then works for 24 hours more")).to_be_visible()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("This change concerns the rotation of the secret")).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Every 90 days, overlap 24 hours", exact=True)).to_be_visible()
    check(page)

    # Three months later the hourly job does it, unless something is in the way.
    Secret.objects.filter(key=key).update(created_at=timezone.now() - timedelta(days=91))
    Key.objects.filter(pk=key.pk).update(enabled=False)
    [postponed] = rotate_due_keys(by=Actor.from_command("maintain")).postponed
    assert postponed.why == "The key is disabled."
    page.reload()
    expect(page.get_by_text("The scheduled rotation is blocked.")).to_be_visible()
    expect(page.get_by_text("The secret is changed within an hour once this is resolved.")).to_be_visible()
    check(page)
    Key.objects.filter(pk=key.pk).update(enabled=True)
    page.reload()
    expect(page.get_by_text("Due: within an hour")).to_be_visible()
    assert rotate_due_keys(by=Actor.from_command("maintain")).rotated == 1
    page.reload()
    expect(page.get_by_role("heading", name="Old secret")).to_be_visible()
    expect(page.get_by_text("on schedule (every 90 days, overlap: 24 hours)")).to_be_visible()

    # The list finds it, and so does who needs the new one.
    page.goto(f"{live_server.url}/keys/?rotation=scheduled")
    expect(page.get_by_role("link", name="Invoice robot").first).to_be_visible()
    page.goto(f"{live_server.url}/keys/?rotation=due")
    expect(page.get_by_role("link", name="Invoice robot")).to_have_count(0)
