"""The dialog of a key that creates, lists and revokes links to its documentation."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from core import mail
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, render_dialog
from core.permissions import Permission
from keys.forms.docs_links import DocsLinkForm
from keys.models import DocsLink, Key
from keys.selectors.docs_links import list_docs_links
from keys.services import TooManyLinks, create_docs_link, revoke_docs_link
from keys.views.common import get_changeable_key_or_404, raise_404_if_deleted


@needs(Permission.KEYS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def key_docs_links(request: SignedIn, public_id: str) -> HttpResponse:
    """Show the key's links; a POST creates one and shows its URL, once."""
    key = get_changeable_key_or_404(request, public_id)
    form = DocsLinkForm(get_form_data(request))
    if form.is_valid():
        try:
            with raise_404_if_deleted():
                created = create_docs_link(key=key, days=form.cleaned_data["days"], by=request.actor)
        except TooManyLinks as problem:
            form.add_error(None, str(problem))
        else:
            url = mail.build_url("shared-docs", created.token)
            return _render_links(request, key, {"form": DocsLinkForm(), "url": url, "created": created.link})
    return _render_links(request, key, {"form": form}, get_form_status(request))


@needs(Permission.KEYS_CHANGE)
@require_POST
def key_docs_link_revoke(request: SignedIn, public_id: str, pk: int) -> HttpResponse:
    key = get_changeable_key_or_404(request, public_id)
    link = DocsLink.objects.filter(key=key, pk=pk).first()
    if link is None:
        raise Http404("The link has been revoked already.")
    try:
        with raise_404_if_deleted():
            revoke_docs_link(link=link, by=request.actor)
    except DocsLink.DoesNotExist as gone:
        raise Http404("The link has been revoked already.") from gone
    return _render_links(request, key, {"form": DocsLinkForm(), "revoked": True})


def _render_links(request: SignedIn, key: Key, context: dict[str, Any], status: int = 200) -> HttpResponse:
    context |= {"key": key, "links": list_docs_links(key)}
    return render_dialog(request, "keys/docs/links", f"Share the documentation of {key.name}", context, status)
