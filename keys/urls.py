"""URL paths of the overview, users, keys, IP lists and API references. A path with a malformed API ID is a 404."""

from __future__ import annotations

from django.urls import include, path, register_converter

from keys.apis import views as apis_views
from keys.docs.views import links as docs_links
from keys.docs.views import pages as docs_pages
from keys.docs.views import shared as docs_shared
from keys.ip_lists.views import editing as ip_editing
from keys.ip_lists.views import entries as ip_entries
from keys.ip_lists.views import importing as ip_importing
from keys.ip_lists.views import listing as ip_listing
from keys.notices.views import networks
from keys.search.views import page as search_page
from keys.views import (
    access_check,
    bulk,
    call,
    change,
    creation,
    detail,
    editing,
    exporting,
    finding,
    listing,
    membership,
    offboarding,
    overview,
    secret,
    state,
    unused,
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
    path("users/<int:pk>/deactivate/", offboarding.user_deactivate, name="user-deactivate"),
    path("users/<int:pk>/reactivate/", membership.user_reactivate, name="user-reactivate"),
    path("users/<int:pk>/end-sessions/", membership.user_end_sessions, name="user-end-sessions"),
    path("users/<int:pk>/hand-over/", membership.user_hand_over, name="user-hand-over"),
    path("unused/", unused.unused_keys, name="unused"),
    path("unused/modules/", unused.unused_modules, name="unused-modules"),
    path("unused/addresses/", unused.unused_addresses, name="unused-addresses"),
    path("unused/ip-lists/", unused.unused_entries, name="unused-entries"),
    path("unused/old-secrets/", unused.unused_overlaps, name="unused-overlaps"),
    path("settings/notices/", include("keys.notices.urls")),
    path("logs/<uuid:request_id>/", call.log_detail, name="log-detail"),
    path("access-check/", access_check.access_check, name="access-check"),
    path("search/", search_page.search_all, name="search"),
    path("find/", finding.find, name="key-find"),
    path("ip-lists/", ip_listing.ip_list_list, name="ip-list-list"),
    path("ip-lists/export/", ip_listing.ip_list_export, name="ip-list-export"),
    path("ip-lists/new/", ip_editing.ip_list_new, name="ip-list-new"),
    path("ip-lists/delete/", ip_editing.ip_list_delete_some, name="ip-list-delete-some"),
    path("ip-lists/<int:pk>/", ip_listing.ip_list_detail, name="ip-list-detail"),
    path("ip-lists/<int:pk>/edit/", ip_editing.ip_list_edit, name="ip-list-edit"),
    path("ip-lists/<int:pk>/delete/", ip_editing.ip_list_delete, name="ip-list-delete"),
    path("ip-lists/<int:pk>/add-keys/", ip_editing.ip_list_add_keys, name="ip-list-add-keys"),
    path("ip-lists/<int:pk>/import/", ip_importing.ip_list_import, name="ip-list-import"),
    path("ip-lists/<int:pk>/export/", ip_listing.ip_entry_export, name="ip-entry-export"),
    path("ip-lists/<int:pk>/entries/new/", ip_entries.ip_entry_new, name="ip-entry-new"),
    path("ip-lists/<int:pk>/entries/<int:entry>/edit/", ip_entries.ip_entry_edit, name="ip-entry-edit"),
    path("ip-lists/<int:pk>/entries/enable/", ip_entries.ip_entries_enable, name="ip-entries-enable"),
    path("ip-lists/<int:pk>/entries/disable/", ip_entries.ip_entries_disable, name="ip-entries-disable"),
    path("ip-lists/<int:pk>/entries/delete/", ip_entries.ip_entries_delete, name="ip-entries-delete"),
    path("keys/", listing.key_list, name="key-list"),
    path("keys/new/", creation.key_new, name="key-new"),
    path("keys/export/", exporting.key_export, name="key-export"),
    path("keys/disable/", bulk.key_disable_some, name="key-disable-some"),
    path("keys/enable/", bulk.key_enable_some, name="key-enable-some"),
    path("keys/addresses/", bulk.key_addresses_some, name="key-addresses-some"),
    path("keys/expiry/", bulk.key_expiry_some, name="key-expiry-some"),
    path("keys/reassign/", bulk.key_reassign_some, name="key-reassign-some"),
    path("keys/change/", bulk.key_change_some, name="key-change-some"),
    path("keys/<api_id:public_id>/", detail.key_detail, name="key-detail"),
    path("keys/<api_id:public_id>/edit/", editing.key_edit, name="key-edit"),
    path("keys/<api_id:public_id>/reveal/", secret.key_reveal, name="key-reveal"),
    path("keys/<api_id:public_id>/change/", change.key_change, name="key-change"),
    path("keys/<api_id:public_id>/overlap/end/", change.overlap_end, name="key-overlap-end"),
    path("keys/<api_id:public_id>/overlap/extend/", change.overlap_extend, name="key-overlap-extend"),
    path("keys/<api_id:public_id>/enable/", state.key_enable, name="key-enable"),
    path("keys/<api_id:public_id>/disable/", state.key_disable, name="key-disable"),
    path("keys/<api_id:public_id>/reassign/", state.key_reassign, name="key-reassign"),
    path("keys/<api_id:public_id>/shrink/", unused.key_shrink, name="key-shrink"),
    path("keys/<api_id:public_id>/delete/", state.key_delete, name="key-delete"),
    path("keys/<api_id:public_id>/networks/", networks.key_networks, name="key-networks"),
    path("keys/<api_id:public_id>/docs/", docs_pages.key_docs, name="key-docs"),
    path("keys/<api_id:public_id>/docs/links/", docs_links.key_docs_links, name="key-docs-links"),
    path(
        "keys/<api_id:public_id>/docs/links/<int:pk>/revoke/",
        docs_links.key_docs_link_revoke,
        name="key-docs-link-revoke",
    ),
    path("docs/<str:token>/", docs_shared.shared_docs, name="shared-docs"),
    path("docs/<str:token>/call-download/", docs_shared.shared_recordings, name="shared-recordings"),
    path("keys/<api_id:public_id>/call-download/", docs_pages.key_call_download, name="key-call-download"),
    path("apis/<slug:slug>/", apis_views.api_reference, name="api-reference"),
]
