"""The users of an account: the list and its file, a user's page, roles, deactivating, sessions."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Account, User
from core.lists import PAGE_SIZE
from core.permissions import Role
from keys.models import Key
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.keys import a_billing_key, events
from tests.responses import Response, read_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]


@pytest.fixture
def bob(acme: Account) -> User:
    return a_user(acme, "Bob", Role.AUDITOR)


def names(response: Response) -> list[str]:
    assert response.status_code == 200
    return re.findall(r'<td class="name"><a href="/users/[^>]*>([^<]*)</a>', response.content.decode())


def signed_in(client: Client) -> bool:
    response = client.get("/profile/")
    return response.status_code == 200 and not isinstance(response.wsgi_request.user, AnonymousUser)


class TestTheList:
    def test_shows_the_users_of_the_account_and_no_other(self, client: Client, alice: User, bob: User) -> None:
        a_user(an_account("globex"), "Gina", Role.ADMINISTRATOR)
        page = client.get("/users/")

        assert names(page) == ["Alice", "Bob"]
        headings = [re.sub("<[^>]*>", "", heading) for heading in re.findall(r"<th .*?</th>", page.content.decode())]
        columns = ("Nickname", "E-mail", "Roles", "Status", "Second factor", "Keys", "Last sign-in", "Created")
        assert headings == [*columns]
        assert "<h1>Users</h1>" in read_page(page)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("role=auditor", ["Bob"]),
            ("role=none", ["Ann Marie"]),
            ("status=inactive", ["Ann Marie"]),
            ("status=active", ["Alice", "Bob"]),
            ("q=bo", ["Bob"]),
            ("q=mar", ["Ann Marie"]),
            ("q=arie", []),
            ("q=alice@acme", ["Alice"]),
            ("q=.*", []),
            ("sort=-nickname", ["Bob", "Ann Marie", "Alice"]),
            ("sort=created", ["Alice", "Bob", "Ann Marie"]),
            ("role=auditor&status=inactive", []),
        ],
    )
    def test_is_filtered_and_sorted(self, client: Client, alice: User, bob: User, query: str, found: list[str]) -> None:
        User.objects.filter(pk=a_user(alice.account, "Ann", is_active=False).pk).update(nickname="Ann Marie")

        assert names(client.get(f"/users/?{query}")) == found

    @pytest.mark.parametrize("query", ["role=support", "status=gone", "sort=password", "page=0", "rol=auditor"])
    def test_shows_nobody_when_a_filter_means_nothing(self, client: Client, alice: User, query: str) -> None:
        page = client.get(f"/users/?{query}")

        assert page.status_code == 400
        assert "alice@acme.example" not in page.content.decode()

    def test_comes_in_pages(self, client: Client, alice: User) -> None:
        for number in range(PAGE_SIZE):
            a_user(alice.account, f"User{number:02}")

        assert len(names(client.get("/users/"))) == PAGE_SIZE
        last = client.get("/users/?page=2")
        assert names(last) == [f"User{PAGE_SIZE - 1}"]
        assert "51 of 51 users" in last.content.decode()

    def test_asks_the_database_as_often_for_many_as_for_one(self, client: Client, alice: User) -> None:
        client.get("/users/")
        with CaptureQueriesContext(connection) as few:
            client.get("/users/")
        for number in range(20):
            a_user(alice.account, f"User{number}")
        with CaptureQueriesContext(connection) as many:
            client.get("/users/")

        assert len(many) == len(few)

    def test_says_so_when_nobody_matches(self, client: Client, alice: User) -> None:
        assert "No users match" in read_page(client.get("/users/?q=zzz"))

    def test_is_a_fragment_for_htmx(self, client: Client, alice: User) -> None:
        page = client.get("/users/", headers={"HX-Request": "true"})

        assert "<html" not in page.content.decode()
        assert "HX-Request" in page.headers["Vary"]


class TestTheFile:
    def test_holds_what_the_filters_let_through_and_is_told(self, client: Client, alice: User, bob: User) -> None:
        User.objects.filter(pk=bob.pk).update(last_login=timezone.now())
        User.objects.filter(pk=alice.pk).update(last_login=None)
        response = client.post("/users/export/?status=active&sort=-nickname", {"format": "csv"})

        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert re.search(r'filename="keyward-acme-users-\d{8}T\d{6}Z-\d+.csv"', response.headers["Content-Disposition"])
        assert b"\r\n" in response.content
        rows = list(csv.DictReader(io.StringIO(response.content.decode())))
        columns = ["nickname", "email", "roles", "status", "second_factor", "keys", "last_sign_in", "created"]
        assert list(rows[0]) == columns
        assert [row["nickname"] for row in rows] == ["Bob", "Alice"]
        assert (rows[0]["roles"], rows[0]["status"], rows[0]["keys"]) == ("auditor", "active", "0")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["last_sign_in"])
        assert rows[1]["last_sign_in"] == ""
        [event] = events("users.exported")
        data = json.loads(event.body)["data"]
        assert (data["filters"], data["rows"], data["format"]) == ({"status": "active"}, 2, "csv")

    @pytest.mark.parametrize("nickname", ["=1+1", "@SUM(A1)", "+cmd|'/C calc'!A0", "-2+3", '=HYPERLINK("x")'])
    def test_has_no_cell_that_a_spreadsheet_takes_for_a_formula(
        self, client: Client, alice: User, nickname: str
    ) -> None:
        a_user(alice.account, nickname[:1] + "x")
        User.objects.filter(nickname=nickname[:1] + "x").update(nickname=nickname)
        content = client.post("/users/export/", {"format": "csv"}).content.decode()
        cells = [row[0] for row in csv.reader(io.StringIO(content))]

        assert f"'{nickname}" in cells
        assert nickname not in cells

    def test_is_not_made_by_a_link(self, client: Client, alice: User) -> None:
        page = client.get("/users/export/?status=active")

        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "<dt>Status</dt><dd>Active</dd>" in page.content.decode()
        assert events("users.exported") == []

    def test_is_refused_with_a_filter_that_means_nothing(self, client: Client, alice: User) -> None:
        assert client.post("/users/export/?role=king", {"format": "csv"}).status_code == 400
        assert events("users.exported") == []

    def test_may_be_made_by_an_auditor_in_a_suspended_account(self, client: Client, acme: Account, bob: User) -> None:
        Account.objects.update(status="suspended")
        client.force_login(bob)

        assert client.post("/users/export/", {"format": "csv"}).status_code == 200


class TestAUsersPage:
    def test_shows_roles_keys_and_sessions(self, client: Client, alice: User, bob: User) -> None:
        a_billing_key(alice, owner=bob)
        Client().post("/login/", {"login": bob.email, "password": PASSWORD})
        page = read_page(client.get(f"/users/{bob.pk}/"))

        assert "<h1>Bob</h1>" in page
        assert "Auditor" in page
        assert "Invoice robot" in page
        assert "<dt>Sessions</dt><dd>1</dd>" in page

    def test_of_another_account_is_not_there(self, client: Client, alice: User) -> None:
        gina = a_user(an_account("globex"), "Gina")

        for path in ("", "roles/", "deactivate/", "reactivate/", "end-sessions/", "hand-over/"):
            assert client.get(f"/users/{gina.pk}/{path}").status_code == 404
            assert client.post(f"/users/{gina.pk}/{path}", {"password": PASSWORD}).status_code in (404, 405)
        assert client.get("/users/99999999999999999999999/").status_code == 404

    def test_has_no_buttons_for_an_auditor(self, client: Client, bob: User) -> None:
        client.force_login(bob)
        page = read_page(client.get(f"/users/{bob.pk}/"))

        assert "Change roles" not in page
        assert "Deactivate" not in page


class TestRoles:
    def test_granting_one_asks_for_the_password_then_does_it(self, client: Client, alice: User, bob: User) -> None:
        url, roles = f"/users/{bob.pk}/roles/", {"roles": ["auditor", "account_reader"]}
        first = client.post(url, roles)
        assert first.status_code == 422
        assert "needs your confirmation" in read_page(first)
        bob.refresh_from_db()
        assert bob.roles == ["auditor"]

        assert client.post(url, {**roles, "password": "wrong"}).status_code == 422
        done = client.post(url, {**roles, "password": PASSWORD})

        assert (done.status_code, done.headers["Location"]) == (302, f"/users/{bob.pk}/")
        bob.refresh_from_db()
        assert bob.roles == ["account_reader", "auditor"]
        [event] = events("user.roles_changed")
        data = json.loads(event.body)
        assert data["data"] == {"changes": {"roles": [["auditor"], ["account_reader", "auditor"]]}}
        assert data["confirmed_by"] == "password"

    def test_taking_one_away_needs_none_and_ends_their_sessions(self, client: Client, alice: User, bob: User) -> None:
        theirs = Client()
        theirs.force_login(bob)
        assert signed_in(theirs)

        assert client.post(f"/users/{bob.pk}/roles/", {}).status_code == 302

        bob.refresh_from_db()
        assert bob.roles == []
        assert not signed_in(theirs)

    def test_the_one_whose_roles_change_is_told(
        self, client: Client, alice: User, bob: User, django_capture_on_commit_callbacks
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            client.post(f"/users/{bob.pk}/roles/", {})

        [sent] = mail.outbox
        assert sent.to == [bob.email]
        assert "alice@acme.example changed your roles" in sent.body
        assert "from Auditor to No role" in sent.body

    @pytest.mark.parametrize("role", ["support", "king", "Administrator"])
    def test_support_and_unknown_ones_are_no_choice(self, client: Client, alice: User, bob: User, role: str) -> None:
        response = client.post(f"/users/{bob.pk}/roles/", {"roles": [role], "password": PASSWORD})

        assert response.status_code == 422
        bob.refresh_from_db()
        assert bob.roles == ["auditor"]

    def test_the_last_administrator_stays_one(self, client: Client, alice: User, bob: User) -> None:
        response = client.post(f"/users/{alice.pk}/roles/", {"roles": ["auditor"], "password": PASSWORD})

        assert response.status_code == 422
        assert "last active Administrator" in read_page(response)
        alice.refresh_from_db()
        assert alice.roles == ["administrator"]

    def test_an_inactive_administrator_does_not_count(self, client: Client, alice: User) -> None:
        a_user(alice.account, "Adam", Role.ADMINISTRATOR, is_active=False)

        assert client.post(f"/users/{alice.pk}/roles/", {}).status_code == 422

    def test_ones_own_session_goes_on_under_another_key(self, client: Client, alice: User) -> None:
        a_user(alice.account, "Adam", Role.ADMINISTRATOR)
        other = Client()
        other.force_login(alice)
        before = client.session.session_key

        client.post(f"/users/{alice.pk}/roles/", {"roles": ["administrator", "auditor"], "password": PASSWORD})

        assert signed_in(client)
        assert client.session.session_key != before
        assert not signed_in(other)

    def test_fields_that_are_not_on_the_form_do_nothing(self, client: Client, alice: User, bob: User) -> None:
        extra = {"is_active": "", "email": "eve@evil.example", "account": "2", "is_staff": "on", "nickname": "Eve"}
        client.post(f"/users/{bob.pk}/roles/", {"roles": ["auditor"], **extra})

        before = (bob.email, bob.nickname, bob.account_id, bob.is_active, bob.roles)
        bob.refresh_from_db()
        assert (bob.email, bob.nickname, bob.account_id, bob.is_active, bob.roles) == before


class TestDeactivating:
    def test_signs_out_at_once(self, client: Client, alice: User, bob: User) -> None:
        theirs = Client()
        theirs.force_login(bob)

        assert client.post(f"/users/{bob.pk}/deactivate/").status_code == 302

        bob.refresh_from_db()
        assert not bob.is_active
        assert not signed_in(theirs)

    def test_asks_what_becomes_of_their_keys(self, client: Client, alice: User, bob: User) -> None:
        a_billing_key(alice, owner=bob)

        assert "They own 1 key." in read_page(client.get(f"/users/{bob.pk}/deactivate/"))
        response = client.post(f"/users/{bob.pk}/deactivate/")

        assert response.status_code == 422
        bob.refresh_from_db()
        assert bob.is_active

    def test_may_leave_them_refused(self, client: Client, alice: User, bob: User) -> None:
        key = a_billing_key(alice, owner=bob).key

        assert client.post(f"/users/{bob.pk}/deactivate/", {"keys": "leave"}).status_code == 302

        key.refresh_from_db()
        assert key.owner == bob
        assert events("key.reassigned") == []

    def test_may_give_them_to_someone_else(self, client: Client, alice: User, bob: User) -> None:
        keys = [a_billing_key(alice, owner=bob, name=f"Robot {number}").key for number in range(3)]
        given = {"keys": "give", "heir": alice.pk}

        assert client.post(f"/users/{bob.pk}/deactivate/", given).status_code == 422
        assert client.post(f"/users/{bob.pk}/deactivate/", {**given, "password": "wrong"}).status_code == 422
        bob.refresh_from_db()
        assert bob.is_active
        assert client.post(f"/users/{bob.pk}/deactivate/", {**given, "password": PASSWORD}).status_code == 302

        bob.refresh_from_db()
        assert not bob.is_active
        assert {key.owner for key in Key.objects.all()} == {alice}
        recorded = events("key.reassigned")
        assert [event.target_id for event in recorded] == [key.public_id for key in keys]
        assert json.loads(recorded[0].body)["data"] == {"api": "billing", "changes": {"owner": ["Bob", "Alice"]}}
        assert len(events("user.deactivated")) == 1

    @pytest.mark.parametrize("who", ["stranger", "inactive", "bob", "nobody"])
    def test_gives_them_to_an_active_user_of_the_account_alone(
        self, client: Client, alice: User, bob: User, who: str
    ) -> None:
        a_billing_key(alice, owner=bob)
        heir = {
            "stranger": lambda: a_user(an_account("globex"), "Gina").pk,
            "inactive": lambda: a_user(alice.account, "Ina", is_active=False).pk,
            "bob": lambda: bob.pk,
            "nobody": lambda: "",
        }[who]()
        given = {"keys": "give", "heir": heir, "password": PASSWORD}

        assert client.post(f"/users/{bob.pk}/deactivate/", given).status_code == 422
        bob.refresh_from_db()
        assert bob.is_active

    def test_nobody_deactivates_themselves(self, client: Client, alice: User) -> None:
        a_user(alice.account, "Adam", Role.ADMINISTRATOR)
        response = client.post(f"/users/{alice.pk}/deactivate/")

        assert response.status_code == 409
        assert "You cannot deactivate yourself" in read_page(response)

    def test_can_be_undone(self, client: Client, alice: User, bob: User) -> None:
        client.post(f"/users/{bob.pk}/deactivate/")

        assert client.post(f"/users/{bob.pk}/reactivate/").status_code == 302
        bob.refresh_from_db()
        assert bob.is_active

    def test_keys_that_were_left_can_be_given_later(self, client: Client, alice: User, bob: User) -> None:
        key = a_billing_key(alice, owner=bob).key
        client.post(f"/users/{bob.pk}/deactivate/", {"keys": "leave"})
        url = f"/users/{bob.pk}/hand-over/"

        assert url in read_page(client.get(f"/users/{bob.pk}/"))
        assert client.post(url, {"heir": alice.pk}).status_code == 422
        assert client.post(url, {"heir": alice.pk, "password": PASSWORD}).status_code == 302
        key.refresh_from_db()
        assert key.owner == alice


class TestEndingSessions:
    def test_signs_them_out_everywhere(self, client: Client, alice: User, bob: User) -> None:
        theirs = [Client(), Client()]
        for browser in theirs:
            browser.post("/login/", {"login": bob.email, "password": PASSWORD})
        assert [signed_in(browser) for browser in theirs] == [True, True]

        assert client.post(f"/users/{bob.pk}/end-sessions/").status_code == 302

        assert [signed_in(browser) for browser in theirs] == [False, False]
        assert len(events("user.sessions_ended")) == 1
        assert "<dt>Sessions</dt><dd>0</dd>" in read_page(client.get(f"/users/{bob.pk}/"))


class TestAnAccountThatIsNotActive:
    def test_when_pending_still_works_but_its_keys_stay(self, client: Client, alice: User, bob: User) -> None:
        a_billing_key(alice, owner=bob)
        Account.objects.update(status="pending")

        assert "This account is pending." in read_page(client.get("/users/"))
        given = {"keys": "give", "heir": alice.pk, "password": PASSWORD}
        assert client.post(f"/users/{bob.pk}/deactivate/", given).status_code == 422
        assert client.get(f"/users/{bob.pk}/hand-over/").status_code == 403
        assert client.post(f"/users/{bob.pk}/deactivate/", {"keys": "leave"}).status_code == 302

    def test_when_suspended_shows_and_changes_nothing(self, client: Client, alice: User, bob: User) -> None:
        Account.objects.update(status="suspended")
        page = read_page(client.get(f"/users/{bob.pk}/"))

        assert "This account is suspended." in page
        assert "Change roles" not in page
        assert "Invite user" not in read_page(client.get("/users/"))
        for path in ("roles", "deactivate", "reactivate", "end-sessions", "hand-over"):
            for response in (client.get(f"/users/{bob.pk}/{path}/"), client.post(f"/users/{bob.pk}/{path}/")):
                assert response.status_code == 403
                assert "The account is suspended" in read_page(response)
        assert client.get("/users/invite/").status_code == 403


def test_times_are_told_in_the_list(client: Client, alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(last_login=timezone.now() - timedelta(hours=3))

    assert "3 hours ago" in read_page(client.get("/users/"))
