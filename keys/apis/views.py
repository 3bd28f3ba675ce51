"""The reference of an API, from its OpenAPI document."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.page_guard import SignedIn, needs
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.docs import granted
from keys.docs.page import headers, modules_described, request_link
from keys.docs.refusals import refusals
from keys.visibility import referenced_to


@needs(Permission.DOCS_SEE)
@require_safe
def api_reference(request: SignedIn, slug: str) -> HttpResponse:
    api = get_object_or_404(referenced_to(request.user), slug=slug)
    rules = Policy.read(api.policy)
    if rules.documentation:
        return HttpResponseRedirect(rules.documentation)
    recordings = "recording" in rules.credentials
    context = {
        "api": api,
        "rules": rules,
        "info": api.document.get("info", {}),
        "link": request_link(api.document, rules, api.request_link),
        "modules": modules_described(api.document, granted.of_api(api), recordings=recordings),
        "headers": headers(rules),
        "kind": "signature" if rules.signs else "basic" if "basic" in rules.credentials else "token",
        "now": timezone.now(),
        "refusals": refusals(rules, recordings=recordings),
    }
    return render(request, "keys/apis/reference.html", context)
