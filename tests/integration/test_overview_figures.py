"""The overview's figures: calls and refusals against the time before, keys that deserve a look, the state of the trail;
each leads to its list."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, User
from audit.calls import periods
from audit.calls.periods import Period, get_periods
from core.permissions import Role
from keys.models import Key, SecretUse
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call, as_owner, empty_sums
from tests.factories.key_rows import a_secret
from tests.factories.keys import a_billing_key
from tests.responses import Response

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)
HOUR = NOW.replace(minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
def alice(client: Client) -> User:
    empty_sums()
    as_owner("DELETE FROM audit_verification")
    periods._sum_sealed.cache_clear()
    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    client.force_login(user)
    return user


def summed(account: Account | None, hours: int, calls: int, reason: str = "", key_id: str = "0123456789ab") -> None:
    """Add the rollup of an hour so many hours ago."""
    as_owner(
        "INSERT INTO audit_rollup (hour, account_id, api, key_id, reason, rows, calls) VALUES (%s, %s, 'billing', %s, "
        "%s, %s, %s)",
        [HOUR - timedelta(hours=hours), account and account.pk, key_id, reason, calls, calls],
    )


def denied(account: Account, ago: timedelta, reason: str, **columns: Any) -> None:
    a_call(account, time=NOW - ago, reason=reason, decision="denied", **columns)


def text(response: Response) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html.unescape(response.content.decode())))


def numbers(period: Period) -> tuple[int, int, int, int]:
    return period.allowed, period.denied, period.allowed_before, period.denied_before


@pytest.mark.parametrize("total", [None, 0, 3, 25, 800])
def test_rollups_and_the_rows_after_them_are_counted_in_their_periods(alice: User, total: int | None) -> None:
    """However many of the hours the sums over all keys lack."""
    account = alice.account
    assert account
    # Sealed until two hours ago.
    for hours, calls, reason in (
        *((2, 5, ""), (23, 7, ""), (24, 11, ""), (47, 13, ""), (48, 17, "")),
        *((2, 1, "ip_not_allowed"), (30, 2, "ip_not_allowed"), (719, 3, "key_expired"), (720, 4, "key_expired")),
        *((1439, 6, "key_expired"), (1440, 8, "key_expired")),
    ):
        summed(account, hours, calls, reason)
    summed(an_account("globex"), 2, 1000)
    summed(None, 2, 1000, "invalid_credentials")
    a_call(account, folded=2)
    denied(account, timedelta(), "ip_not_allowed", folded=3)
    # Summed already.
    a_call(account, time=HOUR - timedelta(minutes=90))

    if total is not None:
        as_owner(
            "INSERT INTO audit_rollup_total SELECT hour, account_id, api, reason, sum(rows), sum(calls) "
            "FROM audit_rollup WHERE hour <= %s GROUP BY 1, 2, 3, 4",
            [HOUR - timedelta(hours=total)],
        )

    found = get_periods(account.pk, NOW)

    assert numbers(found.day) == (5 + 7 + 2, 1 + 3, 11 + 13, 2)
    assert numbers(found.month) == (5 + 7 + 11 + 13 + 17 + 2, 1 + 2 + 3 + 3, 0, 4 + 6)
    assert found.day.reasons == [("ip_not_allowed", 4)]
    assert found.month.reasons == [("ip_not_allowed", 6), ("key_expired", 3)]
    assert (found.day.keys, found.month.keys) == ([("0123456789ab", 4)], [("0123456789ab", 9)])
    assert found.cut is None


def test_without_rollups_rows_alone_are_counted(alice: User) -> None:
    account = alice.account
    assert account
    for ago in (timedelta(hours=1), timedelta(hours=26), 40 * DAY, 70 * DAY):
        a_call(account, time=NOW - ago)
    found = get_periods(account.pk, NOW)
    assert (numbers(found.day), numbers(found.month)) == ((1, 0, 1, 0), (2, 0, 1, 0))


def test_refusals_are_told_by_reason_and_key_and_lead_to_their_calls(client: Client, alice: User) -> None:
    key = a_billing_key(alice, name="Shop").key
    gone = a_billing_key(alice, name="Gone").key
    for _ in range(12):
        denied(key.account, timedelta(minutes=1), "ip_not_allowed", key_id=key.public_id)
    denied(key.account, timedelta(minutes=1), "invalid_credentials", key_id=gone.public_id)
    denied(key.account, timedelta(minutes=1), "unreadable_request", key_id="")
    a_call(key.account, key_id=key.public_id)
    Key.objects.filter(pk=gone.pk).update(deleted_at=NOW)

    page = client.get("/")

    said = text(page)
    assert "15 Calls in 24 hours none in the 24 hours before" in said
    assert "14 Refused in 24 hours none in the 24 hours before" in said
    assert "14 calls were refused in 24 hours, 0 in the 24 hours before." in said
    assert re.search(r"The address is not allowed 12 ", said)
    assert re.search(rf"Shop {key.public_id} 12 Gone deleted {gone.public_id} 1 no key known – 1", said)
    links = [html.unescape(url) for url in re.findall(r'href="(/logs/\?from=[^"]*)"', page.content.decode())]
    counts = {}
    for url in dict.fromkeys(links):
        answer = client.get(url)
        assert answer.status_code == 200
        counts[url.partition("&zone=UTC")[2]] = len(answer.context["page"].rows)
    assert counts[f"&decision=denied&key_id={key.public_id}"] == 12
    assert counts["&decision=denied&reason=ip_not_allowed"] == 12
    assert counts["&decision=denied"] == 14
    assert counts[""] == 15


def test_each_figure_of_keys_is_the_number_in_its_list(client: Client, alice: User) -> None:
    gone = a_user(alice.account, "Gone")
    a_billing_key(alice, name="Open")
    a_billing_key(alice, "203.0.113.7", name="Theirs", owner=gone, expires_at=NOW + 3 * DAY)
    changing = a_billing_key(alice, "203.0.113.7", name="Changing", expires_at=NOW + 100 * DAY).key
    a_secret(changing, "kw_old", retires_at=NOW + DAY)
    for name, used in (("Idle", None), ("Busy", NOW)):
        key = a_billing_key(alice, "203.0.113.7", name=name, expires_at=NOW + 100 * DAY).key
        Key.objects.filter(pk=key.pk).update(created_at=NOW - 100 * DAY)
        if used:
            SecretUse.objects.create(secret=key.secrets.get(), used_at=used, address="203.0.113.7")
    User.objects.filter(pk=gone.pk).update(is_active=False)

    page = client.get("/")

    figures = {each.name: each for each in (*page.context["figures"], *page.context["to_review"])}
    assert {name: figure.count for name, figure in figures.items()} == {
        "active": 4, "expires_soon": 1, "expired": 0, "disabled": 0,
        "unused": 1, "old_secret": 1, "unrestricted": 1, "never": 1, "inactive": 1,
    }  # fmt: skip
    for figure in figures.values():
        url = f"/keys/?{figure.query}" if figure.query else "/unused/"
        assert f'href="{url}"' in page.content.decode()
        assert len(client.get(url).context["rows"]) == figure.count
    said = text(page)
    assert "2 items to review" in said
    assert "The owner of 1 key is not active: calls with it are refused." in said
    assert "1 key expires within 14 days." in said


def test_when_all_is_well_it_says_so(client: Client, alice: User) -> None:
    key = a_billing_key(alice).key
    # Until the first call there are steps to take instead.
    assert "Nothing needs your attention" not in text(client.get("/"))
    a_call(key.account, key_id=key.public_id)
    assert "Nothing needs your attention" in text(client.get("/"))


@pytest.mark.parametrize(
    ("before", "now", "rises"), [(0, 9, False), (0, 10, True), (10, 19, False), (10, 20, True), (100, 150, False)]
)
def test_a_rise_in_refusals_is_told(client: Client, alice: User, before: int, now: int, rises: bool) -> None:
    a_billing_key(alice)
    summed(alice.account, 30, before, "ip_not_allowed")
    summed(alice.account, 3, now, "ip_not_allowed")
    said = text(client.get("/"))
    assert (f"{now} calls were refused in 24 hours, {before} in the 24 hours before." in said) == rises


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (100, 112, "12% more than in the 24 hours before"),
        (100, 50, "50% fewer than in the 24 hours before"),
        (7, 7, "as in the 24 hours before"),
        (0, 0, "none before either"),
    ],
)
def test_calls_are_compared_with_the_time_before(client: Client, alice: User, before: int, now: int, said: str) -> None:
    a_billing_key(alice)
    summed(alice.account, 30, before)
    summed(alice.account, 3, now)
    assert f"{now} Calls in 24 hours {said}" in text(client.get("/"))


def test_the_state_of_trail_and_digests_is_for_those_who_see_the_trail(client: Client, alice: User) -> None:
    a_billing_key(alice)
    said = text(client.get("/"))
    assert "Not verified yet. The hourly job verifies it." in said
    assert "No digest yet." in said
    client.force_login(a_user(alice.account, "Rita", Role.ACCOUNT_READER))
    said = text(client.get("/"))
    assert "Calls in 24 hours" in said
    assert "verified" not in said
    assert "digest" not in said


def test_a_late_verification_and_a_late_digest_are_told(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.models import Digest
    from audit.trail.verification_state import UNVERIFIED

    a_billing_key(alice)
    monkeypatch.setattr("keys.views.overview.read_state", lambda: UNVERIFIED)
    late = Digest(number=1, account_id=alice.account_id, since=NOW - 9 * DAY, until=NOW - timedelta(hours=4))
    monkeypatch.setattr("audit.digests.list_digests", lambda account: type("Rows", (), {"first": lambda self: late})())
    said = text(client.get("/"))
    assert "The audit trail was not verified for more than two hours" in said
    assert "The last digest is more than three hours old." in said
