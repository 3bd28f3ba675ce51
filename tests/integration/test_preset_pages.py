"""The pages of keys of all six presets, field by field and word by word, as a browser without JavaScript sees them."""

from __future__ import annotations

import base64
import re
import uuid
from html import unescape
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from core.permissions import Role
from keys.key_settings import KeySettings
from keys.models import IpList, Key
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.keys import LEAST, a_key_of, api_for, events
from tests.responses import read_page

pytestmark = pytest.mark.django_db
PRESETS = sorted(LEAST)
TOKEN = re.compile(r"kw_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")

# What each form shows in front of "More settings", in that order; * where it must be filled in.
MAIN = {
    "cloud-pbx": ["Username*", "Realm", "API User IP ACL*", "Mask Phone Number", "HLR Lookup", "Active?"],
    "billing": ["Application name*", "Application website", "Platform*", "IP ACL"],
    "sip-caller": ["Name*", "Expiration*", "Expires on*", "Roles*", "Roles of this key*"],
    "lms-call-logic": ["Nickname*", "Categories*", "Categories of this key*", "Allow to download call recordings"],
    "lynx": ["Nickname*", "Categories*", "Categories of this key*"],
    "textpeak": ["API key name*", "IP ACL", "List name", "List entries"],
}
MORE = {
    "cloud-pbx": ["IP lists", "List name", "List entries", "Modules", "Expiration"],
    "billing": [
        *("IP lists", "List name", "List entries", "Modules", "Expiration", "Scheduled rotation"),
        *("After each rotation, keep the old secret working for", "Enabled"),
    ],
    "sip-caller": ["IP ACL", "IP lists", "List name", "List entries", "Enabled"],
    "lms-call-logic": ["IP ACL", "IP lists", "List name", "List entries", "Expiration", "Enabled"],
    "lynx": ["IP ACL", "IP lists", "List name", "List entries", "Expiration", "Enabled"],
    "textpeak": ["Own addresses", "Modules", "Expiration", "Enabled"],
}


@pytest.fixture(autouse=True)
def _presets(signed_in: User, acme: Account) -> None:
    IpList.objects.create(account=acme, name="Office").entries.create(network="10.0.0.0/8")
    for slug in PRESETS:
        api_for(acme, slug)


def new(slug: str) -> str:
    return f"/keys/new/?api={slug}"


def url(action: str, key: Key) -> str:
    return reverse(f"key-{action}", args=[key.public_id])


def filled(slug: str, user: User, **other: Any) -> dict[str, Any]:
    """Return the least that a person fills in, beside what the form preselects."""
    own: dict[str, dict[str, Any]] = {
        "cloud-pbx": {"name": "dialer", "addresses": "203.0.113.0/24", "every_module": "all", "expiry": "never"},
        "billing": {"name": "Robot", "platform": "web", "every_module": "all", "expiry": "never"},
        "sip-caller": {"name": "Robot", "every_module": "some", "modules": ["account-reader"], "expiry": "90"},
        "lms-call-logic": {
            "owner": str(user.pk), "every_module": "some", "modules": ["detailed-reports"], "expiry": "never",
        },
        "lynx": {"owner": str(user.pk), "every_module": "all", "expiry": "never"},
        "textpeak": {"name": "Robot", "every_module": "all", "expiry": "never"},
    }  # fmt: skip
    return {"enabled": "on", "form_token": str(uuid.uuid4()), "password": PASSWORD, **own[slug], **other}


def edited(key: Key, **other: Any) -> dict[str, Any]:
    """Return what the edit form sends: of a settled thing, nothing."""
    sent = {"version": str(key.version)}
    if key.api.slug == "sip-caller":
        return {**sent, "name": key.name, **other}
    key_settings = KeySettings.from_key(key)
    named = {} if key.api.slug in ("cloud-pbx", "lms-call-logic", "lynx") else {"name": key.name}
    return {
        **sent, **named, **key_settings.fields, "addresses": "\n".join(map(str, key_settings.networks)),
        "ip_lists": list(key_settings.ip_lists), "every_module": "all" if key_settings.modules is None else "some",
        "modules": list(key_settings.modules or ()), "expiry": "keep", **other,
    }  # fmt: skip


