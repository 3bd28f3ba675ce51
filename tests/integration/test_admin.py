"""Support's administration: who enters, what its buttons do, and that nothing else changes or shows anything."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, Limit, User
from config.admin import site
from core.permissions import Role
from keys.models import Api, Enablement, SecretUse
from tests.factories.accounts import PASSWORD, a_user, an_account, with_totp
from tests.factories.calls import a_call, rename_apis
from tests.factories.key_rows import a_key
from tests.responses import read_page
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(acme: Account) -> User:
    return a_user(acme, "Bob")


def list_events_of_users() -> list[tuple[str, str, int | None]]:
    """(event, actor, account) of all that was told, oldest first."""
    return list(since_the_beginning().filter(actor_kind="user").values_list("name", "actor", "account_id"))


class TestWhoEnters:
    def test_support_without_a_second_factor_adds_one_first(self, client: Client, acme: Account) -> None:
        client.force_login(a_user(None, "Sam", Role.SUPPORT))

        for path in ("/admin/", "/admin/accounts/account/", f"/admin/accounts/account/{acme.pk}/activate/"):
            assert client.get(path).headers["Location"] == reverse("profile-enrol")
            assert client.post(path).headers["Location"] == reverse("profile-enrol")
        assert list_events_of_users() == []

    def test_an_administrator_does_not_and_what_they_sent_is_told_in_their_account(
        self, client: Client, acme: Account
    ) -> None:
        alice = a_user(acme, "Alice", Role.ADMINISTRATOR)
        client.force_login(alice)

        assert client.get("/admin/").status_code == 403
        assert client.post(f"/admin/accounts/account/{acme.pk}/suspend/").status_code == 403
        acme.refresh_from_db()
        assert acme.status == "active"
        assert list_events_of_users() == [("admin.refused", alice.email, acme.pk)]

    def test_a_user_whose_support_was_taken_is_out_at_once(self, client: Client, support: User) -> None:
        assert client.get("/admin/").status_code == 200
        User.objects.filter(pk=support.pk).update(roles=[])

        assert client.get("/admin/").status_code == 403


def test_each_page_has_the_portals_shell_and_times_with_their_zone(
    client: Client, support: User, acme: Account, bob: User
) -> None:
    key, _ = a_key(acme, bob, Api.objects.get(slug="billing"), "Worker")
    call = a_call(acme, key_id=key.public_id)
    for path, crumbs in (
        ("accounts/account/", ["Accounts"]),
        (f"accounts/account/{acme.pk}/change/", ["Accounts", "Acme"]),
        (f"accounts/account/{acme.pk}/suspend/", ["Accounts", "Acme", "Suspend: Acme"]),
        (f"accounts/user/{bob.pk}/change/", ["Users", bob.email]),
        ("keys/key/", ["API keys"]),
        (f"keys/key/{key.pk}/change/", ["API keys", str(key)]),
        (f"keys/api/{key.api_id}/change/", ["APIs", "Billing"]),
        (f"audit/call/{call}/change/", ["API logs", f"Call {call}: allowed"]),
    ):
        page = client.get(f"/admin/{path}").content.decode()

        assert "favicon.svg" in page, path
        assert "/admin/css/" not in page, path
        assert "/admin/js/" not in page, path
        [trail] = re.findall('aria-label="Breadcrumbs">(.*?)</nav>', page)
        assert html.unescape(re.sub("<.*?>", "", trail)).split(" › ") == ["Administration", *crumbs]
        times = re.findall("<time [^>]*data-absolute[^>]*>(.*?)</time>", page)
        assert [time for time in times if not time.endswith(" UTC")] == []
        assert times or "suspend" in path, path


class TestAccounts:
    def test_the_list_finds_by_slug_and_name(self, client: Client, support: User, acme: Account) -> None:
        an_account("globex")

        page = read_page(client.get("/admin/accounts/account/?q=acm"))

        assert "acme" in page
        assert "globex" not in page

    def test_suspending_says_first_how_many_keys_it_refuses(self, client: Client, support: User, bob: User) -> None:
        acme, api = bob.account, Api.objects.get(slug="billing")
        changes: tuple[dict[str, Any], ...] = ({}, {}, {"enabled": False})
        for columns in changes:
            a_key(acme, bob, api, **columns)

        page = read_page(client.get(f"/admin/accounts/account/{acme.pk}/suspend/"))

        assert "Calls with its working keys (2) are refused immediately." in page
        acme.refresh_from_db()
        assert acme.status == "active"

    def test_suspending_and_activating_are_events_by_support(
        self, client: Client, support: User, acme: Account
    ) -> None:
        for button, status in (("suspend", "suspended"), ("activate", "active")):
            answer = client.post(f"/admin/accounts/account/{acme.pk}/{button}/")
            assert answer.headers["Location"] == f"/admin/accounts/account/{acme.pk}/change/"
            acme.refresh_from_db()
            assert acme.status == status
        assert list_events_of_users() == [("account.status_changed", support.email, acme.pk)] * 2

    def test_what_is_so_already_is_said_and_changes_nothing(self, client: Client, support: User, acme: Account) -> None:
        answer = client.post(f"/admin/accounts/account/{acme.pk}/activate/", follow=True)

        assert '"Activate" is not possible for Acme. Nothing was changed.' in read_page(answer)
        assert list_events_of_users() == []


class TestEnablingApis:
    def url(self, acme: Account) -> str:
        return f"/admin/accounts/account/{acme.pk}/enable-apis/"

    def test_those_ticked_are_enabled_by_one_confirmation_and_each_is_an_event(
        self, client: Client, support: User, acme: Account
    ) -> None:
        acme.enablements.create(api=Api.objects.get(slug="lynx"))
        page = read_page(client.get(self.url(acme)))
        assert re.findall(r'name="apis" value="([^"]+)"', page) == [
            *("billing", "cloud-pbx", "lms-call-logic", "sip-caller", "textpeak")
        ]

        given = {"apis": ["textpeak", "billing"], "password": PASSWORD}
        answer = client.post(self.url(acme), given, follow=True)

        assert "Acme now has Billing, TextPeak." in read_page(answer)
        assert list_events_of_users() == [("api.enabled", support.email, acme.pk)] * 2
        targets = since_the_beginning().filter(name="api.enabled").values_list("target_id", flat=True)
        assert set(targets) == {"billing", "textpeak"}
        enabled = set(acme.enablements.values_list("api__slug", flat=True))
        assert enabled == {"billing", "lynx", "textpeak"}

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"apis": ["billing"], "password": "wrong"}, "Incorrect password or code"),
            ({"apis": ["billing"]}, "required"),
            ({"password": PASSWORD}, "Select at least one API."),
            ({"apis": ["nothing"], "password": PASSWORD}, "nothing is not one of the available choices."),
        ],
    )
    def test_without_a_confirmation_or_an_api_nothing_is(
        self, client: Client, support: User, acme: Account, given: dict[str, Any], said: str
    ) -> None:
        answer = client.post(self.url(acme), given)

        assert answer.status_code == 422
        assert said in read_page(answer)
        assert not acme.enablements.exists()

    def test_the_account_is_told_what_comes_next(self, client: Client, support: User, acme: Account) -> None:
        Account.objects.filter(pk=acme.pk).update(status="pending")
        page = read_page(client.get(f"/admin/accounts/account/{acme.pk}/change/"))
        assert "None. Enable the APIs that this account needs." in page

        given = {"apis": ["billing"], "password": PASSWORD}
        assert "Next: activate the account." in read_page(client.post(self.url(acme), given, follow=True))
        answer = client.post(f"/admin/accounts/account/{acme.pk}/activate/", follow=True)
        assert "Acme is active." in read_page(answer)
        assert "Next: enable" not in read_page(answer)

    def test_where_all_are_there_is_nothing_to_enable(self, client: Client, support: User, acme: Account) -> None:
        for api in Api.objects.all():
            acme.enablements.create(api=api)

        assert "Enable APIs" not in read_page(client.get(f"/admin/accounts/account/{acme.pk}/change/"))
        assert '"Enable APIs" is not possible' in read_page(client.get(self.url(acme), follow=True))


class TestUsers:
    def test_the_list_finds_by_email_and_nickname(self, client: Client, support: User, bob: User) -> None:
        a_user(bob.account, "Zoe")

        for typed in ("bob@ac", "BO"):
            page = read_page(client.get("/admin/accounts/user/", {"q": typed}))
            assert "bob@acme.example" in page
            assert "zoe@acme.example" not in page

    def test_deactivating(self, client: Client, support: User, bob: User) -> None:
        a_key(bob.account, bob, Api.objects.get(slug="billing"))
        url = f"/admin/accounts/user/{bob.pk}/deactivate/"

        assert "Calls with the working keys that they own (1) are refused immediately" in read_page(client.get(url))
        client.post(url)

        bob.refresh_from_db()
        assert not bob.is_active
        by_sam = (support.email, bob.account_id)
        assert list_events_of_users() == [("user.deactivated", *by_sam), ("key.owner_deactivated", *by_sam)]

    def test_the_last_administrator_stays(self, client: Client, support: User, acme: Account) -> None:
        alice = a_user(acme, "Alice", Role.ADMINISTRATOR)

        answer = client.post(f"/admin/accounts/user/{alice.pk}/deactivate/", follow=True)

        assert "the account's last active Administrator" in read_page(answer)
        alice.refresh_from_db()
        assert alice.is_active

    def test_nobody_deactivates_themselves(self, client: Client, support: User) -> None:
        assert "/deactivate/" not in read_page(client.get(f"/admin/accounts/user/{support.pk}/change/"))
        client.post(f"/admin/accounts/user/{support.pk}/deactivate/")

        support.refresh_from_db()
        assert support.is_active

    def test_sessions_end(self, client: Client, support: User, bob: User) -> None:
        theirs = Client()
        theirs.force_login(bob)
        assert theirs.get("/profile/").status_code == 200

        client.post(f"/admin/accounts/user/{bob.pk}/end-sessions/")

        assert theirs.get("/profile/").status_code == 302
        assert ("user.sessions_ended", support.email, bob.account_id) in list_events_of_users()

    def test_a_reset_is_a_mail_to_the_user_and_nothing_else(
        self, client: Client, support: User, bob: User, django_capture_on_commit_callbacks: Any
    ) -> None:
        url = f"/admin/accounts/user/{bob.pk}/reset-password/"

        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(url, {"password": "chosen by support", "password1": "the same"}, follow=True)

        assert [message.to for message in mail.outbox] == [["bob@acme.example"]]
        assert "/password-reset/" not in read_page(answer)
        bob.refresh_from_db()
        assert bob.check_password(PASSWORD)
        assert list_events_of_users() == [("password.reset_requested", support.email, bob.account_id)]

    def test_no_more_than_five_mails_go_within_an_hour(
        self, client: Client, support: User, bob: User, django_capture_on_commit_callbacks: Any
    ) -> None:
        url = f"/admin/accounts/user/{bob.pk}/reset-password/"
        with django_capture_on_commit_callbacks(execute=True):
            for _ in range(6):
                answer = client.post(url, follow=True)

        assert len(mail.outbox) == 5
        assert "Five e-mails have been sent to this address in the last hour." in read_page(answer)


class TestAddresses:
    """What Django's admin reads out of an address."""

    @pytest.mark.parametrize("query", ["password__startswith=argon2", "nickname__regex=B", "account__slug=acme"])
    def test_a_list_is_not_narrowed_by_what_it_does_not_offer(self, client: Client, support: User, query: str) -> None:
        assert client.get(f"/admin/accounts/user/?{query}").status_code == 400

    def test_a_list_keeps_its_order_and_its_end(self, client: Client, support: User, bob: User) -> None:
        zoe = a_user(bob.account, "Zoe")

        page = client.get("/admin/accounts/user/?p=99999")
        assert read_page(page).index(bob.email) < read_page(page).index(zoe.email)
        for query in ("o=-1", "o=2", "all="):
            assert client.get(f"/admin/accounts/user/?{query}").status_code == 400, query

    @pytest.mark.parametrize("number", ["0", "x", "%00", "1" * 40, "-1", "a/b", "1/2"])
    def test_what_there_is_not_is_not_found(self, client: Client, support: User, number: str) -> None:
        for model in site._registry:
            name = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{number}"
            assert client.get(f"{name}/change/").status_code == 404, name


