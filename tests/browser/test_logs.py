"""The API log and the audit trail in a browser, as an auditor with a deadline uses them."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from playwright.sync_api import Locator, Page, expect

from accounts.models import Account, User
from audit.digests.build import make_pass
from audit.trail.events import Target
from audit.trail.record import record
from core import signed_json
from core.permissions import Role
from keys.models import Key
from keys.services import reveal
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import NARROW, WIDE
from tests.browser.held_requests import HeldRequests
from tests.factories.accounts import PASSWORD, a_user, acting, an_account
from tests.factories.calls import a_call, more_calls
from tests.factories.keys import a_billing_key, confirmed
from tests.trail import get_event_number

SignIn = Callable[[Page, str, str], None]
VERIFIER = Path(__file__).parents[2] / "examples" / "verify_export.py"
OCTOBER = datetime(2026, 10, 5, 9, tzinfo=UTC)
REFUSED: dict[str, Any] = {"decision": "denied", "reason": "ip_not_allowed", "client_address": "198.51.100.7"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def alice(acme: Account) -> User:
    return a_user(acme, "Alice", Role.ADMINISTRATOR)


@pytest.fixture
def arthur(acme: Account) -> User:
    return a_user(acme, "Arthur", Role.AUDITOR)


@pytest.fixture
def key(acme: Account, alice: User) -> Key:
    """A key with calls in October and beside it, of another key too."""
    key = a_billing_key(alice).key
    own = {"key_id": key.public_id, "key_name": key.name}
    for hours in range(3):
        a_call(acme, time=OCTOBER + timedelta(hours=hours), **own, **REFUSED)
    a_call(acme, time=OCTOBER, **own, **REFUSED | {"client_address": "192.0.2.9", "path": "/invoices"})
    a_call(acme, time=OCTOBER, **own)
    a_call(acme, time=OCTOBER - timedelta(days=6), **own, **REFUSED)
    a_call(acme, time=OCTOBER + timedelta(days=30), **own, **REFUSED)
    a_call(acme, time=OCTOBER, **REFUSED)
    return key


def rows(page: Page) -> Locator:
    return page.locator("table.table tbody tr:not(.day)")


def downloaded(page: Page, press: Locator, folder: Path) -> Path:
    with page.expect_download() as got:
        press.click()
    path = folder / got.value.suggested_filename
    got.value.save_as(path)
    return path


def test_all_refused_calls_of_a_key_in_october_by_address(
    page: Page, arthur: User, key: Key, live_server: Any, sign_in: SignIn, tmp_path: Path
) -> None:
    sign_in(page, arthur.email, PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="API logs").click()
    page.get_by_role("searchbox", name="Key").fill(key.public_id)
    page.get_by_role("combobox", name="Decision").select_option("Denied")
    page.get_by_role("textbox", name="From", exact=True).fill("2026-10-01T00:00")
    page.get_by_role("textbox", name="To", exact=True).fill("2026-11-01T00:00")
    page.get_by_role("textbox", name="To", exact=True).blur()
    expect(page.get_by_role("link", name="Remove To: 2026-11-01T00:00")).to_be_visible()
    expect(rows(page)).to_have_count(4)
    assert_accessible(page)
    page.get_by_text("Denied calls by address").click()
    table = page.get_by_role("table", name="Addresses with the most")
    found = ["Denied", r"198\.51\.100\.7\s*3", r"192\.0\.2\.9\s*1"]
    expect(table.get_by_role("row")).to_have_text([re.compile(text) for text in found])
    # As a file, with what signs it.
    page.get_by_role("link", name="Export").click()
    modal = page.locator("#modal")
    expect(modal.get_by_text("The export contains the rows that match these filters")).to_be_visible()
    assert_accessible(page)
    path = downloaded(page, modal.get_by_role("button", name="Export"), tmp_path)
    assert re.fullmatch(r"keyward-acme-api-log-20261001T000000Z-20261101T000000Z-\d+\.csv", path.name)
    lines = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    assert [row["client_address"] for row in lines].count("198.51.100.7") == 3
    assert {(row["key_id"], row["decision"]) for row in lines} == {(key.public_id, "denied")}
    assert len(lines) == 4
    expect(modal).to_be_hidden()
    page.get_by_role("link", name="Export").click()
    manifest = downloaded(page, modal.get_by_role("link", name=re.compile("Manifest of export")).first, tmp_path)
    public = tmp_path / "key.pem"
    public.write_text(signed_json.format_public_pem(settings.CHECKPOINT_KEY))
    checked = subprocess.run([sys.executable, "-I", VERIFIER, path, manifest, public], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    page.keyboard.press("Escape")
    # One address of them.
    table.get_by_role("link", name="198.51.100.7").click()
    expect(rows(page)).to_have_count(3)


@pytest.mark.full
def test_a_filter_set_while_the_page_loads(
    page: Page, arthur: User, key: Key, live_server: Any, sign_in: SignIn
) -> None:
    sign_in(page, arthur.email, PASSWORD)
    page.goto(live_server.url)
    late = HeldRequests(page, re.compile("htmx"))
    page.goto(live_server.url + "/audit/", wait_until="commit")
    page.get_by_role("combobox", name="Event", exact=True).select_option("key.created")
    late.wait().continue_()
    expect(rows(page)).to_have_count(1)


def test_who_revealed_this_token(
    page: Page, arthur: User, alice: User, key: Key, live_server: Any, sign_in: SignIn
) -> None:
    a_billing_key(alice, name="Other")
    reveal(key=key, by=confirmed(alice, "key.reveal", key.public_id))
    sign_in(page, arthur.email, PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="API keys").click()
    page.wait_for_url("**/keys/")
    page.get_by_label("Search").fill(key.public_id)
    expect(page.get_by_role("link", name="Other", exact=True)).to_be_hidden()
    page.get_by_role("link", name=key.name, exact=True).click()
    expect(page.get_by_role("slider", name=re.compile("allowed, .* denied"))).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="View all in audit trail").click()
    page.get_by_role("combobox", name="Event", exact=True).select_option("key.revealed")
    expect(rows(page)).to_have_count(1)
    row = rows(page).first
    expect(row).to_contain_text(f"{alice.email} revealed the secret of {key.name}")
    expect(row).to_contain_text("203.0.113.8")
    assert_accessible(page)
    row.get_by_role("link").click()
    panel = page.locator("#panel")
    expect(panel.get_by_text("Confirmed by")).to_be_visible()
    expect(panel.get_by_text("password", exact=True)).to_be_visible()
    expect(panel.get_by_role("link", name=key.name)).to_be_visible()
    assert_accessible(page)


def pass_time(page: Page, milliseconds: int) -> None:
    """Let the page's clock go on by so much, and the server answer what was asked for."""
    page.clock.run_for(milliseconds)
    page.wait_for_timeout(300)


