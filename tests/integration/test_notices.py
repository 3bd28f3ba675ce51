"""Notices are made once, mailed to whom they concern, tried again, and given up aloud."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Account, User
from core.authorization import Denied
from core.permissions import Role
from keys.models import Key
from keys.notices import jobs, mails
from keys.notices.kinds import Kind
from keys.notices.models import Delivery, Notice
from keys.notices.selectors import Channels
from keys.notices.services import notices, queue, switches
from keys.notices.services.notices import Finding, make_notices
from keys.rotation_schedule import Overlap, RotationSchedule
from keys.services import change, rotate_due_keys
from tests.factories.accounts import a_user, acting, an_account
from tests.factories.keys import a_billing_key
from tests.factories.notices import MAINTAIN, SENDER, a_notice, take_outbox
from tests.responses import read_words
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def olga(alice: User) -> User:
    """The owner of a key, without a role."""
    return a_user(alice.account, "Olga")


def a_key(owner: User, alice: User, *, expires_in: timedelta, age: timedelta = 60 * DAY, **columns: Any) -> Key:
    key = a_billing_key(alice, owner=owner, name="Invoice robot").key
    now = timezone.now()
    values = {"expires_at": now + expires_in, "created_at": now - age} | columns
    Key.objects.filter(pk=key.pk).update(**values)
    key.refresh_from_db()
    return key


def get_names() -> list[str]:
    return list(since_the_beginning().filter(name__startswith="notices.").values_list("name", flat=True))


def make_due() -> None:
    """Let the time pass for which deliveries wait."""
    Delivery.objects.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now() - timedelta(seconds=1))


class TestExpiry:
    def test_the_owner_and_each_administrator_are_mailed_once(self, alice: User, olga: User) -> None:
        a_user(alice.account, "Gone", Role.ADMINISTRATOR, is_active=False)
        a_user(alice.account, "Rita", Role.ACCOUNT_READER)
        key = a_key(olga, alice, expires_in=6 * DAY)

        assert (jobs.detect(MAINTAIN), jobs.send(SENDER)) == (1, 2)
        assert (jobs.detect(MAINTAIN), jobs.send(SENDER)) == (0, 0)

        sent = take_outbox()
        assert sorted(mail.to[0] for mail in sent) == ["alice@acme.example", "olga@acme.example"]
        assert {mail.subject for mail in sent} == {"An API key expires soon"}
        assert f"Invoice robot (API ID {key.public_id}) expires in 6 days, at" in sent[0].body
        assert f"Open Invoice robot: http://localhost:8000/keys/{key.public_id}/" in sent[0].body
        assert get_names() == ["notices.made"]
        assert since_the_beginning().get(name="notices.made").account_id == alice.account_id

    @pytest.mark.parametrize(
        ("expires_in", "days"),
        [(31 * DAY, None), (29 * DAY, 30), (8 * DAY, 30), (6 * DAY, 7), (DAY / 2, 1), (-DAY, None)],
    )
    def test_the_stage_is_the_closest_that_has_come(self, alice: User, expires_in: timedelta, days: int | None) -> None:
        a_key(alice, alice, expires_in=expires_in)
        jobs.detect(MAINTAIN)
        assert list(Notice.objects.values_list("data__days", flat=True)) == ([days] if days else [])

    def test_a_key_made_for_a_week_is_told_a_day_before_alone(self, alice: User) -> None:
        key = a_key(alice, alice, expires_in=6 * DAY, age=timedelta(hours=1))
        assert jobs.detect(MAINTAIN) == 0
        Key.objects.filter(pk=key.pk).update(expires_at=timezone.now() + DAY / 2, created_at=timezone.now() - 6 * DAY)
        assert jobs.detect(MAINTAIN) == 1

    def test_a_later_expiry_is_told_anew(self, alice: User) -> None:
        key = a_key(alice, alice, expires_in=6 * DAY)
        assert jobs.detect(MAINTAIN) == 1
        Key.objects.filter(pk=key.pk).update(expires_at=timezone.now() + 20 * DAY)
        assert jobs.detect(MAINTAIN) == 1

    @pytest.mark.parametrize("change", [{"enabled": False}, {"deleted_at": timezone.now()}])
    def test_of_a_key_that_does_not_work_nothing_is_said(self, alice: User, change: dict[str, Any]) -> None:
        a_key(alice, alice, expires_in=6 * DAY, **change)
        assert jobs.detect(MAINTAIN) == 0

    def test_nor_of_an_account_that_is_not_active(self, alice: User) -> None:
        a_key(alice, alice, expires_in=6 * DAY)
        Account.objects.update(status=Account.Status.SUSPENDED)
        assert jobs.detect(MAINTAIN) == 0


class TestRotation:
    @pytest.fixture
    def key(self, alice: User, olga: User) -> Key:
        schedule = RotationSchedule(90, Overlap.WEEK)
        return a_billing_key(alice, owner=olga, name="Invoice robot", scheduled_rotation=schedule).key

    def age(self, key: Key, days: float) -> None:
        key.secrets.filter(retires_at=None).update(created_at=timezone.now() - days * DAY)

    def test_a_rotation_is_announced_a_week_and_a_day_before_and_told_of(self, alice: User, key: Key) -> None:
        told = []
        for age in (82.9, 83.1, 83.2, 89.1, 89.9):
            self.age(key, age)
            jobs.detect(MAINTAIN)
            told.append(Notice.objects.count())
        # Each age that is set here is another date of rotation, which is told anew.
        assert told == [0, 1, 2, 3, 4]
        assert sorted(Notice.objects.values_list("data__days", flat=True)) == [1, 1, 7, 7]
        jobs.detect(MAINTAIN)
        assert Notice.objects.count() == 4
        self.age(key, 90)
        assert jobs.detect(MAINTAIN) == 0
        jobs.send(SENDER)
        take_outbox()

        assert rotate_due_keys(by=MAINTAIN).rotated == 1
        assert (jobs.detect(MAINTAIN), jobs.send(SENDER)) == (1, 2)
        assert jobs.detect(MAINTAIN) == 0
        sent = take_outbox()
        assert {mail.subject for mail in sent} == {"An API key has a new secret"}
        assert f"The secret of Invoice robot (API ID {key.public_id}) was changed on schedule." in sent[0].body
        assert "kw_" not in sent[0].body

    def test_what_is_in_the_way_and_a_change_by_hand_are_not_told(self, alice: User, key: Key) -> None:
        Key.objects.update(enabled=False)
        self.age(key, 85)
        assert jobs.detect(MAINTAIN) == 0
        Key.objects.update(enabled=True)
        change(key=key, secret=key.secrets.get().pk, overlap=Overlap.WEEK, by=MAINTAIN)
        assert jobs.detect(MAINTAIN) == 0


class TestMaking:
    def test_twenty_keys_are_one_mail_and_one_event(self, alice: User) -> None:
        for _ in range(20):
            a_key(alice, alice, expires_in=6 * DAY)
        assert (jobs.detect(MAINTAIN), jobs.send(SENDER)) == (20, 20)
        [mail] = take_outbox()
        assert mail.subject == "20 API keys expire soon"
        assert mail.body.count("expires in 6 days") == 20
        assert get_names() == ["notices.made"]

    def test_what_two_hosts_find_at_once_is_said_once(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        key = a_billing_key(alice).key
        a_notice(alice, key)
        # As if the other host's were inserted after this one looked.
        monkeypatch.setattr(notices, "_list_known", lambda *about: set())
        assert (
            make_notices(
                account=alice.account, kind=Kind.KEY_EXPIRING, findings=[Finding("first", {}, key)], by=MAINTAIN
            )
            == []
        )
        assert (Notice.objects.count(), Delivery.objects.count()) == (1, 1)

    def test_without_its_event_nothing_is_made(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        key = a_billing_key(alice).key

        def fail(*args: Any, **data: Any) -> None:
            raise RuntimeError("no event")

        monkeypatch.setattr(notices, "record", fail)
        with pytest.raises(RuntimeError, match="no event"):
            a_notice(alice, key)
        assert not Notice.objects.exists()

    def test_a_user_without_the_permission_makes_none(self, alice: User, olga: User) -> None:
        key = a_billing_key(alice).key
        with pytest.raises(Denied):
            make_notices(
                account=alice.account, kind=Kind.KEY_EXPIRING, findings=[Finding("x", {}, key)], by=acting(olga)
            )

    def test_old_ones_are_deleted(self, alice: User) -> None:
        notice = a_notice(alice, a_billing_key(alice).key)
        Notice.objects.filter(pk=notice.pk).update(created_at=timezone.now() - 401 * DAY)
        jobs.detect(MAINTAIN)
        assert not Notice.objects.exists()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """What the mail server does about a recipient: by address, the error; `all` for each mail."""
    wrong: dict[str, Exception] = {}
    original = EmailBackend.send_messages

    def send_messages(self: EmailBackend, messages: list[Any]) -> int:
        if error := wrong.get("all") or wrong.get(messages[0].to[0]):
            raise error
        return original(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)
    return wrong


class TestMail:
    def test_a_refused_recipient_delays_nobody_else(
        self, alice: User, olga: User, server: dict[str, Exception]
    ) -> None:
        server["alice@acme.example"] = SMTPRecipientsRefused({"alice@acme.example": (550, b"no such user")})
        key = a_billing_key(alice, owner=olga).key
        a_notice(alice, key)

        assert jobs.send(SENDER) == 1

        [mail] = take_outbox()
        assert mail.to == ["olga@acme.example"]
        failed = Delivery.objects.get(user=alice)
        assert (failed.state, failed.attempts) == ("waiting", 1)
        assert "no such user" in failed.error
        server.clear()
        make_due()
        assert jobs.send(SENDER) == 1
        assert take_outbox()[0].to == ["alice@acme.example"]

    def test_a_server_that_is_down_is_asked_once_a_run(
        self, alice: User, olga: User, server: dict[str, Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server["all"] = SMTPServerDisconnected("closed")
        a_notice(alice, a_billing_key(alice, owner=olga).key)
        tries: list[str] = []
        deliver = mails.deliver

        def count(message: EmailMultiAlternatives) -> None:
            tries.append(message.to[0])
            deliver(message)

        monkeypatch.setattr(mails, "deliver", count)
        assert jobs.send(SENDER) == 0
        assert len(tries) == 1
        assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}

    def test_after_ten_attempts_it_is_given_up_with_an_event(self, alice: User, server: dict[str, Exception]) -> None:
        server["all"] = SMTPServerDisconnected("closed")
        a_notice(alice, a_billing_key(alice).key)
        delays = []
        for _ in range(queue.MAX_ATTEMPTS):
            jobs.send(SENDER)
            row = Delivery.objects.get()
            if row.next_attempt_at:
                delays.append(row.next_attempt_at - timezone.now())
            make_due()
        assert row.state == "given_up"
        assert [round(delay / timedelta(minutes=5)) for delay in delays] == [0, 1, 6, 24, 60, 120, 168, 240, 288]
        event = since_the_beginning().get(name="notices.given_up")
        assert (event.target_kind, event.target_id) == ("user", str(alice.pk))
        assert jobs.send(SENDER) == 0

    def test_who_left_meanwhile_gets_nothing(self, alice: User, olga: User) -> None:
        a_notice(alice, a_billing_key(alice, owner=olga).key)
        User.objects.filter(pk=olga.pk).update(is_active=False)
        assert jobs.send(SENDER) == 1
        assert Delivery.objects.get(user=olga).state == "given_up"

    def test_a_sender_that_dies_is_followed_by_another_after_its_lease(self, alice: User) -> None:
        a_notice(alice, a_billing_key(alice).key)
        [claimed] = queue.claim(Delivery.objects.all(), 10)
        assert jobs.send(SENDER) == 0
        assert abs(Delivery.objects.get().next_attempt_at - timezone.now() - queue.LEASE) < timedelta(seconds=30)
        make_due()
        assert jobs.send(SENDER) == 1
        assert Delivery.objects.get().notice_id == claimed.notice_id

    def test_the_command_says_how_many(self, alice: User, capsys: pytest.CaptureFixture[str]) -> None:
        a_notice(alice, a_billing_key(alice).key)
        call_command("send_notices")
        assert capsys.readouterr().out == "Notices delivered: 1.\n"


class TestSwitches:
    def test_a_kind_that_is_off_is_made_and_sent_to_nobody(self, alice: User) -> None:
        off = Channels(mail=False, webhook=False)
        switches.switch_notices(account=alice.account, channels={Kind.KEY_EXPIRING: off}, by=acting(alice))
        a_notice(alice, a_billing_key(alice).key)
        assert not Delivery.objects.exists()
        assert jobs.send(SENDER) == 0

    def test_the_page_switches_and_the_trail_says_what(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        others = [kind.value for kind in Kind if kind != Kind.KEY_EXPIRING]
        every = [kind.value for kind in Kind]
        response = client.post("/settings/notices/", {"mail": others, "webhook": every}, follow=True)
        assert "Notices saved." in read_words(response)
        [(data,)] = since_the_beginning().filter(name="notices.switched").values_list("body")
        assert '"changes":{"key.expiring":["mail, webhook","webhook"]}' in data.replace(" ", "").replace(
            "mail,webhook", "mail, webhook"
        )
        client.post("/settings/notices/", {"mail": others, "webhook": every})
        assert since_the_beginning().filter(name="notices.switched").count() == 1

    def test_without_its_event_nothing_is_switched(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: Any, **data: Any) -> None:
            raise RuntimeError("no event")

        monkeypatch.setattr(switches, "record", fail)
        off = Channels(mail=False, webhook=True)
        with pytest.raises(RuntimeError, match="no event"):
            switches.switch_notices(account=alice.account, channels={Kind.KEY_EXPIRING: off}, by=acting(alice))
        assert not switches.NoticeSwitch.objects.exists()

    def test_an_unknown_kind_is_refused_with_a_word(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        response = client.post("/settings/notices/", {"mail": ["key.singing"]})
        assert response.status_code == 422
        assert "key.singing" in read_words(response)

    def test_an_auditor_reads_what_was_sent_and_changes_nothing(self, client: Client, alice: User) -> None:
        a_notice(alice, a_billing_key(alice, name="Invoice robot").key)
        jobs.send(SENDER)
        client.force_login(a_user(alice.account, "Arthur", Role.AUDITOR))
        page = client.get("/settings/notices/")
        words = read_words(page)
        assert "Invoice robot" in words
        assert "Alice Delivered" in words
        assert b'name="mail"' not in page.content
        assert client.post("/settings/notices/", {"mail": []}).status_code == 403

    def test_of_another_account_nothing_is_shown(self, client: Client, alice: User) -> None:
        a_notice(alice, a_billing_key(alice, name="Invoice robot").key)
        client.force_login(a_user(an_account("globex"), "Gina", Role.ADMINISTRATOR))
        assert "Invoice robot" not in read_words(client.get("/settings/notices/"))


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
def test_two_senders_share_the_work(alice: User) -> None:
    """Neither waits for the other, and nothing is claimed twice."""
    key = a_billing_key(alice).key
    for number in range(60):
        a_notice(alice, key, str(number))
    ready = threading.Barrier(2)

    def claim() -> list[int]:
        ready.wait()
        try:
            return [delivery.pk for _ in range(6) for delivery in queue.claim(Delivery.objects.all(), 10)]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first, second = (future.result() for future in [pool.submit(claim), pool.submit(claim)])
    assert len(first) + len(second) == len({*first, *second}) == 60
