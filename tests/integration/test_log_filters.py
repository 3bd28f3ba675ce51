"""Every filter of the log and the trail: what it finds, what it refuses, and that it tells nothing it should not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Account
from audit.trail.events import Target
from audit.trail.record import record
from core.actor import Actor
from tests.factories.accounts import an_account
from tests.factories.calls import a_call
from tests.factories.keys import api_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def find(client: Client, log: str = "logs", **filters: str) -> list[UUID | int]:
    page = client.get(f"/{log}/?{urlencode(filters)}")
    assert page.status_code == 200, page.content.decode()
    return [getattr(row, "request_id" if log == "logs" else "seq") for row in page.context["page"].rows]


DENIED = {"decision": "denied", "reason": "key_expired"}
LOG_FILTERS = [
    ({"api": "billing"}, {"api": "lynx"}),
    ({"key": "worker"}, {"key_name": "Shop"}),
    ({"key": "robot"}, {"key_name": "Shop"}, {"key_name": "API robot 7"}),
    ({"key_id": "0123456789ab"}, {"key_id": "ba9876543210"}),
    ({"owner": "ali"}, {"owner": "Olga"}),
    ({"decision": "denied"}, {}, DENIED),
    ({"reason": "key_expired"}, DENIED | {"reason": "key_disabled"}, DENIED),
    ({"method": "post"}, {}, {"method": "POST"}),
    ({"path": "STOMER"}, {"path": "/invoices"}),
    ({"path": "page=2"}, {}, {"query": "a=1&page=2"}),
    ({"path": "100%_"}, {"path": "/100xx"}, {"path": "/100%_"}),
    ({"module": "customers"}, {"module": "custom"}),
    ({"address": "203.0.113.0/24"}, {"client_address": "203.0.114.8"}),
    ({"address": "203.0.113.8"}, {"client_address": "203.0.113.9"}),
    ({"address": "2001:db8::/32"}, {}, {"client_address": "2001:db8::7"}),
    ({"from": "2026-11-20T11:00", "to": "2026-11-20T13:00"}, {"time": NOW - timedelta(hours=2)}, {"time": NOW}),
    ({"from": "2026-11-20T13:00", "zone": "Europe/Berlin"}, {"time": NOW - timedelta(minutes=1)}, {"time": NOW}),
    ({"from": "2026-11-20T11:59:30Z"}, {"time": NOW - timedelta(minutes=1)}, {"time": NOW}),
]  # fmt: skip


@pytest.mark.parametrize("case", LOG_FILTERS, ids=lambda case: urlencode(case[0]))
def test_a_filter_of_the_log_finds_what_it_says(
    client: Client, acme: Account, case: tuple[dict[str, Any], ...]
) -> None:
    filters, other, *wanted = case
    a_call(acme, **other)
    request_id = a_call(acme, **(wanted[0] if wanted else {}))
    assert find(client, **filters) == [request_id]


class TestNames:
    """APIs and modules are chosen by name, as on every other page; what programs wrote into addresses, slugs, holds."""

    @pytest.fixture(autouse=True)
    def calls(self, acme: Account) -> dict[str, UUID]:
        for slug in ("cloud-pbx", "lynx", "lms-call-logic"):
            api_for(acme, slug)
        return {
            "pbx": a_call(acme, api="cloud-pbx", module="leads"),
            "lynx": a_call(acme, api="lynx", module="detailed-reports"),
            "lms": a_call(acme, api="lms-call-logic", module="detailed-reports"),
            "gone": a_call(acme, api="bygone", module="relics"),
        }

    @pytest.mark.parametrize(
        ("filters", "wanted"),
        [
            ({"api": "Cloud PBX"}, ["pbx"]),
            ({"api": "cloud pbx"}, ["pbx"]),
            ({"api": "cloud-pbx"}, ["pbx"]),
            ({"module": "Leads"}, ["pbx"]),
            ({"module": "Detailed Reports"}, ["lms", "lynx"]),
            ({"module": "detailed-reports", "api": "LMS & Call Logic"}, ["lms"]),
            ({"api": "bygone"}, ["gone"]),
            ({"module": "relics"}, ["gone"]),
            ({"api": "Bygone"}, []),
            # Another account's API has no name here.
            ({"api": "Billing"}, []),
        ],
    )
    def test_both_find_their_calls(
        self, client: Client, calls: dict[str, UUID], filters: dict[str, str], wanted: list[str]
    ) -> None:
        assert set(find(client, **filters)) == {calls[name] for name in wanted}
        chart = client.get(f"/logs/chart/?{urlencode(filters)}")
        assert (chart.status_code, chart.context["chart"].allowed) == (200, len(wanted))
        assert client.get(f"/logs/export/?{urlencode(filters)}").status_code == 200

    def test_the_page_offers_and_shows_names_and_keeps_what_was_given(self, client: Client) -> None:
        page = client.get("/logs/?api=cloud-pbx").content.decode()
        select = page[page.index('<select name="api"') :]
        select = select[: select.index("</select>")]
        assert re.findall(r"<option[^>]*>([^<]*)", select) == ["Any API", "Cloud PBX", "LMS &amp; Call Logic", "Lynx"]
        assert '<option value="cloud-pbx" selected>' in select
        assert '<td data-label="API">Cloud PBX</td>' in page
        assert "API: Cloud PBX" in page
        page = client.get("/logs/?module=relics").content.decode()
        assert '<option value="relics" selected>relics</option>' in page

    def test_the_details_say_both(self, client: Client, calls: dict[str, UUID]) -> None:
        page = client.get(f"/logs/{calls['pbx']}/").content.decode()
        assert "<dd>Cloud PBX <code>cloud-pbx</code></dd>" in page
        assert "<dd>Leads <code>leads</code></dd>" in page


@pytest.mark.parametrize("status", ["404", "4xx", "4XX"])
def test_statuses_are_found_one_by_one_or_by_class(client: Client, acme: Account, status: str) -> None:
    a_call(acme)
    made = {late: a_call(acme) for late in (200, 404)}
    with connection.cursor() as cursor:
        for late, request_id in made.items():
            cursor.execute("UPDATE audit_call SET status = %s WHERE request_id = %s", [late, request_id])
    assert find(client, status=status) == [made[404]]


def test_a_request_id_finds_its_call_alone(client: Client, acme: Account) -> None:
    a_call(acme)
    request_id = a_call(acme)
    assert find(client, request_id=str(request_id)) == [request_id]
    foreign = a_call(an_account("bolt"))
    assert find(client, request_id=str(foreign)) == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"address": "203.0.113"}, "is not an address or range"),
        ({"address": "1.2.3.4/33"}, "is not an address or range"),
        ({"status": "99"}, "is not a status"),
        ({"status": "6xx"}, "is not a status"),
        ({"request_id": "abc"}, "is not a request ID"),
        ({"from": "yesterday"}, "is not a time"),
        ({"from": "2026-13-01T00:00"}, "is not a time"),
        ({"from": "2026-11-20T00:00", "zone": "Mars/Base"}, "is not a time zone"),
        ({"zone": "../../etc/passwd"}, "is not a time zone"),
        ({"reason": "because"}, "because"),
        ({"colour": "red"}, "There is no filter"),
        ({"from": "2026-11-21T00:00", "to": "2026-11-20T00:00"}, "must be before"),
    ],
)
def test_what_means_nothing_is_refused_and_shows_no_rows(
    client: Client, acme: Account, filters: dict[str, str], expected: str
) -> None:
    a_call(acme, path="/seen")
    page = client.get(f"/logs/?{urlencode(filters)}")
    assert page.status_code == 400
    assert expected in page.content.decode()
    assert "/seen" not in page.content.decode()


class TestHiddenNumbers:
    @pytest.fixture(autouse=True)
    def masked(self, acme: Account) -> None:
        Account.objects.filter(pk=acme.pk).update(mask_phone=True, mask_digits=4, mask_side="last")

    def test_no_hidden_digit_can_be_found_out(self, client: Client, acme: Account) -> None:
        a_call(acme, path="/leads/447911123456", query="to=447911123456")
        for prefix in ("4", "44", "447911123456", "1123456", "leads/4"):
            assert bool(find(client, path=prefix)) == (prefix == "4")

    def test_what_the_pages_show_is_found(self, client: Client, acme: Account) -> None:
        request_id = a_call(acme, path="/leads/447911123456")
        a_call(acme, path="/leads/447911129999")
        for shown in ("3456", "XXXX3456", "leads/XXXXXXXX3456", "/leads/x"):
            assert request_id in find(client, path=shown)
        assert find(client, path="XXXX3456") == [request_id]


def test_the_trail_is_found_by_who_what_on_what_and_from_where(client: Client, acme: Account) -> None:
    alice = Actor(kind="user", id="1", label="alice@acme.example", address="203.0.113.8", request_id="r-1")
    bob = Actor(kind="user", id="2", label="bob@acme.example", address="2001:db8::8", request_id="r-2")
    shop, robot = Target("key", "000000000001", "Shop"), Target("key", "000000000002", "Robot")
    first = record("key.revealed", by=alice, account_id=acme.pk, target=shop, api="billing")
    second = record("key.disabled", by=bob, account_id=acme.pk, target=robot, api="billing")
    for filters, wanted in (
        ({"who": "ALICE@"}, first), ({"who": "bob"}, second), ({"event": "key.revealed"}, first),
        ({"kind": "key", "object": "000000000002"}, second), ({"kind": "key", "object": "sho"}, first),
        ({"object": "robot"}, second), ({"address": "203.0.113.0/24"}, first), ({"address": "2001:db8::8"}, second),
        ({"request_id": "r-2"}, second), ({"who": "bob", "event": "key.disabled", "kind": "key"}, second),
    ):  # fmt: skip
        assert find(client, "audit", **filters) == [wanted], filters
    assert find(client, "audit", who="alice", event="key.disabled") == []
    assert find(client, "audit", kind="user", object="Shop") == []
