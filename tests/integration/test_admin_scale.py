"""A million keys in a thousand accounts: Support's list and search against those of a thousand keys.

The whole figure is of time. The sample counts the rows that the database looks at instead, among five thousand keys,
where a search looks at fewer of the newest.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from benchmarks.bulk import restoring
from core.permissions import Role
from keys.models import Api
from keys.selectors import search
from tests.factories.accounts import a_user, an_account, with_totp
from tests.scanned_rows import count_scanned_rows

SMALL, SAMPLE, WHOLE = 1_000, 5_000, 1_000_000
ACCOUNTS = 1_000
NEWEST, MORE = 100, 500
TRIES, ROUNDS = 3, 7
MUST = 2.0

ACCOUNTS_AND_OWNERS = """
INSERT INTO accounts_account
    (slug, name, status, mask_phone, mask_digits, mask_side, second_factor_required, created_at)
SELECT 'customer-' || i, 'Customer ' || i, 'active', false, 4, 'last', false, now()
FROM generate_series(1, %(accounts)s) i;
INSERT INTO accounts_user
    (password, email, nickname, account_id, roles, is_active, sessions_ended, reset_links, created_at)
SELECT '!', 'owner@' || slug || '.example', 'Owner', id, '{}', true, 0, 0, now()
FROM accounts_account WHERE slug LIKE 'customer-%%';
"""
KEYS = """
INSERT INTO keys_key (public_id, account_id, api_id, owner_id, name, username, fields, enabled, expires_at, all_modules,
    mask_phone, hlr_lookup, recordings, version, created_at)
SELECT substr(md5(i::text), 1, 12), (%(homes)s::bigint[])[1 + i %% %(accounts)s], %(api)s,
    (%(owners)s::bigint[])[1 + i %% %(accounts)s],
    CASE WHEN i = 7 THEN 'Needle in it' ELSE 'Service ' || md5((-i)::text) END, '', '{}', i %% 50 <> 0, NULL, true,
    false, false, false, 1, now() - (%(count)s - i) * interval '1 minute'
FROM generate_series(%(start)s, %(count)s) i;
INSERT INTO keys_secret (id, key_id, digest, pepper_id, created_at, ends_on_use)
SELECT gen_random_uuid(), id, decode(md5(id::text), 'hex'), 1, created_at, false
FROM keys_key k WHERE NOT EXISTS (SELECT FROM keys_secret s WHERE s.key_id = k.id);
"""
# What the tables' triggers would have written.
LISTINGS = """
INSERT INTO keys_keylisting (key_id, account_id, owner_name, secret_made_at, used_at, used_from)
SELECT k.id, k.account_id, lower(u.nickname), coalesce(s.created_at, k.created_at), last.used_at, last.address
FROM keys_key k
JOIN accounts_user u ON u.id = k.owner_id
LEFT JOIN keys_secret s ON s.key_id = k.id AND s.retires_at IS NULL
LEFT JOIN LATERAL (
    SELECT used.used_at, used.address FROM keys_secret any_s JOIN keys_secretuse used ON used.secret_id = any_s.id
    WHERE any_s.key_id = k.id ORDER BY used.used_at DESC LIMIT 1
) AS last ON true
WHERE k.deleted_at IS NULL
ON CONFLICT DO NOTHING
"""
# Nothing; words of every key, of some, of few, of one that is old, of none; the last 4; an API ID; an owner, or many.
SEARCHES = ("", "serv", "service a", "ab1", "needle", "zzz", "c4ca", "8f14e45fceea", "owner@customer-7.", "owner@")


@pytest.fixture
def support(transactional_db: None) -> User:
    user = a_user(None, "Sam", Role.SUPPORT)
    with_totp(user)
    an_account()
    with connection.cursor() as cursor:
        cursor.execute(ACCOUNTS_AND_OWNERS, {"accounts": ACCOUNTS})
    return user


def keys(start: int, count: int) -> None:
    owners = list(User.objects.filter(nickname="Owner").order_by("account").values_list("pk", "account"))
    facts = {
        "start": start,
        "count": count,
        "accounts": ACCOUNTS,
        "api": Api.objects.get(slug="billing").pk,
        "homes": [home for _, home in owners],
        "owners": [owner for owner, _ in owners],
    }
    with restoring("keys_key", "keys_secret", "keys_keylisting") as cursor:
        cursor.execute(KEYS, facts)
        cursor.execute(LISTINGS)


def look(client: Client, query: dict[str, str]) -> int:
    """Return the rows that the page shows."""
    response = client.get(reverse("admin:keys_key_changelist"), query)
    assert response.status_code == 200
    return response.content.count(b'<td class="name">')


def rows_for(client: Client, query: dict[str, str]) -> float:
    with count_scanned_rows() as scanned:
        look(client, query)
    return scanned.rows


def time_for(client: Client, query: dict[str, str]) -> float:
    """As a multiple of a page without keys, taken in turn: few and many keys are there at different times, and what
    else the machine does then is to meet neither alone."""
    took: dict[Callable[[], object], list[float]] = {
        lambda: look(client, query): [],
        lambda: client.get(reverse("admin:keys_api_changelist")): [],
    }
    for _ in range(1 + ROUNDS):
        for page, times in took.items():
            begun = time.perf_counter()
            page()
            times.append(time.perf_counter() - begun)
    of_keys, of_apis = (statistics.median(times[1:]) for times in took.values())
    return of_keys / of_apis


def costs(client: Client, cost: Callable[[Client, dict[str, str]], float]) -> dict[str, tuple[float, int]]:
    """Of the list, of each search, of one account's list and of a search in it; and the rows shown."""
    one = str(Account.objects.get(slug="customer-7").pk)
    queries = [{"q": text} for text in SEARCHES] + [{"account": one}, {"account": one, "q": "serv"}]
    return {urlencode(query): (cost(client, query), look(client, query)) for query in queries}


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
@pytest.mark.quality(25)
def test_support_finds_a_key_among_many_as_quickly_as_among_few(
    support: User, full: bool, figure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    client.force_login(support)
    many, cost, unit = (WHOLE, time_for, "times as long") if full else (SAMPLE, rows_for, "times as many rows")
    if not full:
        monkeypatch.setattr(search, "FIRST_SCAN_LIMIT", NEWEST)
        monkeypatch.setattr(search, "SECOND_SCAN_LIMIT", MORE)
    keys(1, SMALL)
    few = costs(client, cost)
    # A page costs by the rows on it: what shows more of them among many is held against a page that is full among few.
    fullest = few["q="][0]
    keys(SMALL + 1, many)
    for _ in range(TRIES):  # a machine that was busy elsewhere is no slow page
        ratios = {
            query: cost / (few[query][0] if rows <= few[query][1] else max(few[query][0], fullest))
            for query, (cost, rows) in costs(client, cost).items()
        }
        if max(ratios.values()) <= MUST:
            break
    slowest = max(ratios, key=lambda query: ratios[query])
    figure(
        f"Support's list of {many:,} keys in {ACCOUNTS:,} accounts against {SMALL:,}: {len(ratios)} pages,"
        f" {statistics.median(ratios.values()):.2f} {unit}, the most {ratios[slowest]:.2f}"
    )
    assert ratios[slowest] <= MUST, {query: round(ratio, 2) for query, ratio in ratios.items()}
