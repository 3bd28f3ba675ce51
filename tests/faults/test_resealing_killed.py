"""Keys survive the rotation of what seals them, however often `reseal` is killed on the way."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as configured
from django.db import connections
from django.db.models import BinaryField
from django.db.models.functions import Substr

from core.actor import Actor
from core.permissions import Role
from core.sealing import HEADER_LENGTH, build_header, seal
from keys import services
from keys.apis.policy import Policy
from keys.crypto.secrets import compute_digest, generate_token
from keys.models import Api, Enablement, Key, Secret
from keys.services import Overlap
from keys.services.secret import get_sealing_ring, open_token
from tests.factories.accounts import a_user, an_account
from tests.factories.keys import billing_for

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
OPERATOR = Actor.from_command("test")


def database_url() -> str:
    """Return the tests' database, for a command in a process of its own."""
    known = connections["default"].get_connection_params()
    user, password = quote(known["user"], safe=""), quote(known.get("password") or "", safe="")
    host, port = quote(str(known.get("host") or ""), safe=""), known.get("port") or 5432
    return f"postgresql://{user}:{password}@/{known['dbname']}?host={host}&port={port}"


def many_keys(count: int, signing: Api) -> dict[str, str]:
    """Keys of a revealable API and of one whose clients sign, with their tokens by API ID."""
    account = an_account()
    owner = a_user(account, "alice", Role.ADMINISTRATOR)
    billing = billing_for(account)
    Enablement.objects.create(account=account, api=signing)
    tokens, keys, rows = {}, [], []
    for number in range(count):
        minted = generate_token("kw")
        tokens[minted.public_id] = minted.token
        api = signing if number % 4 == 0 else billing
        keys.append(Key(account=account, api=api, owner=owner, name=f"Key {number}", public_id=minted.public_id))
    Key.objects.bulk_create(keys)
    rings = {api.pk: get_sealing_ring(Policy.from_data(api.policy)) for api in (billing, signing)}
    for key in keys:
        secret, ring, token = Secret(key=key, pepper_id=1), rings[key.api_id], tokens[key.public_id]
        assert ring is not None
        place: dict[str, Any] = {"account": account.pk, "key": key.public_id, "secret": str(secret.pk)}
        secret.sealed = seal(token, ring=ring.keys, purpose=ring.purpose, **place)
        secret.digest = compute_digest(token, configured.TOKEN_PEPPERS[1])
        rows.append(secret)
    Secret.objects.bulk_create(rows)
    return tokens


def under_newest() -> int:
    prefix = Substr("sealed", 1, HEADER_LENGTH, output_field=BinaryField())
    return Secret.objects.annotate(under=prefix).filter(under=build_header(max(configured.SEALING_KEYS))).count()


def a_run(**rings: dict[int, bytes]) -> subprocess.Popen[str]:
    texts = {
        name: ",".join(f"{number}:{b64encode(key).decode()}" for number, key in ring.items())
        for name, ring in rings.items()
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "reseal"],
        cwd=ROOT,
        env=os.environ | texts | {"DATABASE_URL": database_url()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def killed_half_way(process: subprocess.Popen[str], before: int) -> bool:
    """Kill it as soon as it has moved something."""
    while process.poll() is None:
        if under_newest() > before:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.quality(14)
def test_no_key_is_lost_however_often_resealing_is_killed(
    full: bool, settings: Any, figure: Callable[[str], None]
) -> None:
    billing = Api.objects.get(slug="billing")
    signing = Api.objects.create(
        slug="signed", name="Signed", document={}, policy=billing.policy | {"credentials": ["signature"]}
    )
    tokens = many_keys(10_000 if full else 600, signing)
    rotations = 3 if full else 2
    kills, changed = 0, 0
    for rotation in range(1, rotations + 1):
        number = rotation + 1
        for name in ("SEALING_KEYS", "SIGNING_KEYS", "TOKEN_PEPPERS"):
            setattr(settings, name, {number: secrets.token_bytes(32), **getattr(settings, name)})
        rings = {ring: getattr(settings, ring) for ring in ("SEALING_KEYS", "SIGNING_KEYS", "TOKEN_PEPPERS")}
        for _ in range(2 if rotation < rotations else 1):
            kills += killed_half_way(a_run(**rings), under_newest())
            # People go on meanwhile: what they change is under the newest already.
            for key in Key.objects.order_by("?")[:5]:
                current = key.secrets.get(retires_at=None).pk
                made = services.change(key=key, secret=current, overlap=Overlap.NONE, by=OPERATOR)
                tokens[key.public_id] = made.token
                changed += 1
        process = a_run(**rings)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        for name in ("SEALING_KEYS", "SIGNING_KEYS", "TOKEN_PEPPERS"):
            # As an operator does who was told that the older ones are not needed any more.
            assert f"{name} {rotation} is no longer needed" in output
            setattr(settings, name, {number: getattr(settings, name)[number]})
    assert kills == 2 * rotations - 1
    lost = []
    apis = {api.pk: get_sealing_ring(Policy.from_data(api.policy)) for api in (billing, signing)}
    for secret in Secret.objects.filter(retires_at=None).select_related("key"):
        ring, token = apis[secret.key.api_id], tokens[secret.key.public_id]
        assert ring is not None
        whole = open_token(secret.key, secret, ring) == token
        if not whole or bytes(secret.digest) != compute_digest(token, settings.TOKEN_PEPPERS[secret.pepper_id]):
            lost.append(secret.key.public_id)
    assert lost == []
    assert Secret.objects.filter(retires_at=None).count() == len(tokens)
    summary = f"{len(tokens):,} keys, {rotations} rotations of three rings, {kills} kills"
    figure(f"{summary}, {changed} changed meanwhile, {len(lost)} lost")
