"""Helpers of views: the user's own account, form data and status, and rendering of pages, dialogs and fragments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html

from core.page_guard import SignedIn

if TYPE_CHECKING:
    from accounts.models import Account

# Begins the tag of a message that names a row.
ROW_TAG = "row:"


def own_account(request: SignedIn) -> Account:
    """Return the account of the signed-in user. Users without one hold no permission that opens these pages."""
    account = request.user.account
    assert account is not None
    return account


def get_form_data(request: HttpRequest) -> QueryDict | None:
    """Return the data that a form is bound to: the body of a POST, even an empty one; None for any other method."""
    return request.POST if request.method == "POST" else None


def get_form_status(request: HttpRequest) -> int:
    """Return the status of a page with a form: 422 if the form was sent and is not valid; otherwise 200."""
    return 422 if request.method == "POST" else 200


def add_message_with_action(
    request: HttpRequest, text: str, label: str, url: str, title: str, rows: Iterable[str] = ()
) -> None:
    """Show a message with a button, such as one that undoes what it says; it opens a dialog with this title. `rows` are
    those of `add_message_about_rows`."""
    button = format_html('<a class="button small" href="{}" data-modal="{}">{}</a>', url, title, label)
    add_message_about_rows(request, format_html("{} {}", text, button), rows)


def add_message_about_rows(request: HttpRequest, text: str, rows: Iterable[str]) -> None:
    """Show a message, and mark the rows that it is about in the list that it stands above; `rows` are their element
    IDs (core.back_links.format_row_id)."""
    messages.success(request, text, extra_tags=" ".join(f"{ROW_TAG}{row}" for row in rows))


def get_marked_rows(request: HttpRequest) -> frozenset[str]:
    """Return the element IDs of the rows that this page's messages are about."""
    tags = (tag for message in messages.get_messages(request) for tag in message.tags.split())
    return frozenset(tag.removeprefix(ROW_TAG) for tag in tags if tag.startswith(ROW_TAG))


def render_page(request: SignedIn, name: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Return the page `<folder>/<page>.html`, or for htmx and panels the fragment `<folder>/_<page>.html` that it
    includes. `name` is `<folder>/<page>`. The response is not stored: the browser's history could show it out of date,
    or show a secret."""
    return _render(request, _get_fragment(name) if request.htmx else f"{name}.html", context, status)


def render_full_page(request: HttpRequest, name: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Return the page `<folder>/<page>.html`, for htmx too; for pages without a fragment. Not stored."""
    return _render(request, f"{name}.html", context, status)


def render_dialog(
    request: SignedIn, name: str, title: str, context: Mapping[str, Any], status: int = 200
) -> HttpResponse:
    """Return the fragment `<folder>/_<page>.html`, on a page of its own with this title unless htmx asks for it."""
    fragment = _get_fragment(name)
    template = fragment if request.htmx else "dialog.html"
    return _render(request, template, {**context, "title": title, "fragment": fragment}, status)


def _get_fragment(name: str) -> str:
    folder, _, page = name.rpartition("/")
    return f"{folder}/_{page}.html"


def _render(request: HttpRequest, template: str, context: Mapping[str, Any], status: int) -> HttpResponse:
    response = render(request, template, dict(context), status=status)
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["HX-Request"])
    return response