def routes_of_django() -> list[str]:
    """Return what Django's own admin would answer."""
    return ["add/", "1/delete/", "1/history/", "1/", "1/password/", "add", "delete/"]


class TestHandMadePosts:
    """Nothing that only services may change is created, changed or deleted by a request that no page would send."""

    def test_are_refused_for_every_model_and_recorded(self, client: Client, support: User, bob: User) -> None:
        before = everything()
        sent = 0
        for model in site._registry:
            root = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            for path in (*routes_of_django(), f"{bob.pk}/change/", f"{bob.account_id}/change/"):
                # Beyond the limit there is one event for all of them: here each shall have its own.
                clear_limits()
                answer = client.post(root + path, FORGED)
                assert answer.status_code in (403, 404, 405), root + path
                sent += 1
        assert everything() == before
        assert [name for name, *_ in list_events_of_users()] == ["admin.refused"] * sent
        assert sent >= 4 * 9

    def test_of_actions_that_no_list_offers_do_nothing(self, client: Client, support: User, bob: User) -> None:
        before = everything()
        for model in site._registry:
            url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            for action in ("delete_selected", "reveal", "enable", ""):
                client.post(url, {"action": action, "_selected_action": [str(bob.pk)], "post": "yes"})
        assert everything() == before

    @pytest.mark.parametrize("method", ["put", "patch", "delete"])
    def test_by_other_methods_are_refused_too(self, client: Client, support: User, bob: User, method: str) -> None:
        assert getattr(client, method)(f"/admin/accounts/user/{bob.pk}/change/").status_code == 405
        assert [name for name, *_ in list_events_of_users()] == ["admin.refused"]

    def test_are_told_one_by_one_up_to_a_limit(self, client: Client, support: User) -> None:
        for _ in range(40):
            assert client.post("/admin/accounts/user/add/", FORGED).status_code == 404

        assert [name for name, *_ in list_events_of_users()].count("admin.refused") == 30

    def test_what_is_told_holds_no_token_that_stood_in_the_path(self, client: Client, support: User, bob: User) -> None:
        token = a_key(bob.account, bob, Api.objects.get(slug="billing")).token

        client.post(f"/admin/{token}/")

        assert token not in since_the_beginning().get(name="admin.refused").body

    def test_without_the_forms_own_token_do_nothing(self, support: User, acme: Account) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(support)

        assert strict.post(f"/admin/accounts/account/{acme.pk}/suspend/").status_code == 403
        acme.refresh_from_db()
        assert acme.status == "active"


