"""Every form keeps what was typed, says all that is wrong with it, and is not left without a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key
from tests.parameters import sampled

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
Typed = Mapping[str, Any]
NOT_AN_ADDRESS = "300 is more than 255"
REQUIRED = "This field is required."


@dataclass(frozen=True)
class Form:
    """A form by its page and button: what is typed into which controls, everything that is said to it, and what is
    typed then, with a wrong password."""

    path: str
    button: str
    typed: Typed
    faults: tuple[str, ...] = ()
    mended: Typed | None = None


FORMS = {
    "invite": Form(
        "/users/invite/",
        "Invite",
        {"email": "ivy", "roles": ["auditor"]},
        ("Enter a valid email address.", REQUIRED),
        {"email": "ivy@acme.example"},
    ),
    "roles": Form("/users/{bob}/roles/", "Save changes", {"roles": ["administrator"]}, ("This grants a role",), {}),
    "deactivate": Form(
        "/users/{bob}/deactivate/",
        "Yes, deactivate",
        {"keys": "expire", "expires_on": "2099-12-31", "keys-{key}": "give", "heir-{key}": "Nobody"},
        ("Choose the new owner.", '"Nobody" is not an active user'),
        {"heir": "{carl}", "heir-{key}": "Carl"},
    ),
    "hand over": Form("/users/{bob}/hand-over/", "Reassign", {"heir": "{carl}"}, (REQUIRED,), {}),
    "new IP list": Form(
        "/ip-lists/new/",
        "Create",
        {"name": " ", "description": "Providers", "addresses": "300.1.1.1"},
        (REQUIRED, NOT_AN_ADDRESS),
    ),
    "IP list": Form(
        "/ip-lists/{list}/edit/",
        "Save changes",
        {"name": " ", "description": "Providers"},
        (REQUIRED,),
    ),
    "new entry": Form(
        "/ip-lists/{list}/entries/new/",
        "Add",
        {"network": "300.1.1.1", "description": "Berlin\u200b"},
        (NOT_AN_ADDRESS, "invisible characters"),
        {"network": "198.51.100.7", "description": "Berlin"},
    ),
    "entry": Form(
        "/ip-lists/{list}/entries/{entry}/edit/",
        "Save changes",
        {"network": "300.1.1.1", "description": "Berlin\u200b"},
        (NOT_AN_ADDRESS, "invisible characters"),
        {"network": "198.51.100.7", "description": "Berlin"},
    ),
    "import": Form("/ip-lists/{list}/import/", "Preview", {"text": "# none"}, ("No entries found.",)),
    "settings": Form(
        "/settings/",
        "Save changes",
        {"name": " ", "mask_digits": "99", "key_lifetime_days": "0", "second_factor_required": ["on"]},
        (REQUIRED, "less than or equal to 15", "greater than or equal to 1"),
    ),
    "notices": Form("/settings/notices/", "Save changes", {"mail": ["key.expiring"]}),
    "endpoint": Form(
        "/settings/notices/webhooks/new/",
        "Add endpoint",
        {"url": "http://user:word@10.0.0.1/x"},
        ("Use https://.", "Remove the user name", "10.0.0.1 is not a public address", REQUIRED),
        {"url": "https://hooks.example.com/keyward"},
    ),
    "authenticator app": Form("/profile/totp/", "Add", {"code": "000"}, (REQUIRED,)),
    "columns": Form(
        "/lists/keys/columns/", "Save changes", {"columns": ["owner"], "position_name": "100"}, ("equal to 99",)
    ),
    "filter": Form(
        "/lists/keys/filters/new/?back=q%3Dweb", "Save filter", {"name": " ", "shared": ["on"]}, (REQUIRED,)
    ),
    "addresses of keys": Form(
        "/keys/addresses/?key={key}",
        "Save changes",
        {"add_networks": "300.1.1.1", "add_lists": ["{other}"]},
        (NOT_AN_ADDRESS,),
        {"add_networks": "198.51.100.7"},
    ),
    "expiry of keys": Form(
        "/keys/expiry/?key={key}", "Save changes", {"expires_on": "2001-01-01"}, ("2001-01-01 is in the past.",)
    ),
    "owner of keys": Form("/keys/reassign/?key={key}", "Reassign", {"heir": "{carl}"}, (REQUIRED,), {}),
    "documentation link": Form("/keys/{key}/docs/links/", "Create link", {"days": "90"}),
}
# Each kind of control and of answer, and some of them without JavaScript; the other forms with --full.
SAMPLE = {
    True: {
        "invite",
        "entry",
        "endpoint",
        "addresses of keys",
        "authenticator app",
    },
    False: {"deactivate", "new entry", "columns"},
}
CASES = [
    pytest.param(
        name,
        scripted,
        marks=[] if name in SAMPLE[scripted] else [pytest.mark.full],
        id=f"{name}-{'script' if scripted else 'no script'}",
    )
    for scripted in SAMPLE
    for name in FORMS
]
# What a person entered and opened, but for passwords.
STATE = """form => [
    [...form.elements].filter((each) => each.name && !each.matches("button, [type=password], [type=hidden]")).map(
        (each) => [each.name, each.value, each.checked, [...each.selectedOptions ?? []].map((one) => one.value)]),
    [...form.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent),
]"""
SELECT = """(select, values) => {
    for (const option of select.options) option.selected = values.includes(option.value);
    select.dispatchEvent(new Event("change", {bubbles: true}));
}"""


@pytest.fixture
def ids(alice: User) -> dict[str, object]:
    """What the paths of forms are about: Bob has two keys, one of which is restricted to a list with one entry."""
    assert alice.account
    bob, carl = a_user(alice.account, "Bob", Role.AUDITOR), a_user(alice.account, "Carl")
    key = a_billing_key(alice, "203.0.113.7", owner=bob).key
    a_billing_key(alice, "203.0.113.7", owner=bob, name="Other")
    offices = an_ip_list(alice, "203.0.113.0/28", used_by=key)
    other = an_ip_list(alice, name="Others")
    return {
        "bob": bob.pk,
        "carl": carl.pk,
        "key": key.public_id,
        "list": offices.pk,
        "entry": offices.entries.get().pk,
        "other": other.pk,
    }


def enter(form: Locator, typed: Typed, ids: Mapping[str, object]) -> None:
    for name, value in typed.items():
        control = form.locator(f"[name='{name.format(**ids)}']")
        entry = form.locator(f"[data-entries]:has([name='{name}']) [data-entry-input]")
        values = [text.format(**ids) for text in ([value] if isinstance(value, str) else value)]
        kind = control.first.evaluate("control => control.type")
        if kind in ("checkbox", "radio"):
            for text in values:
                form.locator(f"[name='{name}'][value='{text}'], [name='{name}']:not([value])").click()
        elif kind.startswith("select"):
            control.evaluate(SELECT, values)
        else:
            for removed in form.locator(f"[data-entries]:has([name='{name}']) li button").all():
                removed.click()
            visible = entry if entry.is_visible() else control
            if visible.is_visible():
                visible.fill(values[0])
            else:
                # A script shows the field in another way.
                visible.evaluate("(control, value) => { control.value = value; }", values[0])


def submit(page: Page, form: Locator, button: str) -> None:
    """Send the form to the server, whatever the browser thinks of it."""
    form.evaluate("form => { form.noValidate = true; }")
    form.get_by_role("button", name=button, exact=True).click()


def asks(page: Page) -> None:
    """Expect the question when the page is left, and stay."""
    page.get_by_role("link", name="API logs").click()
    page.get_by_role("dialog", name="Discard what you entered?").get_by_role("button", name="Keep editing").click()


@pytest.mark.parametrize(("name", "scripted"), CASES)
def test_nothing_typed_is_lost(
    request: pytest.FixtureRequest,
    live_server: Any,
    alice: User,
    sign_in: SignIn,
    ids: dict[str, object],
    name: str,
    scripted: bool,
) -> None:
    tried = FORMS[name]
    page: Page = request.getfixturevalue("page" if scripted else "plain_page")
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url + tried.path.format(**ids))
    form = page.locator("main form:not([role=search])").first
    enter(form, tried.typed, ids)
    if scripted:
        asks(page)
    typed = form.evaluate(STATE)
    if tried.faults:
        submit(page, form, tried.button)
        for fault in tried.faults:
            expect(form.locator(".error").filter(has_text=fault).first).to_be_visible()
        assert form.evaluate(STATE) == typed
        if scripted:
            asks(page)
    if tried.mended is not None:
        enter(form, tried.mended, ids)
        typed = form.evaluate(STATE)
        for _ in range(2):
            # The field of the password may come only when it is needed.
            if form.get_by_label("Your password").is_visible():
                form.get_by_label("Your password").fill("wrong")
            submit(page, form, tried.button)
            expect(form.get_by_label("Your password")).to_have_value("")
        expect(form.get_by_text("Incorrect password.")).to_be_visible()
        assert form.evaluate(STATE) == typed


@pytest.mark.usefixtures("every_preset")
@pytest.mark.parametrize("has_scripts", sampled([True, False], True))
def test_the_note_at_the_top_leads_to_each_field_at_fault(
    request: pytest.FixtureRequest, live_server: Any, alice: User, sign_in: SignIn, has_scripts: bool
) -> None:
    page: Page = request.getfixturevalue("page" if has_scripts else "plain_page")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/new/?api=cloud-pbx")
    form: Any = page.locator("#main")
    if has_scripts:
        page.goto(f"{live_server.url}/keys/?api=cloud-pbx")
        page.get_by_role("link", name="Add API user").first.click()
        form = page.locator("#panel")
    form.get_by_label("Username").fill("a:b")
    form.get_by_text("More settings").click()
    form.get_by_label("Expiration").select_option("date")
    form.get_by_label("Expires on").fill("2020-01-01")
    form.get_by_label("Your password").fill("wrong")
    form.locator("form.form-card").evaluate("form => { form.noValidate = true; }")
    form.get_by_role("button", name="Create").click()
    note = form.get_by_role("alert").filter(has_text="Nothing was saved. Correct the errors below")
    if has_scripts:
        expect(note).to_be_focused()
    expect(note.get_by_role("link")).to_have_text(["Username", "API User IP ACL", "Expires on"])
    form.get_by_text("More settings").click()  # folded away
    for label in ("Username", "API User IP ACL", "Expires on"):
        note.get_by_role("link", name=label).click()
        field = form.get_by_label(label)
        expect(field).to_be_focused()
        expect(field).to_be_in_viewport()