def labels(part: str) -> list[str]:
    """Of the fields in a piece of a page, as they are read; with a star where the form marks one."""
    found = []
    pattern = (
        r'<label for="[^"]*"( class="must")?>([^<]+)|<legend( class="must")?>([^<]+)'
        r'|<span class="label">([^<]+)|<label for="[^"]*"><input type="checkbox"[^>]*><span>([^<]+)'
    )
    for must, label, must_all, legend, shown, ticked in re.findall(pattern, part):
        words = " ".join((label or legend or shown or ticked).split())
        found.append(f"{words}*" if must or must_all else words)
    return [label for label in found if label]


# The form


@pytest.mark.parametrize("slug", PRESETS)
def test_the_form_asks_what_the_table_says_in_its_order_and_words(client: Client, alice: User, slug: str):
    page = read_page(client.get(new(slug)))
    form = page[page.index("<form", page.index('id="main"')) :]
    main, _, more = form[: form.index('<fieldset class="confirm">')].partition('<details class="more"')

    choices = {"All, including those added later", "Selected"}
    api = api_for(alice.account, slug)
    choices |= {module.name for module in api.modules.all()}
    assert [label for label in labels(main) if label not in choices] == MAIN[slug]
    found = [label.rstrip("*") for label in labels(more)]
    rest = [label for label in found if label not in choices and "of this key" not in label and label != "Expires on"]
    assert rest == MORE[slug]
    noun = "API user" if slug == "cloud-pbx" else "API key"
    assert f"<h1>Add {noun}</h1>" in page
    assert f"Add {noun}</a>" in read_page(client.get(f"/keys/?api={slug}"))


@pytest.mark.parametrize("slug", PRESETS)
def test_what_is_preselected(client: Client, alice: User, slug: str):
    page = read_page(client.get(new(slug)))
    requested = slug in ("sip-caller", "lms-call-logic", "lynx")

    assert bool(re.search(r'name="every_module"[^>]*checked', page)) == (not requested)
    assert not re.search(r'name="modules"[^>]*checked', page)
    assert ('<option value="90" selected>' in page) == (slug == "sip-caller")
    assert ("Never</option>" in page) == (slug != "sip-caller")
    assert re.search(r'name="enabled"[^>]*checked', page)


def test_an_api_users_acl_has_its_examples_and_its_realm_is_shown(client: Client, alice: User):
    page = read_page(client.get(new("cloud-pbx")))

    assert "203.0.113.7, 203.0.113.0/24" in page
    assert "2001:db8" in page
    assert re.search(r'<span class="label">Realm</span>\s*<span>API</span>', page)
    assert 'name="realm"' not in page


def test_a_sip_caller_form_says_what_is_set_for_good(client: Client, alice: User):
    page = read_page(client.get(new("sip-caller")))

    assert page.count("can't be extended") == 1
    assert page.count("can't be changed") == 3


def test_each_box_says_what_it_lets_a_key_do(client: Client, alice: User):
    page = read_page(client.get(new("sip-caller")))
    about = dict(re.findall(r'<div class="help ability" id="(\w+)">(.*?)</div>', page, re.DOTALL))
    boxes = re.findall(r'value="([\w-]+)"[^>]* aria-describedby="(\w+_about)"', page)

    assert [slug for slug, _ in boxes] == ["administrator", "account-reader", "partner-admin", "partner-reader"]
    found = {slug: about[place] for slug, place in boxes}
    assert "Includes Account Reader, Partner Admin, Partner Reader and everything they allow." in found["administrator"]
    assert "Adds partners and customers." in found["partner-admin"]
    assert "Add a partner · Add a customer" in found["partner-admin"]
    assert "Contains" not in found["partner-admin"]
    # Modules and categories, too.
    for slug, summary in (("lynx", "Clicks, newest first"), ("cloud-pbx", "Leads, newest first")):
        assert summary in read_page(client.get(new(slug)))


def test_a_settled_role_is_shown_with_what_it_contains(client: Client, alice: User):
    key = a_key_of("sip-caller", alice, modules=frozenset({"administrator"})).key

    page = read_page(client.get(url("edit", key)))
    assert "Administrator; contained: Account Reader, Partner Admin, Partner Reader" in page
    page = read_page(client.get(f"/keys/{key.public_id}/"))
    assert page.count("contained in Administrator") == 3


