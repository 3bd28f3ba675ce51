"""A key's documentation in a browser: tabs, Copy, telephone, paper, and without JavaScript."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.keys import LEAST, a_key_of
from tests.parameters import sampled

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
SECTIONS = ["Introduction", "Overview", "Additional Params", "Errors", "Limits"]


@pytest.fixture
def key(alice: User) -> Key:
    return a_key_of("lms-call-logic", alice, recordings=True).key


def test_programs_are_in_tabs_that_keys_move_between_and_are_copied(
    page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/")
    page.get_by_role("link", name="Doc", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Documentation of {key.name}")
    shown = page.locator(".sample:visible")
    expect(shown).to_have_count(1)
    expect(shown.locator("code[data-sample]")).to_have_attribute("data-sample", "php")
    assert_accessible(page)
    page.get_by_text("Python", exact=True).click()
    expect(shown.locator("code[data-sample]")).to_have_attribute("data-sample", "python")
    page.get_by_role("radio", name="Python").focus()
    page.keyboard.press("ArrowRight")
    expect(shown.locator("code[data-sample]")).to_have_attribute("data-sample", "java")
    shown.get_by_role("button", name="Copy Java").click()
    expect(page.locator("#live")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown.locator("code[data-sample]").text_content()
    page.locator("summary", has_text="Detailed Reports").click()
    expect(page.get_by_role("link", name="GET /reports?menuItemId=101")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Call Download API doc").first.click()
    expect(page.get_by_role("heading", name="Lead ID key algorithm")).to_be_visible()
    assert_accessible(page)
    page.goto(f"{live_server.url}/apis/lms-call-logic/")
    assert_accessible(page)


@pytest.mark.full
def test_it_fits_a_telephone(narrow_page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn) -> None:
    sign_in(narrow_page, alice.email, PASSWORD)
    for path in (f"keys/{key.public_id}/docs", f"keys/{key.public_id}/call-download", "apis/lms-call-logic"):
        narrow_page.goto(f"{live_server.url}/{path}/")
        assert narrow_page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert_accessible(narrow_page)


@pytest.mark.full
def test_without_javascript_tabs_and_blocks_open_all_the_same(
    plain_page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn
) -> None:
    sign_in(plain_page, alice.email, PASSWORD)
    plain_page.goto(f"{live_server.url}/keys/{key.public_id}/docs/")
    plain_page.get_by_text("Bash", exact=True).click()
    expect(plain_page.locator(".sample:visible code[data-sample]")).to_have_attribute("data-sample", "bash")
    plain_page.locator("summary", has_text="Detailed Reports").click()
    expect(plain_page.get_by_role("link", name="GET /calls", exact=True)).to_be_visible()
    expect(plain_page.get_by_role("button", name="Print to PDF")).to_have_count(0)


@pytest.mark.full
def test_the_button_prints(page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn) -> None:
    page.add_init_script("window.print = () => { window.printed = true; }")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/docs/")
    page.get_by_role("button", name="Print to PDF").click()
    assert page.evaluate("window.printed")


@pytest.mark.full
@pytest.mark.parametrize("slug", sampled(sorted(LEAST), "lms-call-logic"))
def test_on_paper_it_is_a_document_with_every_block_open(
    page: Page, live_server: Any, alice: User, slug: str, sign_in: SignIn, tmp_path: Path
) -> None:
    downloads = slug == "lms-call-logic"
    key = a_key_of(slug, alice, recordings=downloads).key
    sign_in(page, alice.email, PASSWORD)
    # Who reads in the dark prints on white paper.
    page.emulate_media(color_scheme="dark")
    for name in ["docs", "call-download"] if downloads else ["docs"]:
        page.goto(f"{live_server.url}/keys/{key.public_id}/{name}/")
        page.emulate_media(media="print")
        expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
        expect(page.get_by_role("button")).to_have_count(0)
        expect(page.locator(".title-line")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(23, 26, 33)"
        for sample in page.locator(".sample").all():
            expect(sample).to_be_visible()
        page.emulate_media(media="null")
        printed = page.pdf(path=tmp_path / f"{slug}-{name}.pdf", format="A4")
        pages = len(re.findall(rb"/Type\s*/Page\b", printed))
        assert pages > 1
        if shutil.which("pdftotext"):
            parts = page.locator("code[data-sample] > span").all_text_contents()
            assert (len(parts) > 4) == (name == "docs" and slug in ("lms-call-logic", "lynx"))
            _check_text(tmp_path / f"{slug}-{name}.pdf", pages, key, name, parts)


def _check_text(printed: Path, pages: int, key: Key, name: str, parts: list[str]) -> None:
    text = subprocess.run(["pdftotext", "-layout", printed, "-"], capture_output=True, text=True, check=True).stdout
    sections = SECTIONS if name == "docs" else ["Introduction", "Overview", "Lead ID key algorithm", "Errors", "Limits"]
    for title in sections:
        assert len(re.findall(rf"^\s*{title}\s*$", text, re.MULTILINE)) >= 1, title
    assert key.public_id in text
    # A sheet ends between two parts of a long program.
    sheets = [re.sub(r"\s+", "", sheet) for sheet in text.split("\f")]
    assert [part for part in parts if not any(re.sub(r"\s+", "", part) in sheet for sheet in sheets)] == []
    assert re.search(rf"{pages} ?/ ?{pages}", text)
    assert "Skip to content" not in text
    for word in ("PHP", "Python", "Java", "Bash"):
        assert word in text
    if name == "docs":
        # What a closed block holds.
        module = (key.api.modules if key.all_modules else key.modules).exclude(routes__recording=True).first()
        routes = module.routes.all() if module else []
        assert all(f"{route.method} {route.template}" in text for route in routes)


def test_the_first_load_stays_under_60_kb_compressed(
    page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn
) -> None:
    sign_in(page, alice.email, PASSWORD)
    state = page.context.storage_state()
    assert page.context.browser is not None
    for name in ("docs", "call-download"):
        first_time = page.context.browser.new_context(storage_state=state)
        bodies = _loaded(first_time.new_page(), f"{live_server.url}/keys/{key.public_id}/{name}/")
        first_time.close()
        assert len(bodies) > 5
        assert sum(len(gzip.compress(body)) + 500 for body in bodies) < 60_000


def _loaded(page: Page, url: str) -> list[bytes]:
    bodies: list[bytes] = []
    page.on("response", lambda response: bodies.append(response.body()))
    page.goto(url, wait_until="networkidle")
    return bodies
