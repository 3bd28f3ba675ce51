"""A million keys in a thousand accounts: Support's list and search against those of a thousand keys."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from accounts.permissions import Role
from keys.models import Api
from tests.people import a_user, an_account, with_totp

SMALL, SAMPLE, WHOLE = 1_000, 50_000, 1_000_000
ACCOUNTS = 1_000
TRIES = 3
MUST = 2.0

ACCOUNTS_AND_OWNERS = """
INSERT INTO accounts_account
    (slug, name, status, mask_phone, mask_digits, mask_side, second_factor_required, created_at)
SELECT 'customer-' || i, 'Customer ' || i, 'active', false, 4, 'last', false, now()
FROM generate_series(1, %(accounts)s) i;
INSERT INTO accounts_user (password, email, nickname, account_id, roles, is_active, sessions_ended, created_at)
SELECT '!', 'owner@' || slug || '.example', 'Owner', id, '{}', true, 0, now()
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
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(KEYS, facts)
        cursor.execute("RESET statement_timeout")
    # The planner reads what a running installation gathers by itself.
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    connections["maintenance"].close()


def look(client: Client, query: dict[str, str]) -> tuple[float, int]:
    """Milliseconds that a page took, and the rows it shows."""
    begun = time.perf_counter()
    response = client.get(reverse("admin:keys_key_changelist"), query)
    took = (time.perf_counter() - begun) * 1000
    assert response.status_code == 200
    return took, response.content.count(b'class="field-name"')


def times(client: Client, rounds: int) -> dict[str, tuple[float, int]]:
    """Of the list, of each search, of one account's list and of a search in it: the median, and the rows shown."""
    one = str(Account.objects.get(slug="customer-7").pk)
    queries = [{"q": text} for text in SEARCHES] + [{"account": one}, {"account": one, "q": "serv"}]
    found = {}
    for query in queries:
        took = [look(client, query) for _ in range(rounds + 1)][1:]
        found["&".join(f"{name}={value}" for name, value in query.items())] = (
            statistics.median(time for time, _ in took),
            took[0][1],
        )
    return found


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
@pytest.mark.quality(25)
def test_support_finds_a_key_among_many_as_quickly_as_among_few(
    support: User, full: bool, figure: Callable[[str], None]
) -> None:
    client, many = Client(), WHOLE if full else SAMPLE
    client.force_login(support)
    rounds = 7 if full else 3
    keys(1, SMALL)
    few = times(client, rounds)
    # A page costs by the rows on it: what shows more of them among many is held against a page that is full among few.
    fullest = few["q="][0]
    keys(SMALL + 1, many)
    for _ in range(TRIES):  # a machine that was busy elsewhere is no slow page
        ratios = {
            query: took / (few[query][0] if rows <= few[query][1] else fullest)
            for query, (took, rows) in times(client, rounds).items()
        }
        if max(ratios.values()) <= MUST:
            break
    slowest = max(ratios, key=lambda query: ratios[query])
    figure(
        f"Support's list of {many:,} keys in {ACCOUNTS:,} accounts against {SMALL:,}: {len(ratios)} pages,"
        f" {statistics.median(ratios.values()):.2f} times as long, the slowest {ratios[slowest]:.2f} times"
    )
    assert ratios[slowest] <= MUST, {query: round(ratio, 2) for query, ratio in ratios.items()}
