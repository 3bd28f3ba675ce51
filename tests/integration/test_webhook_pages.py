"""Pages of webhook endpoints: the secret is shown once, all faults are said, each change is confirmed and recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, User
from core.actor import ConfirmationRequired
from core.permissions import Role
from keys.notices import jobs, webhooks
from keys.notices.endpoint_secrets import open_secrets
from keys.notices.models import Delivery, Endpoint
from keys.notices.services import endpoints
from tests.factories.accounts import PASSWORD, a_user, acting, an_account
from tests.factories.keys import confirmed
from tests.factories.notices import SENDER, an_endpoint
from tests.responses import Response, read_page, read_words
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db
NEW = "/settings/notices/webhooks/new/"
URL = "https://hooks.example.com/keyward?token=abc"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


@pytest.fixture
def endpoint(alice: User) -> Endpoint:
    return an_endpoint(alice, URL, tested=False)


def get_secrets(response: Response) -> set[str]:
    return set(SECRET.findall(read_page(response)))


def get_names() -> list[str]:
    return list(since_the_beginning().filter(name__startswith="webhook.").values_list("name", flat=True))


class TestAdding:
    def test_the_secret_is_shown_once(self, client: Client, signed_in: User) -> None:
        response = client.post(NEW, {"url": URL, "password": PASSWORD})

        endpoint = Endpoint.objects.get()
        assert get_secrets(response) == set(open_secrets(endpoint))
        assert response.headers["Cache-Control"] == "no-store"
        page = client.get(f"/settings/notices/webhooks/{endpoint.pk}/")
        assert get_secrets(page) == set()
        assert URL in read_page(page)
        [event] = since_the_beginning().filter(name="webhook.added")
        assert event.target == "hooks.example.com"
        assert "token=abc" not in event.body
        assert open_secrets(endpoint)[0] not in event.body

    def test_a_wrong_url_is_told_whatever_the_password(self, client: Client, signed_in: User) -> None:
        response = client.post(NEW, {"url": "http://alice@10.0.0.5/#x", "password": "wrong"})
        words = read_words(response)
        assert response.status_code == 422
        for problem in ("Use https://", "Remove the user name", "Remove the part after #", "is not a public address"):
            assert problem in words
        assert 'value="http://alice@10.0.0.5/#x"' in read_page(response)
        assert not Endpoint.objects.exists()

    def test_nothing_is_added_without_the_password(self, client: Client, signed_in: User) -> None:
        response = client.post(NEW, {"url": URL, "password": "wrong"})
        assert response.status_code == 422
        assert "Incorrect password. 9 attempts left." in read_words(response)
        assert not Endpoint.objects.exists()
        with pytest.raises(ConfirmationRequired):
            endpoints.add_endpoint(account=signed_in.account, url=URL, by=acting(signed_in))

    def test_the_same_url_and_an_eleventh_are_refused(self, client: Client, signed_in: User) -> None:
        for number in range(endpoints.MAX_ENDPOINTS):
            an_endpoint(signed_in, f"https://hooks.example.com/{number}", tested=False)
        response = client.post(NEW, {"url": "https://hooks.example.com/3", "password": PASSWORD})
        words = read_words(response)
        assert "Notices are sent to this URL already." in words
        assert "An account has at most 10 endpoints." in words


class TestChanging:
    def test_a_rotation_shows_the_new_secret_once(self, client: Client, signed_in: User, endpoint: Endpoint) -> None:
        [before] = open_secrets(endpoint)
        here = f"/settings/notices/webhooks/{endpoint.pk}/"
        response = client.post(f"{here}rotate/", {"password": PASSWORD})
        after = open_secrets(endpoint)[0]
        assert get_secrets(response) == {after} != {before}
        assert "Also used until" in read_words(client.get(here))
        assert get_names() == ["webhook.added", "webhook.rotated"]

    def test_it_is_disabled_and_enabled_with_the_password(
        self, client: Client, signed_in: User, endpoint: Endpoint
    ) -> None:
        here = f"/settings/notices/webhooks/{endpoint.pk}/"
        assert "hooks.example.com is disabled" in read_words(client.post(f"{here}disable/", follow=True))
        assert client.post(f"{here}enable/", {"password": "wrong"}).status_code == 422
        assert "hooks.example.com is enabled" in read_words(
            client.post(f"{here}enable/", {"password": PASSWORD}, follow=True)
        )
        assert get_names() == ["webhook.added", "webhook.disabled", "webhook.enabled"]

    def test_deleted_it_is_gone_with_its_secret(self, client: Client, signed_in: User, endpoint: Endpoint) -> None:
        here = f"/settings/notices/webhooks/{endpoint.pk}/"
        assert "hooks.example.com is deleted." in read_words(client.post(f"{here}delete/", follow=True))
        assert client.get(here).status_code == 404
        assert not endpoint.secrets.exists()
        assert get_names() == ["webhook.added", "webhook.deleted"]

    @pytest.mark.parametrize("action", ["rotate", "enable", "disable", "delete", "test"])
    def test_one_that_was_deleted_meanwhile_is_not_found(
        self, action: str, client: Client, signed_in: User, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After the page has loaded it, before the service locks it."""
        lock = endpoints._lock

        def delete_first(row: Endpoint, by: Any) -> Endpoint:
            Endpoint.objects.filter(pk=row.pk).delete()
            return lock(row, by)

        monkeypatch.setattr(endpoints, "_lock", delete_first)
        url = f"/settings/notices/webhooks/{endpoint.pk}/{action}/"
        assert client.post(url, {"password": PASSWORD}).status_code == 404

    def test_a_test_and_a_notice_sent_again_appear_with_their_result(
        self, client: Client, signed_in: User, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhooks, "post", lambda *about: 204)
        here = f"/settings/notices/webhooks/{endpoint.pk}/"
        assert "The test is sent within a minute." in read_words(client.post(f"{here}test/", follow=True))
        jobs.send(SENDER)
        assert re.search(r"Test msg_[0-9a-f]{32} .* Delivered Answered 204\. 1 – Resend", read_words(client.get(here)))
        delivery = Delivery.objects.get(endpoint=endpoint)
        client.post(f"{here}deliveries/{delivery.pk}/again/")
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == ("waiting", 0)
        assert get_names() == ["webhook.added", "webhook.tested", "webhook.resent"]

    def test_while_a_test_waits_there_is_no_second(self, client: Client, signed_in: User) -> None:
        endpoint = an_endpoint(signed_in, URL)
        client.post(f"/settings/notices/webhooks/{endpoint.pk}/test/")
        assert Delivery.objects.count() == 1
        assert get_names() == ["webhook.added", "webhook.tested"]

    def test_to_a_disabled_one_nothing_is_sent(self, client: Client, signed_in: User) -> None:
        endpoint = an_endpoint(signed_in, URL)
        delivery = Delivery.objects.get()
        endpoints.set_enabled(endpoint=endpoint, enabled=False, by=acting(signed_in))
        here = f"/settings/notices/webhooks/{endpoint.pk}/"
        for path in ("test/", f"deliveries/{delivery.pk}/again/"):
            assert "is disabled, so nothing was sent." in read_words(client.post(here + path, follow=True))
        assert not Delivery.objects.exclude(next_attempt_at=None).exists()

    def test_a_delivery_of_another_endpoint_is_not_found(
        self, client: Client, signed_in: User, endpoint: Endpoint
    ) -> None:
        an_endpoint(signed_in, "https://other.example/")
        delivery = Delivery.objects.get()
        url = f"/settings/notices/webhooks/{endpoint.pk}/deliveries/{delivery.pk}/again/"
        assert client.post(url).status_code == 404


