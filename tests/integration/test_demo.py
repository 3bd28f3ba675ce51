"""The demo has a past of three months, with trouble to find, and the trail and the log are good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models import Count, F, Max, Min
from django.test import Client
from django.utils import timezone

from accounts.models import User
from audit.calls.seals import get_sealed_until
from audit.models import Call, Event
from config.demo import load
from keys.models import Key
from keys.notices.models import Notice
from tests.databases import migrated_database

DAY = timedelta(days=1)


@pytest.fixture(scope="module", autouse=True)
def demo(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The demo after the first hourly job, in a database of its own."""
    folder = tmp_path_factory.mktemp("demo")
    with (
        django_db_blocker.unblock(),  # type: ignore[attr-defined]
        migrated_database("demo"),
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in ("NOTES", "PASSWORD"):
            patch.setattr(load, name, folder / name)
        load.load_demo()
        call_command("maintain", checkpoints=folder / "checkpoints")
        yield


def list_refusals(name: str) -> dict[str, int]:
    """Return how many calls with the key had each reason; empty for the allowed ones."""
    counted = Call.objects.filter(key_name=name).values_list("reason").annotate(made=Count("request_id"))
    return dict(counted.order_by())


def test_keys_and_users_were_added_on_different_days() -> None:
    for rows in (Key.objects.all(), User.objects.all()):
        days = {created_at.date() for created_at in rows.values_list("created_at", flat=True)}
        assert len(days) == rows.count()
        assert max(days) - min(days) > 60 * DAY
    assert not Key.objects.filter(secrets__created_at__lt=F("created_at")).exists()


def test_calls_were_made_through_three_months_and_fewer_at_weekends() -> None:
    times = Call.objects.aggregate(first=Min("time"), last=Max("time"))
    assert timezone.now() - times["first"] > 89 * DAY
    assert timezone.now() - times["last"] < DAY
    portal = Call.objects.filter(key_name="Invoice portal", client_address="203.0.113.20").values_list(
        "time", flat=True
    )
    weekend = [at for at in portal if at.weekday() >= 5]
    assert len(weekend) < len(portal) / 10


def test_each_call_was_decided_as_its_key_was_then() -> None:
    expired = Key.objects.get(name="Trade fair app")
    assert list_refusals("Trade fair app").keys() == {"", "key_expired"}
    assert not Call.objects.filter(key_id=expired.public_id, reason="", time__gte=expired.expires_at).exists()
    assert not Call.objects.filter(key_id=expired.public_id, reason="key_expired", time__lt=expired.expires_at).exists()
    assert list_refusals("Old reporting").keys() == {"", "key_disabled"}
    assert list_refusals("Field app").keys() == {"", "module_not_granted"}
    assert list_refusals("Payment import").keys() == {"", "ip_not_allowed"}
    old = Call.objects.filter(key_name="Order texts", old_secret=True)
    assert old.exists()
    changed_at = Key.objects.get(name="Order texts").secrets.get(retires_at=None).created_at
    assert not old.filter(time__lt=changed_at).exists()


def test_no_call_is_older_than_its_key_and_each_key_shows_its_last_use() -> None:
    for key in Key.objects.select_related("listing"):
        calls = Call.objects.filter(key_id=key.public_id)
        assert not calls.filter(time__lt=key.created_at).exists()
        assert key.listing.used_at == calls.filter(reason="").aggregate(last=Max("time"))["last"]


def test_the_events_have_the_time_at_which_they_were_recorded_and_all_is_good(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not Event.objects.filter(at__lt=timezone.now() - timedelta(hours=1)).exists()
    assert Event.objects.filter(name="demo.loaded").count() == 1
    sealed_until = get_sealed_until()
    assert sealed_until is not None
    assert timezone.now() - sealed_until < timedelta(hours=1)
    call_command("audit_verify")
    assert "The API log is as it was sealed" in capsys.readouterr().out


def test_the_first_hourly_job_makes_notices() -> None:
    assert set(Notice.objects.values_list("kind", flat=True)) == {
        "key.expiring",
        "key.rotation_upcoming",
        "overlap.ending",
        "key.new_network",
        "refusals.rising",
        "grants.unused",
    }
    by_kind = {notice.kind: notice.data for notice in Notice.objects.all()}
    assert by_kind["key.new_network"]["key"]["name"] == "Invoice portal"
    assert by_kind["refusals.rising"]["key"]["name"] == "Payment import"
    unused = by_kind["grants.unused"]
    assert all(unused[what] for what in ("keys", "modules", "addresses", "ip_list_entries"))


def test_pages_have_something_to_show() -> None:
    client = Client()
    client.force_login(User.objects.get(nickname="alice"))
    for page, text in (
        ("/", "Payment import"),
        ("/unused/", "Test of a supplier"),
        ("/logs/", "Invoice portal"),
    ):
        answer = client.get(page)
        assert answer.status_code == 200
        assert text in answer.content.decode()
