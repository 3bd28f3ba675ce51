"""What is granted but unused, a page for each kind, and the dialog that removes it from a key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import F, Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_http_methods, require_safe

from audit.usage.unused import get_unused_days
from core.lists import PAGE_SIZE
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_dialog, render_page
from core.permissions import Permission
from core.templatetags.ui import when
from keys.apis.policy import Policy
from keys.decision.addresses import format_network
from keys.key_settings import KeySettings, explain_immutable_setting
from keys.models import Api, Key
from keys.selectors import unused
from keys.selectors.replay import replay_settings
from keys.services import EditConflict, Invalid, edit
from keys.views.common import can_change_keys, get_changeable_key_or_404, raise_404_if_deleted
from keys.views.effects import ChangeEffect
from keys.views.key_actions import KEY_ACTIONS
from keys.visibility import get_visible_keys

MAX_BIGINT = 2**63 - 1
# A key has many grants, each of which is a line.
KEYS_WITH_GRANTS = PAGE_SIZE // 2
# The kinds of findings: the name of the page, and what it is called.
TABS = (
    ("unused", "Keys"),
    ("unused-modules", "Modules"),
    ("unused-addresses", "Addresses"),
    ("unused-entries", "IP list entries"),
    ("unused-overlaps", "Old secrets"),
)
# What is said of an item whose last use is not known; of others that it was never used.
NEVER_USED = {"unused-entries": "not used for {days} days", "unused-overlaps": "not used since the change"}


class Item(NamedTuple):
    """Something unused, and since when."""

    name: str
    last_used: datetime | None
    since: datetime


class Finding(NamedTuple):
    """A row of the page. `action` is the label and the URL of the dialog that takes it away; `note` says why there is
    none. `never` is said of items whose last use is not known."""

    title: str
    url: str
    about: str
    items: Sequence[Item]
    action: tuple[str, str] | None = None
    note: str = ""
    never: str = ""

    @property
    def cell_values(self) -> dict[str, str | bool]:
        """The flags and texts of templates/keys/_unused_row.html."""
        label, url = self.action or ("", "")
        return {
            "title": self.title,
            "url": self.url,
            "has_about": bool(self.about),
            "about": self.about,
            "items": format_html_join("", "<li>{}{}</li>", map(self._describe_item, self.items)),
            "since": when(self.items[0].since),
            "has_action": self.action is not None,
            "action": label,
            "action_url": url,
            "note": self.note,
        }

    def _describe_item(self, item: Item) -> tuple[str, str]:
        used = format_html("last used {}", when(item.last_used)) if item.last_used else self.never
        return f"{item.name}: " if item.name else "", used


class Findings(NamedTuple):
    """A page of findings, and the position of the next one."""

    rows: list[Finding]
    after: int | None


def _build_page(find: Callable[[SignedIn, datetime, int], Findings], name: str) -> Any:
    @needs(Permission.KEYS_SEE, Permission.LOG_SEE)
    @require_safe
    def page(request: SignedIn) -> HttpResponse:
        days = get_unused_days()
        text = request.GET.get("after", "0")
        if not (text.isascii() and text.isdecimal() and int(text) <= MAX_BIGINT):
            raise BadRequest(f'"{text}" is not a position in this list. Start again from the first page.')
        never = NEVER_USED.get(name, "never used").format(days=days)
        found = find(request, timezone.now() - timedelta(days=days), int(text))
        context = {
            "tabs": [(reverse(tab), label, tab == name) for tab, label in TABS],
            "name": name,
            "days": days,
            "rows": [row._replace(never=never) for row in found.rows],
            "next": f"?{urlencode({'after': found.after})}" if found.after else "",
            "may_change": can_change_keys(request),
        }
        return render_page(request, "keys/unused", context)

    return page


def _get_keys(request: SignedIn) -> QuerySet[Key]:
    return get_visible_keys(request.user)


def _load(keys: QuerySet[Key], after: int, size: int, *related: str) -> tuple[list[Key], int | None]:
    """Return the keys of the page after this position, with these relations, and the position of the next page."""
    # Keys of one API share it: a policy is large.
    shared = Prefetch("api", Api.objects.defer("document"))
    rows = keys.filter(pk__gt=after).annotate(used_at=F("listing__used_at")).prefetch_related(shared, *related)
    found: list[Key] = list(rows[: size + 1])
    return found[:size], found[size - 1].pk if len(found) > size else None


def _find_keys(request: SignedIn, since: datetime, after: int) -> Findings:
    keys, following = _load(unused.list_unused_keys(_get_keys(request), since), after, PAGE_SIZE)
    rows = []
    for key in keys:
        used_at: datetime | None = key.used_at  # type: ignore[attr-defined]
        items = [Item("", used_at, used_at or key.created_at)]
        action = (KEY_ACTIONS["key-disable"], f"{_get_url(key, 'key-disable')}?from=unused")
        rows.append(Finding(key.name, _get_url(key, "key-detail"), _describe(key), items, action))
    return Findings(rows, following)


def _find_modules(request: SignedIn, since: datetime, after: int) -> Findings:
    keys, following = _load(unused.list_keys_with_unused_modules(_get_keys(request), since), after, KEYS_WITH_GRANTS)
    found = unused.find_unused_modules(keys, since)
    return Findings(list(_build_grants_rows(found, "modules", "module")), following)


def _find_addresses(request: SignedIn, since: datetime, after: int) -> Findings:
    unused_there = unused.list_keys_with_unused_addresses(_get_keys(request), since)
    keys, following = _load(unused_there, after, KEYS_WITH_GRANTS, "addresses", "ip_lists")
    found = unused.find_unused_addresses(keys, since)
    return Findings(list(_build_grants_rows(found, "addresses", "address")), following)


def _build_grants_rows(found: Iterable[unused.KeyGrants], setting: str, parameter: str) -> Iterator[Finding]:
    policies: dict[int, Policy] = {}
    for grants in found:
        api = grants.key.api
        if api.pk not in policies:
            policies[api.pk] = Policy.from_data(api.policy)
        yield _build_grants_row(grants, policies[api.pk], setting, parameter)


def _build_grants_row(grants: unused.KeyGrants, rules: Policy, setting: str, parameter: str) -> Finding:
    key = grants.key
    items = [Item(each.name, each.last_used, each.last_used or key.created_at) for each in grants.unused]
    row = Finding(key.name, _get_url(key, "key-detail"), _describe(key), items)
    if setting in rules.immutable_settings:
        return row._replace(note=f"{rules.get_label(setting)} {explain_immutable_setting(setting, rules)}")
    if not grants.uses_others:
        return row._replace(note="Nothing else is granted. Disable the key if it is not needed.")
    query = urlencode([(parameter, each.value) for each in grants.unused])
    return row._replace(action=("Remove", f"{_get_url(key, 'key-shrink')}?{query}"))


def _find_entries(request: SignedIn, since: datetime, after: int) -> Findings:
    entries = unused.list_unused_entries(own_account(request).pk, since).filter(pk__gt=after)
    found = list(entries[: PAGE_SIZE + 1])
    rows = []
    for entry in unused.drop_used_entries(found[:PAGE_SIZE], since):
        url = reverse("ip-list-detail", args=[entry.ip_list_id])
        disable = f"{reverse('ip-entries-disable', args=[entry.ip_list_id])}?{urlencode({'entry': entry.pk})}"
        name = f"{format_network(entry.network)} {entry.description}".strip()
        items = [Item(name, None, entry.created_at)]
        rows.append(Finding(entry.ip_list.name, url, "", items, ("Disable", disable)))
    return Findings(rows, found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None)


def _find_overlaps(request: SignedIn, since: datetime, after: int) -> Findings:
    overlaps = unused.list_unused_overlaps(_get_keys(request)).filter(key__gt=after)
    found = list(overlaps[: PAGE_SIZE + 1])
    rows = []
    for secret in found[:PAGE_SIZE]:
        use = getattr(secret, "use", None)
        used_at = use.used_at if use else None
        items = [Item("Old secret", used_at, used_at or secret.created_at)]
        end = _get_url(secret.key, "key-overlap-end")
        row = Finding(secret.key.name, _get_url(secret.key, "key-detail"), _describe(secret.key), items)
        rows.append(row._replace(action=(KEY_ACTIONS["key-overlap-end"], end)))
    return Findings(rows, found[PAGE_SIZE - 1].key_id if len(found) > PAGE_SIZE else None)


def _get_url(key: Key, name: str) -> str:
    return reverse(name, args=[key.public_id])


def _describe(key: Key) -> str:
    return f"{key.api.name} · {key.public_id}"


unused_keys = _build_page(_find_keys, "unused")
unused_modules = _build_page(_find_modules, "unused-modules")
unused_addresses = _build_page(_find_addresses, "unused-addresses")
unused_entries = _build_page(_find_entries, "unused-entries")
unused_overlaps = _build_page(_find_overlaps, "unused-overlaps")


@needs(Permission.KEYS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def key_shrink(request: SignedIn, public_id: str) -> HttpResponse:
    """Remove the modules `?module=` and address entries `?address=` from the key, after their replay."""
    key = get_changeable_key_or_404(request, public_id)
    before = KeySettings.from_key(key)
    names = {module.slug: module.name for module in key.api.modules.all()}
    granted = set(names) if before.modules is None else set(before.modules)
    modules = granted & set(request.GET.getlist("module"))
    networks = [network for network in before.networks if str(network) in request.GET.getlist("address")]
    after = replace(
        before,
        modules=frozenset(granted - modules) if modules else before.modules,
        networks=tuple(network for network in before.networks if network not in networks),
    )
    removed = [names[slug] for slug in names if slug in modules] + [format_network(network) for network in networks]
    context: dict[str, Any] = {"key": key, "removed": removed, "problem": _find_problem(key, before, after, removed)}
    if not context["problem"]:
        token = hashlib.sha256(repr((key.public_id, key.version, removed)).encode()).hexdigest()
        effect = ChangeEffect(replay_settings(key, after, enabled=key.enabled), token, request.POST)
        context |= {"effect": effect, "asks": request.method == "POST" and effect.needs_answer, "token": token}
        if request.method == "POST" and request.POST.get("change") != token:
            context["changed"] = True
        elif request.method == "POST" and not context["asks"]:
            try:
                with raise_404_if_deleted():
                    edit(key=key, version=key.version, key_settings=after, by=request.actor)
                messages.success(request, f"Removed from {key.name}: {', '.join(removed)}.")
                return redirect("unused-addresses" if networks else "unused-modules")
            except EditConflict:
                context["changed"] = True
            except Invalid as problem:
                context["problem"] = " ".join(problem.messages)
    status = 409 if request.method == "POST" else 200
    return render_dialog(request, "keys/shrink", f"Remove from {key.name}", context, status)


def _find_problem(key: Key, before: KeySettings, after: KeySettings, removed: Sequence[str]) -> str:
    """Return why the key cannot have these settings; empty if it can."""
    if not removed:
        return "The key no longer has what was to be removed."
    if after.modules is not None and not after.modules:
        return "No module would be left. Disable the key instead."
    if before.networks and not after.networks and not after.ip_lists:
        return "Without an entry the key would be open to any address. Disable the key instead."
    return ""
