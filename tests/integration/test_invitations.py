"""Invitations: from the form to the first sign-in, once, in time, and without a word about which e-mails are known."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from django.core import mail
from django.test import Client

from accounts.models import Account, Invitation, User
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user, an_account, an_invitation
from tests.factories.keys import events
from tests.responses import Response, common_headers, read_page

pytestmark = pytest.mark.django_db
NEW = {"nickname": "Ivy", "password": "a long and quiet evening"}


@pytest.fixture
def invite(client: Client, signed_in: User, django_capture_on_commit_callbacks):
    def post(email: str, *roles: str, password: str = PASSWORD, **extra: str) -> Response:
        given = {"email": email, "roles": roles, "form_token": str(uuid.uuid4()), "password": password, **extra}
        with django_capture_on_commit_callbacks(execute=True):
            return client.post("/users/invite/", given, headers={"HX-Request": "true"})

    return post


def link(number: int = -1) -> str:
    found = re.search(r"http://localhost:8000(/invitation/[\w-]{43}/)", str(mail.outbox[number].body))
    assert found
    return found[1]


class TestInviting:
    def test_leads_from_the_form_to_the_first_sign_in(self, invite, client: Client, acme: Account) -> None:
        sent = invite(" Ivy@Acme.example ", "auditor")
        assert "Invitation sent to ivy@acme.example." in read_page(sent)
        assert f"http://localhost:8000{link()}" in read_page(sent)
        assert sent.headers["Cache-Control"] == "no-store"
        assert link() not in read_page(client.get("/users/"))
        assert "ivy@acme.example" in read_page(client.get("/users/"))

        theirs = Client()
        assert "Join Acme" in read_page(theirs.get(link()))
        response = theirs.post(link(), NEW)

        assert response.headers["Location"] == "/login/"
        ivy = User.objects.get(email="ivy@acme.example")
        assert (ivy.account, ivy.nickname, ivy.roles) == (acme, "Ivy", ["auditor"])
        assert theirs.post("/login/", {"login": "ivy@acme.example", "password": NEW["password"]}).status_code == 302
        assert "Acme" in read_page(theirs.get("/"))
        assert "Invitations" not in read_page(client.get("/users/"))

    def test_is_told_in_the_trail_without_the_link(self, invite) -> None:
        invite("ivy@acme.example", "auditor")
        Client().post(link(), NEW)

        [invited], [accepted] = events("user.invited"), events("invitation.accepted")
        assert (invited.target, json.loads(invited.body)["data"]) == ("ivy@acme.example", {"roles": ["auditor"]})
        assert json.loads(invited.body)["confirmed_by"] == "password"
        assert accepted.target == "ivy@acme.example"
        assert link().split("/")[2] not in invited.body + accepted.body
        assert NEW["password"] not in accepted.body

    def test_keeps_no_token(self, invite) -> None:
        invite("ivy@acme.example")

        assert link().split("/")[2].encode() not in bytes(Invitation.objects.get().digest)

    def test_needs_the_password(self, invite) -> None:
        assert invite("ivy@acme.example", password="").status_code == 422
        assert invite("ivy@acme.example", password="wrong").status_code == 422
        assert mail.outbox == []
        assert not Invitation.objects.exists()

    @pytest.mark.parametrize("role", ["support", "king"])
    def test_knows_no_role_of_support(self, invite, role: str) -> None:
        assert invite("ivy@acme.example", role).status_code == 422
        assert not Invitation.objects.exists()

    @pytest.mark.parametrize(
        "email", ["", "ivy", "ivy@acme.example\r\nBcc: eve@evil.example", "a" * 255 + "@b.example"]
    )
    def test_names_an_e_mail_that_is_none(self, invite, email: str) -> None:
        assert invite(email).status_code == 422
        assert mail.outbox == []

    def test_says_the_same_whoever_the_e_mail_belongs_to(self, invite, client: Client, acme: Account) -> None:
        a_user(an_account("globex"), "Gina")
        answers = set()
        for email in ("nobody@acme.example", "gina@globex.example"):
            response = invite(email)
            assert Client().get(re.findall(r"/invitation/[\w-]+/", response.content.decode())[0]).status_code == 200
            wording = re.sub(r"/invitation/[\w-]+/|<time.*?</time>|invitation-\d+", "", read_page(response))
            page = read_page(client.get("/users/", headers={"HX-Request": "true"}))
            row = re.search(rf'<tr id="invitation-\d+"> <td class="name">{email}.*?</tr>', page)
            assert row
            actual = re.sub(r"<time.*?</time>|/invitations/\d+/|again=\d+|invitation-\d+", "", row[0])
            words = (each.replace(email, "_") for each in (wording, actual))
            answers.add((re.sub(r"'\d+'", "", common_headers(response)), *words))

        assert len(answers) == 1
        assert len(mail.outbox) == 2

    def test_names_a_user_of_the_account_before_a_password_is_compared(self, invite, acme: Account) -> None:
        a_user(acme, "Bob")
        a_user(acme, "Ina", is_active=False)
        for email, words in (
            ("BOB@acme.example", "Bob is already a user of this account."),
            ("ina@acme.example", "Ina is a deactivated user of this account. Reactivate them instead."),
        ):
            response = invite(email, password="wrong")
            assert response.status_code == 422
            assert words in read_page(response)
            assert "attempts left" not in read_page(response)
        assert mail.outbox == []
        assert not Invitation.objects.exists()

    def test_is_sent_again_with_a_new_link(self, invite, client: Client) -> None:
        invite("ivy@acme.example", "auditor")
        first, earlier = link(), Invitation.objects.get()
        assert f"/users/invite/?again={earlier.pk}" in read_page(client.get("/users/"))
        form = client.get(f"/users/invite/?again={earlier.pk}")
        assert form.context["form"].initial == {"email": "ivy@acme.example", "roles": ["auditor"]}
        assert "The link of the earlier invitation stops working." in read_page(form)
        invite("ivy@acme.example", "auditor")
        assert Invitation.objects.get().pk != earlier.pk
        assert Client().get(first).status_code == 404
        assert Client().get(link()).status_code == 200
        for number in (earlier.pk, "x", "9" * 30, "²"):
            assert client.get(f"/users/invite/?again={number}").context["form"].initial == {}

    def test_a_known_e_mail_gets_a_mail_without_a_link(self, invite) -> None:
        a_user(an_account("globex"), "Gina")
        invite("gina@globex.example")

        assert "invitation/" not in str(mail.outbox[-1].body)
        assert "your e-mail address already has a user" in mail.outbox[-1].body

    def test_five_an_hour_to_one_e_mail(self, invite) -> None:
        for _ in range(5):
            assert invite("ivy@acme.example").status_code == 200
        response = invite("IVY@acme.example")

        assert response.status_code == 422
        assert "Too many invitations" in read_page(response)
        assert len(mail.outbox) == 5

    def test_twenty_an_hour_from_one_address(self, invite) -> None:
        for number in range(20):
            assert invite(f"ivy{number}@acme.example").status_code == 200

        assert invite("another@acme.example").status_code == 422


class TestTheLink:
    def test_is_not_used_up_by_who_only_looks(self, acme: Account) -> None:
        _, token = an_invitation(acme, "ivy@acme.example")
        for method in ("get", "head", "get"):
            assert getattr(Client(), method)(f"/invitation/{token}/").status_code == 200

        assert Client().post(f"/invitation/{token}/", NEW).status_code == 302

    def test_works_once(self, acme: Account) -> None:
        _, token = an_invitation(acme, "ivy@acme.example")
        Client().post(f"/invitation/{token}/", NEW)

        for response in (Client().get(f"/invitation/{token}/"), Client().post(f"/invitation/{token}/", NEW)):
            assert response.status_code == 404
            assert "This invitation is not valid" in read_page(response)
        assert User.objects.count() == 1

    def test_used_expired_withdrawn_and_never_made_look_the_same(self, client: Client, signed_in: User) -> None:
        _, expired = an_invitation(signed_in.account, "a@acme.example", days=-0.001)
        taken_back, withdrawn = an_invitation(signed_in.account, "b@acme.example")
        _, used = an_invitation(signed_in.account, "c@acme.example")
        Client().post(f"/invitation/{used}/", NEW)
        assert client.post(f"/users/invitations/{taken_back.pk}/withdraw/").status_code == 302
        tokens = (expired, withdrawn, used, "x" * 43, "é", "%00")

        for method in ("get", "post"):
            answers = {getattr(Client(), method)(f"/invitation/{token}/").content for token in tokens}
            assert len(answers) == 1

    def test_ends_when_the_e_mail_is_invited_anew(self, invite) -> None:
        invite("ivy@acme.example", "administrator")
        invite("ivy@acme.example")

        assert Client().get(link(0)).status_code == 404
        Client().post(link(1), NEW)
        assert User.objects.get(email="ivy@acme.example").roles == []

    def test_gives_nothing_but_what_was_invited(self, acme: Account) -> None:
        other = an_account("globex")
        _, token = an_invitation(acme, "ivy@acme.example", Role.AUDITOR)
        extra = {"roles": ["administrator"], "account": other.pk, "email": "eve@evil.example", "is_staff": "on"}
        Client().post(f"/invitation/{token}/", {**NEW, **extra})

        ivy = User.objects.get()
        assert (ivy.email, ivy.account, ivy.roles) == ("ivy@acme.example", acme, ["auditor"])

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"nickname": ""}, "This field is required"),
            ({"nickname": "alice"}, "This nickname is taken"),
            ({"nickname": "Ivy\x1b"}, "invisible characters"),
            ({"password": ""}, "This field is required"),
            ({"password": "short"}, "at least 10 characters"),
            ({"password": "1234567890"}, "too common"),
            ({"password": "ivy@acme.example"}, "too similar"),
        ],
    )
    def test_says_what_is_wrong_and_stays_good(self, signed_in: User, given: dict[str, str], message: str) -> None:
        _, token = an_invitation(signed_in.account, "ivy@acme.example")
        response = Client().post(f"/invitation/{token}/", NEW | given)

        assert response.status_code == 422
        assert message in read_page(response)
        assert Client().post(f"/invitation/{token}/", NEW).status_code == 302

    def test_asks_who_is_signed_in_to_sign_out_first(self, client: Client, signed_in: User) -> None:
        _, token = an_invitation(signed_in.account, "ivy@acme.example")

        assert "Sign out first" in read_page(client.get(f"/invitation/{token}/"))
        assert client.post(f"/invitation/{token}/", NEW).status_code == 422
        assert Invitation.objects.exists()

    def test_waits_while_the_account_is_suspended(self, acme: Account) -> None:
        _, token = an_invitation(acme, "ivy@acme.example")
        Account.objects.update(status="suspended")

        assert Client().post(f"/invitation/{token}/", NEW).status_code == 403
        Account.objects.update(status="pending")
        assert Client().post(f"/invitation/{token}/", NEW).status_code == 302

    def test_is_no_more_when_the_e_mail_has_joined_another_account(self, acme: Account) -> None:
        _, token = an_invitation(acme, "gina@globex.example")
        a_user(an_account("globex"), "Gina")

        assert Client().post(f"/invitation/{token}/", NEW).status_code == 404
        assert not User.objects.filter(account=acme).exists()

    def test_is_not_told_to_other_pages(self, acme: Account) -> None:
        _, token = an_invitation(acme, "ivy@acme.example")
        response = Client().get(f"/invitation/{token}/")

        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in response.headers["Cache-Control"]


class TestWithdrawing:
    def test_of_another_account_is_not_there(self, client: Client, signed_in: User) -> None:
        theirs, _ = an_invitation(an_account("globex"), "ivy@globex.example")

        assert client.post(f"/users/invitations/{theirs.pk}/withdraw/").status_code == 404
        assert Invitation.objects.exists()
