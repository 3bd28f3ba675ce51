"""The settings: who sees and who changes them, the preview of masking, and what they do elsewhere."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Account, User
from core.permissions import Role
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.keys import a_billing_key, billing_for, events
from tests.responses import Response, read_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]


def filled_in(**changed: Any) -> dict[str, Any]:
    """Return the form as it stands, with masking of all but the last two digits."""
    filled = {"name": "Acme", "mask_phone": "on", "mask_digits": "2", "mask_side": "last"} | changed
    return {name: value for name, value in filled.items() if value is not None}


def list_previews(response: Response) -> list[str]:
    return re.findall(r"<li>.*? → (.*?)</li>", response.content.decode())


class TestSaving:
    def test_changes_what_is_on_the_form_and_tells_it(self, client: Client, alice: User, acme: Account) -> None:
        given = filled_in(name=" Acme Ltd ", second_factor_required="on", key_lifetime_days="90", slug="x", status="x")
        response = client.post("/settings/", given)

        assert (response.status_code, response.headers["Location"]) == (302, "/settings/")
        acme.refresh_from_db()
        assert (acme.name, acme.mask_phone, acme.mask_digits, acme.mask_side) == ("Acme Ltd", True, 2, "last")
        assert (acme.second_factor_required, acme.key_lifetime_days) == (True, 90)
        assert (acme.slug, acme.status) == ("acme", "active")
        [event] = events("settings.changed")
        assert json.loads(event.body)["data"] == {
            "changes": {
                "name": ["Acme", "Acme Ltd"],
                "mask_phone": [False, True],
                "mask_digits": [4, 2],
                "second_factor_required": [False, True],
                "key_lifetime_days": [None, 90],
            }
        }

    def test_of_nothing_new_is_no_event(self, client: Client, alice: User) -> None:
        client.post("/settings/", filled_in())
        client.post("/settings/", filled_in())

        assert len(events("settings.changed")) == 1

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"name": ""}, "This field is required"),
            ({"name": "Acme\x1b"}, "invisible characters"),
            ({"name": "a" * 201}, "at most 200 characters"),
            ({"mask_digits": "16"}, "less than or equal to 15"),
            ({"mask_digits": "-1"}, "greater than or equal to 0"),
            ({"mask_digits": "two"}, "Enter a whole number"),
            ({"mask_side": "middle"}, "Select a valid choice"),
            ({"key_lifetime_days": "0"}, "greater than or equal to 1"),
            ({"key_lifetime_days": "40000"}, "less than or equal to 36500"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, client: Client, alice: User, acme: Account, given: dict[str, str], message: str
    ) -> None:
        response = client.post("/settings/", filled_in(**given))

        assert response.status_code == 422
        assert message in read_page(response)
        acme.refresh_from_db()
        assert (acme.name, acme.mask_phone) == ("Acme", False)

    def test_is_for_administrators(self, client: Client, acme: Account) -> None:
        client.force_login(a_user(acme, "Carol", Role.AUDITOR))

        page = read_page(client.get("/settings/"))
        assert "Save changes" not in page
        assert "Phone masking</dt><dd>Off, also for API calls" in page
        assert client.post("/settings/", filled_in()).status_code == 403
        acme.refresh_from_db()
        assert not acme.mask_phone

    def test_works_while_pending_and_not_while_suspended(self, client: Client, alice: User, acme: Account) -> None:
        Account.objects.update(status="pending")
        assert client.post("/settings/", filled_in()).status_code == 302

        Account.objects.update(status="suspended")
        response = client.post("/settings/", filled_in(name="Other"))
        assert response.status_code == 403
        assert "The account is suspended" in read_page(response)
        assert "Save changes" not in read_page(client.get("/settings/"))


class TestTurningMaskingOff:
    @pytest.mark.parametrize("given", [{"mask_phone": None}, {"mask_digits": "7"}, {"mask_digits": "15"}])
    def test_needs_the_password(self, client: Client, alice: User, acme: Account, given: dict[str, Any]) -> None:
        Account.objects.update(mask_phone=True, mask_digits=2)
        response = client.post("/settings/", filled_in(**given))
        assert response.status_code == 422
        assert "needs your confirmation" in read_page(response)
        assert 'type="password"' in read_page(response)
        assert client.post("/settings/", filled_in(**given, password="wrong")).status_code == 422
        acme.refresh_from_db()
        assert (acme.mask_phone, acme.mask_digits) == (True, 2)

        assert client.post("/settings/", filled_in(**given, password=PASSWORD)).status_code == 302

        [event] = events("settings.changed")
        assert json.loads(event.body)["confirmed_by"] == "password"

    def test_but_fewer_digits_or_none_at_all_need_no_password(self, client: Client, alice: User) -> None:
        Account.objects.update(mask_phone=True, mask_digits=5)

        for digits in ("2", "0", "4"):
            assert client.post("/settings/", filled_in(mask_digits=digits)).status_code == 302


class TestThePreview:
    @pytest.mark.parametrize(
        ("given", "numbers"),
        [
            ({}, ["+XXXXXXXXXX23", "XXXXXXXX23", "XXXXX23"]),
            ({"mask_side": "first"}, ["+44XXXXXXXXXX", "21XXXXXXXX", "55XXXXX"]),
            ({"mask_digits": "0"}, ["+XXXXXXXXXXXX", "XXXXXXXXXX", "XXXXXXX"]),
            ({"mask_phone": None}, ["+442079460123", "2125550123", "5550123"]),
        ],
    )
    def test_shows_numbers_as_they_would_be_and_saves_nothing(
        self, client: Client, alice: User, acme: Account, given: dict[str, Any], numbers: list[str]
    ) -> None:
        fragment = client.post("/settings/preview/", filled_in(**given), headers={"HX-Request": "true"})
        page = client.post("/settings/preview/", filled_in(**given))

        assert "<form" not in fragment.content.decode()
        assert "<h1>Settings</h1>" in read_page(page)
        assert list_previews(fragment) == list_previews(page) == numbers
        acme.refresh_from_db()
        assert not acme.mask_phone

    def test_of_what_means_nothing_is_that_of_what_is_saved(self, client: Client, alice: User) -> None:
        response = client.post("/settings/preview/", filled_in(mask_digits="many"), headers={"HX-Request": "true"})

        assert response.status_code == 200
        assert list_previews(response)[0] == "+XXXXXXXX0123"


class TestTheLongestLifetime:
    def test_binds_new_keys_and_leaves_those_there_are(self, client: Client, alice: User, acme: Account) -> None:
        old = a_billing_key(alice, name="Old one").key
        Account.objects.update(key_lifetime_days=45)
        page = read_page(client.get("/keys/new/?api=billing"))

        assert '<option value="45" selected>45 days</option>' in page
        assert '<option value="never"' not in page
        assert client.get(f"/keys/{old.public_id}/edit/").status_code == 200
        old.refresh_from_db()
        assert old.expires_at is None

    @pytest.mark.parametrize(
        ("policy", "account", "installation", "days"),
        [(None, 45, 60, 45), (60, 60, 45, 45), (45, None, 60, 45), (None, None, 45, 45), (45, 46, None, 45)],
    )
    def test_is_the_shortest_there_is(
        self,
        settings,
        client: Client,
        alice: User,
        policy: int | None,
        account: int | None,
        installation: int | None,
        days: int,
    ) -> None:
        api = billing_for(Account.objects.get())
        api.policy["longest_days"] = policy
        api.save(update_fields=["policy"])
        settings.KEY_MAX_LIFETIME_DAYS = installation
        Account.objects.update(key_lifetime_days=account)

        assert f'<option value="{days}" selected>' in read_page(client.get("/keys/new/?api=billing"))

    def test_cannot_be_passed_by_a_service(self, client: Client, alice: User) -> None:
        from keys.services import Invalid

        Account.objects.update(key_lifetime_days=45)
        now = timezone.now()
        with pytest.raises(Invalid, match="maximum lifetime"):
            a_billing_key(alice, expires_at=now + timedelta(days=46))
        with pytest.raises(Invalid, match="must expire"):
            a_billing_key(alice)
        assert a_billing_key(alice, expires_at=now + timedelta(days=44))
