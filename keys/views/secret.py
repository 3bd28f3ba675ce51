"""Reveal a key's token."""

from __future__ import annotations

from django.http import Http404, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods

from accounts.forms.confirm import ConfirmForm
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, render_dialog
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.services import NotRevealable, UnreadableSecret, build_key_target, reveal
from keys.views.common import get_changeable_key_or_404, get_confirmed_actor, raise_404_if_deleted
from keys.views.credential import build_credential


@needs(Permission.KEYS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def key_reveal(request: SignedIn, public_id: str) -> HttpResponse:
    """Ask for confirmation, then return the token, as JSON for the script or as a page without JavaScript."""
    key = get_changeable_key_or_404(request, public_id)
    rules = Policy.from_data(key.api.policy)
    if not rules.revealable:
        raise Http404("Secrets of this API are shown only once, when the key is created.")
    form = ConfirmForm(get_form_data(request))
    form.set_action(request.user, "key.reveal", key.public_id, build_key_target(key))
    by = get_confirmed_actor(request, form) if form.is_valid() else None
    if by is None:
        return _set_vary(
            render_dialog(request, "keys/reveal", "Show token", {"key": key, "form": form}, get_form_status(request))
        )
    try:
        with raise_404_if_deleted():
            token = reveal(key=key, by=by)
    except NotRevealable as absent:
        raise Http404("There is no token to show.") from absent
    except UnreadableSecret:
        return _set_vary(render_dialog(request, "keys/unreadable", "Token cannot be read", {"key": key}, 409))
    if "application/json" in request.headers.get("Accept", ""):
        return _set_vary(JsonResponse({"token": token}, headers={"Cache-Control": "no-store"}))
    credential = build_credential(key, rules, token)
    return _set_vary(
        render_dialog(request, "keys/revealed", f"Token of {key.name}", {"key": key, "credential": credential})
    )


def _set_vary(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["Accept", "HX-Request"])
    return response