def test_new_calls_appear_while_the_page_is_live(
    page: Page, live_server: Any, acme: Account, alice: User, sign_in: SignIn
) -> None:
    a_call(acme, path="/before", time=datetime.now(UTC) - timedelta(minutes=1))
    requests: list[str] = []
    statuses: set[int] = set()
    page.on("request", lambda request: requests.append(request.url) if "/logs/tail/" in request.url else None)
    page.on("response", lambda answer: statuses.add(answer.status) if "/logs/tail/" in answer.url else None)
    page.clock.install()
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    live = page.get_by_role("button", name="Live")
    live.click()
    expect(live).to_have_attribute("aria-pressed", "true")
    a_call(acme, path="/while/live")
    expect(rows(page).first).to_contain_text("/while/live")
    assert_accessible(page)
    a_call(acme, path="/while/live/too", decision="denied", reason="key_expired")
    expect(rows(page).first).to_contain_text("/while/live/too")
    expect(rows(page)).to_have_count(3)
    # Nothing new: quiet.
    with page.expect_response(lambda answer: "/logs/tail/" in answer.url and answer.status == 204):
        pass_time(page, 2_500)
    expect(page.locator("#alert")).to_be_empty()
    expect(rows(page)).to_have_count(3)
    # Under the pointer no row moves away.
    rows(page).last.hover()
    a_call(acme, path="/while/aimed")
    expect(page.get_by_role("button", name="Live, paused")).to_be_visible()
    pass_time(page, 2_500)
    expect(rows(page)).to_have_count(3)
    page.mouse.move(1, 1)
    expect(rows(page).first).to_contain_text("/while/aimed")
    # Hidden: it does not ask, and goes on when it is seen again.
    page.evaluate("Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true })")
    count = len(requests)
    a_call(acme, path="/while/hidden")
    pass_time(page, 5_000)
    assert len(requests) == count
    page.evaluate("delete document.visibilityState")
    expect(rows(page).first).to_contain_text("/while/hidden")
    live.click()
    expect(live).to_have_attribute("aria-pressed", "false")
    count = len(requests)
    a_call(acme, path="/while/off")
    pass_time(page, 5_000)
    assert len(requests) == count
    assert statuses == {200, 204}
    expect(rows(page)).to_have_count(5)


