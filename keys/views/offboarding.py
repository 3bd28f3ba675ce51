"""Deactivate a user, and ask what becomes of each key that they own."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from accounts.models import Account, User
from accounts.services import Invalid, LastAdministrator, SelfDeactivation, build_user_target
from accounts.views.common import get_changeable_account, get_changeable_user_or_404, redirect_to_user
from audit.usage.selectors import read_usage
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_dialog, render_page
from core.permissions import Permission
from keys.forms.offboarding import OffboardingForm
from keys.models import Key
from keys.selectors.keys import with_status, with_use
from keys.selectors.replay import replay_state
from keys.services import deactivate_owner, offboard
from keys.views.common import list_active_users
from keys.views.effects import ChangeEffect
from keys.visibility import get_visible_keys

MAX_KEYS_LISTED = 100
SELF_DEACTIVATION = "You cannot deactivate yourself. Ask another Administrator."


@needs(Permission.USERS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def user_deactivate(request: SignedIn, pk: int) -> HttpResponse:
    user = get_changeable_user_or_404(request, pk)
    form = _build_form(request, user)
    if form is not None and request.POST.get("check") == "live" and request.htmx:
        return render_page(request, "keys/key_effect", {"effect": _find_effect(request, user, form)})
    if request.method == "POST" and "check" not in request.POST and (form is None or form.is_valid()):
        try:
            if result := _deactivate(request, user, form):
                return redirect_to_user(request, pk, result)
        except (LastAdministrator, SelfDeactivation) as refused:
            message = SELF_DEACTIVATION if isinstance(refused, SelfDeactivation) else str(refused)
            return _render(request, user, form, 409, refused=message)
        except Invalid as problem:
            assert form is not None
            form.add_service_errors(problem)
    if form is not None and "check" in request.POST:
        # Checked, not saved: what only a save needs is not missing.
        form.errors.pop("password", None)
        return _render(request, user, form, 422 if form.errors else 200)
    return _render(request, user, form, get_form_status(request))


def _deactivate(request: SignedIn, user: User, form: OffboardingForm | None) -> str:
    """Deactivate the user and settle their keys. Return what happened, or nothing if the confirmation was refused."""
    if form is None:
        deactivate_owner(user=user, by=request.actor)
        return f"{user.nickname} is deactivated, and signed out everywhere."
    by = form.get_confirmed_actor(request.user, request.actor) if form.gives_away else request.actor
    if by is None:
        return ""
    moved = offboard(user=user, default=form.default, plans=form.plans, by=by)
    owners = sorted({key.owner.nickname for key in moved})
    if len(moved) == len(form.owned) and len(owners) == 1:
        return f"{user.nickname} is deactivated. Their keys now belong to {owners[0]}."
    count = f"{len(moved)} of their {len(form.owned)} keys now belong to {', '.join(owners)}. " if moved else ""
    return f"{user.nickname} is deactivated, and signed out everywhere. {count}".strip()


def _build_form(request: SignedIn, user: User) -> OffboardingForm | None:
    """Return the form that asks about the user's keys, the last used first; None for a user without keys.

    In a pending account keys cannot change, so no candidates are offered.
    """
    keys = with_use(with_status(get_visible_keys(request.user).filter(owner=user))).select_related("api", "account")
    used_first = keys.defer("api__document").order_by(F("used_at").desc(nulls_last=True), "name", "pk")
    owned = list(used_first)
    if not owned:
        return None
    active = get_changeable_account(request).status == Account.Status.ACTIVE
    candidates = list_active_users(own_account(request)).exclude(pk=user.pk) if active else ()
    form = OffboardingForm(get_form_data(request), keys=owned, listed=MAX_KEYS_LISTED, candidates=candidates)
    form.set_action(request.user, "keys.hand_over", str(user.pk), build_user_target(user))
    return form


def _render(
    request: SignedIn, user: User, form: OffboardingForm | None, status: int, *, refused: str = ""
) -> HttpResponse:
    context: dict[str, Any] = {"person": user, "form": form, "refused": refused}
    if form is not None:
        calls = read_usage([key.public_id for key in form.owned]).count_allowed()
        context |= {"rows": form.list_rows(calls), "others": len(form.owned) - MAX_KEYS_LISTED}
        context["effect"] = _find_effect(request, user, form)
    return render_dialog(request, "accounts/user_deactivate", f"Deactivate {user.nickname}", context, status)


def _find_effect(request: SignedIn, user: User, form: OffboardingForm) -> ChangeEffect:
    """Replay the calls with the keys that are not reassigned as those of an inactive owner."""
    form.is_valid()
    stopped = Key.objects.filter(owner=user, public_id__in=form.refused_keys)
    return ChangeEffect(replay_state(stopped, owner_active=False), "", request.POST, later=form.describe_expiry())