FORGED = {
    "email": "forged@evil.example",
    "nickname": "forged",
    "roles": ["support"],
    "password": "forged forged forged",
    "is_active": "on",
    "is_staff": "on",
    "status": "suspended",
    "slug": "forged",
    "name": "forged",
    "enabled": "on",
    "post": "yes",
    "action": "delete_selected",
    "_save": "Save",
}


def everything() -> list[tuple]:
    people = User.objects.order_by("pk").values_list("pk", "email", "roles", "password", "is_active", "sessions_ended")
    return [*people, *Account.objects.order_by("pk").values_list()]


def clear_limits() -> None:
    Limit.objects.all().delete()


def test_no_list_counts_or_reads_a_whole_table(client: Client, support: User, bob: User) -> None:
    for model in site._registry:
        table = f'FROM "{model._meta.db_table}"'
        with CaptureQueriesContext(connection) as asked:
            page = client.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/")
        assert page.status_code == 200
        whole = [query["sql"] for query in asked if table in query["sql"] and " LIMIT " not in query["sql"]]
        assert [sql for sql in whole if " WHERE " not in sql] == []
        assert [sql for sql in whole if "COUNT(" in sql] == []


class TestSetup:
    """The steps of a new installation."""

    def test_each_step_has_its_link_or_command_and_goes_with_the_first_allowed_call(self, client: Client) -> None:
        client.force_login(with_sam())
        rename_apis()
        assert list_steps(client) == [
            ("Add an API with its OpenAPI document and policy.", True),
            ("Create an account and its first Administrator.", False),
            ("Activate the account.", False),
            ("Appoint an Administrator of it.", False),
            ("Enable an API for the account.", False),
            ("Set up the proxy in front of the API, which asks Keyward about each call.", False),
            ("The Administrator signs in and adds the first key.", False),
            ("An application makes its first call with it.", False),
        ]
        text = read_page(client.get("/admin/"))
        assert "manage.py create_account SLUG NAME EMAIL NICKNAME" in text
        assert "Never heard from. docs/gateways.md" in text

        acme = an_account(status="pending")
        page = f"/admin/accounts/account/{acme.pk}"
        for path in ("activate", "appoint-administrator", "enable-apis"):
            assert f'href="{page}/{path}/"' in read_page(client.get("/admin/"))
            assert client.get(f"{page}/{path}/").status_code == 200
        Account.objects.update(status="active")
        alice = a_user(acme, "Alice", Role.ADMINISTRATOR)
        api = Api.objects.get(slug="billing-new")
        Enablement.objects.create(account=acme, api=api)
        assert f'href="{page}/' not in read_page(client.get("/admin/"))
        a_call(None, api="billing-new", decision="denied", reason="invalid_credentials", key_id="")
        assert "Last heard from" in read_page(client.get("/admin/"))
        secret = a_key(acme, alice, api, "Shop").key.secrets.get()
        assert [step for step, done in list_steps(client) if not done] == [
            "An application makes its first call with it."
        ]

        SecretUse.objects.create(secret=secret, used_at=timezone.now(), address="203.0.113.7")
        assert "Set up this installation" not in read_page(client.get("/admin/"))
        assert "Proxy last heard from" in read_page(client.get(f"/admin/keys/api/{api.pk}/change/"))


def with_sam() -> User:
    sam = a_user(None, "Sam", Role.SUPPORT)
    with_totp(sam)
    return sam


def list_steps(client: Client) -> list[tuple[str, bool]]:
    """Return the steps on the first page, and whether each is done."""
    found = re.findall(
        r"<li( class=.done.)?>(?:<s>)?([^<]+?)(?:</s>|<span| </li>|</li>)", read_page(client.get("/admin/"))
    )
    return [(text.strip(), bool(done)) for done, text in found if text.strip().endswith(".")]
