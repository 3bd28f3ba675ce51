"""Pages of the audit trail: rows, filters, paging, details."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from audit.models import Event
from audit.trail.events import CATALOGUE, Target
from audit.trail.record import record
from core.actor import Actor, Confirmation
from core.permissions import Role
from tests.factories.accounts import a_user, acting, an_account, with_totp
from tests.factories.calls import a_call
from tests.trail import get_event_number

pytestmark = pytest.mark.django_db
WORKER = Target("key", "0123456789ab", "Worker <b>")


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
    number = get_event_number(
        record("key.edited", by=acting(alice), account_id=acme.pk, target=WORKER, api="billing", changes=changes)
    )

    page = texts(signed_in(alice).get("/audit/"))

    assert "<bdi>alice@acme.example</bdi> edited <bdi>Worker &lt;b&gt;</bdi>" in page
    assert (
        "Addresses: <bdi>none</bdi> → <bdi>203.0.113.0/24</bdi> · Enabled: <bdi>yes</bdi> → <bdi>no</bdi> · "
        "Name: <bdi>Old</bdi> → <bdi>New</bdi>"
    ) in page
    assert "203.0.113.8" in page
    assert f'href="/audit/{number}/"' in page
    assert "<time" in page


def test_a_row_opens_old_and_new(alice, acme):
    by = acting(alice).with_confirmation(Confirmation("key.edit", "0123456789ab", "password"))
    changes = {"name": ["Old", "New"]}
    number = get_event_number(
        record("key.edited", by=by, account_id=acme.pk, target=WORKER, api="billing", changes=changes)
    )
    client = signed_in(alice)

    page = texts(client.get(f"/audit/{number}/"))

    assert "<del>Old</del>" in page
    assert "<ins>New</ins>" in page
    for text in ("key.edited", "0123456789ab", "r-1", "203.0.113.8", "<dd>password</dd>"):
        assert text in page
    assert "<html" not in texts(client.get(f"/audit/{number}/", headers={"HX-Request": "true"}))


def test_every_event_of_the_catalogue_can_be_shown(alice, acme):
    seqs = []
    for event in CATALOGUE.values():
        data: dict[str, Any] = dict.fromkeys(event.fields, "x<y>")
        data |= {"changes": {"a": [None, 1]}} if "changes" in data else {}
        data |= {"settings": {"a": {"b": ["c"]}}} if "settings" in data else {}
        seqs.append(record(event.name, by=acting(alice), account_id=acme.pk, target=WORKER, **data))
    client = signed_in(alice)

    # Newest first, fifty on a page.
    pages = [texts(client.get("/audit/"))]
    pages += [texts(client.get(f"/audit/?after={seqs[after]}")) for after in range(len(seqs) - 50, 0, -50)]
    numbers = [get_event_number(seq) for seq in seqs]
    assert all(any(f'href="/audit/{number}/"' in page for page in pages) for number in numbers)
    for number in numbers:
        page = client.get(f"/audit/{number}/")
        assert page.status_code == 200
        assert "x<y>" not in texts(page)


def test_nobody_sees_another_accounts_events(alice, acme):
    bolt = an_account("bolt")
    for _ in range(2):
        other = record("key.deleted", by=Actor.from_command("x"), account_id=bolt.pk, target=WORKER, api="bolts-api")
    nobodys = record("demo.loaded", by=Actor.from_command("demo"), account_id=None)
    own = record("key.revealed", by=acting(alice), account_id=acme.pk, target=WORKER, api="own-api")
    client = signed_in(alice)

    assert get_event_number(own) == get_event_number(other) - 1 == 1
    assert "bolts-api" not in texts(client.get("/audit/"))
    # The other account's first number is one of this account's own.
    assert "key.revealed" in texts(client.get("/audit/1/"))
    for number in (get_event_number(other), 10**17, "0", "-1", "x", "9" * 30):
        assert client.get(f"/audit/{number}/").status_code == 404
    for number in (get_event_number(nobodys), 10**17, 0):
        assert client.get(f"/audit/installation/{number}/").status_code == 404


def test_an_accounts_numbers_have_no_gap_whatever_happens_elsewhere(alice, acme):
    bolt = an_account("bolt")
    made: dict[int | None, list[int]] = {}
    for account in (acme.pk, bolt.pk, None, None, acme.pk, bolt.pk, acme.pk):
        seq = record("user.signed_out", by=acting(alice), account_id=account)
        made.setdefault(account, []).append(get_event_number(seq))
    first = made[None][0]

    assert (made[acme.pk], made[bolt.pk], made[None]) == ([1, 2, 3], [1, 2], [first, first + 1])


def test_what_the_installation_did_to_every_account_is_in_each_trail(alice, acme):
    job = Actor.from_command("maintain")
    sealed: dict[str, Any] = {"since": "x", "until": "x", "rows": 7, "first": "", "last": "", "sha256": "", "form": 2}
    numbers = {
        name: get_event_number(record(name, by=job, account_id=None, **data))
        for name, data in {
            "calls.dropped": {"months": ["2024-05"], "until": "x", "rest": []},
            "calls.sealed": sealed,
            "demo.loaded": {},
        }.items()
    }
    record("user.signed_out", by=acting(alice), account_id=acme.pk)
    client = signed_in(alice)

    def list_names(query: str) -> set[str]:
        page = client.get(f"/audit/?{query}")
        return {event.name for event in page.context["page"].rows if event.number in (1, *numbers.values())}

    assert list_names("") == {"user.signed_out", "calls.dropped"}
    assert "Routine events of the installation" in texts(client.get("/audit/"))
    assert list_names("scope=all") == {"user.signed_out", "calls.dropped", "calls.sealed"}
    assert "Routine events of the installation" not in texts(client.get("/audit/?scope=all"))
    assert list_names("scope=installation") == {"calls.dropped", "calls.sealed"}
    assert list_names("scope=account") == {"user.signed_out"}
    assert list_names("event=calls.sealed") == {"calls.sealed"}
    page = texts(client.get("/audit/?event=calls.dropped"))
    assert f'href="/audit/installation/{numbers["calls.dropped"]}/"' in page
    assert "Installation event, concerns every account" in page
    assert "2024-05" in texts(client.get(f"/audit/installation/{numbers['calls.dropped']}/"))


def test_pages_merge_both_kinds_of_events_in_their_order(alice, acme):
    """As many of each as fill more than a page, in turn and in blocks."""
    made: list[list[int]] = []
    for count in (70, 60, 1, 1, 1, 30):
        account = None if len(made) % 2 else acme.pk
        name = "calls.dropped" if account is None else "user.signed_out"
        data: dict[str, Any] = {"months": [], "until": "x", "rest": []} if account is None else {}
        made.append([record(name, by=Actor.from_command("x"), account_id=account, **data) for _ in range(count)])
    client = signed_in(alice)

    seen, url = [], "/audit/?"
    while url:
        page = client.get(url).context["page"]
        seen += [event.seq for event in page.rows]
        url = f"/audit/?after={page.after}" if page.after else None

    own = [seq for block in made for seq in block]
    assert [seq for seq in seen if seq >= own[0]] == own[::-1]


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
    monkeypatch.setattr("audit.trail.record_log_read.timezone.now", lambda: now() + timedelta(minutes=11))

    client.get("/logs/")

    assert len(readings(acme)) == 2


def test_an_administrators_reading_is_no_event(alice, acme):
    signed_in(alice).get("/logs/")

    assert readings(acme) == []


def test_a_reading_that_cannot_be_recorded_shows_nothing(acme, monkeypatch):
    a_call(acme, path="/customers/1")
    client = signed_in(a_user(acme, "Audrey", Role.AUDITOR))
    client.raise_request_exception = False
    monkeypatch.setattr("audit.trail.record_log_read.record", lambda *_, **__: 1 / 0)

    page = client.get("/logs/")

    assert page.status_code == 500
    assert "/customers/1" not in texts(page)


def test_an_empty_trail_says_so(alice):
    with transaction.atomic():
        page = texts(signed_in(alice).get("/audit/?event=key.created"))

    assert "No events match" in page