def test_nickname_offers_the_active_users_of_the_account(client: Client, alice: User):
    a_user(alice.account, "Bob")
    a_user(alice.account, "Gone", is_active=False)
    a_user(an_account("globex"), "Greta")

    page = read_page(client.get(new("lynx")))

    select = page[page.index('<select name="owner"') :]
    assert re.findall(r"<option[^>]*>([^<]+)", select[: select.index("</select>")]) == ["Select a user", "Alice", "Bob"]


# Created


@pytest.mark.parametrize("slug", PRESETS)
def test_a_new_credential_is_handed_over_whole_and_once(client: Client, alice: User, slug: str):
    data = filled(slug, alice)
    response = client.post(new(slug), data)
    page = read_page(response)

    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    key, token = Key.objects.get(), TOKEN.findall(page)[0]
    bare = re.sub(r"<[^>]+>", "", page)
    if slug == "cloud-pbx":
        basic = base64.b64encode(f"dialer:{token}".encode()).decode()
        assert f"Authorization: Basic {basic}" in bare
        assert f"curl --include --user dialer:{token} https://api.example.com/" in bare
        assert 'data-copy="dialer"' in page
    elif slug in ("lms-call-logic", "lynx"):
        assert f'data-copy="{key.public_id}"' in page
        assert "Authorization" not in page
    else:
        before = {"billing": "Token ", "sip-caller": "Bearer ", "textpeak": ""}[slug]
        assert f"Authorization: {before}{token}" in bare
    assert "Keep your access token private" in page
    assert ("not stored, will not be shown again" in page) == (slug in ("cloud-pbx", "sip-caller"))
    again = client.post(new(slug), data)
    assert (again.status_code, url("detail", key) in read_page(again)) == (409, True)
    assert client.post(new(slug), data | {"password": ""}).status_code == 409
    for path in ("/keys/", url("detail", key), url("edit", key)):
        assert token[16:] not in read_page(client.get(path))


def test_what_was_asked_for_is_the_keys(client: Client, alice: User):
    office, bob = IpList.objects.get(), a_user(alice.account, "Bob")
    client.post(new("cloud-pbx"), filled("cloud-pbx", alice, mask_phone="on", hlr_lookup="on", enabled=""))
    client.post(
        new("lms-call-logic"),
        filled("lms-call-logic", alice, owner=str(bob.pk), recordings="on", ip_lists=[str(office.pk)]),
    )

    robot, called = Key.objects.order_by("pk")
    assert (robot.enabled, robot.mask_phone, robot.hlr_lookup, robot.username) == (False, True, True, "dialer")
    assert (called.owner, called.name, called.recordings, set(called.ip_lists.all())) == (bob, "Bob", True, {office})
    assert KeySettings.from_key(called).modules == {"detailed-reports"}


# A list that is made with the key


@pytest.mark.parametrize("slug", ["textpeak", "cloud-pbx"])
def test_a_list_is_made_with_the_key_that_it_restricts(client: Client, alice: User, slug: str):
    data = filled(slug, alice, addresses="", new_list="Branch", new_list_entries="198.51.100.0/24, 2001:db8::1 # Hall")
    page = read_page(client.post(new(slug), data))

    assert "The key is restricted to the new IP list Branch." in page
    key, branch = Key.objects.get(), IpList.objects.get(name="Branch")
    assert (list(key.ip_lists.all()), KeySettings.from_key(key).networks) == ([branch], ())
    entries = sorted(f"{entry.network} {entry.description}" for entry in branch.entries.all())
    assert entries == ["198.51.100.0/24 Hall", "2001:db8::1/128 Hall"]
    [made], [created] = events("ip_list.created"), events("key.created")
    assert (made.target_id, made.seq + 1) == (str(branch.pk), created.seq)
    assert '"ip_lists":["Branch"]' in created.body.replace(" ", "")
    assert client.post(new(slug), data).status_code == 409
    assert IpList.objects.count() == 2


@pytest.mark.parametrize(
    ("name", "entries", "field", "message"),
    [
        ("Branch", "", "new_list_entries", "a list without entries allows no address"),
        ("", "198.51.100.1", "new_list", "Give the list a name."),
        ("Office", "198.51.100.1", "new_list", "A list named Office already exists."),
        ("Branch", "1.1.1.1/24", "new_list_entries", "Did you mean 1.1.1.0/24 or 1.1.1.1?"),
        ("x" * 201, "198.51.100.1", "new_list", "201 characters long"),
    ],
)
def test_a_list_that_cannot_be_made_makes_no_key(
    client: Client, alice: User, name: str, entries: str, field: str, message: str
):
    response = client.post(new("textpeak"), filled("textpeak", alice, new_list=name, new_list_entries=entries))

    assert response.status_code == 422
    assert message in str(response.context["form"].errors[field])
    assert '<details class="inset" open>' in read_page(response)
    assert (Key.objects.count(), IpList.objects.count(), events("ip_list.created")) == (0, 1, [])


