"""Showing a token again."""

from __future__ import annotations

from django.http import Http404, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods

from accounts.forms.confirm import ConfirmForm
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, render_dialog
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.services import NotRevealable, Unreadable, reveal, target_of
from keys.views.common import confirmed, found_to_change, gone_is_not_found
from keys.views.credential import shown


@needs(Permission.KEYS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def key_reveal(request: SignedIn, public_id: str) -> HttpResponse:
    """The script asks for JSON and puts the token into the page itself; without it, the POST's own page shows it."""
    key = found_to_change(request, public_id)
    rules = Policy.from_data(key.api.policy)
    if not rules.revealable:
        raise Http404("Secrets of this API are shown only once, when the key is created.")
    form = ConfirmForm(get_form_data(request))
    form.set_action(request.user, "key.reveal", key.public_id, target_of(key))
    by = confirmed(request, form) if form.is_valid() else None
    if by is None:
        return _varied(
            render_dialog(request, "keys/reveal", "Show token", {"key": key, "form": form}, get_form_status(request))
        )
    try:
        with gone_is_not_found():
            token = reveal(key=key, by=by)
    except NotRevealable as absent:
        raise Http404("There is no token to show.") from absent
    except Unreadable:
        return _varied(render_dialog(request, "keys/unreadable", "Token cannot be read", {"key": key}, 409))
    if "application/json" in request.headers.get("Accept", ""):
        return _varied(JsonResponse({"token": token}, headers={"Cache-Control": "no-store"}))
    credential = shown(key, rules, token)
    return _varied(
        render_dialog(request, "keys/revealed", f"Token of {key.name}", {"key": key, "credential": credential})
    )


def _varied(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["Accept", "HX-Request"])
    return response
