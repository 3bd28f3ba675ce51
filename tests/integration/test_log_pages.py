"""Pages of the API log: rows, filters, paging, details."""

from __future__ import annotations

import html
import re
import uuid
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.http import QueryDict
from django.utils.html import escape

from audit.calls.filters import CallPageFilter
from audit.calls.selectors import get_call_page, list_calls
from tests.factories.accounts import an_account
from tests.factories.calls import a_call
from tests.responses import without_breaks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]


def texts(response):
    return without_breaks(response.content.decode())


def test_the_log_shows_the_accounts_calls_and_no_others(client, acme):
    a_call(acme, path="/customers/1")
    a_call(an_account("bolt"), path="/secret/2")
    a_call(None, path="/unknown/3")

    page = client.get("/logs/")

    assert page.status_code == 200
    assert "/customers/1" in texts(page)
    assert "/secret/2" not in texts(page)
    assert "/unknown/3" not in texts(page)


def test_refusals_that_share_a_row_are_shown_with_their_number(client, acme):
    shared = a_call(acme, decision="denied", reason="invalid_credentials", folded=731)
    own = a_call(acme, decision="denied", reason="invalid_credentials")
    rows = texts(client.get("/logs/"))
    assert rows.count("× 731") == 1
    assert rows.count("× 1<") == 0
    assert "731 refused calls share this row" in texts(client.get(f"/logs/{shared}/"))
    assert "<dt>Count</dt><dd>1</dd>" in texts(client.get(f"/logs/{own}/"))


