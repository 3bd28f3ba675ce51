from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.permissions import Role
from audit.actor import Actor, Confirmation
from audit.events import CATALOGUE, Target
from audit.models import Event
from audit.record import record
from tests.logbook import a_call
from tests.people import a_user, acting, an_account, with_totp

pytestmark = pytest.mark.django_db
WORKER = Target("key", "0123456789ab", "Worker <b>")


@pytest.fixture
def acme():
    return an_account()


@pytest.fixture
def alice(acme):
    return a_user(acme, "Alice", Role.ADMINISTRATOR)


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def texts(response) -> str:
    return response.content.decode()


def readings(account) -> list[str]:
    return [event.body for event in Event.objects.filter(name="log.read", account_id=account.pk)]


def test_an_event_reads_as_a_sentence_with_who_from_where_and_when(alice, acme):
    changes = {"name": ["Old", "New"], "addresses": [[], ["203.0.113.0/24"]], "enabled": [True, False]}
    seq = record("key.edited", by=acting(alice), account_id=acme.pk, target=WORKER, api="billing", changes=changes)

    page = texts(signed_in(alice).get("/audit/"))

    assert "<bdi>alice@acme.example</bdi> edited <bdi>Worker &lt;b&gt;</bdi>" in page
    assert (
        "Addresses: <bdi>none</bdi> → <bdi>203.0.113.0/24</bdi> · Enabled: <bdi>yes</bdi> → <bdi>no</bdi> · "
        "Name: <bdi>Old</bdi> → <bdi>New</bdi>"
    ) in page
    assert "203.0.113.8" in page
    assert f'href="/audit/{seq}/"' in page
    assert "<time" in page


def test_a_row_opens_old_and_new(alice, acme):
    by = acting(alice).confirmed(Confirmation("key.edit", "0123456789ab", "password"))
    seq = record(
        "key.edited", by=by, account_id=acme.pk, target=WORKER, api="billing", changes={"name": ["Old", "New"]}
    )
    client = signed_in(alice)

    page = texts(client.get(f"/audit/{seq}/"))

    assert "<del>Old</del>" in page
    assert "<ins>New</ins>" in page
    for text in ("key.edited", "0123456789ab", "r-1", "203.0.113.8", "<dd>password</dd>"):
        assert text in page
    assert "<html" not in texts(client.get(f"/audit/{seq}/", headers={"HX-Request": "true"}))


def test_every_event_of_the_catalogue_can_be_shown(alice, acme):
    seqs = []
    for event in CATALOGUE.values():
        data = dict.fromkeys(event.fields, "x<y>")
        data |= {"changes": {"a": [None, 1]}} if "changes" in data else {}
        data |= {"settings": {"a": {"b": ["c"]}}} if "settings" in data else {}
        seqs.append(record(event.name, by=acting(alice), account_id=acme.pk, target=WORKER, **data))
    client = signed_in(alice)

    # Newest first, fifty on a page.
    pages = [texts(client.get("/audit/"))]
    pages += [texts(client.get(f"/audit/?after={seqs[after]}")) for after in range(len(seqs) - 50, 0, -50)]
    assert all(any(f'href="/audit/{seq}/"' in page for page in pages) for seq in seqs)
    for seq in seqs:
        page = client.get(f"/audit/{seq}/")
        assert page.status_code == 200
        assert "x<y>" not in texts(page)


def test_nobody_sees_another_accounts_events(alice, acme):
    bolt = an_account("bolt")
    other = record("key.deleted", by=Actor.command("x"), account_id=bolt.pk, target=WORKER, api="bolts-api")
    nobodys = record("demo.loaded", by=Actor.command("demo"), account_id=None)
    client = signed_in(alice)

    assert "Worker" not in texts(client.get("/audit/"))
    for seq in (other, nobodys, 10**17):
        assert client.get(f"/audit/{seq}/").status_code == 404
    for seq in ("0", "-1", "x", "9" * 30):
        assert client.get(f"/audit/{seq}/").status_code == 404


def test_pages_follow_each_other(alice, acme):
    made = [record("user.signed_out", by=acting(alice), account_id=acme.pk) for _ in range(120)]
    client = signed_in(alice)

    seen, url = [], "/audit/?event=user.signed_out"
    while url:
        page = client.get(url).context["page"]
        seen += [event.seq for event in page.rows]
        url = f"/audit/?event=user.signed_out&after={page.after}" if page.after else None

    assert seen == made[::-1]


@pytest.mark.parametrize(
    "query", ["event=key.exploded", "range=x", "after=0", "after=x", "after=9223372036854775808", "from=x", "q=1"]
)
def test_a_filter_that_means_nothing_is_an_error_and_no_rows(alice, acme, query):
    record("key.deleted", by=acting(alice), account_id=acme.pk, target=WORKER, api="billing")

    page = signed_in(alice).get(f"/audit/?{query}")

    assert page.status_code == 400
    assert "Worker" not in texts(page)


@pytest.mark.parametrize(("role", "log", "trail"), [
    (Role.ADMINISTRATOR, 200, 200), (Role.AUDITOR, 200, 200), (Role.ACCOUNT_READER, 200, 403), (None, 403, 403),
])  # fmt: skip
def test_each_role_sees_what_it_may(acme, role, log, trail):
    client = signed_in(a_user(acme, "Bob", *([role] if role else [])))

    assert (client.get("/logs/").status_code, client.get("/audit/").status_code) == (log, trail)


def test_support_and_strangers_are_kept_out():
    sue = a_user(None, "Sue", Role.SUPPORT)
    with_totp(sue)
    support = signed_in(sue)

    for url in ("/logs/", "/logs/export/", "/audit/", "/audit/1/"):
        assert support.get(url).status_code == 403
        assert Client().get(url).status_code == 302


def test_an_auditors_reading_is_recorded_once_for_a_set_of_filters(acme):
    request_id = a_call(acme)
    client = signed_in(a_user(acme, "Audrey", Role.AUDITOR))

    for url in (
        "/logs/",
        "/logs/",
        "/logs/?range=24h",
        "/logs/?range=24h",
        "/audit/",
        f"/logs/{request_id}/",
        "/logs/",
    ):
        assert client.get(url).status_code == 200

    bodies = readings(acme)
    assert len(bodies) == 4
    assert any('"data":{"filters":{"range":"24h"},"log":"API log"}' in body for body in bodies)
    assert any(str(request_id) in body for body in bodies)


def test_after_ten_minutes_the_same_reading_is_recorded_again(acme, monkeypatch):
    client = signed_in(a_user(acme, "Audrey", Role.AUDITOR))
    client.get("/logs/")
    now = timezone.now
    monkeypatch.setattr("audit.selectors.timezone.now", lambda: now() + timedelta(minutes=11))

    client.get("/logs/")

    assert len(readings(acme)) == 2


def test_an_administrators_reading_is_no_event(alice, acme):
    signed_in(alice).get("/logs/")

    assert readings(acme) == []


def test_a_reading_that_cannot_be_recorded_shows_nothing(acme, monkeypatch):
    a_call(acme, path="/customers/1")
    client = signed_in(a_user(acme, "Audrey", Role.AUDITOR))
    client.raise_request_exception = False
    monkeypatch.setattr("audit.reading.record", lambda *_, **__: 1 / 0)

    page = client.get("/logs/")

    assert page.status_code == 500
    assert "/customers/1" not in texts(page)


def test_an_empty_trail_says_so(alice):
    with transaction.atomic():
        page = texts(signed_in(alice).get("/audit/?event=key.created"))

    assert "No events match" in page
