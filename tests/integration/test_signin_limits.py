"""Sign-in under attack: many workers at once get no more guesses than the limit, and no answer tells who is known."""

from __future__ import annotations

import gc
import multiprocessing
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connections
from django.test import Client

from accounts.models import User
from audit.models import Event
from tests.factories.accounts import PASSWORD, a_user, an_account

WORKERS = 8
WRONG = "Incorrect e-mail or password"
TOO_MANY = "Too many failed sign-ins"


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def guess(number: int, email: str = "alice@acme.example") -> str:
    """One guess, from an address of its own; what came back."""
    response = Client(REMOTE_ADDR=address(number)).post("/login/", {"login": email, "password": f"guess {number}"})
    page = response.content.decode()
    return "compared" if WRONG in page else "refused" if TOO_MANY in page else f"{response.status_code}"


def work(numbers: range) -> Counter[str]:
    return Counter(guess(number) for number in numbers)


@pytest.mark.quality(10)
@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_get_no_more_guesses_than_the_limit(full: bool, figure: Callable[[str], None]) -> None:
    tries = 1000 if full else 160
    alice = a_user(an_account(), "Alice")
    connections.close_all()
    with warnings.catch_warnings():
        # Newer Pythons warn of threads beside a fork; the children begin with nothing of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        pool = multiprocessing.get_context("fork").Pool(WORKERS)
    with pool:
        counts = sum(pool.map(work, [range(start, tries, WORKERS) for start in range(WORKERS)]), Counter())
        pool.close()
        pool.join()

    figure(f"{tries} parallel sign-ins over {WORKERS} processes: {counts['compared']} were compared, the limit is 5")
    assert counts["compared"] <= 6
    assert counts["compared"] + counts["refused"] == tries
    # The attack does not fill the trail.
    recorded = Event.objects.filter(name="user.sign_in_failed", account_id=alice.account_id)
    assert recorded.count() == counts["compared"]
    assert Client().post("/login/", {"login": alice.email, "password": PASSWORD}).status_code == 200


@pytest.mark.django_db
def test_a_spray_of_addresses_and_e_mails_does_not_push_a_count_out(full: bool) -> None:
    a_user(an_account(), "Alice")
    assert [guess(0) for _ in range(6)] == ["compared"] * 5 + ["refused"]

    for number in range(2000 if full else 100):
        guess(number, f"nobody{number}@acme.example")

    assert guess(1) == "refused"


@pytest.mark.django_db
def test_one_ipv6_client_is_counted_by_its_network() -> None:
    for number in range(30):
        Client(REMOTE_ADDR=f"2001:db8::{number:x}").post(
            "/login/", {"login": f"n{number}@acme.example", "password": "x"}
        )

    assert Client(REMOTE_ADDR="2001:db8::ffff").post("/login/", {}).status_code == 429
    assert Client(REMOTE_ADDR="2001:db8:0:1::1").post("/login/", {}).status_code == 200


@pytest.mark.quality(10)
@pytest.mark.django_db
def test_an_unknown_e_mail_takes_as_long_as_a_known_one(full: bool, figure: Callable[[str], None]) -> None:
    samples, apart = 200 if full else 100, 1.0
    account, hashed = an_account(), make_password(PASSWORD)
    took: dict[str, list[float]] = {"known": [], "nobody": []}
    # A busy machine blurs them: then more samples, which bring out a difference that is there.
    for sitting in range(4):
        User.objects.bulk_create(
            User(
                account=account,
                email=f"known{sitting}.{n}@acme.example",
                nickname=f"known{sitting}.{n}",
                password=hashed,
            )
            for n in range(samples)
        )
        for number in range(-5, samples):
            # In turn, so that whatever else the machine does falls on both; the first few warm up.
            for kind in took if number % 2 else reversed(took):
                gc.disable()
                began = time.perf_counter()
                guess(sitting * samples + number & 0xFFFF, f"{kind}{sitting}.{number}@acme.example")
                if number >= 0:
                    took[kind].append(time.perf_counter() - began)
                gc.enable()
        known, nobody = (statistics.median(times) for times in took.values())
        apart = abs(known - nobody) / max(known, nobody)
        if apart < 0.10:
            break
    samples = len(took["known"])
    figure(
        f"sign-in, median of {samples}: known e-mail {known * 1e3:.1f} ms, unknown {nobody * 1e3:.1f} ms, "
        f"{apart:.1%} apart"
    )
    assert apart < 0.10
