"""The list of keys: its columns, search, filters, sorting, pages, and what a row costs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.lists import PAGE_SIZE
from accounts.models import User
from accounts.permissions import Role
from keys.models import Api, Enablement, Key, SecretUse
from tests.keys_made import a_billing_key, billing_for
from tests.people import a_user, an_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client: Client) -> User:
    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    billing_for(user.account)
    client.force_login(user)
    return user


def names(response: HttpResponse) -> list[str]:
    assert response.status_code == 200
    return re.findall(r'<td class="name"><a[^>]*>([^<]*)</a>', response.content.decode())


def test_the_columns_are_those_of_the_product(client: Client, alice: User):
    made = a_billing_key(alice, "203.0.113.0/24", modules=frozenset({"cdrs", "balance"}))
    SecretUse.objects.create(secret=made.key.secrets.get(), used_at=timezone.now(), address="203.0.113.8")
    page = client.get("/keys/").content.decode()

    headings = [re.sub("<[^>]*>", "", heading) for heading in re.findall(r"<th.*?</th>", page)]
    assert headings == [
        *("Created", "Status", "Name", "Owner", "User status", "API", "API ID", "Token", "Modules", "IP ACL"),
        *("Secret age", "Last used", "Actions"),
    ]
    assert f"********{made.key.public_id[-4:]}" in page
    assert "2 of 5" in page
    assert "203.0.113.0/24" in page
    assert made.token not in page


def test_each_status_is_told_and_filtered(client: Client, alice: User):
    soon = timezone.now() + timedelta(days=13)
    a_billing_key(alice, name="Plain")
    a_billing_key(alice, name="Later", expires_at=soon + timedelta(days=2))
    a_billing_key(alice, name="Soon", expires_at=soon)
    over = a_billing_key(alice, name="Over", expires_at=soon).key
    Key.objects.filter(pk=over.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    a_billing_key(alice, name="Off", expires_at=soon, enabled=False)

    found = {status: names(client.get(f"/keys/?status={status}&sort=name")) for status in (
        *("active", "expires_soon", "expired", "disabled"),
    )}  # fmt: skip
    assert found == {
        "active": ["Later", "Plain"],
        "expires_soon": ["Soon"],
        "expired": ["Over"],
        "disabled": ["Off"],
    }


def test_search_is_by_word_start_owner_api_id_and_last_four(client: Client, alice: User):
    bob = a_user(alice.account, "Robert")
    robot = a_billing_key(alice, name="Nightly billing-robot").key
    a_billing_key(alice, name="Über (Test) 50%", owner=bob)

    def found(text: str) -> list[str]:
        return names(client.get("/keys/", {"q": text, "sort": "name"}))

    assert found("bill") == found("NIGHT") == ["Nightly billing-robot"]
    assert found("robo") == ["Nightly billing-robot"]
    assert found("rob") == ["Nightly billing-robot", "Über (Test) 50%"]
    assert found("illing") == []
    assert found("über") == found("(test") == found("50%") == ["Über (Test) 50%"]
    assert found("robert@acme") == ["Über (Test) 50%"]
    assert found(robot.public_id) == found(robot.public_id[-4:]) == ["Nightly billing-robot"]
    assert found(robot.public_id[-5:]) == []
    for pattern in (".*", "\\", "[", "a{1,9999}", "(?i)", "%", "_", "'"):
        assert found(pattern) == []


@pytest.mark.parametrize(
    "query",
    [
        "status=gone",
        "api=nothing",
        "sort=colour",
        "page=0",
        "page=x",
        "page=201",
        "q=%00",
        "q=" + "x" * 201,
        "stauts=active",
    ],
)
def test_a_filter_that_means_nothing_shows_no_rows(client: Client, alice: User, query: str):
    a_billing_key(alice)

    for headers in ({}, {"HX-Request": "true"}):
        response = client.get(f"/keys/?{query}", headers=headers)
        assert response.status_code == 400
        page = response.content.decode()
        assert "Nothing is shown" in page
        assert "Invoice robot" not in page


@pytest.mark.parametrize("sort", ["created", "name", "owner", "used", "age"])
def test_every_sort_has_its_reverse(client: Client, alice: User, sort: str):
    bob = a_user(alice.account, "Bob")
    for name, owner in (("a", bob), ("B", alice), ("c", None)):
        key = a_billing_key(alice, name=name, owner=owner).key
        if name != "B":
            SecretUse.objects.create(
                secret=key.secrets.get(), used_at=timezone.now() + timedelta(minutes=ord(name)), address="192.0.2.1"
            )
    up, down = names(client.get(f"/keys/?sort={sort}")), names(client.get(f"/keys/?sort=-{sort}"))

    assert sorted(up) == ["B", "a", "c"]
    assert up == down[::-1]


def test_pages_follow_each_other_without_gap(client: Client, alice: User):
    keys = [
        Key(account=alice.account, api=Api.objects.get(slug="billing"), owner=alice, name=f"k{n}", public_id=f"{n:012}")
        for n in range(PAGE_SIZE + 3)
    ]
    Key.objects.bulk_create(keys)
    first, second = client.get("/keys/?sort=name"), client.get("/keys/?sort=name&page=2")

    assert len(names(first)) == PAGE_SIZE
    assert sorted(names(first) + names(second)) == sorted(key.name for key in keys)
    assert "?sort=name&amp;page=2" in first.content.decode()
    assert "page=3" not in second.content.decode()


def test_a_tab_for_each_api_when_there_are_several(client: Client, alice: User):
    assert 'class="tabs"' not in client.get("/keys/").content.decode()
    second = Api.objects.create(slug="second", name="Second", document={}, policy=billing_for(alice.account).policy)
    Enablement.objects.create(account=alice.account, api=second)
    a_billing_key(alice)

    page = client.get("/keys/?api=second").content.decode()
    assert re.search(r'href="/keys/\?api=second" aria-current="page">Second', page)
    assert "Invoice robot" not in page


def test_a_row_costs_no_query(client: Client, alice: User):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get("/keys/")
        return len(queries)

    a_billing_key(alice, "203.0.113.7", modules=frozenset({"cdrs"}))
    cost()
    one = cost()
    for _ in range(20):
        a_billing_key(a_user(alice.account, f"user{_}", Role.ADMINISTRATOR), "203.0.113.7", "2001:db8::/32")
    assert cost() == one
    # Session, user; its tracked session in 5; APIs, account, keys, addresses, modules, the APIs' modules.
    assert one == 13


def test_nobody_sees_another_accounts_keys(client: Client, alice: User):
    a_billing_key(a_user(an_account("globex"), "Greta", Role.ADMINISTRATOR), name="Secret plan")

    for query in ("", "?q=secret", "?q=Greta", "?api=billing", "?status=active"):
        assert names(client.get(f"/keys/{query}")) == []


def test_an_empty_list_offers_the_next_step(client: Client, alice: User):
    def page(query: str = "") -> Any:
        return client.get(f"/keys/{query}").content.decode()

    assert "No API keys yet" in page()
    assert 'href="/keys/new/?api=billing"' in page()
    assert "No keys match" in page("?q=x")
