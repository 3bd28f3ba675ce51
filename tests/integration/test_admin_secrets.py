"""No page of Support's administration holds a secret: in clear, sealed, digested, or a password's hash."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from config.admin import site
from core.sealing import seal
from keys.models import Api, Secret
from tests.access.table import TABLE, Persona
from tests.access.world import a_world
from tests.factories.key_rows import a_key

pytestmark = [pytest.mark.django_db, pytest.mark.quality(13)]


def test_no_page_holds_a_secret_sealed_or_digested() -> None:
    api = Api.objects.get(slug="billing")
    world = a_world("acme", api)
    owner, support = world.people[Persona.OWNER], world.people[Persona.SUPPORT]
    assert owner is not None
    key, token = a_key(world.account, owner, api, "Canary")
    place: dict[str, Any] = {"account": key.account_id, "key": key.public_id, "secret": str(key.secrets.get().pk)}
    key.secrets.update(sealed=seal(token, ring=settings.SEALING_KEYS, purpose="reveal", **place))
    canaries = forms_of(token)
    for secret in Secret.objects.all():
        for raw in filter(None, (secret.digest, secret.sealed)):
            canaries |= forms_of(bytes(raw))
    canaries |= {user.password for user in User.objects.all()}
    canaries |= {str(value) for row in Authenticator.objects.all() for value in row.data.values()}
    # An authenticator's row holds numbers too.
    canaries = {canary for canary in canaries if len(canary) >= 16}
    client = Client()
    client.force_login(support)

    paths = [
        reverse(row.route, args=world.objects[row.of].split("/") if row.of else [])
        for row in TABLE
        if row.route.startswith("admin:") and row.route != "admin:nothing"
    ]
    paths += [f"/admin/keys/key/{key.pk}/{page}/" for page in ("change", "disable")]
    paths += [
        f"{reverse(f'admin:{m._meta.app_label}_{m._meta.model_name}_changelist')}?q=canary" for m in site._registry
    ]
    answers = {path: client.get(path, follow=True).content.decode() for path in paths}
    answers["found"] = client.post("/admin/find/", {"text": token}).content.decode()

    assert "Canary" in answers["found"]
    assert {path for path, page in answers.items() if any(canary in page for canary in canaries)} == set()
    assert len(answers) > 30


def forms_of(secret: str | bytes) -> set[str]:
    """As programs write things down."""
    raw = secret.encode() if isinstance(secret, str) else secret
    texts = {raw.hex(), base64.b64encode(raw).decode(), str(raw), str(memoryview(raw).tobytes())[2:-1]}
    return texts | ({secret.rsplit("_", 1)[1][:32]} if isinstance(secret, str) else set())
