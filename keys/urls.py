"""Paths of the key pages. An API ID in a path has the form of one, or there is no such page."""

from __future__ import annotations

from django.urls import path, register_converter

from keys.views import creation, detail, editing, listing, secret, state


class ApiId:
    regex = "[0-9A-Za-z]{12}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ApiId, "api_id")

urlpatterns = [
    path("keys/", listing.key_list, name="key-list"),
    path("keys/new/", creation.key_new, name="key-new"),
    path("keys/<api_id:public_id>/", detail.key_detail, name="key-detail"),
    path("keys/<api_id:public_id>/edit/", editing.key_edit, name="key-edit"),
    path("keys/<api_id:public_id>/reveal/", secret.key_reveal, name="key-reveal"),
    path("keys/<api_id:public_id>/enable/", state.key_enable, name="key-enable"),
    path("keys/<api_id:public_id>/disable/", state.key_disable, name="key-disable"),
    path("keys/<api_id:public_id>/delete/", state.key_delete, name="key-delete"),
]
