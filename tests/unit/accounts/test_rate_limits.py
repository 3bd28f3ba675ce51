"""Limits: never more than so many within so long, also in parallel, and no spraying pushes a count out."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections, transaction

from accounts.models import Limit
from accounts.signin import rate_limits
from accounts.signin.rate_limits import (
    RESET,
    SIGN_IN,
    RateLimit,
    count_attempt,
    delete_expired,
    get_address_key,
    refund_attempt,
)
from audit.models import Event
from tests.factories.accounts import a_user, an_account
from tests.trail import since_the_beginning

MINUTE = timedelta(minutes=1)


def five(key: str = "alice@acme.example") -> bool:
    return count_attempt(SIGN_IN, key)


def later(by: timedelta) -> None:
    """Move what was counted into the past."""
    for limit in Limit.objects.all():
        Limit.objects.filter(name=limit.name, key=limit.key).update(
            taken=[moment - by for moment in limit.taken], expires_at=limit.expires_at - by
        )


@pytest.mark.django_db
class TestTake:
    def test_lets_so_many_through_and_no_more(self) -> None:
        assert [five() for _ in range(7)] == [True] * 5 + [False] * 2

    def test_counts_each_key_and_each_name_by_itself(self) -> None:
        for _ in range(5):
            five()

        assert five("bob@acme.example")
        assert count_attempt(RESET, "alice@acme.example")
        assert not five("ALICE@acme.example")

    def test_lets_go_of_each_try_when_its_time_is_over(self) -> None:
        for _ in range(4):
            five()
        later(3 * MINUTE)
        assert five()
        assert not five()

        later(2 * MINUTE)

        assert [five() for _ in range(5)] == [True] * 4 + [False]

    def test_a_right_one_is_given_back_and_forgives_no_other(self) -> None:
        for _ in range(4):
            five()
        for _ in range(3):
            assert five()
            refund_attempt(SIGN_IN, "alice@acme.example")

        assert five()
        assert not five()

    def test_keys_of_any_length_and_bytes_are_counted(self) -> None:
        for key in ("", "a\x00b", "x" * 5000, "ü" * 300):
            assert [count_attempt(RateLimit("sign-in", 1, MINUTE), key) for _ in range(2)] == [True, False]

    @pytest.mark.slow
    def test_ten_thousand_others_do_not_push_a_count_out(self, full: bool) -> None:
        for _ in range(5):
            five()
        for number in range(10_000 if full else 500):
            five(f"nobody{number}@acme.example")
        delete_expired()

        assert not five()


@pytest.mark.django_db
class TestWhatWasRefused:
    def test_is_one_event_with_a_count_in_the_users_account(self) -> None:
        alice = a_user(an_account(), "Alice")
        for _ in range(30):
            five()
        assert not Event.objects.filter(name="limit.held").exists()

        later(6 * MINUTE)
        assert five()

        event = since_the_beginning().get(name="limit.held")
        assert event.account_id == alice.account_id
        assert json.loads(event.body)["data"] == {"limit": "sign-in", "key": alice.email, "refused": 25}

    def test_is_told_by_the_sweep_when_nobody_comes_again(self) -> None:
        for _ in range(6):
            five("nobody@acme.example")
        assert delete_expired() == 0

        later(6 * MINUTE)

        assert delete_expired() == 1
        assert since_the_beginning().get(name="limit.held").account_id is None
        assert not Limit.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_parallel_tries_cannot_pass_the_limit() -> None:
    def one(_: int) -> bool:
        try:
            return five()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(60))) == 5


@pytest.mark.django_db(transaction=True)
def test_a_callers_rollback_cannot_take_a_try_back() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        five()


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.8", "203.0.113.8"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
    ],
)
def test_one_client_is_one_address_or_one_network_of_ipv6(address: str, key: str) -> None:
    assert get_address_key(address) == key


def test_the_longest_key_fits_its_column() -> None:
    assert Limit._meta.get_field("key").max_length == rate_limits.MAX_KEY_LENGTH
