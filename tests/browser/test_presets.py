"""A key of each preset in a browser: added in its own words, used, edited, changed, disabled, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from ipaddress import ip_network
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from core.permissions import Role
from keys.models import IpList, IpListEntry, Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.keys import api_for
from tests.gateways import SECRET, gateway
from tests.parameters import sampled

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = re.compile(r"kw_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
# What is seen in front of More settings, in its order; * at what must be filled in.
SEEN = """form => [...form.querySelectorAll('.field > label, .field > .label, .field > legend')]
    .filter(label => label.checkVisibility() && !label.closest('details, .confirm'))
    .map(label => {
        const copy = label.cloneNode(true);
        copy.querySelectorAll('.optional').forEach(word => word.remove());
        return copy.textContent.trim() + (label.classList.contains('must') ? '*' : '');
    })"""


@dataclass(frozen=True)
class Expected:
    """What a preset's form shows and says, and what a person does in it."""

    asks: list[str]
    says: list[str]
    fill: Callable[[Locator], None]
    immutable_settings: list[str]
    edit: Callable[[Locator], object]
    edited: dict[str, Any]
    noun: str = "API key"
    # After the edit.
    name: str = "Robot"
    revealable: bool = True
    # A call that the key may make, where the gateway takes its credential as Bearer.
    call: str = ""


def _add_address(form: Locator, label: str, address: str) -> None:
    form.get_by_role("textbox", name=label).fill(address)
    form.locator(".entries").get_by_role("button", name="Add", exact=True).click()


def _pbx(form: Locator) -> None:
    form.get_by_label("Username").fill("Robot")
    _add_address(form, "API User IP ACL", "203.0.113.0/24")
    form.get_by_label("HLR Lookup").check()
    expect(form.get_by_label("Active?")).to_be_checked()


def _billing(form: Locator) -> None:
    form.get_by_label("Application name").fill("Robot")
    form.get_by_label("Application website").fill("https://robot.example")
    form.get_by_label("Platform").select_option(label="Server")


def _sip(form: Locator) -> None:
    form.get_by_label("Name", exact=True).fill("Robot")
    form.get_by_label("Expiration").select_option(label="1 year")
    _some_modules(form, "Account Reader")


def _lms(form: Locator) -> None:
    form.get_by_label("Nickname").select_option(label="Olga")
    _some_modules(form, "Detailed Reports", "Buyer List")
    form.get_by_label("Allow to download call recordings").check()


def _lynx(form: Locator) -> None:
    form.get_by_label("Nickname").select_option(label="Olga")
    _some_modules(form, "Summary Reports", "Offer List")


def _textpeak(form: Locator) -> None:
    form.get_by_label("API key name").fill("Robot")


def _some_modules(form: Locator, *names: str) -> None:
    for name in names:
        form.get_by_label(name, exact=True).check()
    expect(form.get_by_label("Selected", exact=True)).to_be_checked()


def _pick_list(form: Locator) -> None:
    form.locator("[data-picker-choice]").select_option(label="Office")
    form.locator("[data-picker-add]").click()


def _restrict_under_more(form: Locator) -> None:
    form.get_by_text("More settings").click()
    _add_address(form, "IP ACL", "203.0.113.7")


