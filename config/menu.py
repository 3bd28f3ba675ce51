"""The left menu. It shows the entries whose pages the user may open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from core import authorization
from core.columns import find_list
from core.permissions import Permission
from core.replica import is_replica_unavailable


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """An entry. `icon` is the name of a heroicon; `current` is true on its page and on those below it."""

    label: str
    url: str
    icon: str
    current: bool


# Label, URL name, icon, and the page's permissions, any one of which is enough.
PAGES: tuple[tuple[str, str, str, tuple[Permission, ...]], ...] = (
    ("Overview", "overview", "home", (Permission.OVERVIEW_SEE,)),
    ("API keys", "key-list", "key", (Permission.KEYS_SEE, Permission.KEYS_SEE_OWN)),
    ("IP lists", "ip-list-list", "list-bullet", (Permission.IP_LISTS_SEE,)),
    ("API logs", "log-list", "queue-list", (Permission.LOG_SEE,)),
    ("Audit trail", "trail-list", "finger-print", (Permission.TRAIL_SEE,)),
    ("Users", "user-list", "users", (Permission.USERS_SEE,)),
    ("Settings", "settings", "cog-6-tooth", (Permission.USERS_SEE,)),
    ("Administration", "admin:index", "lifebuoy", (Permission.ADMINISTRATION,)),
    ("Accounts", "admin:accounts_account_changelist", "building-office", (Permission.ADMINISTRATION,)),
    ("Users", "admin:accounts_user_changelist", "users", (Permission.ADMINISTRATION,)),
    ("API keys", "admin:keys_key_changelist", "key", (Permission.ADMINISTRATION,)),
    ("IP lists", "admin:keys_iplist_changelist", "list-bullet", (Permission.ADMINISTRATION,)),
    ("APIs", "admin:keys_api_changelist", "code-bracket", (Permission.ADMINISTRATION,)),
    ("API logs", "admin:audit_call_changelist", "queue-list", (Permission.ADMINISTRATION,)),
    ("Audit trail", "admin:audit_event_changelist", "finger-print", (Permission.ADMINISTRATION,)),
)
# Pages beneath these have entries of their own.
START_PAGES = ("overview", "admin:index")


def _get_place(request: HttpRequest) -> str:
    """Return the path of the page, or of the list whose columns or saved filters it is about."""
    match = request.resolver_match
    columns = find_list(match.kwargs.get("name", "")) if match and match.route.startswith("lists/") else None
    return reverse(columns.page) if columns else request.path


def build_menu(request: HttpRequest) -> dict[str, Any]:
    """Return the context: `menu`, for the request's user, and whether the replica of the logs is down."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"menu": []}
    path, entries = _get_place(request), []
    for label, name, icon, permissions in PAGES:
        if not any(authorization.has_permission(user, permission) for permission in permissions):
            continue
        try:
            url = reverse(name)
        except NoReverseMatch:
            continue
        here = path == url if name in START_PAGES else path.startswith(url)
        entries.append(MenuEntry(label, url, icon, here))
    return {"menu": entries, "replica_away": is_replica_unavailable()}