def test_a_key_is_restricted_to_a_list_that_is_made_by_its_edit_form(client: Client, alice: User):
    key = a_key_of("textpeak", alice).key
    saved = client.post(url("edit", key), edited(key, new_list="Branch", new_list_entries="198.51.100.1"))
    assert saved.status_code == 302
    assert [each.name for each in Key.objects.get().ip_lists.all()] == ["Branch"]
    [made], [change] = events("ip_list.created"), events("key.edited")
    assert made.seq + 1 == change.seq
    # Another list lets more in than the first alone.
    key.refresh_from_db()
    more = edited(key, new_list="Other", new_list_entries="192.0.2.1")
    assert client.post(url("edit", key), more).status_code == 422
    assert (IpList.objects.count(), len(events("ip_list.created"))) == (2, 1)
    assert client.post(url("edit", key), more | {"password": PASSWORD}).status_code == 302
    assert Key.objects.get().ip_lists.count() == 2


def test_a_list_made_by_hand_for_a_settled_key_is_refused(client: Client, alice: User):
    key = a_key_of("sip-caller", alice).key
    more = edited(key, new_list="Branch", new_list_entries="198.51.100.1", password=PASSWORD)

    assert client.post(url("edit", key), more).status_code == 422
    assert (IpList.objects.count(), Key.objects.get().ip_lists.count()) == (1, 0)


@pytest.mark.parametrize("slug", ["sip-caller", "lms-call-logic", "lynx"])
def test_ticking_some_chooses_selected(client: Client, alice: User, slug: str):
    module = api_for(alice.account, slug).modules.earliest("pk").slug
    data = filled(slug, alice, modules=[module], every_module="")
    again = read_page(client.post(new(slug), data | {"password": ""}))
    assert re.search(r'name="every_module" value="some"[^>]*checked', again)

    assert client.post(new(slug), data).status_code == 200
    assert KeySettings.from_key(Key.objects.get()).modules == {module}


def test_a_very_wide_range_is_made_and_warned_of(client: Client, alice: User):
    page = read_page(client.post(new("billing"), filled("billing", alice, addresses="0.0.0.0/0\n203.0.113.7")))

    assert "0.0.0.0/0 covers every IPv4 address" in page
    key = Key.objects.get()
    assert "it restricts nothing" in read_page(client.get(url("detail", key)))
    moved = client.post(url("edit", key), edited(key, addresses="10.0.0.0/7"), follow=True)
    assert "10.0.0.0/7 is very wide" in read_page(moved)


# Refusals

WRONG: dict[str, list[dict[str, Any]]] = {
    "cloud-pbx": [{"addresses": ""}, {"name": "a:b"}, {"name": ""}, {"realm": "Mine"}],
    "billing": [{"platform": ""}, {"name": ""}],
    "sip-caller": [{"expiry": "never"}, {"expiry": ""}, {"every_module": "", "modules": []}, {"modules": []}],
    "lms-call-logic": [{"owner": ""}, {"owner": "0"}, {"every_module": "", "modules": []}, {"modules": []}],
    "lynx": [{"owner": ""}, {"owner": "x"}, {"every_module": ""}],
    "textpeak": [{"name": ""}, {"addresses": "office"}],
}


@pytest.mark.parametrize(("slug", "wrong"), [(slug, wrong) for slug, cases in WRONG.items() for wrong in cases])
def test_what_a_preset_needs_is_asked_for_at_its_field(client: Client, alice: User, slug: str, wrong: dict[str, Any]):
    response = client.post(new(slug), filled(slug, alice, **wrong))

    errors = response.context["form"].errors
    assert response.status_code == 422
    assert set(wrong) & set(errors) or "Realm is always API" in str(errors)
    assert Key.objects.count() == 0