PRESETS = {
    "cloud-pbx": Expected(
        asks=["Username*", "Realm", "API User IP ACL*", "Mask Phone Number", "HLR Lookup", "Active?"],
        says=["203.0.113.7, 203.0.113.0/24 or 2001:db8:7::/48", "it can't be changed"],
        fill=_pbx,
        immutable_settings=["Robot", "API"],
        edit=lambda form: form.get_by_label("Mask Phone Number").check(),
        edited={"mask_phone": True, "hlr_lookup": True},
        noun="API user",
        revealable=False,
    ),
    "billing": Expected(
        asks=["Application name*", "Application website", "Platform*", "IP ACL"],
        says=["Without any address or IP list, calls are accepted from everywhere."],
        fill=_billing,
        immutable_settings=[],
        edit=lambda form: form.get_by_label("Platform").select_option(label="Desktop"),
        edited={"fields": {"website": "https://robot.example", "platform": "desktop"}},
        call="/customers",
    ),
    "sip-caller": Expected(
        asks=["Name*", "Expiration*", "Roles*", "Roles of this key*"],
        says=["can't be extended", "can't be changed"],
        fill=_sip,
        immutable_settings=["Account Reader"],
        edit=lambda form: form.get_by_label("Name", exact=True).fill("Autodialer"),
        edited={"name": "Autodialer", "all_modules": False},
        name="Autodialer",
        revealable=False,
        call="/v1/accounts/7/campaigns",
    ),
    "lms-call-logic": Expected(
        asks=["Nickname*", "Categories*", "Categories of this key*", "Allow to download call recordings"],
        says=["The key belongs to this user and is named after the user's nickname."],
        fill=_lms,
        immutable_settings=["Olga"],
        edit=lambda form: form.get_by_label("Buyer List", exact=True).uncheck(),
        edited={"recordings": True, "all_modules": False},
        name="Olga",
    ),
    "lynx": Expected(
        asks=["Nickname*", "Categories*", "Categories of this key*"],
        says=["The key belongs to this user and is named after the user's nickname."],
        fill=_lynx,
        immutable_settings=["Olga"],
        edit=_restrict_under_more,
        edited={"all_modules": False, "recordings": False},
        name="Olga",
    ),
    "textpeak": Expected(
        asks=["API key name*", "IP ACL"],
        says=[],
        fill=_textpeak,
        immutable_settings=[],
        edit=_pick_list,
        edited={"all_modules": True},
        call="/api/v1/messages",
    ),
}