@pytest.mark.full
def test_a_live_page_says_how_many_calls_it_leaves_out_and_loads_them(
    page: Page, live_server: Any, acme: Account, alice: User, sign_in: SignIn
) -> None:
    a_call(acme, path="/before", time=datetime.now(UTC) - timedelta(hours=1))
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    more_calls(a_call(acme, path="/burst", time=datetime.now(UTC) - timedelta(seconds=5)), 259)
    page.get_by_role("button", name="Live").click()
    gap = page.locator("tr.gap")
    expect(gap).to_have_text("160 more calls arrived in between. Show the next 100")
    expect(rows(page)).to_have_count(102)
    assert_accessible(page)
    gap.get_by_role("link").click()
    expect(gap).to_have_text("60 more calls arrived in between. Show them")
    expect(rows(page)).to_have_count(202)
    gap.get_by_role("link").press("Enter")
    expect(gap).to_have_count(0)
    # Every call once, and the focus on the first of those that were asked for.
    expect(rows(page)).to_have_count(261)
    positions = page.evaluate("[...document.querySelectorAll('[data-position]')].map((row) => row.dataset.position)")
    assert positions == sorted(set(positions), reverse=True)
    focused = rows(page).evaluate_all("rows => rows.indexOf(document.activeElement.closest('tr'))")
    assert focused == 200
    expect(page.locator("#alert")).to_be_empty()


def test_a_row_opens_in_the_panel_and_says_why(
    page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/?path=invoices")
    expect(page.get_by_role("slider", name=re.compile(r"^Calls from .* UTC: \d+ allowed, \d+ denied$"))).to_be_visible()
    assert_accessible(page)
    expect(rows(page)).to_have_count(1)
    rows(page).get_by_role("link").click()
    panel = page.get_by_role("dialog", name="Call")
    expect(panel.get_by_text("The address is not allowed")).to_be_visible()
    expect(
        panel.get_by_text(f'The call came from 192.0.2.9, which the key "{key.name}" does not allow')
    ).to_be_visible()
    expect(panel.get_by_text("Matched rule")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/logs/[0-9a-f-]{36}/$"))
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"path=invoices"))
    expect(rows(page)).to_have_count(1)


