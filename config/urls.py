"""The portal's paths. Error pages are in config/errors.py."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import include, path

from config import health
from config.admin import site

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("admin/", site.urls),
]
for urls in ("accounts.urls", "keys.urls", "audit.urls"):
    if find_spec(urls):
        urlpatterns.append(path("", include(urls)))

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
