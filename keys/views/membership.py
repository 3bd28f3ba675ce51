"""A user's page with the keys that they own, and the dialogs that change what the user may do."""

from __future__ import annotations

from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_safe

from accounts import services
from accounts.forms.users import DeactivateForm, HandOverForm, RolesForm
from accounts.models import Account, User
from accounts.selectors import people_of, session_count
from accounts.services import Invalid, LastAdministrator, OwnUser, of_user
from accounts.views.common import account_to_change, back_to, found, found_to_change, may_change
from core.actor import NotConfirmed
from core.authorization import require_active
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_dialog, render_page
from core.permissions import Permission
from keys.selectors.keys import with_status
from keys.services import deactivate_owner, hand_over, hand_over_and_deactivate, reactivate_owner
from keys.visibility import visible_to

MAX_KEYS_LISTED = 100
_methods = require_http_methods(["GET", "HEAD", "POST"])
ASK = "This grants a role, so it needs your confirmation."
OWN = "You cannot deactivate yourself: there must be someone left to undo it."


@needs(Permission.USERS_SEE)
@require_safe
def user_detail(request: SignedIn, pk: int) -> HttpResponse:
    user = found(request, pk)
    keys = with_status(visible_to(request.user).filter(owner=user)).select_related("api").defer("api__document")
    return render_page(
        request,
        "accounts/user",
        {
            "person": user,
            "itself": user.pk == request.user.pk,
            "keys": keys.order_by("name", "pk")[:MAX_KEYS_LISTED],
            "sessions": session_count(user),
            "may_change": may_change(request),
        },
    )


@needs(Permission.USERS_CHANGE)
@_methods
def user_roles(request: SignedIn, pk: int) -> HttpResponse:
    user = found_to_change(request, pk)
    form = RolesForm(get_form_data(request), initial={"roles": user.roles})
    form.ask(request.user, "user.roles", str(user.pk), of_user(user))
    if form.is_valid():
        by = form.confirmed(request.user, request.actor) if form.was_given else request.actor
        try:
            if by:
                changed = services.change_roles(user=user, roles=form.cleaned_data["roles"], by=by)
                if changed.pk == request.user.pk:
                    # The own session goes on, under another key.
                    update_session_auth_hash(request, changed)
                return back_to(request, pk, f"The roles of {user.nickname} are saved. They sign in again.")
        except NotConfirmed:
            form.add_error("password", ASK)
        except LastAdministrator as last:
            form.add_error("roles", str(last))
        except Invalid as problem:
            form.refuse(problem)
    ask = form.fields["password"].required = form.is_bound and "password" in form.errors
    return render_dialog(
        request,
        "accounts/user_roles",
        f"Roles of {user.nickname}",
        {"person": user, "form": form, "ask": ask},
        get_form_status(request),
    )


@needs(Permission.USERS_CHANGE)
@_methods
def user_deactivate(request: SignedIn, pk: int) -> HttpResponse:
    user = found_to_change(request, pk)
    form = _deactivation(request, user)
    if form is None or form.is_valid():
        try:
            if form is not None and form.gives:
                by = form.confirmed(request.user, request.actor)
                if by:
                    hand_over_and_deactivate(user=user, heir=form.chosen, by=by)
                    return back_to(
                        request, pk, f"{user.nickname} is deactivated. {form.chosen.nickname} has their keys."
                    )
            elif request.method == "POST":
                deactivate_owner(user=user, by=request.actor)
                return back_to(request, pk, f"{user.nickname} is deactivated, and signed out everywhere.")
        except (LastAdministrator, OwnUser) as refused:
            said = OWN if isinstance(refused, OwnUser) else str(refused)
            return render_dialog(
                request,
                "accounts/user_deactivate",
                f"Deactivate {user.nickname}",
                {"person": user, "form": form, "refused": said},
                409,
            )
        except Invalid as problem:
            assert form is not None
            form.refuse(problem)
    return render_dialog(
        request,
        "accounts/user_deactivate",
        f"Deactivate {user.nickname}",
        {"person": user, "form": form},
        get_form_status(request),
    )


@needs(Permission.USERS_CHANGE)
@_methods
def user_hand_over(request: SignedIn, pk: int) -> HttpResponse:
    user = found_to_change(request, pk)
    require_active(own_account(request))
    form = HandOverForm(get_form_data(request), heirs=_heirs(user))
    form.ask(request.user, "keys.hand_over", str(user.pk), of_user(user))
    by = form.confirmed(request.user, request.actor) if form.is_valid() else None
    try:
        if by:
            count = hand_over(user=user, heir=form.chosen, by=by)
            return back_to(request, pk, f"{form.chosen.nickname} owns {count} key{'' if count == 1 else 's'} more.")
    except Invalid as problem:
        form.refuse(problem)
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
    user = found_to_change(request, pk)
    if request.method != "POST":
        return render_dialog(request, "accounts/user_reactivate", f"Reactivate {user.nickname}", {"person": user})
    reactivate_owner(user=user, by=request.actor)
    return back_to(request, pk, f"{user.nickname} is active and can sign in.")


@needs(Permission.USERS_CHANGE)
@_methods
def user_end_sessions(request: SignedIn, pk: int) -> HttpResponse:
    user = found_to_change(request, pk)
    if request.method != "POST":
        return render_dialog(
            request, "accounts/user_end_sessions", f"End the sessions of {user.nickname}", {"person": user}
        )
    services.end_sessions(user=user, by=request.actor)
    return back_to(request, pk, f"{user.nickname} is signed out everywhere.")


def _deactivation(request: SignedIn, user: User) -> DeactivateForm | None:
    """What to ask about the keys; nothing of someone without any. In a pending account keys cannot be given away."""
    if not user.key_count:  # type: ignore[attr-defined]
        return None
    active = account_to_change(request).status == Account.Status.ACTIVE
    form = DeactivateForm(get_form_data(request), heirs=_heirs(user) if active else ())
    form.ask(request.user, "keys.hand_over", str(user.pk), of_user(user))
    return form


def _heirs(user: User) -> list[User]:
    return list(people_of(user.account).filter(is_active=True).exclude(pk=user.pk).order_by("nickname", "pk"))
