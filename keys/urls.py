"""URL paths of the overview, users, keys, IP lists and API references. A path with a malformed API ID is a 404."""

from __future__ import annotations

from django.urls import path, register_converter

from keys.apis import views as apis_views
from keys.docs import views as docs_views
from keys.ip_lists.views import editing as ip_editing
from keys.ip_lists.views import entries as ip_entries
from keys.ip_lists.views import importing as ip_importing
from keys.ip_lists.views import listing as ip_listing
from keys.views import (
    bulk,
    change,
    columns,
    creation,
    detail,
    editing,
    finding,
    listing,
    membership,
    overview,
    secret,
    state,
)


class ApiId:
    """Path converter for API IDs: 12 characters of base62."""

    regex = "[0-9A-Za-z]{12}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ApiId, "api_id")

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("users/<int:pk>/", membership.user_detail, name="user-detail"),
    path("users/<int:pk>/roles/", membership.user_roles, name="user-roles"),
    path("users/<int:pk>/deactivate/", membership.user_deactivate, name="user-deactivate"),
    path("users/<int:pk>/reactivate/", membership.user_reactivate, name="user-reactivate"),
    path("users/<int:pk>/end-sessions/", membership.user_end_sessions, name="user-end-sessions"),
    path("users/<int:pk>/hand-over/", membership.user_hand_over, name="user-hand-over"),
    path("find/", finding.find, name="key-find"),
    path("ip-lists/", ip_listing.ip_list_list, name="ip-list-list"),
    path("ip-lists/export/", ip_listing.ip_list_export, name="ip-list-export"),
    path("ip-lists/new/", ip_editing.ip_list_new, name="ip-list-new"),
    path("ip-lists/delete/", ip_editing.ip_list_delete_some, name="ip-list-delete-some"),
    path("ip-lists/<int:pk>/", ip_listing.ip_list_detail, name="ip-list-detail"),
    path("ip-lists/<int:pk>/edit/", ip_editing.ip_list_edit, name="ip-list-edit"),
    path("ip-lists/<int:pk>/delete/", ip_editing.ip_list_delete, name="ip-list-delete"),
    path("ip-lists/<int:pk>/import/", ip_importing.ip_list_import, name="ip-list-import"),
    path("ip-lists/<int:pk>/export/", ip_listing.ip_entry_export, name="ip-entry-export"),
    path("ip-lists/<int:pk>/entries/new/", ip_entries.ip_entry_new, name="ip-entry-new"),
    path("ip-lists/<int:pk>/entries/<int:entry>/edit/", ip_entries.ip_entry_edit, name="ip-entry-edit"),
    path("ip-lists/<int:pk>/entries/enable/", ip_entries.ip_entries_enable, name="ip-entries-enable"),
    path("ip-lists/<int:pk>/entries/disable/", ip_entries.ip_entries_disable, name="ip-entries-disable"),
    path("ip-lists/<int:pk>/entries/delete/", ip_entries.ip_entries_delete, name="ip-entries-delete"),
    path("keys/", listing.key_list, name="key-list"),
    path("keys/new/", creation.key_new, name="key-new"),
    path("keys/columns/", columns.key_columns, name="key-columns"),
    path("keys/export/", bulk.key_export, name="key-export"),
    path("keys/disable/", bulk.key_disable_some, name="key-disable-some"),
    path("keys/<api_id:public_id>/", detail.key_detail, name="key-detail"),
    path("keys/<api_id:public_id>/edit/", editing.key_edit, name="key-edit"),
    path("keys/<api_id:public_id>/reveal/", secret.key_reveal, name="key-reveal"),
    path("keys/<api_id:public_id>/change/", change.key_change, name="key-change"),
    path("keys/<api_id:public_id>/overlap/end/", change.overlap_end, name="key-overlap-end"),
    path("keys/<api_id:public_id>/overlap/extend/", change.overlap_extend, name="key-overlap-extend"),
    path("keys/<api_id:public_id>/enable/", state.key_enable, name="key-enable"),
    path("keys/<api_id:public_id>/disable/", state.key_disable, name="key-disable"),
    path("keys/<api_id:public_id>/reassign/", state.key_reassign, name="key-reassign"),
    path("keys/<api_id:public_id>/delete/", state.key_delete, name="key-delete"),
    path("keys/<api_id:public_id>/docs/", docs_views.key_docs, name="key-docs"),
    path("keys/<api_id:public_id>/call-download/", docs_views.key_call_download, name="key-call-download"),
    path("apis/<slug:slug>/", apis_views.api_reference, name="api-reference"),
]
