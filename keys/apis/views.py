"""The reference page of an API, rendered from its OpenAPI document."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.page_guard import SignedIn, needs
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.docs import granted
from keys.docs.documentation import get_documentation
from keys.docs.page import describe_modules, get_request_link, list_headers
from keys.docs.refusals import list_refusals
from keys.docs.views.pages import get_part_or_404
from keys.visibility import get_reference_apis


@needs(Permission.DOCS_SEE)
@require_safe
def api_reference(request: SignedIn, slug: str) -> HttpResponse:
    api = get_object_or_404(get_reference_apis(request.user), slug=slug)
    rules = Policy.from_data(api.policy)
    if rules.documentation:
        return HttpResponseRedirect(rules.documentation)
    recordings = "recording" in rules.credentials
    documentation, modules = get_documentation(api), granted.get_api_modules(api)
    part = get_part_or_404(modules, request)
    context = {
        "api": api,
        "rules": rules,
        "info": documentation.info,
        "link": get_request_link(documentation.server, rules, api.request_link),
        "modules": describe_modules(documentation, modules, recordings=recordings, part=part),
        "part": part,
        "headers": list_headers(rules),
        "kind": "signature" if rules.signs else "basic" if "basic" in rules.credentials else "token",
        "now": timezone.now(),
        "refusals": list_refusals(rules, recordings=recordings),
    }
    return render(request, "keys/apis/reference.html", context)
