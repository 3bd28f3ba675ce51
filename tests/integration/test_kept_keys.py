"""What a process keeps of keys is never older than the last change that decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from audit.trail.events import Target
from audit.trail.record import record
from core.actor import Actor
from core.bounded_cache import BoundedCache
from core.permissions import Role
from keys.decision.addresses import parse_network
from keys.key_settings import KeySettings
from keys.models import Api, Key
from keys.selectors.decision_keys import LoadedKeys, load_keys
from keys.selectors.epoch import get_for_epoch
from keys.selectors.overview import count_keys
from keys.services import edit
from tests.factories.accounts import a_user, an_account
from tests.factories.ip_lists import an_ip_list
from tests.factories.key_rows import a_key, an_api
from tests.factories.keys import a_billing_key, confirmed

COMMAND = Actor.from_command("test")
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])


@pytest.fixture
def alice(transactional_db: None) -> User:
    return a_user(an_account(), "Alice", Role.ADMINISTRATOR)


def load(alice: User) -> tuple[LoadedKeys, int]:
    """Return the keys of the account as a replay has them, and in how many statements they were read."""
    with CaptureQueriesContext(connection) as queries:
        loaded = load_keys(Key.objects.filter(account=alice.account), 10, for_replay=True)
    return loaded, sum("keys_key" in each["sql"] for each in queries.captured_queries)


def test_keys_are_read_again_after_a_change_and_only_then(alice: User) -> None:
    made = [a_billing_key(alice, "203.0.113.0/24", name=f"Key {n}").key for n in range(3)]
    loaded, read = load(alice)
    assert read > 0
    # They differ in their names only.
    assert len(loaded.kinds) == 1
    assert load(alice) == (loaded, 0)
    key = Key.objects.select_related("account", "api").get(pk=made[0].pk)
    narrow = replace(KeySettings.from_key(key), networks=(parse_network("203.0.113.9"),))
    edit(key=key, version=key.version, key_settings=narrow, by=confirmed(alice, "key.edit", key.public_id))
    loaded, read = load(alice)
    assert read > 0
    assert [rule.text for rule in loaded.keys[key.public_id].rules] == ["203.0.113.9/32"]
    assert sorted(len(kind.labels) for kind in loaded.kinds) == [1, 2]
    # An entry of a list that a key uses decides too.
    ip_list = an_ip_list(alice, "198.51.100.0/24")
    made[1].ip_lists.add(ip_list)
    assert {rule.text for rule in load(alice)[0].keys[made[1].public_id].rules} == {"203.0.113.0/24", "198.51.100.0/24"}
    ip_list.entries.update(enabled=False)
    # The keys are not read again for it.
    loaded, read = load(alice)
    assert ({rule.text for rule in loaded.keys[made[1].public_id].rules}, read) == ({"203.0.113.0/24"}, 0)
    with connections["maintenance"].cursor() as cursor:
        # What older changes were about is not kept.
        cursor.execute("DELETE FROM key_change WHERE kind <> 'ip_list'")
    ip_list.entries.update(enabled=True)
    loaded, read = load(alice)
    assert {rule.text for rule in loaded.keys[made[1].public_id].rules} == {"203.0.113.0/24", "198.51.100.0/24"}
    assert read > 0
    ip_list.entries.update(enabled=False)
    assert {rule.text for rule in load(alice)[0].keys[made[1].public_id].rules} == {"203.0.113.0/24"}
    Key.objects.filter(pk=made[2].pk).update(name="Renamed")
    assert load(alice)[0].names[made[2].public_id] == "Renamed"


def test_what_was_changed_of_an_api_is_read_again_after_another_change(alice: User) -> None:
    # The trail keeps what other tests changed of theirs.
    api = an_api("kept")
    a_key(alice.account, alice, api, "Shop")
    since = timezone.now() - timedelta(days=30)

    def read() -> tuple[set[str], int]:
        loaded, _ = load(alice)
        with CaptureQueriesContext(connection) as queries:
            return loaded.get_api_changes(since)[api.pk], len(queries)

    assert read() == (set(), 1)
    assert read() == (set(), 0)
    with transaction.atomic():
        Api.objects.filter(pk=api.pk).update(policy=api.policy | {"unlisted_routes": "allow"})
        target, changes = Target("api", "kept", "Kept"), {"unlisted_routes": ["deny", "allow"]}
        record("api.changed", by=COMMAND, account_id=None, target=target, changes=changes, keys=1)
    assert read() == ({"unlisted_routes"}, 1)
    assert read() == ({"unlisted_routes"}, 0)


def test_more_keys_than_the_limit_are_counted(alice: User) -> None:
    api = an_api("shop")
    for number in range(12):
        a_key(alice.account, alice, api, f"Key {number}")
    loaded, _ = load(alice)
    assert (len(loaded.names), loaded.left_out) == (10, 2)


def test_the_overviews_numbers_follow_a_change(alice: User) -> None:
    key = a_key(alice.account, alice, an_api("shop"), "Shop").key

    def count() -> dict[str, int]:
        found = count_keys(Key.objects.filter(account=alice.account, deleted_at=None))
        return {figure.name: figure.count for figure in (*found.by_status, *found.to_review)}

    assert (count()["active"], count()["disabled"]) == (1, 0)
    Key.objects.filter(pk=key.pk).update(enabled=False)
    assert (count()["active"], count()["disabled"]) == (0, 1)


def test_the_overviews_numbers_stay_when_an_entry_of_a_list_changes(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    a_key(alice.account, alice, an_api("shop"), "Shop")
    ip_list = an_ip_list(alice, "198.51.100.0/24")

    def read() -> int:
        with CaptureQueriesContext(connection) as queries:
            count_keys(Key.objects.filter(account=alice.account, deleted_at=None))
        return sum("keys_key" in each["sql"] for each in queries.captured_queries)

    assert (read(), read()) == (1, 0)
    ip_list.entries.update(enabled=False)
    assert read() == 0
    ip_list.entries.all().delete()
    assert read() == 0
    Key.objects.update(expires_at=timezone.now())
    assert read() == 1


def test_nothing_is_kept_of_a_transaction(alice: User) -> None:
    """It may be rolled back."""
    cache: BoundedCache[str] = BoundedCache(3)
    with transaction.atomic():
        assert get_for_epoch(cache, "place", lambda: "not committed") == "not committed"
    assert get_for_epoch(cache, "place", lambda: "committed") == "committed"
    assert get_for_epoch(cache, "place", lambda: "read again") == "committed"
    for number in range(3):
        get_for_epoch(cache, number, lambda: "newer")
    assert get_for_epoch(cache, "place", lambda: "read again") == "read again"
