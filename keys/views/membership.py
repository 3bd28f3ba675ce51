"""The page of a user, and the dialogs that change roles, reassign keys, reactivate and sign out."""

from __future__ import annotations

from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_safe

from accounts import services
from accounts.forms.users import HandOverForm, RolesForm
from accounts.selectors import count_sessions
from accounts.services import Invalid, LastAdministrator, build_user_target
from accounts.views.common import (
    can_change_users,
    get_changeable_user_or_404,
    get_user_or_404,
    redirect_to_user,
)
from core.actor import ConfirmationRequired
from core.authorization import check_active
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_dialog, render_page
from core.permissions import Permission
from keys.selectors.keys import with_status
from keys.services import hand_over, reactivate_owner
from keys.views.common import list_active_users
from keys.visibility import get_visible_keys

MAX_KEYS_LISTED = 100
_methods = require_http_methods(["GET", "HEAD", "POST"])
CONFIRMATION_NEEDED = "This grants a role, so it needs your confirmation."


@needs(Permission.USERS_SEE)
@require_safe
def user_detail(request: SignedIn, pk: int) -> HttpResponse:
    user = get_user_or_404(request, pk)
    keys = with_status(get_visible_keys(request.user).filter(owner=user)).select_related("api").defer("api__document")
    return render_page(
        request,
        "accounts/user",
        {
            "person": user,
            "itself": user.pk == request.user.pk,
            "keys": keys.order_by("name", "pk")[:MAX_KEYS_LISTED],
            "sessions": count_sessions(user),
            "may_change": can_change_users(request),
        },
    )


@needs(Permission.USERS_CHANGE)
@_methods
def user_roles(request: SignedIn, pk: int) -> HttpResponse:
    user = get_changeable_user_or_404(request, pk)
    form = RolesForm(get_form_data(request), initial={"roles": user.roles})
    form.set_action(request.user, "user.roles", str(user.pk), build_user_target(user))
    if form.is_valid():
        by = form.get_confirmed_actor(request.user, request.actor) if form.has_confirmation else request.actor
        try:
            if by:
                changed = services.change_roles(user=user, roles=form.cleaned_data["roles"], by=by)
                if changed.pk == request.user.pk:
                    # Keep the own session: changing roles ends the user's sessions.
                    update_session_auth_hash(request, changed)
                return redirect_to_user(request, pk, f"Roles of {user.nickname} saved. They must sign in again.")
        except ConfirmationRequired:
            form.add_error("password", CONFIRMATION_NEEDED)
        except LastAdministrator as last:
            form.add_error("roles", str(last))
        except Invalid as problem:
            form.add_service_errors(problem)
    needs_password = form.fields["password"].required = form.is_bound and "password" in form.errors
    return render_dialog(
        request,
        "accounts/user_roles",
        f"Roles of {user.nickname}",
        {"person": user, "form": form, "ask": needs_password},
        get_form_status(request),
    )


@needs(Permission.USERS_CHANGE)
@_methods
def user_hand_over(request: SignedIn, pk: int) -> HttpResponse:
    user = get_changeable_user_or_404(request, pk)
    check_active(own_account(request))
    form = HandOverForm(get_form_data(request), candidates=list_active_users(own_account(request)).exclude(pk=user.pk))
    form.set_action(request.user, "keys.hand_over", str(user.pk), build_user_target(user))
    by = form.get_confirmed_actor(request.user, request.actor) if form.is_valid() else None
    try:
        if by:
            count = hand_over(user=user, new_owner=form.new_owner, by=by)
            return redirect_to_user(
                request, pk, f"{form.new_owner.nickname} owns {count} key{'' if count == 1 else 's'} more."
            )
    except Invalid as problem:
        form.add_service_errors(problem)
    return render_dialog(
        request,
        "accounts/user_hand_over",
        f"Reassign the keys of {user.nickname}",
        {"person": user, "form": form},
        get_form_status(request),
    )


@needs(Permission.USERS_CHANGE)
@_methods
def user_reactivate(request: SignedIn, pk: int) -> HttpResponse:
    user = get_changeable_user_or_404(request, pk)
    if request.method != "POST":
        return render_dialog(request, "accounts/user_reactivate", f"Reactivate {user.nickname}", {"person": user})
    reactivate_owner(user=user, by=request.actor)
    return redirect_to_user(request, pk, f"{user.nickname} is active and can sign in.")


@needs(Permission.USERS_CHANGE)
@_methods
def user_end_sessions(request: SignedIn, pk: int) -> HttpResponse:
    user = get_changeable_user_or_404(request, pk)
    if request.method != "POST":
        return render_dialog(
            request, "accounts/user_end_sessions", f"End the sessions of {user.nickname}", {"person": user}
        )
    services.end_sessions(user=user, by=request.actor)
    return redirect_to_user(request, pk, f"{user.nickname} is signed out everywhere.")
