"""The user's own profile: password, second factors, recovery codes and sessions."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import services
from accounts.allauth_internals import generate_totp_secret
from accounts.forms.confirm import ConfirmForm
from accounts.forms.profile import NewPasswordForm, PasskeyForm, TotpForm
from accounts.models import User
from accounts.signin import current_session, passkeys, second_factors
from accounts.signin.user_agent import format_user_agent
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, render_full_page
from core.permissions import Permission, Role

_methods = require_http_methods(["GET", "HEAD", "POST"])
SEED_SALT = "accounts.profile.seed"
SEED_TIMEOUT_SECONDS = 3600


@needs(Permission.PROFILE)
@require_safe
def profile(request: SignedIn) -> HttpResponse:
    user = request.user
    rows = list(Authenticator.objects.filter(user=user).order_by("type", "pk"))
    codes = next((row for row in rows if row.type == second_factors.FactorType.RECOVERY_CODES), None)
    context = {
        "roles": [Role(role).label for role in user.roles],
        "factors": [row for row in rows if row.type in second_factors.SECOND_FACTOR_TYPES],
        "has_totp": any(row.type == second_factors.FactorType.TOTP for row in rows),
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else None,
        "required": second_factors.is_second_factor_required(user),
        "sessions": _list_sessions(request),
    }
    return _render(request, "profile", context)


@needs(Permission.PROFILE)
@_methods
def password(request: SignedIn) -> HttpResponse:
    form = NewPasswordForm(get_form_data(request))
    form.set_action(request.user, "password.change", str(request.user.pk), services.build_user_target(request.user))
    if form.is_valid() and (by := form.get_confirmed_actor(request.user, request.actor)):
        try:
            user = services.change_password(user=request.user, password=form.cleaned_data["new_password"], by=by)
        except services.Invalid as problem:
            form.add_error(None, problem)
        else:
            current_session.renew(request, user)
            messages.success(request, "Password changed. Your other sessions have ended.")
            return redirect("profile")
    return _render_form(request, "password", {"form": form})


@needs(Permission.PROFILE)
@require_safe
def enrol(request: SignedIn) -> HttpResponse:
    """Show the page to which users without their required second factor are redirected."""
    return _render(request, "enrol", {}) if second_factors.is_enrolment_required(request.user) else redirect("profile")


@needs(Permission.PROFILE)
@_methods
def totp(request: SignedIn) -> HttpResponse:
    user = request.user
    if second_factors.FactorType.TOTP in second_factors.get_second_factors(user):
        messages.info(request, "You already have an authenticator app. Remove it before adding another one.")
        return redirect("profile")
    form = TotpForm(get_form_data(request))
    secret = _load_seed(user, form.data.get("seed", ""))
    if secret is None:
        # The first request, or a form that was open for more than an hour.
        secret = generate_totp_secret()
        form = TotpForm(initial={"seed": signing.dumps([user.pk, secret], salt=SEED_SALT)})
    form.set_action(user, "factor.add", "totp", services.build_user_target(user))
    if form.is_valid():
        step = second_factors.find_matching_step(secret, form.cleaned_data["code"])
        if step is None:
            form.add_error("code", "Incorrect code. Check your device's clock, or scan the QR code again.")
        elif by := form.get_confirmed_actor(user, request.actor):
            try:
                return _finish_adding(request, *services.add_totp(user=user, secret=secret, step=step, by=by))
            except services.TotpNotAdded:
                form.add_error("code", "This code has already been used. Wait for the next one.")
    url = get_adapter().build_totp_url(user, secret)
    picture = b64encode(get_adapter().build_totp_svg(url).encode()).decode()
    spaced = " ".join(secret[place : place + 4] for place in range(0, len(secret), 4))
    return _render_form(request, "totp", {"form": form, "picture": picture, "secret": spaced})


@needs(Permission.PROFILE)
@_methods
def new_passkey(request: SignedIn) -> HttpResponse:
    user = request.user
    form = PasskeyForm(get_form_data(request))
    form.set_action(user, "factor.add", "passkey", services.build_user_target(user))
    if form.is_valid():
        by = form.get_confirmed_actor(user, request.actor)
        credential = passkeys.verify_registration(user, form.cleaned_data["credential"]) if by else None
        if by and credential is None:
            form.add_error(None, "The passkey could not be created. Try again with JavaScript enabled.")
        elif by and credential:
            name = form.cleaned_data["name"]
            return _finish_adding(request, *services.add_passkey(user=user, name=name, credential=credential, by=by))
    return _render_form(
        request, "passkey", {"form": form, "options": json.dumps(passkeys.build_creation_options(user))}
    )


@needs(Permission.PROFILE)
@_methods
def remove_factor(request: SignedIn, factor: int) -> HttpResponse:
    row = Authenticator.objects.filter(
        pk=factor, user=request.user, type__in=second_factors.SECOND_FACTOR_TYPES
    ).first()
    if row is None:
        raise Http404("Second factor not found.")
    form = ConfirmForm(get_form_data(request))
    form.set_action(request.user, "factor.remove", str(row.pk), services.build_user_target(request.user))
    if form.is_valid() and (by := form.get_confirmed_actor(request.user, request.actor)):
        try:
            current_session.renew(request, services.remove_factor(user=request.user, factor=row.pk, by=by))
        except services.LastFactor as needed:
            form.add_error(None, str(needed))
        except Authenticator.DoesNotExist as gone:
            raise Http404("It has already been removed.") from gone
        else:
            messages.success(request, "Removed. Your other sessions have ended.")
            return redirect("profile")
    return _render_form(request, "remove_factor", {"form": form, "factor": row})


@needs(Permission.PROFILE)
@_methods
def recovery_codes(request: SignedIn) -> HttpResponse:
    """Replace the recovery codes and show the new ones, in this response alone."""
    if not second_factors.get_second_factors(request.user):
        messages.info(request, "Recovery codes require a second factor. Add one first.")
        return redirect("profile")
    form = ConfirmForm(get_form_data(request))
    form.set_action(
        request.user, "recovery_codes.replace", str(request.user.pk), services.build_user_target(request.user)
    )
    if form.is_valid() and (by := form.get_confirmed_actor(request.user, request.actor)):
        return _finish_adding(request, *services.replace_recovery_codes(user=request.user, by=by))
    return _render_form(request, "new_codes", {"form": form})


@needs(Permission.PROFILE)
@require_POST
def challenge(request: SignedIn) -> HttpResponse:
    """Return, as JSON, the WebAuthn request options that confirm one action on one object."""
    action, target = request.POST.get("action", ""), request.POST.get("target", "")
    if not (0 < len(action) <= 40 and len(target) <= 200 and (action + target).isprintable()):
        return JsonResponse({"error": "action and target say what is confirmed"}, status=400)
    if second_factors.FactorType.WEBAUTHN not in second_factors.get_second_factors(request.user):
        return JsonResponse({"error": "you have no passkey"}, status=409)
    return JsonResponse(passkeys.build_request_options(request.user, action, target))


@needs(Permission.PROFILE)
@require_POST
def end_one(request: SignedIn, session: int) -> HttpResponse:
    try:
        services.end_session(user=request.user, session=session, by=request.actor)
    except UserSession.DoesNotExist as gone:
        raise Http404("Session not found.") from gone
    messages.success(request, "Session ended.")
    return redirect("profile")


@needs(Permission.PROFILE)
@require_POST
def end_others(request: SignedIn) -> HttpResponse:
    ended = services.end_other_sessions(user=request.user, keep=request.session.session_key or "", by=request.actor)
    messages.success(request, f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return redirect("profile")


def _list_sessions(request: SignedIn) -> list[dict[str, Any]]:
    """Return the user's sessions, the current one first, then by last use."""
    rows = UserSession.objects.purge_and_list(request.user)
    rows.sort(key=lambda row: (row.session_key != request.session.session_key, -row.last_seen_at.timestamp()))
    return [
        {"row": row, "agent": format_user_agent(row.user_agent), "here": row.session_key == request.session.session_key}
        for row in rows
    ]


def _load_seed(user: User, signed: str) -> str | None:
    try:
        owner, secret = signing.loads(signed, salt=SEED_SALT, max_age=SEED_TIMEOUT_SECONDS)
    except (signing.BadSignature, ValueError):
        return None
    return str(secret) if owner == user.pk else None


def _finish_adding(request: SignedIn, user: User, codes: list[str]) -> HttpResponse:
    """Redirect to the profile after a factor was added; new recovery codes are shown first, in this response alone."""
    current_session.renew(request, user)
    if not codes:
        messages.success(request, "Added. Your other sessions have ended.")
        return redirect("profile")
    return _render(request, "codes", {"codes": codes})


def _render_form(request: SignedIn, name: str, context: dict[str, Any]) -> HttpResponse:
    # A form that was rebuilt for a POST, because the seed had expired, is not bound, as on the first request.
    return _render(request, name, context, 422 if context["form"].is_bound else 200)


def _render(request: SignedIn, name: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    return render_full_page(request, f"accounts/profile/{name}", context, status)
