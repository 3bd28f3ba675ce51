"""The overview page of each role."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, User
from core.permissions import Role
from keys.models import Api, Enablement
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call, rename_apis
from tests.factories.key_rows import a_key, an_api
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def api(acme: Account) -> Api:
    api = an_api("weather")
    Enablement.objects.create(account=acme, api=api)
    return api


def page(user: User, url: str = "/", status: int = 200) -> str:
    client = Client()
    client.force_login(user)
    response = client.get(url)
    assert response.status_code == status
    return response.content.decode()


def figures(text: str) -> dict[str, int]:
    found = re.findall(r'\?status=(\w+)"><span class="figure-number">(\d+)</span>', text)
    return {status: int(count) for status, count in found}


def test_every_live_key_of_the_account_counts_once_under_its_status(acme: Account, alice: User, api: Api) -> None:
    now = datetime.now(UTC)
    columns: list[dict[str, Any]] = [
        {},
        {"expires_at": now + 15 * DAY},
        {"expires_at": now + 13 * DAY},
        {"expires_at": now - DAY},
        {"enabled": False},
        {"enabled": False, "expires_at": now - DAY},
        {"deleted_at": now},
    ]
    for number, given in enumerate(columns):
        a_key(acme, alice, api, f"Key {number}", **given)
    globex = an_account("globex")
    a_key(globex, a_user(globex, "Eve"), api)

    text = page(alice)

    assert figures(text) == {"active": 2, "expires_soon": 1, "expired": 1, "disabled": 2}
    assert "Keys that expire soon" in text
    assert "Key 2" in text


def test_the_first_step_is_to_add_a_key(acme: Account, alice: User, api: Api) -> None:
    text = page(alice)

    assert steps(text)[3].startswith("You add API keys. A key lets an application call an API")
    assert 'href="/keys/new/"' in text
    assert "No API keys yet" not in text


@pytest.mark.parametrize("role", [Role.ACCOUNT_READER, Role.AUDITOR])
def test_who_cannot_add_keys_is_told_who_can(acme: Account, api: Api, role: Role) -> None:
    text = page(a_user(acme, "Bob", role))

    assert "An Administrator of the account adds API keys." in steps(text)
    assert "/keys/new/" not in text


def steps(text: str) -> list[str]:
    """Return what happens next, each step in words."""
    listed = text.partition('<ol class="steps">')[2].partition("</ol>")[0]
    items = re.findall(r"<li.*?</li>", listed, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", "", item).split()) for item in items]


def test_without_an_api_what_happens_next_is_said_even_to_the_only_administrator(alice: User) -> None:
    support = [
        "Support activates the account. Done.",
        "Support enables the APIs that you need. "
        "In /admin/, under Accounts, acme: Enable APIs. Or on the server: manage.py enable_api API acme.",
    ]
    for url, last in (("/keys/", "You add API keys here."), ("/keys/new/", "You add API keys here."), ("/", "")):
        text = page(alice, url)

        assert steps(text)[:2] == support
        assert [last] == steps(text)[2:] if last else len(steps(text)) == 5
        assert ("No API is enabled for this account yet" in text) == bool(last)
        assert "ask an administrator" not in text.lower()
        assert "creates a Support user" in text


def test_a_pending_account_says_what_happens_next(acme: Account, alice: User, settings: Any) -> None:
    settings.SUPPORT_CONTACT = "help@keys.example"
    Account.objects.filter(pk=acme.pk).update(status="pending")

    for url, status, count in (("/", 200, 5), ("/keys/", 200, 3), ("/keys/new/", 403, 3)):
        text = page(alice, url, status)
        assert steps(text)[0] == "Support activates the account. In /admin/, under Accounts, acme: Activate."
        assert len(steps(text)) == count
        assert '<a href="mailto:help@keys.example">help@keys.example</a> and name the account' in text
        assert "ask an administrator" not in text.lower()
    # Who adds keys is another one.
    bob = page(a_user(acme, "Bob", Role.ACCOUNT_READER))
    assert steps(bob)[3] == "An Administrator of the account adds API keys."


def test_once_there_is_an_api_a_key_is_added(acme: Account, alice: User) -> None:
    rename_apis()
    Enablement.objects.create(account=acme, api=Api.objects.get(slug="billing-new"))
    waiting = steps(page(alice))
    assert [step.endswith("Done.") for step in waiting] == [True, True, False, False, False]
    assert waiting[3].endswith("Add API key")
    assert '<a class="button small" href="/keys/new/">Add API key</a>' in page(alice)
    bob = page(a_user(acme, "Bob", Role.ACCOUNT_READER))
    assert "Add API key" not in bob
    assert "What happens next" not in page(alice, "/keys/")
    Account.objects.filter(pk=acme.pk).update(status="suspended")
    assert "What happens next" not in page(alice)


def test_with_a_key_the_first_call_is_waited_for(acme: Account, alice: User, api: Api) -> None:
    rename_apis()
    api.refresh_from_db()
    key = a_key(acme, alice, api, "Shop").key

    waiting = steps(page(alice))
    assert [step.endswith("Done.") for step in waiting] == [True, True, False, True, False]
    assert waiting[2].startswith("Support sets up the proxy in front of the API, which asks Keyward about each call.")
    assert f'href="/keys/{key.public_id}/docs/">Documentation of Shop</a>' in page(alice)
    # Nothing is wrong, but what is left to do is not nothing.
    assert "Nothing needs your attention" not in page(alice)

    a_call(None, api="other")
    assert not steps(page(alice))[2].endswith("Done.")
    # A refusal without a key, such as that of `doctor`, shows that the proxy asks.
    a_call(None, api=api.slug, decision="denied", reason="invalid_credentials", key_id="")
    assert steps(page(alice))[2].endswith("Done.")
    assert "Last heard from" not in page(alice)

    a_call(acme)
    assert "What happens next" not in page(alice)
    assert "Nothing needs your attention" in page(alice)


@pytest.mark.parametrize("status", ["pending", "suspended"])
def test_an_account_that_is_not_active_says_so_and_offers_no_keys(
    acme: Account, alice: User, api: Api, status: str
) -> None:
    Account.objects.filter(pk=acme.pk).update(status=status)

    text = page(alice)

    assert f"This account is {status}." in text
    assert "/keys/new/" not in text


def test_the_latest_calls_are_the_accounts_own_and_masked_as_it_says(acme: Account, alice: User, api: Api) -> None:
    Account.objects.filter(pk=acme.pk).update(mask_phone=True, mask_digits=4)
    a_call(acme, path="/lookup/447911123456")
    a_call(an_account("globex"), path="/theirs")

    text = page(alice)

    assert "/lookup/XXXXXXXX3456" in text
    assert "447911123456" not in text
    assert "/theirs" not in text


def test_events_are_for_those_who_see_the_trail(acme: Account, api: Api) -> None:
    reader, auditor = a_user(acme, "Bob", Role.ACCOUNT_READER), a_user(acme, "Carol", Role.AUDITOR)

    assert "Latest events" not in page(reader)
    assert "Latest events" in page(auditor)


def test_an_auditors_look_is_noted_once_for_each_log(acme: Account, api: Api) -> None:
    carol = a_user(acme, "Carol", Role.AUDITOR)

    page(carol)
    page(carol)

    assert since_the_beginning().filter(name="log.read", actor=carol.email).count() == 2


def test_someone_without_a_role_goes_to_their_keys(acme: Account) -> None:
    client = Client()
    client.force_login(a_user(acme, "Olga"))

    response = client.get("/")

    assert (response.status_code, response.headers["Location"]) == (302, "/keys/")


def test_it_costs_the_same_for_one_key_and_for_twenty(
    acme: Account, alice: User, api: Api, django_assert_max_num_queries
) -> None:
    for number in range(20):
        a_key(acme, alice, api, f"Key {number}", expires_at=datetime.now(UTC) + DAY)
        a_call(acme, path=f"/customers/{number}")
    client = Client()
    client.force_login(alice)
    client.get("/")

    with django_assert_max_num_queries(19):
        client.get("/")
