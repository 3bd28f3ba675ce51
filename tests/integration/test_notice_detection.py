"""What notices are made about: networks, refusals, overlaps, unused grants; what is not; that none is made twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.calls import rises
from keys.models import Key, Secret, SecretUse
from keys.notices import jobs
from keys.notices.kinds import KINDS, Kind
from keys.notices.models import DetectionState, KeyNetwork, Notice
from keys.notices.services import networks as service
from keys.notices.services import notices
from keys.notices.words import WORDS, build_sentence
from keys.services import Overlap, change
from tests.factories.accounts import a_user, acting
from tests.factories.calls import as_owner, empty_sums
from tests.factories.keys import a_billing_key, confirmed
from tests.factories.notices import MAINTAIN, SENDER, take_outbox
from tests.responses import read_words
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)


@pytest.fixture(autouse=True)
def _nothing_before() -> None:
    """No sums of other tests, and no months of other tests' notices."""
    empty_sums()
    as_owner("DELETE FROM audit_usage_day")
    as_owner("DELETE FROM audit_usage")
    DetectionState.objects.create(pk=1, unused_month=NOW.date().replace(day=1))


@pytest.fixture
def key(alice: User) -> Key:
    return a_billing_key(alice, name="Invoice robot").key


def sum_calls(key: Key, address: str, *, at: datetime = NOW, reason: str = "") -> None:
    """Add a call to the sums, as `maintain` does."""
    as_owner(
        "WITH made AS (INSERT INTO audit_usage (account_id, key_id, api, client_address, credential, route, module, "
        "reason, old_secret, last_seen, calls) VALUES (%s, %s, 'billing', %s, 'bearer', 'GET /customers', 'customers', "
        "%s, false, %s, 1) RETURNING id) INSERT INTO audit_usage_day (day, usage_id, calls) SELECT %s, id, 1 FROM made",
        [key.account_id, key.public_id, address, reason, at, at.date()],
    )


def sum_until(until: datetime) -> None:
    as_owner("UPDATE audit_usage_state SET until = %s", [until])


def get_data(kind: Kind) -> list[dict[str, Any]]:
    return list(Notice.objects.filter(kind=kind).order_by("created_at", "pk").values_list("data", flat=True))


def detect() -> int:
    made = jobs.detect(MAINTAIN)
    before = Notice.objects.count()
    assert jobs.detect(MAINTAIN) == 0, "a second run said something again"
    assert Notice.objects.count() == before
    return made


