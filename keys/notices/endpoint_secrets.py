"""The secrets that endpoints' notices are signed with, sealed under SEALING_KEYS and bound to account and endpoint."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from core.sealing import open_sealed, seal
from keys.notices.models import Endpoint, EndpointSecret
from keys.notices.signature import generate_secret


def insert_secret(endpoint: Endpoint) -> str:
    """Insert a new current secret and return it in clear text."""
    text, row = generate_secret(), EndpointSecret(endpoint=endpoint)
    seal_into(row, text)
    row.save(force_insert=True)
    return text


def seal_into(row: EndpointSecret, text: str) -> None:
    """Seal the secret under the newest key, without saving."""
    row.sealed = seal(text, ring=settings.SEALING_KEYS, **_get_place(row))


def open_secret(row: EndpointSecret) -> str:
    """Return the secret in clear text. Raise SealBroken."""
    return open_sealed(bytes(row.sealed), ring=settings.SEALING_KEYS, **_get_place(row))


def open_secrets(endpoint: Endpoint) -> list[str]:
    """Return the current secret and, after a rotation, the one before. Raise SealBroken."""
    rows = endpoint.secrets.filter(Q(retires_at=None) | Q(retires_at__gt=Now()))
    return [open_secret(row) for row in rows.order_by("-created_at")]


def _get_place(row: EndpointSecret) -> dict[str, Any]:
    account_id = row.endpoint.account_id
    return {"purpose": "webhook", "account": account_id, "key": str(row.endpoint_id), "secret": str(row.pk)}
