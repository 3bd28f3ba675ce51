"""Support's administration: Django's own, behind the portal's sign-in. It reads; its actions call the services."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver
from django.views.decorators.http import require_http_methods

from accounts.access import needs
from accounts.permissions import Permission

# Leaving, and one's own password, are the portal's; nothing may be chosen or looked up by a raw id.
NOT_HERE = frozenset({"logout", "password_change", "password_change_done", "autocomplete", "view_on_site"})

_methods = require_http_methods(["GET", "HEAD", "POST"])


class SupportSite(AdminSite):
    site_header = site_title = "Keyward administration"
    index_title = "All accounts"
    site_url = None
    final_catch_all_view = False

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [_guarded(url) for url in super().get_urls() if getattr(url, "name", None) not in NOT_HERE]

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """Django's own form would be a second door: it asks for no second factor and counts no tries."""
        return redirect("admin:index")


def _guarded(url: URLPattern | URLResolver) -> URLPattern | URLResolver:
    """Each page declares its permission and its methods, as every other of the portal."""
    if isinstance(url, URLResolver):
        for inner in url.url_patterns:
            _guarded(inner)
    else:
        url.callback = needs(Permission.ADMINISTRATION)(_methods(url.callback))
    return url


site = SupportSite(name="admin")
# Whoever is not signed in is sent to the portal's own sign-in, and from there back.
site.login = secure_admin_login(site.login)  # type: ignore[method-assign]
