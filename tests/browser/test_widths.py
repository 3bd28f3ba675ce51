"""No page is wider than the window, whatever the things on it are called; no column of keys covers another.

Without --full some pages are looked at in every other width, one page in those that the page before it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Account, User
from audit.models import Event
from core.permissions import Role
from keys.key_settings import KeySettings
from keys.models import IpList
from keys.services import edit
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.calls import a_call
from tests.factories.docs_links import a_docs_link
from tests.factories.keys import a_billing_key, a_key_of, confirmed
from tests.factories.notices import a_notice, an_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "W" * 200
WIDTHS = (390, 820, 1280, 1440)
# What reaches beyond the right edge although it is no part of something that scrolls or hides what is too much.
BEYOND = """() => {
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    return [...document.querySelectorAll('body *')]
        .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
        .slice(-3).map(each => each.outerHTML.slice(0, 80));
}"""
FITS = """dialog => dialog.scrollWidth <= dialog.clientWidth + 1
    && [...dialog.querySelectorAll('*')].every(each => each.getBoundingClientRect().right <= innerWidth + 1)"""
OVERLAPPING = """() => [...document.querySelectorAll('.table.dense tbody tr')].flatMap(row => {
    const cells = [...row.cells].filter(cell => cell.checkVisibility()).map(cell => cell.getBoundingClientRect());
    const inner = [...row.cells].flatMap(cell => [...cell.querySelectorAll('a, code, time, summary, button, .badge')]
        .filter(each => each.checkVisibility() && !each.closest('.hush')
            && each.getBoundingClientRect().right > cell.getBoundingClientRect().right + 1)
        .map(each => each.outerHTML.slice(0, 80)));
    return [...cells.slice(1).flatMap((box, n) => box.left < cells[n].right - 1 ? [`cell ${n}`] : []), ...inner];
})"""
# Words on two lines; a token breaks before what is hidden of it.
BROKEN = """() => [...document.querySelectorAll('.table td, .diff :is(th, td)')].flatMap(cell => {
    const found = [], walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const node = walk.currentNode;
        if (!node.parentElement.checkVisibility() || node.parentElement.closest('.hush, .secret')) continue;
        for (const word of node.data.matchAll(/[^\\s-]+-*/g)) {
            const range = document.createRange();
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const lines = new Set([...range.getClientRects()].filter(box => box.width).map(box => Math.round(box.top)));
            if (lines.size > 1) found.push(word[0]);
        }
    }
    return found;
})"""
# What a table, or the card that hides what is too much of it, lacks.
TOO_WIDE = """() => Math.max(
    ...[...document.querySelectorAll('.scroll, .card.list')].map(each => each.scrollWidth - each.clientWidth))"""


@pytest.fixture
def alice() -> User:
    """An account in which everything is called as long as may be, without a space."""
    account = an_account()
    Account.objects.filter(pk=account.pk).update(name=LONG)
    account.refresh_from_db()
    return a_user(account, "N" * 64, Role.ADMINISTRATOR)


def list_widest_pages(alice: User) -> list[str]:
    """Return the paths of all pages, after everything on them was made as long as may be."""
    account = alice.account
    assert account
    office = IpList.objects.create(account=account, name=LONG, description="d" * 500)
    office.entries.create(network="203.0.113.0/24", description="e" * 200)
    fields = {"website": f"https://{'w' * 60}.example/{'p' * 300}", "platform": "server"}
    key = a_billing_key(alice, name=LONG, ip_lists=frozenset({office.pk}), fields=fields).key
    user = a_key_of("cloud-pbx", alice, name=LONG, mask_phone=True).key
    signed = a_key_of("lms-call-logic", alice, recordings=True).key
    edit(
        key=key,
        version=1,
        key_settings=KeySettings(name="V" * 200, fields=fields),
        by=confirmed(alice, "key.edit", key.public_id),
    )
    call = a_call(
        account, key_name=LONG, key_id=key.public_id, path=f"/{'p' * 300}", query="q" * 300, user_agent="u" * 300
    )
    event = Event.objects.filter(name="key.edited").latest("seq")
    endpoint = an_endpoint(alice, f"https://{'w' * 60}.example/{'p' * 150}", tested=False)
    a_notice(alice, key)
    shared = a_docs_link(key, alice).token
    leaver = a_user(account, "O" * 64)
    a_billing_key(alice, owner=leaver, name="U" * 200)
    one, lms = f"/keys/{key.public_id}/", f"/keys/{signed.public_id}/"
    return [
        *("/", "/keys/", "/keys/?api=billing", f"/keys/?q={LONG}", "/lists/keys/columns/", "/keys/new/?api=cloud-pbx"),
        *("/keys/new/?api=lms-call-logic", f"/keys/disable/?key={key.public_id}", "/keys/export/"),
        *(f"{one}{rest}" for rest in ("", "edit/", "change/", "reveal/", "disable/", "delete/", "reassign/", "docs/")),
        *(f"{lms}{rest}" for rest in ("", "docs/", "call-download/")),
        *(f"/keys/{user.public_id}/{rest}" for rest in ("", "edit/", "docs/")),
        *("/ip-lists/", "/ip-lists/new/", f"/ip-lists/{office.pk}/", f"/ip-lists/{office.pk}/edit/"),
        *(f"/ip-lists/{office.pk}/delete/", f"/ip-lists/{office.pk}/import/", f"/ip-lists/{office.pk}/entries/new/"),
        *("/logs/", f"/logs/?key={LONG}", f"/logs/{call}/", "/logs/export/", "/audit/", f"/audit/{event.number}/"),
        *("/users/", f"/users/{alice.pk}/", f"/users/?q={'N' * 64}", "/settings/", "/profile/", "/apis/billing/"),
        *(f"/users/{leaver.pk}/{rest}" for rest in ("", "deactivate/", "hand-over/", "roles/")),
        *(f"/keys/{rest}/?key={key.public_id}" for rest in ("addresses", "expiry", "reassign", "change", "export")),
        *(f"{one}{rest}" for rest in ("networks/", "docs/links/")),
        *(f"/docs/{shared}/", f"/ip-lists/{office.pk}/add-keys/", "/audit/digests/", "/audit/export/"),
        *(f"/unused/{rest}" for rest in ("", "modules/", "addresses/", "ip-lists/", "old-secrets/")),
        *("/search/", "/find/", f"/find/?keys={key.public_id}", f"/access-check/?key={key.public_id}"),
        *("/settings/notices/", "/settings/notices/webhooks/new/", f"/settings/notices/webhooks/{endpoint.pk}/"),
    ]


def test_no_page_is_wider_than_the_window(
    page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None], full: bool
) -> None:
    pages = list_widest_pages(alice)
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    wide: dict[Any, Any] = {}
    for turn, path in enumerate(pages if full else pages[::4]):
        answer = page.goto(f"{live_server.url}{path}")
        assert answer, path
        if answer.status != 200:
            wide[path] = answer.status
        for width in WIDTHS if full else WIDTHS[turn % 2 :: 2]:
            page.set_viewport_size({"width": width, "height": 860})
            if found := page.evaluate(BEYOND):
                wide[path, width] = found
            # Neither a table that scrolls nor a column that is too narrow for its words.
            if (lacks := page.evaluate(TOO_WIDE)) > 0:
                wide[path, width, "table"] = lacks
            if short := {word for word in page.evaluate(BROKEN) if len(word) < 12}:
                wide[path, width, "words"] = short
    # What opens over the list.
    page.goto(f"{live_server.url}/keys/")
    for name in ("Edit V", "Delete V"):
        if name.startswith("Delete"):
            page.get_by_role("button", name="More actions for V").click()
        page.get_by_role("link", name=name).click()
        dialog = page.locator("dialog[open]")
        expect(dialog.get_by_role("link", name="Cancel")).to_be_visible()
        if not dialog.evaluate(FITS):
            wide[name] = "dialog"
        dialog.get_by_role("link", name="Cancel").click()
    assert wide == {}


@pytest.mark.full
def test_a_word_that_fits_is_not_broken(
    page: Page, live_server: Any, sign_in: Callable[[Page, str, str], None]
) -> None:
    account = an_account()
    alice = a_user(account, "Alice", Role.ADMINISTRATOR)
    arthur = a_user(account, "Arthur")
    for name, network in (("wallboard", "203.0.113.9"), ("Campaign sync", "203.0.113.0/24"), (LONG, "203.0.113.9")):
        a_billing_key(alice, network, name=name, owner=arthur, enabled=name != "wallboard")
    a_key_of("cloud-pbx", alice, name="wallboard", networks=(ip_network("203.0.113.9"),))
    office = IpList.objects.create(account=account, name="Headquarters", description="Reconciliation")
    office.entries.create(network="2001:db8:7::/48", description="Reconciliation")
    call: dict[str, Any] = {
        "key_name": "wallboard",
        "client_address": "2001:db8:7::113",
        "time": datetime.now(UTC) - timedelta(minutes=59),
    }
    a_call(account, path=f"/{'p' * 50}", **call)
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    broken = {}
    paths = ("/", "/keys/", "/keys/?api=cloud-pbx", "/ip-lists/", f"/ip-lists/{office.pk}/", "/logs/", "/users/")
    for path in paths:
        page.set_viewport_size({"width": 1440, "height": 860})
        page.goto(f"{live_server.url}{path}")
        for width in (1440, 1280, 1152, 1100, 1024, 390):
            page.set_viewport_size({"width": width, "height": 860})
            scrolls = page.evaluate(TOO_WIDE)
            found = {word for word in page.evaluate(BROKEN) if len(word) < 50}
            if found or scrolls:
                broken[path, width] = (found, scrolls)
    assert broken == {}


@pytest.mark.full
def test_no_column_of_keys_is_covered_whether_its_token_is_shown_or_not(
    page: Page, live_server: Any, sign_in: Callable[[Page, str, str], None]
) -> None:
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    a_billing_key(alice, "203.0.113.7", name="Invoice robot of the warehouse")
    a_billing_key(alice, "2001:db8:7::/48", enabled=False)
    a_key_of("lms-call-logic", alice, recordings=True)
    a_key_of("lynx", alice)
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    covered = {}
    for path in ("/keys/", "/keys/?api=billing", "/keys/?api=lms-call-logic", "/keys/?api=lynx"):
        page.set_viewport_size({"width": 1440, "height": 860})
        page.goto(f"{live_server.url}{path}")
        for shown in (False, True):
            if shown:
                page.get_by_role("button", name="Show token").first.click()
                page.get_by_label("Your password").fill(PASSWORD)
                page.locator("#modal").get_by_role("button", name="Show token").click()
                expect(page.locator("[data-secret] [aria-pressed=true]")).to_have_count(1)
            for width in (1440, 1366, 1365, 1280, 1180, 1100, 1024):
                page.set_viewport_size({"width": width, "height": 860})
                scrolls = page.evaluate("(s => s.scrollWidth - s.clientWidth)(document.querySelector('.scroll'))")
                found = page.evaluate(OVERLAPPING)
                if found or scrolls:
                    covered[path, shown, width] = (found, scrolls)
    assert covered == {}


@pytest.mark.full
def test_long_names_make_the_list_of_keys_neither_scroll_nor_tall(
    page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    assert alice.account
    office = IpList.objects.create(account=alice.account, name=LONG)
    a_billing_key(alice, name=LONG, ip_lists=frozenset({office.pk}), expires_at=datetime.now(UTC) + timedelta(days=9))
    a_key_of("cloud-pbx", alice, name=LONG)
    a_key_of("lms-call-logic", alice)
    a_key_of("textpeak", alice, name=LONG, ip_lists=frozenset({office.pk}))
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    scrolls, tall = {}, {}
    widths = (390, 769, 820, 860, 900, 1023, 1024, 1180, 1241, 1280, 1366, 1372, 1440)
    for path in ("/keys/", "/keys/?api=billing", "/keys/?api=lms-call-logic", "/keys/?api=textpeak"):
        page.goto(f"{live_server.url}{path}")
        for width in widths:
            page.set_viewport_size({"width": width, "height": 860})
            if found := page.evaluate(TOO_WIDE):
                scrolls[path, width] = found
            heights = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.offsetHeight)")
            if max(heights) > 260:
                tall[path, width] = heights
    assert scrolls == {}
    assert tall == {}


@pytest.mark.full
def test_the_actions_of_who_may_only_read_fit_too(
    page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    """They are buttons, where an Administrator has a menu."""
    a_key_of("lms-call-logic", alice, recordings=True)
    a_billing_key(alice, "203.0.113.7", name="Payment import")
    rita = a_user(alice.account, "Rita", Role.ACCOUNT_READER)
    sign_in(page, rita.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    expect(page.get_by_role("link", name="Call Download API doc")).to_be_visible()
    scrolls = {}
    for width in (769, 820, 860, 900, 1023, 1024, 1180, 1280, 1366, 1440):
        page.set_viewport_size({"width": width, "height": 860})
        if found := page.evaluate(TOO_WIDE):
            scrolls[width] = found
    assert scrolls == {}


@pytest.mark.full
def test_headings_stay_in_sight(page: Page, live_server: Any, sign_in: Callable[[Page, str, str], None]) -> None:
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    for number in range(30):
        a_billing_key(alice, "203.0.113.7", name=f"Robot {number}")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_role("link", name="Robot 0", exact=True).scroll_into_view_if_needed()
    heading = page.get_by_role("columnheader", name="Created")
    assert heading.bounding_box()["y"] == 0
    expect(heading).to_have_attribute("aria-sort", "descending")


@pytest.mark.full
def test_a_key_takes_little_height_on_a_telephone(
    narrow_page: Page, live_server: Any, sign_in: Callable[[Page, str, str], None]
) -> None:
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    a_billing_key(alice, "203.0.113.7", "2001:db8:7::/48", name="Invoice robot of the warehouse")
    a_key_of("lms-call-logic", alice, recordings=True)
    sign_in(narrow_page, alice.email, PASSWORD)
    narrow_page.goto(f"{live_server.url}/keys/")
    heights = [row.bounding_box()["height"] for row in narrow_page.locator("tbody tr").all()]
    assert len(heights) == 2
    assert max(heights) <= 160
