"""What a transaction tells gateways to forget."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from keys.models import Key
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import a_key, an_api

MAX_KEYS = 1_000  # keys/sql/epoch.sql
pytestmark = pytest.mark.django_db(transaction=True)

MANY = """
INSERT INTO keys_key (public_id, account_id, api_id, owner_id, name, username, fields, enabled, all_modules, mask_phone,
    hlr_lookup, recordings, version, created_at)
SELECT lpad(n::text, 12, 'N'), account_id, api_id, owner_id, name || n, '', fields, true, true, false, false, false, 1,
    created_at
FROM keys_key, generate_series(1, %s) n WHERE keys_key.id = %s
"""


def list_changes() -> list[tuple[str, str]]:
    """By the last transaction that moved the epoch."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, id FROM key_change c JOIN key_epoch e ON c.n = e.n AND c.token = e.token")
        return cursor.fetchall()


@pytest.fixture
def key(transactional_db: None) -> Key:
    account = an_account()
    return a_key(account, a_user(account, "Alice"), an_api()).key


def make(key: Key, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MANY, [count, key.pk])


def test_each_of_few_changes_is_told_by_its_number(key: Key) -> None:
    make(key, MAX_KEYS // 2)  # each by its number, and by its API ID
    assert len(list_changes()) == MAX_KEYS
    assert {kind for kind, _ in list_changes()} == {"key", "public_id"}


def test_of_very_many_it_is_told_once_that_everything_changed(key: Key) -> None:
    make(key, 2 * MAX_KEYS)
    assert len(list_changes()) == MAX_KEYS + 1
    assert list_changes().count(("everything", "")) == 1

    Key.objects.filter(pk=key.pk).update(name="Renamed")
    assert list_changes() == [("key", str(key.pk))]


def test_a_count_that_somebody_sets_hides_nothing(key: Key) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL keyward.epoch_moves = 1000000")
        Key.objects.filter(pk=key.pk).update(name="Renamed")
    assert list_changes() == [("everything", "")]
