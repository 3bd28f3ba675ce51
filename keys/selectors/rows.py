"""Rows of the list of keys, loaded with two statements whatever their number."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from core.templatetags import ui
from keys.apis.policy import Policy
from keys.crypto.secrets import mask_token
from keys.decision.addresses import format_network
from keys.models import Key
from keys.selectors.keys import ApiModules, get_modules_by_api, with_names

APIS = "SELECT id, name, policy FROM keys_api WHERE id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class KeyRowApi:
    """What a row needs to know about its API."""

    name: str
    rules: Policy
    modules: ApiModules


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What the list shows of a key. `url` is the key's page; `modules`, contained ones included, and `ip_lists` are
    names."""

    id: int
    url: SafeString
    public_id: str
    name: str
    status: str
    enabled: bool
    owner: str
    owner_active: bool
    api: KeyRowApi
    all_modules: bool
    modules: list[str]
    ip_lists: list[str]
    networks: list[str]
    created_at: datetime
    secret_made_at: datetime | None
    used_at: datetime | None
    recordings: bool

    @property
    def cell_values(self) -> dict[str, bool | str]:
        """The flags and texts of the row's template, which is rendered once for all rows with the same flags."""
        rules, count = self.api.rules, len(self.ip_lists) + len(self.networks)
        return {
            "enabled": self.enabled,
            "owner_active": self.owner_active,
            "revealable": rules.revealable,
            # Whether the key may download call recordings.
            "can_download": self.recordings and "recording" in rules.credentials,
            # Without any address rule, calls are accepted from every address.
            "has_addresses": count > 0,
            "has_several_addresses": count > 1,
            "has_networks": bool(self.networks),
            "badge": ui.status(self.status),
            "created": ui.when(self.created_at),
            "used": ui.when(self.used_at),
            "secret_age": ui.age(self.secret_made_at),
            "number": self.public_id,
            "name": self.name,
            "url": self.url,
            "owner": self.owner,
            "api_name": self.api.name,
            "masked": mask_token(settings.TOKEN_PREFIX, self.public_id),
            "reveal_url": SafeString(f"{self.url}reveal/"),
            "modules_called": rules.modules_called,
            "module_summary": "All" if self.all_modules else f"{len(self.modules)} of {len(self.api.modules.names)}",
            "module_items": _render_items(tuple(self.modules)),
            "address": next(iter([*self.networks, *self.ip_lists]), ""),
            "address_count": str(count),
            "list_items": _render_items(tuple(self.ip_lists)),
            "network_items": _render_items(tuple(self.networks), SafeString(' class="mono"')),
        }


@lru_cache(maxsize=1024)
def _render_items(texts: tuple[str, ...], attributes: str = "") -> SafeString:
    """Return the items of an HTML list; many keys have the same modules."""
    return format_html_join("", "<li{}>{}</li>", ((attributes, text) for text in texts))


def list_rows(numbers: Collection[int]) -> list[KeyRow]:
    """Return the rows of the keys with these primary keys, unordered. The reader must be allowed to see them."""
    sql, params = _compose_rows()
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, list(numbers)])
        names = [column.name for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    apis = _get_apis({key["of_api"] for key in found})
    page = reverse("key-list")

    def build_row(key: dict[str, Any]) -> KeyRow:
        api = apis[key.pop("of_api")]
        slugs, networks = key.pop("module_slugs"), key.pop("networks")
        owner, ip_lists = key.pop("of_owner"), key.pop("list_names")
        return KeyRow(
            **key,
            owner=owner,
            ip_lists=ip_lists,
            url=SafeString(f"{page}{key['public_id']}/"),
            api=api,
            modules=list(api.modules.names.values()) if key["all_modules"] else api.modules.list_names(slugs),
            networks=[format_network(ip_network(text)) for text in networks],
        )

    return [build_row(key) for key in found]


@cache
def _compose_rows() -> tuple[str, tuple[Any, ...]]:
    """Return the statement that loads rows and its parameters; the primary keys follow. It is composed once, because
    that takes Django longer than PostgreSQL takes to run it."""
    own_columns = ("id", "public_id", "name", "enabled", "all_modules", "created_at", "recordings")
    added = ("status", "secret_made_at", "used_at", "module_slugs", "list_names", "networks")
    keys = with_names(Key.objects.filter(deleted_at=None)).values(
        *own_columns,
        *added,
        owner_active=F("owner__is_active"),
        of_owner=F("owner__nickname"),
        of_api=F("api"),
    )
    sql, params = keys.query.sql_with_params()
    return f"SELECT * FROM ({sql}) AS found WHERE id = ANY(%s)", params


def _get_apis(numbers: Collection[int]) -> dict[int, KeyRowApi]:
    modules = get_modules_by_api(numbers)
    with connection.cursor() as cursor:
        cursor.execute(APIS, [list(numbers)])
        return {pk: KeyRowApi(name, _parse_policy(policy), modules[pk]) for pk, name, policy in cursor.fetchall()}


@lru_cache(maxsize=64)
def _parse_policy(text: str) -> Policy:
    return Policy.from_data(json.loads(text))
