"""URL paths of notices and webhook endpoints, beneath the account's settings."""

from __future__ import annotations

from django.urls import path

from keys.notices.views import endpoints, notices

urlpatterns = [
    path("", notices.notices, name="notices"),
    path("webhooks/new/", endpoints.webhook_new, name="webhook-new"),
    path("webhooks/<uuid:pk>/", endpoints.webhook_detail, name="webhook-detail"),
    path("webhooks/<uuid:pk>/rotate/", endpoints.webhook_rotate, name="webhook-rotate"),
    path("webhooks/<uuid:pk>/enable/", endpoints.webhook_enable, name="webhook-enable"),
    path("webhooks/<uuid:pk>/disable/", endpoints.webhook_disable, name="webhook-disable"),
    path("webhooks/<uuid:pk>/delete/", endpoints.webhook_delete, name="webhook-delete"),
    path("webhooks/<uuid:pk>/test/", endpoints.webhook_test, name="webhook-test"),
    path(
        "webhooks/<uuid:pk>/deliveries/<int:delivery>/again/", endpoints.webhook_send_again, name="webhook-send-again"
    ),
]
