"""The confirmation: the right password allows one action on one object; wrong ones lock, also in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connections, transaction

from accounts import confirmation
from accounts.confirmation import ConfirmationRefused, Locked, NoConfirmationMethod, WrongPassword, confirm
from accounts.models import Account, ConfirmationAttempts, User
from audit.models import Event
from core.actor import ConfirmationRequired
from tests.factories.accounts import ADDRESS, PASSWORD, a_user, acting, an_account
from tests.trail import since_the_beginning

MINUTE = timedelta(minutes=1)


@pytest.fixture
def alice(db: None) -> User:
    return a_user(an_account(), "Alice")


def wrongly(user: User, times: int = 1) -> ConfirmationRefused:
    for _ in range(times):
        with pytest.raises(ConfirmationRefused) as refusal:
            confirm(user, "a guess", action="key.reveal", target="k1", by=acting(user))
    return refusal.value


def tries_left(user: User) -> int:
    refusal = wrongly(user)
    assert isinstance(refusal, WrongPassword)
    return refusal.attempts_left


def events() -> list[str]:
    """Of this test's accounts: the trail keeps what other tests committed."""
    found = Event.objects.filter(name__startswith="confirmation.", account_id__in=Account.objects.values("pk"))
    return list(found.order_by("seq").values_list("name", flat=True))


class TestTheRightPassword:
    def test_allows_one_action_on_one_object_once(self, alice: User) -> None:
        by = acting(alice).with_confirmation(
            confirm(alice, PASSWORD, action="key.reveal", target="k1", by=acting(alice))
        )

        for action, target in (("key.reveal", "k2"), ("key.enable", "k1")):
            with pytest.raises(ConfirmationRequired):
                by.spend_confirmation(action, target)
        by.spend_confirmation("key.reveal", "k1")
        with pytest.raises(ConfirmationRequired):
            by.spend_confirmation("key.reveal", "k1")

    def test_counts_nothing_and_forgives_nothing(self, alice: User) -> None:
        wrongly(alice, 9)
        for _ in range(3):
            assert confirm(alice, PASSWORD, action="key.reveal", target="k1", by=acting(alice)).method == "password"

        assert isinstance(wrongly(alice), Locked)


class TestAWrongPassword:
    def test_says_how_many_tries_are_left(self, alice: User) -> None:
        refusal = wrongly(alice)

        assert isinstance(refusal, WrongPassword)
        assert (refusal.attempts_left, str(refusal)) == (9, "Incorrect password.")

    def test_is_on_the_trail_with_its_address(self, alice: User) -> None:
        wrongly(alice)

        event = since_the_beginning().get(name="confirmation.failed")
        assert (event.actor, event.address, event.account_id) == (alice.email, ADDRESS, alice.account_id)
        assert "a guess" not in event.body

    def test_the_tenth_locks_for_ten_minutes_and_even_the_right_one_is_refused(self, alice: User) -> None:
        before = datetime.now(UTC)
        refusal = wrongly(alice, 10)

        assert isinstance(refusal, Locked)
        assert abs(refusal.until - before - 10 * MINUTE) < MINUTE
        with pytest.raises(Locked):
            confirm(alice, PASSWORD, action="key.reveal", target="k1", by=acting(alice))
        assert events() == ["confirmation.failed"] * 9 + ["confirmation.locked"]

    def test_locks_nobody_else(self, alice: User) -> None:
        bob = a_user(alice.account, "Bob")
        wrongly(alice, 10)

        assert confirm(bob, PASSWORD, action="key.reveal", target="k1", by=acting(bob))

    def test_after_the_lock_there_are_ten_new_tries(self, alice: User) -> None:
        wrongly(alice, 10)
        ConfirmationAttempts.objects.update(locked_until=datetime.now(UTC) - timedelta(seconds=1))

        assert tries_left(alice) == 9

    def test_counts_for_ten_minutes(self, alice: User) -> None:
        wrongly(alice, 9)
        attempts = ConfirmationAttempts.objects.get()
        attempts.wrong = [at - 11 * MINUTE for at in attempts.wrong[:5]] + attempts.wrong[5:]
        attempts.save()

        assert tries_left(alice) == 5

    @pytest.mark.parametrize("password", ["", "\x00", PASSWORD + " ", PASSWORD.upper(), "x" * 100_000, "пароль"])
    def test_may_be_any_text(self, alice: User, password: str) -> None:
        with pytest.raises(WrongPassword):
            confirm(alice, password, action="key.reveal", target="k1", by=acting(alice))


@pytest.mark.parametrize("change", [{"password": make_password(None)}, {"is_active": False}])
def test_someone_with_nothing_to_confirm_with_is_refused(alice: User, change: dict[str, object]) -> None:
    User.objects.filter(pk=alice.pk).update(**change)

    with pytest.raises(NoConfirmationMethod):
        confirm(alice, PASSWORD, action="key.reveal", target="k1", by=acting(alice))
    with pytest.raises(NoConfirmationMethod):
        confirm(alice, "", action="key.reveal", target="k1", by=acting(alice))


@pytest.mark.django_db(transaction=True)
class TestInParallel:
    def test_it_cannot_be_asked_inside_a_transaction_that_might_forget_the_try(self, alice: User) -> None:
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            confirm(alice, "a guess", action="key.reveal", target="k1", by=acting(alice))

    @pytest.mark.quality(10)
    @pytest.mark.slow
    def test_200_wrong_ones_never_get_more_guesses_than_the_limit(
        self, alice: User, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None]
    ) -> None:
        guesses = counted_checks(monkeypatch)

        refusals = in_parallel(
            lambda: confirm(alice, "a guess", action="key.reveal", target="k1", by=acting(alice)), 200
        )

        figure(
            f"200 wrong confirmations in parallel: {len(guesses)} were compared, "
            f"the limit is {confirmation.ATTEMPT_LIMIT}"
        )
        assert len(guesses) == confirmation.ATTEMPT_LIMIT
        assert sum(isinstance(refusal, WrongPassword) for refusal in refusals) == confirmation.ATTEMPT_LIMIT - 1
        assert sum(isinstance(refusal, Locked) for refusal in refusals) == 200 - (confirmation.ATTEMPT_LIMIT - 1)
        assert events() == ["confirmation.failed"] * 9 + ["confirmation.locked"]

    def test_40_right_ones_do_not_get_into_each_others_way(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        counted_checks(monkeypatch)

        given = in_parallel(lambda: confirm(alice, PASSWORD, action="key.create", target="form", by=acting(alice)), 40)

        assert [consent for consent in given if isinstance(consent, Exception)] == []
        assert ConfirmationAttempts.objects.get().checking == []


def counted_checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the passwords that are compared, quickly: argon2 would take a minute for all of them."""
    guesses: list[str] = []

    def check(password: str, encoded: str) -> bool:
        guesses.append(password)
        return password == PASSWORD

    monkeypatch.setattr(confirmation, "check_password", check)
    return guesses


def in_parallel(call: Callable[[], object], times: int) -> list[object]:
    """Run `call` that often, in 20 threads with a connection each, starting at once; return results and exceptions."""
    start = threading.Barrier(20)

    def worker(_: int) -> list[object]:
        start.wait()
        found: list[object] = []
        for _ in range(times // 20):
            try:
                found.append(call())
            except Exception as error:
                found.append(error)
        connections.close_all()
        return found

    with ThreadPoolExecutor(20) as pool:
        return [result for results in pool.map(worker, range(20)) for result in results]