CHANGES: dict[str, Callable[[User, Endpoint], Any]] = {
    "rotate": lambda alice, endpoint: endpoints.rotate_secret(
        endpoint=endpoint, by=confirmed(alice, "webhook.rotate", str(endpoint.pk))
    ),
    "disable": lambda alice, endpoint: endpoints.set_enabled(endpoint=endpoint, enabled=False, by=acting(alice)),
    "delete": lambda alice, endpoint: endpoints.delete_endpoint(endpoint=endpoint, by=acting(alice)),
    "test": lambda alice, endpoint: endpoints.send_test(endpoint=endpoint, by=acting(alice)),
    "add": lambda alice, endpoint: an_endpoint(alice, "https://other.example/", tested=False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_without_its_event_nothing_is_changed(
    change: str, alice: User, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **data: Any) -> None:
        raise RuntimeError("no event")

    def read() -> list[Any]:
        return [
            list(Endpoint.objects.values()),
            list(endpoint.secrets.values_list("pk", "retires_at")),
            Delivery.objects.count(),
        ]

    before = read()
    monkeypatch.setattr(endpoints, "record", fail)
    with pytest.raises(RuntimeError, match="no event"):
        CHANGES[change](alice, endpoint)
    assert read() == before


def test_an_auditor_sees_everything_but_the_path(client: Client, alice: User, endpoint: Endpoint) -> None:
    client.force_login(a_user(alice.account, "Arthur", Role.AUDITOR))
    page = read_page(client.get(f"/settings/notices/webhooks/{endpoint.pk}/"))
    assert "hooks.example.com" in page
    assert "token=abc" not in page
    assert '<button class="button" type="submit">Send test' not in page


def test_of_another_account_none_is_found(client: Client, alice: User, endpoint: Endpoint) -> None:
    client.force_login(a_user(an_account("globex"), "Gina", Role.ADMINISTRATOR))
    assert client.get(f"/settings/notices/webhooks/{endpoint.pk}/").status_code == 404
    assert "hooks.example.com" not in read_page(client.get("/settings/notices/"))


def test_in_a_suspended_account_nothing_is_changed(client: Client, signed_in: User, endpoint: Endpoint) -> None:
    Account.objects.update(status=Account.Status.SUSPENDED)
    for action in ("rotate", "enable", "disable", "delete", "test"):
        url = f"/settings/notices/webhooks/{endpoint.pk}/{action}/"
        assert client.post(url, {"password": PASSWORD}).status_code == 403
