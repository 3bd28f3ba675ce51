"""Rows of the list of keys, loaded with three queries whatever their number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from keys.apis.policy import Policy
from keys.crypto.secrets import mask_token
from keys.decision.addresses import format_network
from keys.models import Api, Key
from keys.selectors.keys import ApiModules, get_modules_by_api, with_names


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


def list_rows(keys: QuerySet[Key]) -> list[KeyRow]:
    """Return the rows of these keys, unordered."""
    own_columns = (
        "id",
        "public_id",
        "name",
        "enabled",
        "all_modules",
        "created_at",
        "status",
        "secret_made_at",
        "used_at",
        "recordings",
    )
    related = {"of_owner": F("owner__nickname"), "owner_active": F("owner__is_active"), "of_api": F("api")}
    found = list(with_names(keys).values(*own_columns, "module_slugs", "list_names", "networks", **related))
    apis = _get_apis({key["of_api"] for key in found})
    page = reverse("key-list")

    def build_row(key: dict[str, Any]) -> KeyRow:
        api = apis[key["of_api"]]
        return KeyRow(
            **{name: key[name] for name in (*own_columns, "owner_active")},
            url=SafeString(f"{page}{key['public_id']}/"),
            owner=key["of_owner"],
            api=api,
            modules=list(api.modules.names.values())
            if key["all_modules"]
            else api.modules.list_names(key["module_slugs"]),
            ip_lists=key["list_names"],
            networks=[format_network(ip_network(text)) for text in key["networks"]],
        )

    return [build_row(key) for key in found]


def _get_apis(numbers: Collection[int]) -> dict[int, KeyRowApi]:
    modules = get_modules_by_api(numbers)
    apis = Api.objects.filter(pk__in=numbers).values_list("pk", "name", "policy")
    return {pk: KeyRowApi(name, Policy.from_data(policy), modules[pk]) for pk, name, policy in apis}