@pytest.mark.parametrize("slug", PRESETS)
@pytest.mark.parametrize("wrong", ["module", "list", "expiry", "colleague"])
def test_what_is_anothers_or_too_long_is_refused(client: Client, alice: User, slug: str, wrong: str, settings: Any):
    foreign = IpList.objects.create(account=an_account("globex"), name="Theirs")
    stranger = a_user(foreign.account, "Greta")
    others: dict[str, dict[str, Any]] = {
        "module": {"every_module": "some", "modules": ["payroll"]},
        "list": {"ip_lists": [str(foreign.pk)]},
        "expiry": {"expiry": "date", "expires_on": "2999-01-01"},
        "colleague": {"owner": str(stranger.pk)},
    }
    other = others[wrong]
    if wrong == "expiry":
        settings.KEY_MAX_LIFETIME_DAYS = 100
    response = client.post(new(slug), filled(slug, alice, **other))

    if wrong == "colleague" and slug not in ("lms-call-logic", "lynx"):
        # There the form asks no owner: what is sent of one means nothing.
        assert Key.objects.get().owner == alice
        return
    assert response.status_code == 422
    assert "Theirs" not in read_page(response)
    assert Key.objects.count() == 0


@pytest.mark.parametrize("slug", PRESETS)
def test_a_pending_account_sees_the_button_with_its_reason(client: Client, alice: User, slug: str):
    Account.objects.update(status="pending")
    page = read_page(client.get(f"/keys/?api={slug}"))

    noun = "API user" if slug == "cloud-pbx" else "API key"
    assert re.search(rf'<button[^>]*aria-disabled="true"[^>]*>.*?Add {noun}</button>', page, re.DOTALL)
    assert "The account is pending: its keys cannot be created or changed." in page
    assert client.get(new(slug)).status_code == 403
    assert client.post(new(slug), filled(slug, alice)).status_code == 403
    assert Key.objects.count() == 0


def test_a_taken_username_is_said_at_its_field(client: Client, alice: User):
    a_key_of("cloud-pbx", alice)
    response = client.post(new("cloud-pbx"), filled("cloud-pbx", alice))

    assert (response.status_code, Key.objects.count()) == (422, 1)
    assert response.context["form"].errors == {
        "name": ["Username dialer is already used by another API user. Choose another."]
    }


# Editing


@pytest.mark.parametrize("slug", PRESETS)
def test_the_edit_form_as_it_is_changes_nothing(client: Client, alice: User, slug: str):
    key = a_key_of(slug, alice).key
    response = client.post(url("edit", key), edited(key))

    assert response.headers["Location"] == url("detail", key)
    assert (Key.objects.get().version, events("key.edited")) == (1, [])


SETTLED = [
    ("cloud-pbx", {"name": "other"}, "name"),
    ("cloud-pbx", {"name": ""}, "name"),
    ("cloud-pbx", {"realm": "Mine"}, "__all__"),
    ("lms-call-logic", {"name": "other"}, "name"),
    ("lynx", {"name": "other"}, "name"),
    ("sip-caller", {"every_module": "all"}, "modules"),
    ("sip-caller", {"every_module": "some", "modules": ["administrator"]}, "modules"),
    ("sip-caller", {"modules": ["administrator"]}, "modules"),
    ("sip-caller", {"addresses": "10.0.0.0/8"}, "addresses"),
    ("sip-caller", {"expiry": "365"}, "expiry"),
    ("sip-caller", {"expiry": "30"}, "expiry"),
    ("sip-caller", {"expiry": "date", "expires_on": "2999-01-01"}, "expires_on"),
    ("sip-caller", {"ip_lists": "OFFICE"}, "ip_lists"),
]


@pytest.mark.parametrize(("slug", "change", "named"), SETTLED)
def test_a_hand_made_change_of_what_is_settled_is_refused_and_named(
    client: Client, alice: User, slug: str, change: dict[str, Any], named: str
):
    key = a_key_of(slug, alice).key
    change = {name: str(IpList.objects.get().pk) if value == "OFFICE" else value for name, value in change.items()}
    before = KeySettings.from_key(key)
    response = client.post(url("edit", key), edited(key, **change, password=PASSWORD))

    assert response.status_code == 422
    assert list(response.context["form"].errors) == [named]
    message = unescape(str(response.context["form"].errors[named]))
    assert re.search(r"can't be|is always|only when the key is reassigned|This field is required", message)
    assert response.context["form"].errors[named][0] in read_page(response)
    assert (KeySettings.from_key(Key.objects.get()), Key.objects.get().version) == (before, 1)


