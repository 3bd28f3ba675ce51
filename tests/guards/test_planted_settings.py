"""An insecure setting, planted, turns `check --deploy` red."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.test_settings import ROOT, production

# Django's setting, an insecure value, and the check that must say so.
PLANTED = [
    ("DEBUG", True, "security.W018"),
    ("ALLOWED_HOSTS", [], "security.W020"),
    ("SECRET_KEY", "django-insecure-" + "a" * 60, "security.W009"),
    ("SESSION_COOKIE_SECURE", False, "security.W010"),
    ("SESSION_COOKIE_HTTPONLY", False, "security.W013"),
    ("CSRF_COOKIE_SECURE", False, "security.W016"),
    ("SECURE_HSTS_SECONDS", 0, "security.W004"),
    ("SECURE_CONTENT_TYPE_NOSNIFF", False, "security.W006"),
    ("SECURE_REFERRER_POLICY", None, "security.W022"),
    ("SECURE_CROSS_ORIGIN_OPENER_POLICY", "anything", "security.E024"),
    ("X_FRAME_OPTIONS", "SAMEORIGIN", "security.W019"),
    ("-MIDDLEWARE", "django.middleware.security.SecurityMiddleware", "security.W001"),
    ("-MIDDLEWARE", "django.middleware.clickjacking.XFrameOptionsMiddleware", "security.W002"),
    ("-MIDDLEWARE", "django.middleware.csrf.CsrfViewMiddleware", "security.W003"),
    ("EMBEDDED_DATABASE", True, "keyward.W002"),
    ("GATEWAY_SECRETS", {}, "keyward.W005"),
    ("HTTPS", False, "keyward.W004"),
    ("PRODUCTION", False, "keyward.W001"),
]
CHECK = """
import json, sys
import django
django.setup()
from django.conf import settings
from django.core import checks
from django.test import override_settings

def check(name, value):
    if name.startswith("-"):
        name, value = name[1:], [each for each in getattr(settings, name[1:]) if each != value]
    with override_settings(**{name: value}):
        found = checks.run_checks(include_deployment_checks=True)
    return [message.id for message in found if not message.is_silenced()]

print(json.dumps([check(name, value) for name, value in json.load(sys.stdin)]))
"""


@pytest.mark.quality(24)
def test_planted_insecure_settings_are_found(tmp_path: Path) -> None:
    environ = production() | {
        "DATABASE_URL": "postgresql://app:x@db.example/keyward",
        "MAINTENANCE_DATABASE_URL": "postgresql://owner:x@db.example/keyward",
        "GATEWAY_SECRETS": f"nginx:{secrets.token_hex(32)}",
    }
    own = {"PATH": os.environ["PATH"], "KEYWARD_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}
    nothing = ("DEBUG", False)
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        input=json.dumps([nothing, *((name, value) for name, value, _ in PLANTED)]),
        env=own | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    good, *planted = json.loads(done.stdout)
    assert good == []
    assert {
        identifier: found for (_, _, identifier), found in zip(PLANTED, planted, strict=True) if identifier not in found
    } == {}
