"""URLs of the portal. Error pages are in config/errors.py."""

from __future__ import annotations

from django.urls import include, path

from config import health
from config.admin import site

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("admin/", site.urls),
    path("", include("accounts.urls")),
    path("", include("keys.urls")),
    path("", include("audit.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
