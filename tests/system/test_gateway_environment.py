"""No key that a gateway is given opens a token, and its workers share what they import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as configured

from config.serve.planes import PLANES
from core.permissions import Role
from tests.factories.accounts import a_user, an_account
from tests.factories.keys import a_billing_key
from tests.system.test_settings import production

pytestmark = [pytest.mark.django_db, pytest.mark.quality(15)]
ROOT = Path(__file__).resolve().parents[2]
Figure = Callable[[str], None]

# Tries every key that the process has, whatever it is for, under the number that the sealed form asks for.
OPEN = """
import json, sys
import config.serve.gunicorn_gateway
from django.conf import settings
from core.sealing import SealBroken, open_sealed, get_sealing_key_number
request = json.load(sys.stdin)
sealed = bytes.fromhex(request["sealed"])
rings = [settings.SEALING_KEYS, settings.SIGNING_KEYS, settings.TOKEN_PEPPERS, settings.AUDIT_KEYS]
for key in [key for ring in rings for key in ring.values()]:
    for purpose in ("reveal", "sign"):
        try:
            print(open_sealed(sealed, ring={get_sealing_key_number(sealed): key}, purpose=purpose, **request["place"]))
        except SealBroken:
            print("refused")
"""


def test_a_gateways_environment_does_not_open_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Figure):
    """The process is given what `serve` gives it, in production; it starts without the ring, and opens nothing."""
    sealing = ",".join(f"{number}:{b64encode(key).decode()}" for number, key in configured.SEALING_KEYS.items())
    given = production() | {"SEALING_KEYS": sealing, "KEYWARD_VAR": str(tmp_path)}
    for name in os.environ:
        if name.isupper() and name not in ("PATH", "HOME"):
            monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    portal, gateway = (plane.build_environment(os.environ) for plane in PLANES)
    assert {"SEALING_KEYS", "CHECKPOINT_KEY"} <= set(portal)
    assert not {"SEALING_KEYS", "CHECKPOINT_KEY", "SEALING_KEYS_FILE"} & set(gateway)
    key = a_billing_key(a_user(an_account(), "Alice", Role.ADMINISTRATOR)).key
    secret = key.secrets.get()
    place = {"account": key.account_id, "key": key.public_id, "secret": str(secret.pk)}
    stdin = json.dumps({"sealed": bytes(secret.sealed or b"").hex(), "place": place})

    done = subprocess.run(
        [sys.executable, "-c", OPEN], env=gateway, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False
    )

    assert (done.returncode, set(done.stdout.split())) == (0, {"refused"}), done.stderr
    assert not (tmp_path / "secrets").exists()
    figure(f"{len(done.stdout.split())} tries with every key that a gateway has, 0 opened")


# What a worker imports when the master has imported before the fork; `encodings` are small, and of the interpreter.
IMPORTED_BY_A_WORKER = """
import sys
from config.serve import gunicorn_gateway
gunicorn_gateway.import_before_fork()
before = set(sys.modules)
import config.serve.gateway
print(len(before), *sorted(name for name in set(sys.modules) - before if not name.startswith("encodings.")))
"""


def test_a_gateways_workers_import_next_to_nothing_of_their_own(tmp_path: Path) -> None:
    """They are forked when all is imported, so that one which is replaced answers at once."""
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED_BY_A_WORKER],
        env={"PATH": os.environ["PATH"], "KEYWARD_VAR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    before, *imported = ran.stdout.split()
    assert int(before) > 500
    assert imported == ["config.embedded.backend.parameters", "config.serve.gateway", "config.serve.stop_notice"]
