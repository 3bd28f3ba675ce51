"""URLs of the audit trail and the API log."""

from __future__ import annotations

from django.urls import path, register_converter

from audit.calls import views as calls_views
from audit.digests import views as digests_views
from audit.exports import views as exports_views
from audit.trail import views as trail_views


class NumberConverter:
    """An event's number: at most what a bigint holds."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(NumberConverter, "number")

urlpatterns = [
    path("logs/", calls_views.log_list, name="log-list"),
    path("logs/chart/", calls_views.log_chart, name="log-chart"),
    path("logs/tail/", calls_views.log_tail, name="log-tail"),
    path("logs/export/", exports_views.log_export, name="log-export"),
    path("audit/", trail_views.trail_list, name="trail-list"),
    path("audit/export/", exports_views.trail_export, name="trail-export"),
    path("audit/digests/", digests_views.digest_list, name="digest-list"),
    path("audit/digests/download/", digests_views.digest_zip, name="digest-zip"),
    path("audit/installation/<number:number>/", trail_views.trail_installation, name="trail-installation"),
    path("audit/<number:number>/", trail_views.trail_detail, name="trail-detail"),
    path("audit/<number:number>/manifest/", exports_views.export_manifest, name="export-manifest"),
]