class TestNetworks:
    def see(self, key: Key, *addresses: str, at: datetime = NOW) -> list[list[str]]:
        """Sum calls and detect; return the networks of the notices so far."""
        for address in addresses:
            sum_calls(key, address, at=at)
        sum_until(at)
        detect()
        return [data["networks"] for data in get_data(Kind.KEY_NEW_NETWORK)]

    def test_a_key_s_first_networks_are_known_and_a_later_one_is_told(self, alice: User, key: Key) -> None:
        assert self.see(key, "203.0.113.7", "2001:db8:1:2::3", at=NOW - 3 * HOUR) == []
        assert self.see(key, "203.0.113.250", "2001:db8:1:ffff::1", at=NOW - 2 * HOUR) == []
        assert self.see(key, "198.51.100.9", "2001:db8:2::1", at=NOW - HOUR) == [["198.51.100.0/24", "2001:db8:2::/48"]]
        assert self.see(key, "198.51.100.10") == [["198.51.100.0/24", "2001:db8:2::/48"]]
        rows = KeyNetwork.objects.filter(key=key).order_by("pk").values_list("network", "known")
        assert [known for _, known in rows] == [True, True, False, False]

        jobs.send(SENDER)
        [mail] = take_outbox()
        assert mail.subject == "An API key was used from a new network"
        assert "was used from 198.51.100.0/24, 2001:db8:2::/48 for the first time" in mail.body
        url = f"http://localhost:8000/keys/{key.public_id}"
        assert f"It was us (Invoice robot): {url}/networks/" in mail.body
        assert f"Disable Invoice robot: {url}/disable/" in mail.body
        html = str(mail.alternatives[0][0])  # type: ignore[attr-defined]
        assert f'<a href="{url}/disable/">Disable Invoice robot</a>' in html

    def test_refused_calls_and_deleted_keys_tell_nothing(self, alice: User, key: Key) -> None:
        self.see(key, "203.0.113.7", at=NOW - 2 * HOUR)
        sum_calls(key, "198.51.100.9", reason="ip_not_allowed")
        other = a_billing_key(alice).key
        KeyNetwork.objects.create(key=other, network="10.0.0.0/24", known=True, first_seen_at=NOW)
        Key.objects.filter(pk=other.pk).update(deleted_at=NOW)
        sum_calls(other, "198.51.100.9")
        assert self.see(key) == []

    def test_only_the_days_since_the_last_look_are_read(self, key: Key) -> None:
        self.see(key, "203.0.113.7", at=NOW - 2 * HOUR)
        sum_calls(key, "192.0.2.1", at=NOW - 5 * DAY)
        sum_until(NOW)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            jobs.detect(MAINTAIN)
        [query] = [each["sql"] for each in captured.captured_queries if "set_masklen" in each["sql"]]
        assert "audit_usage_day WHERE day >=" in query
        assert get_data(Kind.KEY_NEW_NETWORK) == []

    def test_without_its_event_no_network_is_written_down(self, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
        self.see(key, "203.0.113.7", at=NOW - 2 * HOUR)
        sum_calls(key, "198.51.100.9")
        sum_until(NOW)
        with monkeypatch.context() as patched:
            patched.setattr(notices, "record", _fail)
            with pytest.raises(RuntimeError, match="no event"):
                jobs.detect(MAINTAIN)
        assert KeyNetwork.objects.count() == 1
        assert jobs.detect(MAINTAIN) == 1

    def test_it_was_us_makes_it_known_with_an_event(self, client: Client, alice: User, key: Key) -> None:
        self.see(key, "203.0.113.7", at=NOW - 2 * HOUR)
        self.see(key, "198.51.100.9")
        client.force_login(alice)
        here = f"/keys/{key.public_id}/networks/"
        assert "198.51.100.0/24 New" in read_words(client.get(here))
        words = read_words(client.post(here, {"network": "198.51.100.0/24"}, follow=True))
        assert "1 network of Invoice robot acknowledged." in words
        assert "198.51.100.0/24 Known" in words
        client.post(here, {"network": "198.51.100.0/24"})
        event = since_the_beginning().get(name="key.networks_acknowledged")
        assert '"networks":["198.51.100.0/24"]' in event.body.replace(" ", "")

    def test_the_owner_sees_it_and_acknowledges_nothing(self, client: Client, alice: User) -> None:
        olga = a_user(alice.account, "Olga")
        key = a_billing_key(alice, owner=olga).key
        self.see(key, "203.0.113.7", at=NOW - 2 * HOUR)
        client.force_login(olga)
        here = f"/keys/{key.public_id}/networks/"
        words = read_words(client.get(here))
        assert "203.0.113.0/24 Known" in words
        assert "View in API logs" not in words
        assert client.post(here, {"network": "203.0.113.0/24"}).status_code == 403

    @pytest.mark.parametrize("text", ["", "x", "10.0.0.1/8", "' OR 1=1"])
    def test_what_is_no_network_is_refused_with_a_word(self, text: str, client: Client, alice: User, key: Key) -> None:
        client.force_login(alice)
        response = client.post(f"/keys/{key.public_id}/networks/", {"network": text})
        assert response.status_code == 400
        assert "is not a network" in read_words(response)

    def test_without_its_event_nothing_is_acknowledged(
        self, alice: User, key: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        KeyNetwork.objects.create(key=key, network="203.0.113.0/24", known=False, first_seen_at=NOW)
        monkeypatch.setattr(service, "record", _fail)
        with pytest.raises(RuntimeError, match="no event"):
            service.acknowledge_networks(key=key, networks=[ip_network("203.0.113.0/24")], by=acting(alice))
        assert not KeyNetwork.objects.get().known


class TestRefusals:
    @pytest.fixture(autouse=True)
    def _sealed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jobs, "get_sealed_until", lambda: THIS_HOUR)

    def roll(self, key: Key, calls: int, *, hours: int = 1, reason: str = "ip_not_allowed") -> None:
        """Add an hour's sum, so many hours before this one."""
        as_owner(
            "INSERT INTO audit_rollup (hour, account_id, api, key_id, reason, rows, calls)"
            " VALUES (%s, %s, 'billing', %s, %s, 1, %s)",
            [THIS_HOUR - hours * HOUR, key.account_id, key.public_id, reason, calls],
        )

    @pytest.mark.parametrize(
        ("now", "before", "told"), [(50, 0, 1), (49, 0, 0), (150, 50, 1), (149, 50, 0), (60, 20, 1), (1000, 400, 0)]
    )
    def test_three_times_the_worst_hour_and_fifty_are_a_rise(self, key: Key, now: int, before: int, told: int) -> None:
        self.roll(key, now)
        if before:
            self.roll(key, before, hours=7 * 24 + 1)
        self.roll(key, 10_000, hours=7 * 24 + 2)
        assert detect() == told

    def test_allowed_calls_count_for_nothing(self, key: Key) -> None:
        self.roll(key, 5000, reason="")
        self.roll(key, 5000, reason="preflight")
        self.roll(key, 49)
        assert detect() == 0

    def test_it_says_how_many_and_why_once_a_day(self, key: Key) -> None:
        self.roll(key, 60)
        self.roll(key, 90, reason="key_expired")
        assert detect() == 1
        [data] = get_data(Kind.REFUSALS_RISING)
        assert (data["refused"], data["before"], data["reasons"]) == (150, 0, {"key_expired": 90, "ip_not_allowed": 60})
        sentence = build_sentence(Kind.REFUSALS_RISING, data)
        assert f"150 calls with Invoice robot (API ID {key.public_id}) were refused in the hour of" in sentence
        assert "at most 0 in any hour of the seven days before" in sentence

    def test_many_keys_together_are_a_rise_of_the_account(self, alice: User) -> None:
        for _ in range(5):
            self.roll(a_billing_key(alice).key, 45)
        assert detect() == 1
        [data] = get_data(Kind.REFUSALS_RISING)
        assert (data["key"], data["refused"]) == (None, 225)

    def test_of_a_key_that_rose_its_account_is_not_told_too(self, key: Key) -> None:
        self.roll(key, 500)
        assert detect() == 1
        assert get_data(Kind.REFUSALS_RISING)[0]["key"]["id"] == key.public_id

    def test_the_rule_in_words_has_these_figures(self) -> None:
        words = KINDS[Kind.REFUSALS_RISING].help
        assert f"{rises.KEY_FLOOR} or more refused calls" in words
        assert f"an account {rises.ACCOUNT_FLOOR}" in words
        assert (rises.RISE_FACTOR, rises.DAYS_BEFORE) == (3, 7)


class TestOverlaps:
    def overlap(
        self, alice: User, key: Key, *, ends_in: timedelta, lasted: timedelta, used: timedelta | None, **columns: Any
    ) -> None:
        """Change the secret; the old one ends then, after so long an overlap, and was last used so long ago."""
        old = key.secrets.get(retires_at=None)
        change(key=key, secret=old.pk, overlap=Overlap.WEEK, by=confirmed(alice, "key.change", key.public_id))
        end = NOW + ends_in
        Secret.objects.filter(pk=old.pk).update(retires_at=end, **columns)
        key.secrets.filter(retires_at=None).update(created_at=end - lasted)
        if used is not None:
            SecretUse.objects.create(secret=old, used_at=NOW - used, address="203.0.113.7")

    @pytest.mark.parametrize(
        ("left", "lasts", "used", "told"),
        [
            (25 * HOUR, 7 * DAY, HOUR, []),
            (23 * HOUR, 7 * DAY, HOUR, [24]),
            (23 * HOUR, 7 * DAY, None, [24]),
            (3 * HOUR, 7 * DAY, HOUR, [4]),
            (3 * HOUR, 7 * DAY, 25 * HOUR, []),
            (3 * HOUR, 7 * DAY, None, []),
            (20 * HOUR, DAY, HOUR, []),
            (3 * HOUR, DAY, HOUR, [4]),
            # Used before the change alone.
            (3 * HOUR, DAY, 23 * HOUR, []),
            (HOUR / 2, HOUR, HOUR / 3, []),
        ],
    )
    def test_the_end_is_told_a_day_before_and_to_who_still_uses_it_again(
        self, alice: User, key: Key, left: timedelta, lasts: timedelta, used: timedelta | None, told: list[int]
    ) -> None:
        self.overlap(alice, key, ends_in=left, lasted=lasts, used=used)
        detect()
        assert [data["hours"] for data in get_data(Kind.OVERLAP_ENDING)] == told

    def test_an_extended_one_is_told_anew(self, alice: User, key: Key) -> None:
        self.overlap(alice, key, ends_in=23 * HOUR, lasted=7 * DAY, used=HOUR)
        assert detect() == 1
        key.secrets.exclude(retires_at=None).update(retires_at=NOW + 22 * HOUR)
        assert detect() == 1
        assert "and is still used. It was last used at" in build_sentence(
            Kind.OVERLAP_ENDING, get_data(Kind.OVERLAP_ENDING)[0]
        )

    @pytest.mark.parametrize(
        ("lasted", "used", "columns", "told"),
        [
            (DAY, 2 * HOUR, {}, 1),
            (7 * DAY, 30 * HOUR, {}, 0),
            (7 * DAY, None, {}, 0),
            # Ended by the first use of the new secret.
            (DAY, 2 * HOUR, {"ends_on_use": True}, 0),
            # A change without an overlap.
            (timedelta(0), 2 * HOUR, {}, 0),
        ],
    )
    def test_an_end_is_told_if_the_old_secret_was_used_lately(
        self, alice: User, key: Key, lasted: timedelta, used: timedelta | None, columns: dict[str, Any], told: int
    ) -> None:
        self.overlap(alice, key, ends_in=-HOUR, lasted=lasted, used=used, **columns)
        detect()
        assert len(get_data(Kind.OVERLAP_ENDED_IN_USE)) == told

    def test_or_if_calls_with_it_are_refused_since(self, alice: User, key: Key) -> None:
        self.overlap(alice, key, ends_in=-2 * HOUR, lasted=7 * DAY, used=None, ends_on_use=True)
        sum_calls(key, "203.0.113.7", at=NOW - 3 * HOUR, reason="secret_retired")
        assert detect() == 0
        sum_calls(key, "203.0.113.8", at=NOW - HOUR, reason="secret_retired")
        assert detect() == 1
        [data] = get_data(Kind.OVERLAP_ENDED_IN_USE)
        assert "Calls with it are refused, the last at" in build_sentence(Kind.OVERLAP_ENDED_IN_USE, data)


class TestUnused:
    @pytest.fixture(autouse=True)
    def _new_month(self) -> None:
        DetectionState.objects.update(unused_month=NOW.date().replace(day=1) - DAY)

    def test_what_is_unused_is_mailed_once_a_month(self, alice: User, key: Key) -> None:
        Key.objects.filter(pk=key.pk).update(created_at=NOW - 200 * DAY)
        olga = a_user(alice.account, "Olga")
        Key.objects.filter(pk=key.pk).update(owner=olga)
        assert detect() == 1
        jobs.send(SENDER)
        [mail] = take_outbox()
        assert (mail.to, mail.subject) == (["alice@acme.example"], "Unused keys and permissions")
        assert "Not used for 90 days: 1 key." in mail.body
        assert "Review unused access: http://localhost:8000/unused/" in mail.body
        DetectionState.objects.update(unused_month=NOW.date().replace(day=1) - DAY)
        assert detect() == 0

    def test_nothing_is_said_when_there_is_nothing(self, key: Key) -> None:
        assert detect() == 0
        assert DetectionState.objects.get().unused_month == NOW.date().replace(day=1)

    def test_each_kind_is_counted(self, alice: User) -> None:
        used = a_billing_key(
            alice, "203.0.113.0/24", "198.51.100.0/24", modules=frozenset({"customers", "invoices"})
        ).key
        Key.objects.filter(pk=used.pk).update(created_at=NOW - 200 * DAY)
        SecretUse.objects.create(secret=used.secrets.get(), used_at=NOW - DAY, address="203.0.113.7")
        sum_calls(used, "203.0.113.7", at=NOW - DAY)
        jobs.detect(MAINTAIN)
        [data] = get_data(Kind.GRANTS_UNUSED)
        assert data == {
            "days": 90, "keys": 0, "modules": 1, "addresses": 1, "ip_list_entries": 0, "old_secrets": 0,
        }  # fmt: skip
        sentence = build_sentence(Kind.GRANTS_UNUSED, data)
        assert sentence == "Not used for 90 days: 1 module of a key, 1 address of a key."


def test_every_kind_has_details_and_words() -> None:
    assert set(KINDS) == set(Kind) == set(WORDS) - {"webhook.test"}


def test_the_hourly_cost_does_not_grow_with_the_log(alice: User, key: Key) -> None:
    """No statement of the detection reads rows of calls."""
    sum_calls(key, "203.0.113.7")
    sum_until(NOW)
    with CaptureQueriesContext(connection) as captured:
        jobs.detect(MAINTAIN)
    read: Sequence[str] = [each["sql"] for each in captured.captured_queries]
    assert read
    assert not [sql for sql in read if "audit_call " in sql or "audit_call\n" in sql]


def _fail(*args: Any, **data: Any) -> None:
    raise RuntimeError("no event")