def test_pages_follow_each_other_without_a_gap_or_a_double(client, acme):
    now = datetime.now(UTC)
    made = [a_call(acme, time=now - timedelta(seconds=n // 3)) for n in range(120)]

    seen, url = [], "/logs/"
    while url:
        page = client.get(url)
        seen += [row.request_id for row in page.context["page"].rows]
        after = page.context["page"].after
        url = f"/logs/?after={after}" if after else None

    assert len(seen) == 120
    assert set(seen) == set(made)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("decision=maybe", "maybe"),
        ("range=1y", "1y"),
        ("from=yesterday", "yesterday"),
        ("from=0001-01-01T00:00", "0001-01-01T00:00"),
        ("from=2026-11-20T10:00&to=2026-11-20T09:00", "must be before"),
        ("range=1h&from=2026-11-20T10:00", "not both"),
        ("decison=denied", 'There is no filter "decison"'),
        ("decision=denied&decision=allowed", "more than once"),
        ("key=a%00b", "Null characters"),
        ("after=x", '"x" is not a position'),
        ("after=2026-13-45T99:99:99Z~x", "is not a position"),
        (f"after=2026-11-20T10:00:00~{UUID(int=7)}", "is not a position"),
        ("key=" + "x" * 201, "at most 200"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_filter_that_means_nothing_is_an_error_and_no_rows(client, acme, query, expected, headers):
    a_call(acme, path="/customers/1")

    page = client.get(f"/logs/?{query}", headers=headers)

    assert page.status_code == 400
    assert escape(expected) in texts(page)
    assert "/customers/1" not in texts(page)


def test_each_filter_lets_through_what_it_says(client, acme):
    now = datetime.now(UTC)
    old = a_call(acme, time=now - timedelta(days=3), key_id="aaaaaaaaaaaa", key_name="Old worker")
    denied = a_call(acme, key_id="bbbbbbbbbbbb", key_name="New worker", decision="denied", reason="key_disabled")
    early = f"{now - timedelta(days=4):%Y-%m-%dT%H:%M}"
    later = f"{now - timedelta(days=2):%Y-%m-%dT%H:%M}"

    def find(query):
        return {row.request_id for row in client.get(f"/logs/?{query}").context["page"].rows}

    assert find("") == find("range=&key=&decision=&from=&to=") == {old, denied}
    assert find("range=15m") == find("range=24h") == {denied}
    assert find("range=7d") == find("range=30d") == {old, denied}
    assert find(f"from={early}&to={later}") == {old}
    assert find(f"from={later}") == {denied}
    assert find("key=aaaaaaaaaaaa") == {old}
    assert find("key=new") == {denied}
    assert find("key=worker&decision=allowed") == {old}
    assert find("decision=denied&range=7d") == {denied}
    assert find("key=cccccccccccc") == set()


def test_each_page_says_which_calls_it_shows_and_the_chart_how_many_there_are(client, acme, monkeypatch):
    for minute in range(61):
        a_call(acme, path="/odd" if minute % 2 else "/even")

    def get_ranges(query):
        pages = [client.get(f"/logs/?{query}")]
        while link := re.search(r'href="([^"]+)" rel="next"', texts(pages[-1])):
            pages.append(client.get(f"/logs/{html.unescape(link[1])}"))
        return [str(page.context["range"]) for page in pages]

    def get_total(query):
        return client.get(f"/logs/chart/?{query}", headers={"HX-Request": "true"}).context["total"]

    assert get_ranges("") == ["1–50 calls", "51–61 of 61 calls"]
    assert (get_ranges("path=odd"), get_total("path=odd")) == (["30 calls"], "")
    assert get_total("") == " of 61"
    monkeypatch.setattr("audit.calls.aggregates.MAX_ROWS_COUNTED", 55)
    monkeypatch.setattr("core.lists.MAX_ROWS_COUNTED", 55)
    assert (get_total(""), get_total("path=/"), get_total("path=d")) == (" of 55+", " of 55+", "")


def test_filters_that_are_on_are_chips_that_lead_back(client, acme):
    page = texts(client.get("/logs/?decision=denied&range=24h&key=Zed"))

    assert 'href="?range=24h&amp;key=Zed"' in page
    assert "Decision: Denied" in page
    assert "Clear all" in page
    assert "No calls match" in page


def test_htmx_gets_the_same_list_without_the_page(client, acme):
    a_call(acme, path="/customers/1")

    fragment = client.get("/logs/", headers={"HX-Request": "true"})

    assert "/customers/1" in texts(fragment)
    assert "<html" not in texts(fragment)
    assert "HX-Request" in fragment.headers["Vary"]


def test_a_row_opens_every_column_and_says_why(client, acme):
    request_id = a_call(
        acme, decision="denied", reason="ip_not_allowed", client_address="198.51.100.7", key_name="Worker", rule="r-9",
        host="api.acme.example", user_agent="curl/8.0", proxy="edge", query="page=2", module="customers",
    )  # fmt: skip

    page = texts(client.get(f"/logs/{request_id}/"))

    for text in ("198.51.100.7", "ip_not_allowed", "The address is not allowed", "r-9", "api.acme.example", "curl/8.0"):
        assert text in page
    assert escape('which the key "Worker" does not allow') in page


def test_another_accounts_call_is_not_found(client):
    assert client.get(f"/logs/{a_call(an_account('bolt'))}/").status_code == 404
    assert client.get(f"/logs/{uuid.uuid4()}/").status_code == 404


def test_phone_numbers_are_masked_for_an_account_that_masks(client, acme):
    acme.mask_phone = True
    acme.save()
    request_id = a_call(acme, path="/leads/447911123456", query="from=%2B4915112345678&expires=1700000000")

    for url in ("/logs/", f"/logs/{request_id}/"):
        page = texts(client.get(url))
        assert "/leads/XXXXXXXX3456" in page
        assert "from=%2BXXXXXXXXX5678&amp;expires=1700000000" in page
        assert "447911123456" not in page


def test_a_page_looks_at_so_many_rows_and_then_says_how_far_back_it_looked(acme, monkeypatch, client):
    now = datetime.now(UTC)
    for n in range(40):
        a_call(acme, time=now - timedelta(minutes=n))
    wanted = a_call(acme, time=now - timedelta(minutes=99), key_name="Needle")
    searched = "Searched 15 calls, back to"
    monkeypatch.setattr("audit.paging.MAX_ROWS_SCANNED", 15)

    seen, url, pages = [], "/logs/?key=needle", 0
    while url:
        page = client.get(url)
        pages += 1
        seen += [row.request_id for row in page.context["page"].rows]
        after = page.context["page"].after
        assert ("Search further back" in texts(page)) == (searched in texts(page)) == bool(after)
        url = f"/logs/?key=needle&after={after}" if after else None

    assert seen == [wanted]
    assert pages == 3


def test_fewer_rows_of_one_key_are_looked_at(acme, monkeypatch, client):
    """They lie far apart in the table."""
    now = datetime.now(UTC)
    for n in range(12):
        a_call(acme, time=now - timedelta(minutes=n), status=500 if n == 9 else 200)
    monkeypatch.setattr("audit.paging.MAX_KEY_ROWS_SCANNED", 5)
    for by_key in ("key_id=0123456789ab", "key=0123456789ab"):
        for query, shown in (("status=5xx", 0), ("status=2xx", 5)):
            page = client.get(f"/logs/?{by_key}&{query}")
            assert len(page.context["page"].rows) == shown, query
            assert "Searched 5 calls, back to" in texts(page)
            assert "Based on 5 calls, back to" in texts(client.get(f"/logs/chart/?{by_key}&{query}"))
        assert "Searched" not in texts(client.get(f"/logs/?{by_key}"))
    assert len(client.get("/logs/?status=5xx").context["page"].rows) == 1


def test_the_last_row_of_a_scan_is_shown_if_it_matches(acme, monkeypatch, client):
    now = datetime.now(UTC)
    calls = [a_call(acme, time=now - timedelta(minutes=n), key_name="Needle" if n in (2, 3) else "") for n in range(6)]
    monkeypatch.setattr("audit.paging.MAX_ROWS_SCANNED", 3)
    first = client.get("/logs/?key=needle").context["page"]
    assert [row.request_id for row in first.rows] == [calls[2]]
    assert first.scanned_until == first.rows[0].time
    second = client.get(f"/logs/?key=needle&after={first.after}").context["page"]
    assert [(row.request_id, row.key_name) for row in second.rows] == [(calls[3], "Needle")]


def test_a_page_that_is_just_full_when_the_scan_ends_continues_where_the_scan_ended(acme, monkeypatch):
    now = datetime.now(UTC)
    calls = [a_call(acme, time=now - timedelta(minutes=n), key_name="" if n % 3 else "Needle") for n in range(6)]
    monkeypatch.setattr("audit.paging.MAX_ROWS_SCANNED", 3)
    needles = CallPageFilter(QueryDict("key=needle"), list_calls(acme.pk))
    assert needles.is_valid()
    page = get_call_page(needles, size=1)
    assert [row.request_id for row in page.rows] == [calls[0]]
    assert page.after is not None
    assert page.after.endswith(str(calls[2]))
    assert page.scanned_until == now - timedelta(minutes=2)