def test_a_sip_caller_keys_form_has_a_name_and_shows_the_rest(client: Client, alice: User):
    key = a_key_of("sip-caller", alice).key
    page = read_page(client.get(url("edit", key)))

    form = page[page.index("<form", page.index('id="main"')) :]
    sent = set(re.findall(r'name="(\w+)"', form[: form.index("</form>")]))
    # The last one is the button Check effect.
    assert sent == {"csrfmiddlewaretoken", "version", "name", "check"}
    assert f"{key.expires_at:%Y-%m-%d %H:%M} UTC" in page
    assert "it can't be extended" in page
    assert "they can't be changed" in page
    assert "Account Reader" in page
    client.post(url("edit", key), edited(key, name="Renamed"))
    assert (Key.objects.get().name, KeySettings.from_key(Key.objects.get()).modules) == ("Renamed", {"account-reader"})


@pytest.mark.parametrize(("slug", "label"), [("cloud-pbx", "Active?"), ("billing", "Enabled"), ("lynx", "Enabled")])
def test_a_key_is_disabled_and_enabled_by_its_edit_form(client: Client, alice: User, slug: str, label: str):
    key = a_key_of(slug, alice).key
    page = read_page(client.get(url("edit", key)))
    main, _, more = page[page.index("<form", page.index('id="main"')) :].partition('<details class="more"')
    assert label in labels(main if slug == "cloud-pbx" else more)
    assert re.search(r'name="enabled"[^>]*checked', page)
    assert 'name="disable"' not in page

    response = client.post(url("edit", key), edited(key, was_enabled="True"))
    page = read_page(response)
    assert (response.status_code, Key.objects.get().enabled, events("key.disabled")) == (422, True, [])
    assert f"All calls with <strong>{key.name}</strong> to {key.api.name} are refused immediately" in page
    assert "It was never used." in page
    assert 'type="password"' not in page
    content = read_page(client.post(url("edit", key), edited(key, was_enabled="True", disable="on"), follow=True))
    assert f"{key.name} saved and disabled. Calls with it are refused." in content
    assert (Key.objects.get().enabled, len(events("key.disabled")), events("key.edited")) == (False, 1, [])

    response = client.post(url("edit", key), edited(key, was_enabled="False", enabled="on"))
    assert (response.status_code, Key.objects.get().enabled) == (422, False)
    assert "so confirm with your password" in read_page(response)
    confirmed = edited(key, was_enabled="False", enabled="on", password=PASSWORD)
    assert f"{key.name} saved and enabled." in read_page(client.post(url("edit", key), confirmed, follow=True))
    assert (Key.objects.get().enabled, len(events("key.enabled"))) == (True, 1)


def test_a_switch_that_nobody_touched_stays_as_another_left_it(client: Client, alice: User):
    key = a_key_of("cloud-pbx", alice).key
    Key.objects.update(enabled=False)
    # The form was opened while it was enabled.
    saved = client.post(url("edit", key), edited(key, was_enabled="True", enabled="on", hlr_lookup="on"))

    assert saved.status_code == 302
    assert (Key.objects.get().enabled, Key.objects.get().hlr_lookup) == (False, True)


def test_a_username_and_a_nickname_are_shown_and_not_typed(client: Client, alice: User):
    for slug, expected in (("cloud-pbx", "it can't be changed"), ("lynx", "changes only when the key is reassigned")):
        page = read_page(client.get(url("edit", a_key_of(slug, alice).key)))
        assert not re.search(r'<input[^>]* name="name"', page)
        assert expected in page


@pytest.mark.parametrize(
    ("slug", "made", "change"),
    [
        ("cloud-pbx", {"mask_phone": True}, {"mask_phone": ""}),
        ("lms-call-logic", {}, {"recordings": "on"}),
        ("textpeak", {"lists": True}, {"ip_lists": []}),
    ],
)
def test_letting_more_in_asks_for_the_password(
    client: Client, alice: User, slug: str, made: dict[str, Any], change: dict[str, Any]
):
    made = {"ip_lists": frozenset({IpList.objects.get().pk})} if "lists" in made else made
    key = a_key_of(slug, alice, **made).key

    response = client.post(url("edit", key), edited(key, **change))
    assert (response.status_code, "so confirm with your password" in read_page(response)) == (422, True)
    assert Key.objects.get().version == 1
    assert client.post(url("edit", key), edited(key, **change, password=PASSWORD)).status_code == 302
    assert Key.objects.get().version == 2