@pytest.fixture(scope="module")
def ask_gateway() -> Iterator[Callable[[str, str, str], tuple[int, str]]]:
    """`ask_gateway(api, token, path)`: what a gateway answers, and why."""
    gateways: list[Any] = []

    def ask(api: str, token: str, path: str) -> tuple[int, str]:
        if not gateways:
            opened = gateway()
            gateways.extend((opened, opened.__enter__()))
        headers = {
            "X-Gateway-Secret": SECRET,
            "X-Original-Method": "GET",
            "X-Original-URI": path,
            "X-Forwarded-For": "203.0.113.7",
            "Authorization": f"Bearer {token}",
        }
        with closing(HTTPConnection("127.0.0.1", gateways[1].port, timeout=10)) as connection:
            connection.request("GET", f"/v1/verify/{api}", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("X-Refusal", "")

    yield ask
    if gateways:
        gateways[0].__exit__(None, None, None)


@dataclass
class Story:
    """What a person does with a key of a preset, step by step, and what its client is answered."""

    expected: Expected
    page: Page
    get_answer: Callable[[str], tuple[int, str]]

    @property
    def panel(self) -> Locator:
        return self.page.locator("#panel")

    @property
    def form(self) -> Locator:
        return self.panel.locator("form").first

    def open_form(self) -> None:
        """Open the form to add a key: it asks and says what the preset's policy has."""
        self.page.get_by_role("link", name=f"Add {self.expected.noun}").first.click()
        expect(self.form.get_by_role("button", name="Create")).to_be_visible()
        assert self.form.evaluate(SEEN) == self.expected.asks
        for words in self.expected.says:
            expect(self.form.get_by_text(words).first).to_be_visible()

    def create(self) -> str:
        """Fill in the form, and return the token, which works and is not on the key's page."""
        self.expected.fill(self.form)
        self.form.get_by_label("Your password").fill(PASSWORD)
        assert_accessible(self.page)
        self.form.get_by_role("button", name="Create").click()
        expect(self.panel.get_by_text("Keep your access token private")).to_be_visible()
        once = self.panel.get_by_text("not stored, will not be shown again")
        expect(once).to_have_count(0 if self.expected.revealable else 1)
        expect(self.panel.get_by_role("button", name="Copy").first).to_be_visible()
        token = self._take_token()
        expect(self.page.get_by_role("link", name="Edit", exact=True)).to_be_visible()
        shown = self.page.get_by_role("button", name="Show token")
        expect(shown).to_have_count(1 if self.expected.revealable else 0)
        assert token not in self.page.content()
        return token

    def edit(self) -> None:
        """Change what lets nothing more in; what cannot be changed is text."""
        self.page.get_by_role("link", name="Edit", exact=True).click()
        expect(self.form.get_by_role("button", name="Save changes")).to_be_visible()
        for text in self.expected.immutable_settings:
            own = self.form.locator(".field > span:not(.label)", has_text=re.compile(f"^{text}$"))
            expect(own).to_be_visible()
        self.expected.edit(self.form)
        self.form.get_by_role("button", name="Save changes").click()
        expect(self.page.get_by_text(f"{self.expected.name} saved")).to_be_visible()
        key = Key.objects.get()
        assert (key.name, key.version) == (self.expected.name, 2)
        assert {name: getattr(key, name) for name in self.expected.edited} == self.expected.edited

    def change_secret(self, before: str) -> str:
        """Return the new token, which works; the old one no longer does."""
        self.page.get_by_role("link", name="Change API key", exact=True).click()
        self.form.get_by_label("Your password").fill(PASSWORD)
        self.form.get_by_role("button", name="Yes, change API key").click()
        expect(self.panel.get_by_text("The old secret no longer works.")).to_be_visible()
        token = self._take_token()
        assert token != before
        self._expect_answer(before, (401, "secret_retired"))
        return token

    def disable(self, token: str) -> None:
        self.page.get_by_role("link", name="Disable", exact=True).click()
        self.page.locator("#modal").get_by_role("button", name="Yes, disable").click()
        expect(self.page.get_by_text(f"{self.expected.name} is disabled")).to_be_visible()
        self._expect_answer(token, (401, "key_disabled"))

    def delete(self, token: str) -> None:
        self.page.get_by_role("link", name="Delete", exact=True).click()
        self.page.locator("#modal").get_by_role("button", name="Yes, delete").click()
        expect(self.page.get_by_text(f"{self.expected.name} is deleted")).to_be_visible()
        self._expect_answer(token, (401, "invalid_credentials"))

    def _take_token(self) -> str:
        """Return the token that is shown once, copied; then look at the key."""
        token = self.panel.locator("[data-secret-value]").first.inner_text()
        assert TOKEN.fullmatch(token)
        self._expect_answer(token, (200, ""))
        self.panel.locator("[data-secret-copy]").first.click()
        self.panel.get_by_role("link", name="View key").click()
        return token

    def _expect_answer(self, token: str, answer: tuple[int, str]) -> None:
        if self.expected.call:
            assert self.get_answer(token) == answer


@pytest.mark.parametrize("slug", sampled(sorted(PRESETS), "billing", "cloud-pbx"))
def test_a_key_lives_in_the_words_of_its_preset(
    slug: str,
    page: Page,
    live_server: Any,
    sign_in: Callable[[Page, str, str], None],
    ask_gateway: Callable[[str, str, str], tuple[int, str]],
) -> None:
    account = an_account()
    alice = a_user(account, "Alice", Role.ADMINISTRATOR)
    a_user(account, "Olga")
    office = IpList.objects.create(account=account, name="Office")
    IpListEntry.objects.create(ip_list=office, network=ip_network("203.0.113.0/24"))
    api_for(account, slug)
    story = Story(PRESETS[slug], page, lambda token: ask_gateway(slug, token, PRESETS[slug].call))

    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    story.open_form()
    first = story.create()
    story.edit()
    second = story.change_secret(first)
    story.disable(second)
    story.delete(second)
