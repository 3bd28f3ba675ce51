"""A real browser on a live portal. A page that breaks the content security policy, or throws, fails its test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDE = {"width": 1360, "height": 860}
NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    # As root Chromium has no sandbox of its own.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": sandbox}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    # Nothing slides while a test looks at it.
    return {**browser_context_args, "viewport": WIDE, "reduced_motion": "reduce", "locale": "en-GB"}


@pytest.fixture
def context(context: BrowserContext) -> Iterator[BrowserContext]:
    """The browser of a test, with JavaScript."""
    with_complaints = _listen(context)
    yield context
    assert with_complaints == []


@pytest.fixture
def plain_page(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[Page]:
    """A page of a browser with JavaScript off."""
    context = browser.new_context(**{**browser_context_args, "java_script_enabled": False})
    complaints = _listen(context)
    yield context.new_page()
    context.close()
    assert complaints == []


@pytest.fixture
def narrow_page(context: BrowserContext) -> Page:
    """A page as wide as a telephone."""
    page = context.new_page()
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    return page


@pytest.fixture
def sign_in(live_server: Any) -> Callable[[Page, str, str], None]:
    """`sign_in(page, email, password)`: through the page, as a person does."""

    def act(page: Page, email: str, password: str) -> None:
        page.goto(f"{live_server.url}/login/")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/login/" not in url)

    return act


def _listen(context: BrowserContext) -> list[str]:
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # What has no place on the page is axe's: it reads sheets that import others by making style elements.
        if message.type == "error" and "Content Security Policy" in message.text and message.location["url"]:
            complaints.append(message.text)

    context.on("console", hear)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    return complaints


@pytest.fixture
def support(page: Page, live_server: Any) -> Page:
    """Support's browser; the sign-in with a second factor has tests of its own."""
    # Django is not set up yet when this file is read.
    from django.conf import settings
    from django.test import Client

    from core.permissions import Role
    from tests.people import a_user, with_totp

    sam = a_user(None, "Sam", Role.SUPPORT)
    with_totp(sam)
    client = Client()
    client.force_login(sam)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    return page
