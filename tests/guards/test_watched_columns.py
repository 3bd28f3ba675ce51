"""A column either moves the epoch when it changes, or somebody said why it decides nothing."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.db import connection

ROWS_OWN = "the row's own number"
SHOWN = "shown on pages, never to an upstream"
# Table and column that the gateway does not decide by, and why. An entry that no longer fits fails.
DECIDES_NOTHING = {
    "keys_key": {
        "id": ROWS_OWN,
        "fields": SHOWN,
        "rotation_days": "when maintain changes the secret, whose rows are watched",
        "rotation_overlap": "when maintain retires the old secret, whose rows are watched",
        "version": "for people who edit at once",
        "created_at": SHOWN,
    },
    "keys_secret": {
        "id": ROWS_OWN,
        "sealed": "never another secret; destroyed as retires_at passes",
        "created_at": SHOWN,
    },
    "keys_address": {"id": ROWS_OWN},
    "keys_iplistentry": {"id": ROWS_OWN, "description": SHOWN, "created_at": SHOWN},
    "keys_keyiplist": {"id": ROWS_OWN},
    "keys_keymodule": {"id": ROWS_OWN},
    "keys_api": {
        "id": ROWS_OWN,
        "name": SHOWN,
        "document": "its routes are rows",
        "request_link": SHOWN,
        "created_at": SHOWN,
    },
    "keys_module": {"id": ROWS_OWN, "name": SHOWN, "number": SHOWN, "position": SHOWN},
    "keys_route": {"id": ROWS_OWN},
    "keys_enablement": {"id": ROWS_OWN},
    "accounts_account": {
        "id": ROWS_OWN,
        "name": SHOWN,
        "second_factor_required": "for sign-in",
        "key_lifetime_days": "bounds the expiry of new keys, which is the key's own",
        "created_at": SHOWN,
    },
    "accounts_user": {
        "id": ROWS_OWN,
        "email": SHOWN,
        "password": "for sign-in",
        "last_login": "for sign-in",
        "sessions_ended": "for sign-in",
        "reset_links": "for password-reset links",
        "roles": "what a person may do in the portal; a key's owner needs none",
        "account_id": "a user never changes account",
        "created_at": SHOWN,
    },
}
TABLES_THAT_DECIDE_NOTHING = {
    "keys_secretuse": "when a secret was last used: written by the gateway itself",
    "keys_keylisting": "what the list of keys sorts by",
    "keys_iplist": "a list's name and words; its entries and uses decide",
    "keys_docslink": "who may read a key's documentation",
    "keys_creation": "create forms that were used",
    "keys_noticeswitch": "which notices an account gets",
    "keys_notice": "what accounts were told",
    "keys_delivery": "the queue of notices",
    "keys_endpoint": "where notices are sent",
    "keys_endpointsecret": "what notices are signed with",
    "keys_keynetwork": "where calls with a key came from",
    "keys_detectionstate": "how far calls were looked at for notices",
    "accounts_listsettings": "how a user arranges a list",
    "accounts_savedfilter": "queries of lists under a name",
    "accounts_confirmationattempts": "wrong passwords in confirmations",
    "accounts_invitation": "people who are not users yet",
    "accounts_limit": "tries to sign in, reset, invite",
    "accounts_knownaddress": "where people have signed in from",
    "accounts_totpuse": "codes that were given",
    "accounts_passkeychallenge": "what a passkey is asked to sign",
}


@pytest.fixture
def watched(db: None) -> dict[str, set[str]]:
    """The columns in each update trigger's WHEN, as the database has them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger"
            " WHERE tgname LIKE '%\\_epoch\\_update'"
        )
        return {table: set(re.findall(r"\bold\.(\w+)", definition)) for table, definition in cursor.fetchall()}


def columns() -> dict[str, set[str]]:
    ours = [*apps.get_app_config("accounts").get_models(), *apps.get_app_config("keys").get_models()]
    return {model._meta.db_table: {field.column for field in model._meta.concrete_fields} for model in ours}


def test_every_column_moves_the_epoch_or_decides_nothing(watched: dict[str, set[str]]) -> None:
    unsaid = {
        table: left
        for table, names in columns().items()
        if table not in TABLES_THAT_DECIDE_NOTHING
        and (left := names - watched.get(table, set()) - set(DECIDES_NOTHING.get(table, {})))
    }
    assert unsaid == {}


def test_no_reason_is_stale(watched: dict[str, set[str]]) -> None:
    known = columns()
    assert set(TABLES_THAT_DECIDE_NOTHING) | set(DECIDES_NOTHING) <= set(known)
    stale = {table: set(reasons) & watched.get(table, set()) for table, reasons in DECIDES_NOTHING.items()}
    stale |= {
        table: set(reasons) - known[table] for table, reasons in DECIDES_NOTHING.items() if set(reasons) - known[table]
    }
    assert {table: names for table, names in stale.items() if names} == {}