@pytest.mark.full
@pytest.mark.browser_context_args(timezone_id="Asia/Tokyo")
def test_from_and_to_are_in_the_readers_zone_once_the_clock_is(
    page: Page, live_server: Any, acme: Account, alice: User, sign_in: SignIn
) -> None:
    for minute in (15, 45):
        a_call(acme, time=OCTOBER.replace(minute=minute), path=f"/at/{minute}")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    page.get_by_role("textbox", name="From", exact=True).fill("2026-10-05T09:30")
    expect(rows(page)).to_have_text([re.compile("/at/45")])
    page.get_by_role("button", name="Local").click()
    expect(page.get_by_role("link", name="Remove From: 2026-10-05T09:30")).to_be_visible()
    page.get_by_role("textbox", name="From", exact=True).fill("2026-10-05T18:30")
    expect(page.get_by_role("link", name="Remove Time zone: Asia/Tokyo")).to_be_visible()
    expect(rows(page)).to_have_text([re.compile("/at/45")])
    page.get_by_role("textbox", name="From", exact=True).fill("2026-10-05T18:10")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("textbox", name="To", exact=True).fill("2026-10-05T18:30")
    expect(rows(page)).to_have_text([re.compile("/at/15")])
    rows(page).get_by_role("link").click()
    expect(page.locator("#panel").get_by_text("2026-10-05 18:15:00.000 +09:00")).to_be_visible()


def test_every_page_is_accessible_wide_and_narrow(
    page: Page, live_server: Any, acme: Account, alice: User, key: Key, sign_in: SignIn
) -> None:
    call = a_call(acme, **REFUSED, query="page=2")
    with_diff = record_of_an_edit(acme, alice)
    make_pass(datetime.now(UTC), None, acting(alice))
    sign_in(page, alice.email, PASSWORD)
    for path in (
        "/logs/", "/logs/chart/", f"/logs/{call}/", "/logs/export/", "/logs/?status=abc", "/logs/?key=nobody",
        "/audit/", f"/audit/{with_diff}/", "/audit/export/", "/audit/?who=nobody",
        "/audit/digests/", "/audit/digests/?from=x",
    ):  # fmt: skip
        page.goto(f"{live_server.url}{path}", wait_until="networkidle")
        for size in (WIDE, NARROW):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            assert_accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} {size}"


def test_filters_pages_chart_and_export_work_without_javascript(
    plain_page: Page, live_server: Any, acme: Account, alice: User, sign_in: SignIn, tmp_path: Path
) -> None:
    page = plain_page
    now = datetime.now(UTC)
    for minute in range(60):
        a_call(acme, time=now - timedelta(minutes=minute), path=f"/at/{minute}", **REFUSED if minute % 2 else {})
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="API logs").click()
    expect(page.get_by_role("button", name="Live")).to_be_hidden()
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(rows(page)).to_have_count(10)
    page.get_by_role("link", name="Newest").click()
    page.get_by_role("combobox", name="Decision").select_option("Denied")
    page.get_by_text("More filters").click()
    page.get_by_label("Path contains").fill("/at/1")
    page.get_by_role("button", name="Filter").click()
    expect(rows(page)).to_have_count(6)
    page.get_by_role("link", name="Chart, denied calls by address and response times").click()
    expect(page.get_by_role("img", name=re.compile("UTC: 0 allowed, 6 denied$"))).to_be_visible()
    page.get_by_role("link", name="API logs").last.click()
    expect(rows(page)).to_have_count(6)
    page.get_by_role("link", name="Export").click()
    path = downloaded(page, page.get_by_role("button", name="Export"), tmp_path)
    assert path.read_bytes().count(b"\r\n") == 7
    page.goto(f"{live_server.url}/audit/")
    page.get_by_role("combobox", name="Event", exact=True).select_option("export.finished")
    page.get_by_role("button", name="Filter").click()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name=re.compile(r"finished export \d+ of the API log with 6 rows")).click()
    assert (
        downloaded(page, page.get_by_role("link", name=re.compile("Signed manifest of export")), tmp_path).suffix
        == ".json"
    )


def record_of_an_edit(acme: Account, alice: User) -> int:
    with transaction.atomic():
        target = Target("account", acme.slug, acme.name)
        changes = {"mask_phone": [False, True], "mask_digits": [4, 0]}
        return get_event_number(
            record("settings.changed", by=acting(alice), account_id=acme.pk, target=target, changes=changes)
        )
