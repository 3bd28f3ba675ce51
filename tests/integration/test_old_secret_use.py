"""Who still uses the old secret of a changed key: on the key's page, before it is ended, and in the list of keys."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from audit.models import Usage
from keys.models import Key, Secret
from keys.selectors.old_secret import get_old_secret, read_key_secret_usage, summarise_old_secret_use
from tests.factories.accounts import a_user
from tests.factories.calls import a_call, as_owner
from tests.factories.key_rows import a_secret
from tests.factories.keys import a_billing_key, billing_for
from tests.responses import Response

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)
CHANGED = NOW - timedelta(days=5)


@pytest.fixture
def alice(unsummed: User) -> User:
    billing_for(unsummed.account)
    return unsummed


@pytest.fixture
def key(alice: User) -> Key:
    """Changed five days ago; the old secret works for two more. Used since from three addresses, and before."""
    key = a_billing_key(alice).key
    Secret.objects.update(created_at=CHANGED)
    a_secret(key, "kw_old", retires_at=NOW + timedelta(days=2))
    for ago, address, old in (
        *((6, "192.0.2.1", False), (7, "192.0.2.1", True)),  # before the change
        *((4, "198.51.100.7", True), (3, "198.51.100.7", True), (1, "203.0.113.9", True)),
        *((1, "192.0.2.9", False), (2, "192.0.2.9", False)),
    ):
        used(key, ago, address, old_secret=old)
    used(key, 2, "198.51.100.7", old_secret=True, reason="ip_not_allowed", decision="denied")
    used(key, 2, "198.51.100.7", reason="invalid_credentials", decision="denied")
    return key


def used(key: Key, ago: float, address: str, **columns: Any) -> None:
    a_call(key.account, time=NOW - timedelta(days=ago), key_id=key.public_id, client_address=address, **columns)


def text(response: Response) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html.unescape(response.content.decode())))


def count(key: Key) -> tuple[list[tuple[str, int, int]], int, int]:
    old, usage = get_old_secret(key), read_key_secret_usage(key)
    assert old
    assert usage
    use = summarise_old_secret_use(key, old, usage)
    assert use.complete
    return (
        [(caller.address, caller.allowed, caller.refused) for caller in use.callers],
        use.allowed,
        use.allowed_with_new,
    )


EXPECTED = ([("198.51.100.7", 2, 1), ("203.0.113.9", 1, 0)], 3, 2)


def test_calls_are_counted_by_address_since_the_change(key: Key) -> None:
    assert count(key) == EXPECTED


@pytest.mark.parametrize("hours", [0.5, 30, 75, 119, 130, 200])
def test_summed_calls_and_those_of_the_log_count_alike(key: Key, hours: float) -> None:
    """However far the log has been summed: whole days come from the sums, the rest from the log."""
    until = (NOW - timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)
    columns = "account_id, key_id, api, client_address, credential, route, module, reason, old_secret"
    as_owner(
        f"INSERT INTO audit_usage ({columns}, last_seen, calls) SELECT {columns.replace('route', 'rule')}, max(time), "
        "sum(folded) FROM audit_call WHERE time < %s AND key_id = %s GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
        [until, key.public_id],
    )
    as_owner(
        "INSERT INTO audit_usage_day SELECT (time AT TIME ZONE 'UTC')::date, u.id, sum(folded) FROM audit_call c "
        "JOIN audit_usage u USING (key_id, client_address, reason, old_secret) WHERE time < %s AND key_id = %s "
        "GROUP BY 1, 2",
        [until, key.public_id],
    )
    as_owner("UPDATE audit_usage_state SET until = %s", [until])

    assert count(key) == EXPECTED
    assert Usage.objects.filter(key_id=key.public_id).exists() == (hours < 168)


def test_the_keys_page_says_who_has_not_changed_over(client: Client, key: Key) -> None:
    page = text(client.get(f"/keys/{key.public_id}/"))

    assert "3 calls were allowed with the old secret and 2 with the new one." in page
    assert re.search(r"198\.51\.100\.7 2 1 .* 203\.0\.113\.9 1 0 ", page)
    assert "192.0.2.9 " not in page[page.index("Old secret") : page.index("Modules")]


def test_before_it_is_ended_the_dialog_says_whom_that_refuses(client: Client, alice: User, key: Key) -> None:
    page = text(client.get(f"/keys/{key.public_id}/overlap/end/"))
    assert "Effect on the calls since the secret was changed: Would have refused 3 of 5 calls, from 2 addresses" in page
    assert re.search(r"198\.51\.100\.7 .*The secret is retired.* 2 .*203\.0\.113\.9", page)

    client.post(f"/keys/{key.public_id}/overlap/end/")
    used(key, 0, "203.0.113.9", old_secret=True, reason="secret_retired", decision="denied")
    assert count(key)[0] == [("198.51.100.7", 2, 1), ("203.0.113.9", 1, 1)]
    assert "Calls with the old one are refused:" in text(client.get(f"/keys/{key.public_id}/"))


def test_calls_that_are_refused_anyway_are_not_refused_by_ending_it(client: Client, key: Key) -> None:
    Key.objects.update(enabled=False)
    assert "No calls were made." in text(client.get(f"/keys/{key.public_id}/overlap/end/"))


def test_who_may_not_see_the_log_sees_no_addresses(client: Client, key: Key) -> None:
    olga = a_user(key.account, "Olga")
    Key.objects.update(owner=olga)
    client.force_login(olga)
    page = text(client.get(f"/keys/{key.public_id}/"))
    assert "Old secret" in page
    assert "203.0.113.9" not in page
