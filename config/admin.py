"""Support's administration: Django's admin behind the portal's sign-in. Its pages read; its buttons call the services.

Refused writes of signed-in users are recorded as events.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import AdminSite
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.views.decorators.http import require_http_methods

import audit.calls.admin
import audit.trail.admin
import keys.admin.people
import keys.admin.registry
from accounts.signin.rate_limits import ADMIN_REFUSAL, count_attempt
from audit.trail.record import record
from core.authorization import has_permission
from core.page_guard import SignedIn, View, needs
from core.permissions import Permission
from keys.admin.finding import find
from keys.forms.find import MORE_TOKENS, FindForm
from keys.selectors.setup_steps import list_setup_steps

# The portal has the pages for signing out and changing a password, and a menu in place of lists of models; redirects,
# autocomplete by raw ID and translations of Django's scripts are off.
HIDDEN_URLS = frozenset(
    {
        *("logout", "password_change", "password_change_done", "autocomplete", "view_on_site"),
        *("app_list", "jsi18n"),
    }
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_PATH_LENGTH = 200

# The lists: label, URL name, and what Support does there.
SECTIONS = (
    ("Accounts", "admin:accounts_account_changelist", "Activate, suspend, enable APIs, appoint an Administrator."),
    ("Users", "admin:accounts_user_changelist", "Reset passwords, remove second factors, end sessions, deactivate."),
    ("API keys", "admin:keys_key_changelist", "See settings and last use, disable, export. Secrets are never shown."),
    ("IP lists", "admin:keys_iplist_changelist", "See, import and export entries."),
    ("APIs", "admin:keys_api_changelist", "Add an API, change its document or policy, enable it for accounts."),
    ("API logs", "admin:audit_call_changelist", "Calls of an account, a key or a request ID."),
    ("Audit trail", "admin:audit_event_changelist", "Events of all accounts and of the installation."),
)

_methods = require_http_methods(["GET", "HEAD", "POST"])


class SupportSite(AdminSite):
    final_catch_all_view = False

    def get_urls(self) -> list[URLPattern | URLResolver]:
        urls = [_guard(url) for url in super().get_urls() if getattr(url, "name", None) not in HIDDEN_URLS]
        # Last: other pages of Django's admin are refused and recorded.
        finding = _guard(path("find/", self.find, name="find"))
        return [finding, *urls, _guard(path("<path:rest>", self.page_not_found, name="nothing"))]

    def page_not_found(self, request: HttpRequest, rest: str) -> HttpResponse:
        raise Http404("the administration has no such page")

    def index(self, request: HttpRequest, extra_context: object = None) -> TemplateResponse:
        """Show the finder, links to the lists, and what is left to do on a new installation."""
        sections = [(label, reverse(name), text) for label, name, text in SECTIONS]
        context = {"find_form": FindForm(), "sections": sections, "setup_steps": list_setup_steps()}
        return TemplateResponse(request, "admin/index.html", context)

    def find(self, request: SignedIn) -> HttpResponse:
        """Look up a text or a file, which is sent by POST only and repeated in no response."""
        form = FindForm(*((request.POST, request.FILES) if request.method == "POST" else ()))
        context: dict[str, Any] = {"title": "Find a key", "find_form": FindForm(), "more_tokens": MORE_TOKENS}
        if form.is_valid():
            context["found"] = find(text=form.cleaned_data["text"], tokens=form.tokens, by=request.actor)
        else:
            context["find_errors"] = form.errors
        return render(request, "admin/find.html", context, status=422 if form.errors else 200)

    def has_permission(self, request: HttpRequest) -> bool:
        return has_permission(request.user, Permission.ADMINISTRATION)

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """Redirect to the portal's sign-in. Django's form would bypass second factors and rate limits."""
        return redirect("admin:index")


def _guard(url: URLPattern | URLResolver) -> URLPattern | URLResolver:
    """Return the route with the permission and the methods that every page of the portal declares."""
    if isinstance(url, URLResolver):
        for inner in url.url_patterns:
            _guard(inner)
    else:
        url.callback = _record_refusals(needs(Permission.ADMINISTRATION)(_methods(url.callback)))
    return url


def _record_refusals(view: View) -> View:
    @wraps(view)
    def wrapper(request: SignedIn, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except (BadRequest, PermissionDenied, Http404, SuspiciousOperation):
            _record_refusal(request)
            raise
        if response.status_code in (403, 404, 405):
            _record_refusal(request)
        return response

    return wrapper


def _record_refusal(request: SignedIn) -> None:
    """Record an event; beyond ADMIN_REFUSAL, one for all the rest."""
    if request.method in SAFE_METHODS or not request.user.is_authenticated:
        return
    if count_attempt(ADMIN_REFUSAL, request.user.email):
        with transaction.atomic():
            account, path = request.user.account_id, request.path[:MAX_PATH_LENGTH]
            record("admin.refused", by=request.actor, account_id=account, method=request.method, path=path)


site = SupportSite(name="admin")
for admins in (
    keys.admin.people.ADMINS,
    keys.admin.registry.ADMINS,
    audit.calls.admin.ADMINS,
    audit.trail.admin.ADMINS,
):
    for model, admin in admins.items():
        site.register(model, admin)
# Redirects to the portal's sign-in, and from there back.
site.login = secure_admin_login(site.login)  # type: ignore[method-assign]
