"""An installation for a benchmark: embedded PostgreSQL with fsync on, migrated, with keys."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def installation() -> Iterator[Path]:
    """Create an installation in a folder beside the checkout's own `var/`, because /tmp may be memory, where fsync
    costs nothing; yield the folder.

    It is copied from the folder BENCHMARK_TEMPLATE if that is set, because creating a database is not measured. Import
    Django models only within.
    """
    (ROOT / "var").mkdir(mode=0o700, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir=ROOT / "var"))
    if template := os.environ.get("BENCHMARK_TEMPLATE"):
        # Owners are kept: the database's files belong to another user where root starts it.
        subprocess.run(["cp", "-a", f"{template}/.", str(folder)], check=True)
    for name in ("DATABASE_URL", "MAINTENANCE_DATABASE_URL", "PGBOUNCER"):
        os.environ.pop(name, None)
    os.environ |= {"KEYWARD_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings"}
    try:
        django.setup()
        from django.core.management import call_command
        from django.db import connections

        from config.embedded.backend.base import start_embedded_database

        call_command("migrate", verbosity=0)
        yield folder
        connections.close_all()
        start_embedded_database().leave()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_keys(count: int) -> list[str]:
    """Create keys of the Billing API, each with an address rule and all modules but one; return their tokens."""
    from django.conf import settings
    from django.db import transaction

    from accounts.models import Account, User
    from keys.crypto.secrets import compute_digest, generate_token
    from keys.models import Address, Api, Enablement, Key, KeyModule, Secret

    api = Api.objects.get(slug="billing")
    granted = list(api.modules.order_by("position", "id"))[:-1]
    pepper = max(settings.TOKEN_PEPPERS)
    minted = [generate_token(settings.TOKEN_PREFIX) for _ in range(count)]
    with transaction.atomic():
        account = Account.objects.create(slug="acme", name="Acme", status=Account.Status.ACTIVE)
        owner = User.objects.create(account=account, email="alice@acme.example", nickname="alice", roles=[])
        Enablement.objects.create(account=account, api=api)
        keys = Key.objects.bulk_create(
            Key(public_id=made.public_id, account=account, api=api, owner=owner, name=f"Shop {n}", all_modules=False)
            for n, made in enumerate(minted)
        )
        Address.objects.bulk_create(Address(key=key, network="127.0.0.0/8") for key in keys)
        KeyModule.objects.bulk_create(KeyModule(key=key, module=module) for key in keys for module in granted)
        Secret.objects.bulk_create(
            Secret(key=key, digest=compute_digest(made.token, settings.TOKEN_PEPPERS[pepper]), pepper_id=pepper)
            for key, made in zip(keys, minted, strict=True)
        )
    return [made.token for made in minted]


def copy_database(name: str) -> str:
    """Create a second database on the same server with the content of the first; return its URL."""
    from urllib.parse import quote

    import psycopg
    from django.db import connections

    found = {alias: connections[alias].get_connection_params() for alias in ("default", "maintenance")}
    wanted = {part: found["maintenance"][part] for part in ("host", "port", "user", "password")}
    # A template database must have no connections.
    connections.close_all()
    with psycopg.connect(**wanted, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {found['maintenance']['dbname']} STRATEGY file_copy")
    user, password, host = (quote(str(found["default"][part]), safe="") for part in ("user", "password", "host"))
    return f"postgresql://{user}:{password}@/{name}?host={host}"


def copy_keys(count: int) -> list[str]:
    """Create more keys like the first, in the database; return their tokens."""
    from django.conf import settings

    from benchmarks.bulk import restoring
    from keys.crypto.secrets import compute_digest, generate_token
    from keys.models import Address, Key, KeyListing, KeyModule, Secret

    first = Key.objects.earliest("id")
    pepper = settings.TOKEN_PEPPERS[first.secrets.get().pepper_id]
    minted = [generate_token(settings.TOKEN_PREFIX) for _ in range(count)]
    tables = (model._meta.db_table for model in (Key, Address, KeyModule, Secret, KeyListing))
    with restoring(*tables) as cursor:
        cursor.execute("CREATE TEMPORARY TABLE made (public_id text PRIMARY KEY, digest bytea)")
        with cursor.copy("COPY made FROM STDIN") as copy:
            for made in minted:
                copy.write_row((made.public_id, compute_digest(made.token, pepper)))

        def multiply(model: Any, **instead: str) -> None:
            """Copy the first key's rows of a table for each new key."""
            own = [one.column for one in model._meta.concrete_fields if one.column not in {"id", *instead}]
            table, key = model._meta.db_table, "id" if model is Key else "key_id"
            cursor.execute(
                f"INSERT INTO {table} ({', '.join([*own, *instead])})"
                f" SELECT {', '.join([*(f'first.{column}' for column in own), *instead.values()])}"
                f" FROM {table} first, made LEFT JOIN keys_key k ON k.public_id = made.public_id"
                f" WHERE first.{key} = %s",
                [first.pk],
            )

        multiply(Key, public_id="made.public_id")
        multiply(Address, key_id="k.id")
        multiply(KeyModule, key_id="k.id")
        multiply(Secret, id="gen_random_uuid()", key_id="k.id", digest="made.digest")
        multiply(KeyListing, key_id="k.id")
    return [made.token for made in minted]


def build_signed_in_client(user: Any) -> Any:
    """Return Django's test client with a session of the user, whose cookie is not the session's key."""
    from django.conf import settings
    from django.contrib.auth import login
    from django.http import HttpRequest
    from django.test import Client

    from accounts.signin.session_store import SessionStore

    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, settings.AUTHENTICATION_BACKENDS[0])
    request.session.save()
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(request.session.cookie)
    return client


def get_session_cookie(user: Any) -> str:
    """Return the Cookie header of a signed-in user."""
    from django.conf import settings

    return f"{settings.SESSION_COOKIE_NAME}={build_signed_in_client(user).cookies[settings.SESSION_COOKIE_NAME].value}"
