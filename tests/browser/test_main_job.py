"""The main job, end to end: an Administrator adds a key in a browser, a client calls an API through nginx with it, and
an auditor's questions about those calls are answered by pages and the exported file. With JavaScript and without."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.proxies import nginx
from tests.proxies.client import Answer, ask
from tests.proxies.program import upstream

if TYPE_CHECKING:
    from accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = re.compile(r"kw_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
INSIDE, OUTSIDE = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def port(transactional_db: None) -> Iterator[int]:
    """Nginx as deployed, with the gateway it asks and the example API behind it."""
    if nginx.PROGRAM is None:
        pytest.skip("nginx is not installed")
    from tests.gateways import gateway

    with upstream() as api, gateway() as running, nginx.serve(gateway=running.port, upstream=api) as proxy:
        yield proxy.port


@pytest.fixture
def alice(transactional_db: None) -> User:
    from core.permissions import Role
    from tests.factories.accounts import a_user, an_account
    from tests.factories.keys import billing_for

    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    assert user.account is not None
    billing_for(user.account)
    return user


@dataclass
class Administrator:
    """What she does, through the pages alone; `scripted` is whether her browser runs JavaScript."""

    page: Page
    url: str
    password: str
    scripted: bool

    def opens(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def _form(self, dialog: str) -> Locator:
        """Where a form opens: in a dialog over the page, or as the page itself."""
        return self.page.locator(dialog if self.scripted else "main")

    def adds_a_key(self, name: str, address: str) -> str:
        self.opens("/keys/")
        self.page.get_by_role("link", name="Add API key").first.click()
        form = self._form("#panel")
        form.get_by_label("Application name").fill(name)
        form.get_by_label("Application website").fill("https://robot.example")
        form.get_by_label("Platform").select_option("Server")
        form.get_by_role("textbox", name="IP ACL").fill(address)
        if self.scripted:
            form.get_by_role("button", name="Add", exact=True).click()
        form.get_by_label("Your password").fill(self.password)
        form.get_by_role("button", name="Create").click()
        expect(form.get_by_text("Keep your access token private")).to_be_visible()
        expect(form).to_contain_text(TOKEN)
        shown = TOKEN.search(form.inner_text())
        assert shown is not None
        return shown[0]

    def does(self, action: str, name: str, button: str, *, confirmed: bool = False) -> None:
        self.opens("/keys/")
        if action == "Delete":
            self.page.get_by_role("button", name=f"More actions for {name}").click()
        self.page.get_by_role("link", name=f"{action} {name}").click()
        form = self._form("#modal")
        if confirmed:
            form.get_by_label("Your password").fill(self.password)
        form.get_by_role("button", name=button, exact=True).click()
        expect(self.page.get_by_role("status").get_by_text(f"{name} is")).to_be_visible()

    def sees_calls(self) -> list[list[str]]:
        self.opens("/logs/")
        rows = self.page.locator("#log tbody tr[data-position]").all()
        return [[cell.inner_text() for cell in row.locator("td").all()] for row in rows]

    def exports_calls(self) -> list[dict[str, str]]:
        self.opens("/logs/")
        self.page.get_by_role("link", name="Export").click()
        with self.page.expect_download() as download:
            self._form("#modal").get_by_role("button", name="Export").click()
        content = download.value.path().read_text("utf-8-sig")
        return list(csv.DictReader(io.StringIO(content, newline="")))


def does_the_main_job(administrator: Administrator, port: int, alice: User) -> None:
    def call(address: str = INSIDE) -> Answer:
        answer = ask(port, "/customers?page=2", token=token, host=address)
        made.append((answer.status, answer.header("X-Request-Id") or ""))
        return answer

    made: list[tuple[int, str]] = []
    token = administrator.adds_a_key("Invoice robot", INSIDE)
    allowed = call()
    assert allowed.status == 200
    assert allowed.served["identity"]["X-Key-Name"] == "Invoice robot"
    assert allowed.served["identity"]["X-Owner"] == "Alice"
    refused = call(OUTSIDE)
    assert (refused.status, refused.header("X-Refusal")) == (403, "ip_not_allowed")
    administrator.does("Disable", "Invoice robot", "Yes, disable")
    assert (call().status, made[-1][0]) == (401, 401)
    administrator.does("Enable", "Invoice robot", "Enable", confirmed=True)
    assert call().status == 200
    administrator.does("Delete", "Invoice robot", "Yes, delete")
    assert call().status == 401

    seen = administrator.sees_calls()
    assert [row[1] for row in seen] == ["Denied", "Allowed", "Denied", "Denied", "Allowed"]
    assert all("GET /customers?page=2" in row[2] and "Invoice robot" in row[4] for row in seen)
    exported = administrator.exports_calls()
    assert [(row["request_id"], row["decision"]) for row in exported] == [
        (request_id, "allowed" if status == 200 else "denied") for status, request_id in reversed(made)
    ]
    assert [row["reason"] for row in exported] == ["invalid_credentials", "", "key_disabled", "ip_not_allowed", ""]
    assert token not in str(exported)

    administrator.opens("/audit/")
    trail = administrator.page.locator("main").inner_text()
    for happened in ("created", "disabled", "enabled", "deleted", "export"):
        assert re.search(rf"{alice.email}[^\n]*{happened}", trail), happened
    assert token not in trail


def test_the_main_job_with_javascript(
    page: Page, live_server: Any, port: int, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    from tests.factories.accounts import PASSWORD

    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    does_the_main_job(Administrator(page, live_server.url, PASSWORD, True), port, alice)


def test_the_main_job_without_javascript(
    plain_page: Page, live_server: Any, port: int, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    from tests.factories.accounts import PASSWORD

    sign_in(plain_page, alice.email, PASSWORD)
    plain_page.goto(live_server.url)
    does_the_main_job(Administrator(plain_page, live_server.url, PASSWORD, False), port, alice)
