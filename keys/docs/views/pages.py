"""Pages of a key's documentation: how to call the API with it, and how to download call recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.page_guard import SignedIn, needs
from core.pages import render_page
from core.permissions import Permission
from keys.apis.modules import ModuleSpec
from keys.apis.policy import Policy
from keys.crypto.signatures import MAX_LINK_LIFETIME_SECONDS, WINDOW_SECONDS
from keys.decision.addresses import format_network
from keys.docs import granted
from keys.docs.documentation import get_documentation
from keys.docs.examples import build_signed_link, build_signed_request, list_queries
from keys.docs.page import (
    Part,
    build_first_call,
    describe_modules,
    get_recordings_link,
    get_request_link,
    list_headers,
    select_part,
)
from keys.docs.refusals import list_refusals
from keys.docs.samples import SECRET_VARIABLE, Kind, build_samples
from keys.models import Key
from keys.selectors.detail import list_ip_lists
from keys.selectors.flags import NOT_IN_FORCE, format_flag
from keys.selectors.keys import with_page_relations
from keys.views.common import can_change_keys
from keys.visibility import get_documented_keys


@needs(Permission.DOCS_SEE)
@require_safe
def key_docs(request: SignedIn, public_id: str) -> HttpResponse:
    key = _get_key_or_404(request, public_id)
    context = build_docs(request, key) | _build_own_context(request)
    context |= {"recordings_url": reverse("key-call-download", args=[key.public_id]), "may_share": _may_share(request)}
    return render_page(request, "keys/docs/page", context)


@needs(Permission.DOCS_SEE)
@require_safe
def key_call_download(request: SignedIn, public_id: str) -> HttpResponse:
    key = _get_key_or_404(request, public_id)
    context = build_recording_docs(key) | _build_own_context(request)
    return render_page(request, "keys/docs/recordings", context | {"docs_url": reverse("key-docs", args=[public_id])})


def build_docs(request: HttpRequest, key: Key) -> dict[str, Any]:
    """Return the context of a key's documentation. Raise Http404 for an unknown part of it."""
    rules, documentation = Policy.from_data(key.api.policy), get_documentation(key.api)
    link = get_request_link(documentation.server, rules, key.api.request_link)
    may = granted.get_key_modules(key)
    part = get_part_or_404(may, request)
    modules = describe_modules(documentation, may, recordings=False, part=part)
    call = build_first_call(documentation, may, link)
    kind: Kind = "signature" if rules.signs else "basic" if "basic" in rules.credentials else "token"
    return _build_shared_context(key, rules) | {
        "info": documentation.info,
        "link": link,
        "modules": modules,
        "part": part,
        "flags": {flag: format_flag(key, flag) for flag in rules.flags},
        "not_in_force": NOT_IN_FORCE,
        "mask_label": rules.get_label("mask_phone"),
        "numbered": any(module.number is not None for module in rules.modules),
        "may_call": any(module.total for module in modules) or rules.unlisted_routes == "allow",
        "call": call,
        "kind": kind,
        "headers": list_headers(rules),
        "samples": build_samples(
            kind, **call._asdict(), api_id=key.public_id, username=key.username, header=rules.header
        ),
        "example": build_signed_request(call) if rules.signs else None,
        "queries": list_queries(),
        "refusals": list_refusals(rules, recordings=False),
        "downloads": _can_download(key, rules),
        "entries": [format_network(entry.network) for entry in key.addresses.all()],
        "ip_lists": list_ip_lists(key),
    }


def build_recording_docs(key: Key) -> dict[str, Any]:
    """Return the context of the documentation of call recordings. Raise Http404 if the key may not download any."""
    rules = Policy.from_data(key.api.policy)
    if not _can_download(key, rules):
        raise Http404("The key may not download call recordings.")
    link = get_request_link(get_documentation(key.api).server, rules, key.api.request_link)
    before_lead = get_recordings_link(granted.get_api_modules(key.api), link)
    return _build_shared_context(key, rules) | {
        "link": link,
        "before_lead": before_lead,
        "samples": build_samples("recording", url=before_lead, api_id=key.public_id),
        "example": build_signed_link(),
        "refusals": list_refusals(rules, recordings=True),
    }


def _get_key_or_404(request: SignedIn, public_id: str) -> Key:
    """Return the key if the user may read its docs. Raise Http404, also for deleted keys."""
    key = with_page_relations(get_documented_keys(request.user)).filter(public_id=public_id).first()
    if key is None:
        raise Http404("Key not found.")
    return key


def get_part_or_404(modules: Sequence[ModuleSpec], request: HttpRequest) -> Part | None:
    """Return the part of a large API that the URL selects. Raise Http404 for an unknown module or page."""
    try:
        return select_part(modules, request.GET)
    except LookupError as error:
        raise Http404(str(error)) from error


def _can_download(key: Key, rules: Policy) -> bool:
    return key.recordings and "recording" in rules.credentials


def _may_share(request: SignedIn) -> bool:
    return request.user.account_id is not None and can_change_keys(request)


def _build_own_context(request: SignedIn) -> dict[str, Any]:
    """Return what users see besides. Support can read the pages, but has no page of the key."""
    return {"may_see_key": request.user.account_id is not None}


def _build_shared_context(key: Key, rules: Policy) -> dict[str, Any]:
    """Return the context of both pages."""
    return {
        "key": key,
        "rules": rules,
        "now": timezone.now(),
        "variable": SECRET_VARIABLE,
        "window": WINDOW_SECONDS,
        "longest_link_days": MAX_LINK_LIFETIME_SECONDS // 86400,
    }
