"""An installation of its own for a benchmark: embedded PostgreSQL with fsync on, migrated, with keys to ask about."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def installation() -> Iterator[Path]:
    """A fresh one in a folder beside the checkout's own `var/`, because /tmp may be memory, where fsync costs nothing.

    Import Django models only inside.
    """
    (ROOT / "var").mkdir(mode=0o700, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir=ROOT / "var"))
    for name in ("DATABASE_URL", "MAINTENANCE_DATABASE_URL", "PGBOUNCER"):
        os.environ.pop(name, None)
    os.environ |= {"KEYWARD_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings"}
    try:
        django.setup()
        from django.core.management import call_command
        from django.db import connections

        from config.postgres.base import embedded

        call_command("migrate", verbosity=0)
        yield folder
        connections.close_all()
        embedded().leave()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_keys(count: int) -> list[str]:
    """Tokens of `count` keys of the Billing API, each with an address rule and all modules but one."""
    from django.conf import settings
    from django.db import transaction

    from accounts.models import Account, User
    from keys.models import Address, Api, Enablement, Key, KeyModule, Secret
    from keys.secrets import digest, mint

    api = Api.objects.get(slug="billing")
    granted = list(api.modules.order_by("position", "id"))[:-1]
    pepper = max(settings.TOKEN_PEPPERS)
    minted = [mint(settings.TOKEN_PREFIX) for _ in range(count)]
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
            Secret(key=key, digest=digest(made.token, settings.TOKEN_PEPPERS[pepper]), pepper_id=pepper)
            for key, made in zip(keys, minted, strict=True)
        )
    return [made.token for made in minted]
