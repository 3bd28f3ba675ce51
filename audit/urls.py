from __future__ import annotations

from django.urls import path, register_converter

from audit.views import digests, export, log, trail


class NumberConverter:
    """An event's number: at most what a bigint holds."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(NumberConverter, "number")

urlpatterns = [
    path("logs/", log.log_list, name="log-list"),
    path("logs/chart/", log.log_chart, name="log-chart"),
    path("logs/tail/", log.log_tail, name="log-tail"),
    path("logs/export/", export.log_export, name="log-export"),
    path("logs/<uuid:request_id>/", log.log_detail, name="log-detail"),
    path("audit/", trail.trail_list, name="trail-list"),
    path("audit/export/", export.trail_export, name="trail-export"),
    path("audit/digests/", digests.digest_list, name="digest-list"),
    path("audit/digests/download/", digests.digest_zip, name="digest-zip"),
    path("audit/installation/<number:number>/", trail.trail_installation, name="trail-installation"),
    path("audit/<number:number>/", trail.trail_detail, name="trail-detail"),
    path("audit/<number:number>/manifest/", export.export_manifest, name="export-manifest"),
]