def test_the_second_editor_is_told_of_lists_and_flags(client: Client, alice: User):
    key = a_key_of("cloud-pbx", alice).key
    bob, other = a_user(alice.account, "Bob", Role.ADMINISTRATOR), Client()
    other.force_login(bob)
    office = str(IpList.objects.get().pk)
    saved = other.post(
        url("edit", key), edited(key, mask_phone="on", ip_lists=[office], password=PASSWORD, addresses="10.0.0.0/9")
    )
    assert saved.status_code == 302

    response = client.post(url("edit", key), edited(key, hlr_lookup="on"))

    page = read_page(response)
    assert response.status_code == 409
    for label, after in (("Mask Phone Number", "yes"), ("IP lists", "Office"), ("API User IP ACL", "10.0.0.0/9")):
        assert re.search(rf'<th scope="row">{label}</th>.*?<ins>{after}</ins>', page, re.DOTALL)
    assert re.search(r'name="hlr_lookup"[^>]*checked', page)
    assert not re.search(r'name="mask_phone"[^>]*checked', page)


# Reassigning, and the key's page


@pytest.mark.parametrize("slug", PRESETS)
def test_a_key_is_reassigned_after_the_password(client: Client, alice: User, slug: str):
    bob = a_user(alice.account, "Bob")
    key = a_key_of(slug, alice).key
    path = url("reassign", key)

    assert re.findall(r"<option[^>]*>([^<]+)", read_page(client.get(path))) == [
        "Select a user",
        "Bob (bob@acme.example)",
    ]
    assert client.post(path, {"heir": str(bob.pk), "password": "wrong"}).status_code == 422
    assert client.post(path, {"heir": str(alice.pk), "password": PASSWORD}).status_code == 422
    assert Key.objects.get().owner == alice
    assert client.post(path, {"heir": str(bob.pk), "password": PASSWORD}).headers["Location"] == url("detail", key)
    key = Key.objects.get()
    assert (key.owner, key.name == "Bob") == (bob, slug in ("lms-call-logic", "lynx"))


@pytest.mark.parametrize("slug", PRESETS)
def test_a_keys_page_tells_everything_to_those_who_may_see_it(client: Client, alice: User, slug: str):
    office = IpList.objects.get()
    key = a_key_of(slug, alice, ip_lists=frozenset({office.pk})).key
    page = read_page(client.get(url("detail", key)))

    assert f'href="/ip-lists/{office.pk}/"' in page
    assert "1 entry" in page
    for module in key.api.modules.all() if key.all_modules else key.modules.all():
        assert module.name in page
        assert module.number is None or f">{module.number}<" in page
    assert ("API</dd>" in page and "Realm" in page) == (slug == "cloud-pbx")
    assert (url("reveal", key) in page) == (slug not in ("cloud-pbx", "sip-caller"))
    assert f"/audit/?kind=key&object={key.public_id}" in page
    assert "created the" in page
    assert key.public_id in read_page(client.get(f"/audit/?kind=key&object={key.public_id}"))
    reader, owner = a_user(alice.account, "Rita", Role.ACCOUNT_READER), a_user(alice.account, "Olga")
    Key.objects.update(owner=owner)
    for user, sees_log in ((reader, True), (owner, False)):
        client.force_login(user)
        page = read_page(client.get(url("detail", key)))
        assert ("/logs/?key=" in page, "/audit/" in page) == (sees_log, False)
        assert (f'href="/ip-lists/{office.pk}/"' in page, "Office" in page) == (sees_log, True)


def test_the_trails_filter_shows_one_keys_events(client: Client, alice: User):
    key, other = a_key_of("billing", alice).key, a_key_of("textpeak", alice).key

    page = read_page(client.get(f"/audit/?kind=key&object={key.public_id}"))

    assert key.name in page
    assert other.name not in page
    assert "No events match" in read_page(client.get("/audit/?kind=key&object=nothing"))


def test_addresses_are_shown_as_people_write_them(client: Client, alice: User):
    key = a_key_of("billing", alice, networks=(ip_network("203.0.113.7"), ip_network("2001:db8::/32"))).key
    for path in (url("detail", key), url("edit", key)):
        page = read_page(client.get(path))
        assert "203.0.113.7" in page
        assert "203.0.113.7/32" not in re.sub(r'<ul class="events">.*?</ul>', "", page, flags=re.DOTALL)
