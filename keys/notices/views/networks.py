"""The networks that a key was used from: who sees the key sees them, Administrators acknowledge new ones."""

from __future__ import annotations

from ipaddress import ip_network
from typing import NamedTuple
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from core.authorization import Denied, has_permission
from core.page_guard import SignedIn, needs
from core.pages import render_page
from core.permissions import Permission
from keys.decision.addresses import Network, format_network
from keys.notices.models import KeyNetwork
from keys.notices.services.networks import acknowledge_networks
from keys.views.common import can_change_keys, get_changeable_key_or_404, get_key_or_404, raise_404_if_deleted

MAX_SHOWN = 500


class NetworkRow(NamedTuple):
    """A network, and its calls in the API log."""

    row: KeyNetwork
    name: str
    url: str


@needs(Permission.KEYS_SEE_OWN)
@require_http_methods(["GET", "HEAD", "POST"])
def key_networks(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_key_or_404(request, public_id)
    if request.method == "POST":
        return _acknowledge(request, public_id)
    rows = KeyNetwork.objects.filter(key=key).order_by("known", "-first_seen_at", "pk")[:MAX_SHOWN]
    query = {"range": "30d", "key_id": public_id}
    context = {
        "key": key,
        "rows": [
            NetworkRow(row, format_network(row.network), _build_log_url(query | {"address": str(row.network)}))
            for row in rows
        ],
        "new": [row.network for row in rows if not row.known],
        "may_change": can_change_keys(request),
        "may_see_log": has_permission(request.user, Permission.LOG_SEE),
    }
    return render_page(request, "keys/notices/networks", context)


def _acknowledge(request: SignedIn, public_id: str) -> HttpResponse:
    if not has_permission(request.user, Permission.KEYS_CHANGE):
        raise Denied(Permission.KEYS_CHANGE)
    key = get_changeable_key_or_404(request, public_id)
    networks = [_parse_network(text) for text in request.POST.getlist("network")]
    with raise_404_if_deleted():
        count = acknowledge_networks(key=key, networks=networks, by=request.actor)
    if count:
        names = f"{count} network{'s' if count > 1 else ''}"
        messages.success(request, f"{names} of {key.name} acknowledged.")
    return redirect("key-networks", public_id)


def _parse_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise BadRequest(f'"{text[:50]}" is not a network, such as 203.0.113.0/24.') from error


def _build_log_url(query: dict[str, str]) -> str:
    return f"{reverse('log-list')}?{urlencode(query)}"
