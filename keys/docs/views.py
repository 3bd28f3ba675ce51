"""A key's documentation: how to call the API with it, and how to download call recordings."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.page_guard import SignedIn, needs
from core.pages import render_page
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.crypto.signatures import MAX_LINK_LIFETIME_SECONDS, WINDOW
from keys.decision.addresses import shown
from keys.docs import granted
from keys.docs.documentation import get_documentation
from keys.docs.examples import queries, signed_link, signed_request
from keys.docs.page import first_call, headers, modules_described, recordings_link, request_link, select_part
from keys.docs.refusals import refusals
from keys.docs.samples import SECRET_VARIABLE, Kind, samples
from keys.models import Key
from keys.selectors.detail import lists_of
from keys.selectors.flags import NOT_IN_FORCE, format_flag
from keys.selectors.keys import for_page
from keys.visibility import documented_to


@needs(Permission.DOCS_SEE)
@require_safe
def key_docs(request: SignedIn, public_id: str) -> HttpResponse:
    key = _found(request, public_id)
    rules, documentation = Policy.read(key.api.policy), get_documentation(key.api)
    link = request_link(documentation.server, rules, key.api.request_link)
    may = granted.of_key(key)
    part = select_part(may, request.GET)
    modules = modules_described(documentation, may, recordings=False, part=part)
    call = first_call(documentation, may, link)
    kind: Kind = "signature" if rules.signs else "basic" if "basic" in rules.credentials else "token"
    context = _shared(request, key, rules) | {
        "info": documentation.info,
        "link": link,
        "modules": modules,
        "part": part,
        "flags": {flag: format_flag(key, flag) for flag in rules.flags},
        "not_in_force": NOT_IN_FORCE,
        "mask_label": rules.called("mask_phone"),
        "numbered": any(module.number is not None for module in rules.modules),
        "may_call": any(module.total for module in modules) or rules.unlisted_routes == "allow",
        "call": call,
        "kind": kind,
        "headers": headers(rules),
        "samples": samples(kind, **call._asdict(), api_id=key.public_id, username=key.username, header=rules.header),
        "example": signed_request(call) if rules.signs else None,
        "queries": queries(),
        "refusals": refusals(rules, recordings=False),
        "downloads": _downloads(key, rules),
        "entries": [shown(entry.network) for entry in key.addresses.all()],
        "ip_lists": lists_of(key),
    }
    return render_page(request, "keys/docs/page", context)


@needs(Permission.DOCS_SEE)
@require_safe
def key_call_download(request: SignedIn, public_id: str) -> HttpResponse:
    key = _found(request, public_id)
    rules = Policy.read(key.api.policy)
    if not _downloads(key, rules):
        raise Http404("The key may not download call recordings.")
    link = request_link(get_documentation(key.api).server, rules, key.api.request_link)
    before_lead = recordings_link(granted.of_api(key.api), link)
    context = _shared(request, key, rules) | {
        "link": link,
        "before_lead": before_lead,
        "samples": samples("recording", url=before_lead, api_id=key.public_id),
        "example": signed_link(),
        "refusals": refusals(rules, recordings=True),
    }
    return render_page(request, "keys/docs/recordings", context)


def _found(request: SignedIn, public_id: str) -> Key:
    """The key, if this user may read its docs; a deleted one is not there."""
    key = for_page(documented_to(request.user)).filter(public_id=public_id).first()
    if key is None:
        raise Http404("There is no such key.")
    return key


def _downloads(key: Key, rules: Policy) -> bool:
    return key.recordings and "recording" in rules.credentials


def _shared(request: SignedIn, key: Key, rules: Policy) -> dict[str, Any]:
    """What both documents are about. Support reads them, and has no page of the key."""
    return {
        "key": key,
        "rules": rules,
        "now": timezone.now(),
        "may_see_key": request.user.account_id is not None,
        "variable": SECRET_VARIABLE,
        "window": WINDOW,
        "longest_link_days": MAX_LINK_LIFETIME_SECONDS // 86400,
    }
