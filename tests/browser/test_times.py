"""Times of the API log and the audit trail: clock times under their days, in UTC or in the reader's time zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from audit.models import Event
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]


@pytest.mark.browser_context_args(timezone_id="Asia/Tokyo")
def test_calls_stand_under_the_days_of_the_chosen_zone(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    for hour, minute in ((14, 0), (15, 30), (23, 59)):
        a_call(alice.account, time=datetime(2026, 10, 5, hour, minute, 7, 120_000, UTC))
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    rows = page.locator("[data-days] tr")
    heading = page.get_by_role("columnheader", name="Time")
    expect(heading).to_have_text("Time (UTC)")
    expect(rows).to_have_text(
        ["Monday 5 October 2026", re.compile("23:59:07.120"), re.compile("15:30"), re.compile("14:00")]
    )
    page.get_by_role("button", name="Local").click()
    expect(heading).to_have_text("Time (+09:00)")
    expect(rows).to_have_text(
        [
            *("Tuesday 6 October 2026", re.compile("^08:59:07.120"), re.compile("^00:30:07.120")),
            *("Monday 5 October 2026", re.compile("^23:00:07.120")),
        ]
    )
    expect(page.locator("time[data-clock]").first).to_have_attribute(
        "title", re.compile(r"^2026-10-06 08:59:07\.120 \+09:00, \d+ (day|month|year)s? ago$")
    )
    # So it stays on the next page, and there is the other way back.
    page.reload()
    expect(rows.first).to_have_text("Tuesday 6 October 2026")
    page.get_by_role("button", name="UTC").click()
    expect(rows.first).to_have_text("Monday 5 October 2026")
    page.goto(f"{live_server.url}/audit/")
    expect(page.locator("[data-days] tr.day").first).to_have_text(f"{Event.objects.latest('seq').at:%A %-d %B %Y}")
    expect(page.get_by_role("columnheader", name="Time")).to_have_text("Time (UTC)")


@pytest.mark.full
def test_a_call_takes_little_height_on_a_telephone(
    narrow_page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    a_call(alice.account, path=f"/{'p' * 200}", key_name="Reconciliation " * 5, folded=3)
    refused: dict[str, Any] = {"decision": "denied", "reason": "module_not_granted", "status": 403}
    a_call(alice.account, client_address="2001:db8:7:1:2:3:4:113", key_name="Reconciliation " * 5, **refused)
    sign_in(narrow_page, alice.email, PASSWORD)
    narrow_page.goto(f"{live_server.url}/logs/")
    heights = [row.bounding_box()["height"] for row in narrow_page.locator("tr[data-position]").all()]
    assert len(heights) == 2
    assert max(heights) <= 90
