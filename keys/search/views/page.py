"""The search over everything: a page, and the dialog that Ctrl-K opens. The text travels by POST, never in a URL."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from core.authorization import has_permission
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_page
from core.permissions import Permission
from core.redaction import contains_secret
from keys.search.views.hits import Group, search
from keys.services.finding import REQUIRED_PERMISSIONS
from keys.views.finding import find

# Longer texts, and those with a token, are the finder's.
MAX_WORDS_LENGTH = 200


@needs(Permission.KEYS_SEE_OWN)
@require_http_methods(["GET", "HEAD", "POST"])
def search_all(request: SignedIn) -> HttpResponseBase:
    """Show what the text names, or redirect to it if it is one thing. A text with a token, and one that names nothing,
    goes to the finder, for those who may use it. What may be a secret is not sent back."""
    text = request.POST.get("text", "").strip()
    may_find = all(has_permission(request.user, permission) for permission in REQUIRED_PERMISSIONS)
    is_short = len(text) <= MAX_WORDS_LENGTH and not contains_secret(text) and text.isprintable()
    groups = search(request.user, own_account(request), text) if text and is_short else []
    context: dict[str, Any] = {
        "text": text if is_short else "",
        "groups": groups,
        "asked": bool(text),
        "is_short": is_short,
        "may_find": may_find,
    }
    if request.htmx:
        return render_page(
            request, "keys/search/results" if request.method == "POST" else "keys/search/search", context
        )
    if text and not groups and may_find:
        return find(request)
    if only := get_only_url(groups):
        return redirect(only)
    return render_page(request, "keys/search/search", context)


def get_only_url(groups: list[Group]) -> str:
    """Return the URL of the only hit; empty if there are several or none."""
    urls = [hit.url for group in groups for hit in group.hits]
    return urls[0] if len(urls) == 1 else ""
