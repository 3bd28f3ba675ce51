"""Export the list of keys as CSV or XLSX. Tokens are exported as the list shows them: without their secret part."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, ClassVar

from django.db import transaction
from import_export import fields

from accounts.models import Account
from audit.exports import ListFile, deliver_list
from core import authorization
from core.actor import Actor
from core.permissions import Permission
from core.spreadsheets import PLAIN_CSV, CsvStyle, TextResource, build_column, encode_table
from keys.decision.addresses import format_network
from keys.filters import KeyFilter
from keys.models import Key
from keys.selectors.keys import ApiModules, get_modules_by_api, with_file_columns

# The file is built in memory while the user waits.
MAX_ROWS = {"csv": 100_000, "xlsx": 50_000}


class TooManyRows(Exception):
    """More keys match than one file holds."""

    def __init__(self, format: str) -> None:
        alternative = "" if format == "csv" else f", or export CSV (up to {MAX_ROWS['csv']:,})"
        limit = f"the limit of one {format.upper()} file"
        super().__init__(f"More than {MAX_ROWS[format]:,} keys match, {limit}. Narrow the filters{alternative}.")


class KeyResource(TextResource):
    """The columns of the list of keys, in the same order."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._modules: dict[int, ApiModules] = {}

    created = build_column("created_at")
    status = build_column("status")
    owner = build_column("owner__nickname")
    user_status = fields.Field()
    api = build_column("api__name")
    api_id = build_column("public_id")
    token = build_column("masked")
    modules = fields.Field()
    addresses = fields.Field()
    ip_lists = fields.Field()
    secret_made = build_column("secret_made_at")
    last_used = build_column("used_at")
    expires = build_column("expires_at")
    rotation = build_column("scheduled_rotation")

    class Meta:
        model = Key
        fields: ClassVar = (
            *("created", "status", "name", "owner", "user_status", "api", "api_id", "token", "modules", "addresses"),
            *("ip_lists", "secret_made", "last_used", "expires", "rotation"),
        )
        export_order = fields

    def dehydrate_user_status(self, key: Key) -> str:
        return "active" if key.owner.is_active else "inactive"

    def dehydrate_modules(self, key: Key) -> str:
        """Return the names of the modules that the key may call, contained ones included."""
        if key.all_modules:
            return "all"
        if key.api_id not in self._modules:
            self._modules |= get_modules_by_api([key.api_id])
        return ", ".join(self._modules[key.api_id].list_names(key.module_slugs))  # type: ignore[attr-defined]

    def dehydrate_addresses(self, key: Key) -> str:
        networks, lists = key.networks, key.list_names  # type: ignore[attr-defined]
        return ", ".join(format_network(ip_network(text)) for text in networks) if networks or lists else "any"

    def dehydrate_ip_lists(self, key: Key) -> str:
        return ", ".join(key.list_names)  # type: ignore[attr-defined]


class KeySettingsResource(KeyResource):
    """The columns of the list of keys and all other settings, for Support."""

    enabled = build_column("enabled")
    mask_phone_number = build_column("mask_phone")
    hlr_lookup = build_column("hlr_lookup")
    call_recordings = build_column("recordings")
    settings = fields.Field()

    class Meta:
        model = Key
        fields: ClassVar = (
            *KeyResource.Meta.fields,
            *("enabled", "mask_phone_number", "hlr_lookup", "call_recordings", "settings"),
        )
        export_order = fields

    def dehydrate_settings(self, key: Key) -> str:
        """Return the values of the policy's own fields, such as a website."""
        return "; ".join(f"{name}: {value}" for name, value in sorted(key.fields.items()))


def export_keys(
    *,
    by: Actor,
    account: Account,
    keys: KeyFilter,
    format: str,
    zip: bool = False,
    csv: CsvStyle = PLAIN_CSV,
    table: type[TextResource] = KeyResource,
    needs: Permission = Permission.LISTS_EXPORT,
) -> tuple[str, bytes]:
    """Return the name and the content of a file with the keys that pass the filters, in the list's order.

    `needs` is the permission that the calling page requires; Support's pages require another. Building a large file
    takes time, so nothing is locked meanwhile; the export is recorded before the file is returned. Raise Denied,
    TooManyRows.
    """
    with transaction.atomic():
        authorization.require(by, needs, account=account)
    if keys.qs[: MAX_ROWS[format] + 1].count() > MAX_ROWS[format]:
        raise TooManyRows(format)
    rows = table().export(with_file_columns(keys.sort_rows()), format=format)
    masking = "Tokens are not included, only their prefix and API ID."
    file = ListFile(
        encode_table(rows, format, csv),
        format,
        len(rows),
        rows.headers,
        keys.active,
        dict(keys.descriptions),
        masking=masking,
    )
    with transaction.atomic():
        authorization.require(by, needs, account=account)
        return deliver_list("keys.exported", file, by=by, account=account, zip=zip)
