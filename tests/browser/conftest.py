"""A real browser on a live portal. A page that breaks the content security policy, or throws, fails its test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.browser import accessibility

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User

# The first of them paints the same pages without a browser's window around each, which costs most of a page's time.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)
WIDE = {"width": 1360, "height": 860}
NARROW = {"width": 390, "height": 844}

# Milliseconds that what is expected may take on a busy machine.
expect.set_options(timeout=20_000)


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


@pytest.fixture(scope="session", autouse=True)
def _static_files() -> Iterator[None]:
    """Static files are found once and kept by browsers, as those of an installation are."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.http import HttpRequest, HttpResponse

    find, found = StaticFilesHandler.serve, dict[str, tuple[bytes, str]]()

    def serve(handler: StaticFilesHandler, request: HttpRequest) -> HttpResponse:
        if request.path not in found:
            with closing(find(handler, request)) as file:
                found[request.path] = file.getvalue(), file.headers["Content-Type"]
        content, content_type = found[request.path]
        return HttpResponse(content, content_type=content_type, headers={"Cache-Control": "max-age=86400"})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StaticFilesHandler, "serve", serve)
        yield


@pytest.fixture(scope="session", autouse=True)
def _each_page_by_itself(full: bool) -> None:
    accessibility.remembers = not full


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
    """`sign_in(page, email, password)`: the form is sent without the browser, which is given the session."""
    from django.test import Client

    def act(page: Page, email: str, password: str) -> None:
        client = Client()
        answer = client.post("/login/", {"login": email, "password": password})
        assert answer.status_code == 302
        _give_session(page, client, live_server.url)

    return act


def _give_session(page: Page, client: Client, url: str) -> None:
    """Let the browser have the session of Django's test client."""
    # Django is not set up yet when this file is read.
    from django.conf import settings

    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": url}])


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
def alice(live_server: Any) -> User:
    """The Administrator of an account, whom the portal's server sees."""
    from core.permissions import Role
    from tests.factories.accounts import a_user, an_account

    return a_user(an_account(), "Alice", Role.ADMINISTRATOR)


@pytest.fixture
def every_preset(alice: User) -> None:
    """Alice's account has the API of each preset."""
    from tests.factories.keys import LEAST, api_for

    assert alice.account is not None
    for slug in LEAST:
        api_for(alice.account, slug)


@pytest.fixture
def support(page: Page, live_server: Any) -> Page:
    """Support's browser; the sign-in with a second factor has tests of its own."""
    from django.test import Client

    from core.permissions import Role
    from tests.factories.accounts import a_user, with_totp

    sam = a_user(None, "Sam", Role.SUPPORT)
    with_totp(sam)
    client = Client()
    client.force_login(sam)
    _give_session(page, client, live_server.url)
    return page
