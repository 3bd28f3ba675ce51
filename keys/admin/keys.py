"""Support's pages of keys: search, view and disable. Secrets are never shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from django.contrib.admin import display
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.admin.exports import ExportAdmin
from accounts.models import Account
from core.actor import Actor
from core.admin import Button
from core.admin_tables import format_link
from core.permissions import Permission
from core.templatetags.ui import moment, status
from keys import exports, services
from keys.apis.policy import Policy
from keys.apis.policy_parsing import FLAGS
from keys.decision.addresses import format_network
from keys.filters import KeyFilter
from keys.models import Key
from keys.selectors.detail import MAX_CALLS_COUNTED, count_recent_calls, list_granted_modules
from keys.selectors.flags import NOT_IN_FORCE, format_field, format_flag
from keys.selectors.keys import with_page_relations
from keys.selectors.search import MAX_KEYS_FOUND, search_keys


class Disable(Button):
    name = "disable"
    label = "Disable"
    dangerous = True
    refusals = (*Button.refusals, Key.DoesNotExist)

    def is_available(self, row: Key, by: Actor) -> bool:
        return row.enabled and row.account.status == Account.Status.ACTIVE

    def get_effects(self, row: Key) -> Iterable[str]:
        yield (
            f"All calls with {row.name} of {row.account} to {row.api} are refused immediately, until an"
            " Administrator of the account enables it again."
        )
        calls = count_recent_calls(row)
        words = f"more than {calls - 1:,}" if calls == MAX_CALLS_COUNTED else f"{calls:,}"
        yield f"Calls with it in the last 7 days: {words}."

    def run(self, row: Key, form: Form, by: Actor) -> str:
        services.disable(key=row, by=by)
        return f"{row.name} ({row.public_id}) is disabled."

    def format_refusal(self, problem: Exception) -> str:
        return "The key has been deleted in the meantime." if isinstance(problem, Key.DoesNotExist) else str(problem)


class KeyAdmin(ExportAdmin):
    buttons = (Disable(),)
    icon = "key"
    empty_text = "Administrators of accounts add API keys."
    export_of = "an account's key settings"
    export_refusals = (exports.TooManyRows,)
    list_display = ("name", "identifier", "account", "owner_email", "api", "state", "last_used", "created_at")
    list_select_related = ("account", "api", "owner")
    search_fields = ("name",)
    search_help_text = (
        "Search by words of the name, API ID or its last 4 characters, or the start of the owner's e-mail."
        f" Shows the newest {MAX_KEYS_FOUND} matches."
    )
    fieldsets: ClassVar = (
        (
            None,
            {"fields": ("name", "identifier", "token", "state", "calls_are", "account_link", "owner_link", "api_link")},
        ),
        (
            "Permissions",
            {"fields": ("may_call", "may_come_from", "lists", "flags", "expires_at", "rotation", "settings")},
        ),
        ("History", {"fields": ("created_at", "secret_made", "last_used", "last_used_from", "logs")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Key]:
        return with_page_relations(Key.objects.filter(deleted_at=None)).select_related("account", "api", "owner")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # Both orders have an index: an account's keys by creation, all keys by primary key.
        return ("-created_at", "-pk") if "account" in request.GET else ("-pk",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "account"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Key], search_term: str
    ) -> tuple[QuerySet[Key], bool]:
        text = search_term.strip()[:200]
        if not text:
            return queryset, False
        candidates = Key.objects.filter(deleted_at=None)
        if (account := request.GET.get("account", "")).isdecimal():
            candidates = candidates.filter(account=int(account))
        return queryset.filter(pk__in=search_keys(candidates, text)), False

    def build_file(self, account: Account, by: Actor, *, format: str, zip: bool) -> tuple[str, bytes]:
        keys = KeyFilter({}, Key.objects.filter(account=account, deleted_at=None), account=account, apis=())
        keys.is_valid()
        table = exports.KeySettingsResource
        return exports.export_keys(
            by=by, account=account, keys=keys, format=format, zip=zip, table=table, needs=Permission.ADMINISTRATION
        )

    @display(description="API ID")
    def identifier(self, key: Key) -> str:
        return key.public_id

    @display(description="Token")
    def token(self, key: Key) -> str:
        return key.masked

    @display(description="Owner")
    def owner_email(self, key: Key) -> str:
        return key.owner.email

    @display(description="Status")
    def state(self, key: Key) -> str:
        return status(key.status)  # type: ignore[attr-defined]

    @display(description="Calls")
    def calls_are(self, key: Key) -> str:
        """Return whether calls are refused for reasons outside the key: its account or its owner."""
        if key.account.status != Account.Status.ACTIVE:
            return f"Refused: the account is {key.account.status}. Its keys cannot be disabled until it is active."
        return (
            "Accepted if the key's settings allow them" if key.owner.is_active else "Refused: the owner is deactivated"
        )

    @display(description="Account")
    def account_link(self, key: Key) -> SafeString:
        return format_link("accounts_account_change", str(key.account), key.account_id)

    @display(description="Owner")
    def owner_link(self, key: Key) -> SafeString:
        return format_link("accounts_user_change", f"{key.owner.nickname} ({key.owner.email})", key.owner_id)

    @display(description="API")
    def api_link(self, key: Key) -> SafeString:
        return format_link("keys_api_change", str(key.api), key.api_id)

    @display(description="Modules")
    def may_call(self, key: Key) -> str:
        return "All" if key.all_modules else ", ".join(module.name for module, _ in list_granted_modules(key)) or "None"

    @display(description="Own addresses")
    def may_come_from(self, key: Key) -> str:
        if entries := key.addresses.all():
            return ", ".join(format_network(entry.network) for entry in entries)
        return "None" if key.ip_lists.all() else "Any address"

    @display(description="IP lists")
    def lists(self, key: Key) -> SafeString | str:
        lists = ((format_link("keys_iplist_change", found.name, found.pk),) for found in key.ip_lists.all())
        return format_html_join(", ", "{}", lists) or "None"

    @display(description="Flags")
    def flags(self, key: Key) -> str:
        rules = Policy.from_data(key.api.policy)
        on = [flag for flag in FLAGS if flag in rules.flags and getattr(key, flag)]
        return ", ".join(_format_flag(rules.get_label(flag), format_flag(key, flag)) for flag in on) or "None"

    @display(description="Scheduled rotation")
    def rotation(self, key: Key) -> str:
        return str(key.scheduled_rotation or "Never").capitalize()

    @display(description="Other settings")
    def settings(self, key: Key) -> str:
        fields = ((field.label, format_field(key, field)) for field in Policy.from_data(key.api.policy).fields)
        return "; ".join(f"{label}: {value}" for label, value in fields if value) or "None"

    @display(description="Secret created")
    def secret_made(self, key: Key) -> str:
        return moment(key.secret_made_at)  # type: ignore[attr-defined]

    @display(description="Last used")
    def last_used(self, key: Key) -> str:
        return moment(key.used_at)  # type: ignore[attr-defined]

    @display(description="Logs")
    def logs(self, key: Key) -> SafeString:
        calls, events = reverse("admin:audit_call_changelist"), reverse("admin:audit_event_changelist")
        return format_html(
            '<a href="{}?key_id={}&amp;range=30d">Calls in the last 30 days</a> · '
            '<a href="{}?kind=key&amp;object={}&amp;range=30d">Events in the last 30 days</a>',
            *(calls, key.public_id, events, key.public_id),
        )

    @display(description="Last used from")
    def last_used_from(self, key: Key) -> str:
        return key.used_from or "–"  # type: ignore[attr-defined]


def _format_flag(label: str, state: str) -> str:
    return f"{label} (no effect: the account's phone masking is off)" if state == NOT_IN_FORCE else label
