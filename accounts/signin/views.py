"""Sign-in, its second step, and sign-out: django-allauth's flow, mounted view by view so that no other page of it can
be reached."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.views import LoginView, LogoutView
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.allauth_internals import login_stage_required
from accounts.forms.profile import SecondFactorForm, SignInForm
from accounts.models import User
from accounts.signin import passkeys, rate_limits, second_factors
from accounts.signin.login_stage import SecondFactor, is_stage_valid
from audit.trail.events import Target
from audit.trail.record import record
from core.page_guard import public

_methods = require_http_methods(["GET", "HEAD", "POST"])
# What a passkey signs as the second step.
SIGN_IN_ACTION = "sign-in"
TOO_MANY = "Too many failed sign-ins. Try again in 5 minutes."
WRONG = "Incorrect code. Enter a current code from your authenticator app or an unused recovery code."


def _limit_per_address(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Decorate a view to limit the attempts from one address."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            key = rate_limits.get_address_key(get_adapter(request).get_client_ip(request))
            if not rate_limits.count_attempt(rate_limits.SIGN_IN_FROM_ADDRESS, key):
                return render(request, "429.html", status=429)
        return view(request, *args, **kwargs)

    return wrapper


sign_in = public("this is where one signs in")(
    _methods(
        _limit_per_address(
            LoginView.as_view(form_class=SignInForm, extra_context={"installation": urlsplit(settings.BASE_URL).netloc})
        )
    )
)
sign_out = public("leaving twice is no error")(_methods(LogoutView.as_view()))


@public("the second step of signing in, for who has done the first")
@_methods
@_limit_per_address
@never_cache
@login_stage_required(stage=SecondFactor.key, redirect_urlname="account_login")
def second_factor(request: HttpRequest) -> HttpResponseBase:
    stage = request._login_stage  # type: ignore[attr-defined]
    if not is_stage_valid(stage):
        return stage.abort()
    user: User = stage.login.user
    form = SecondFactorForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if not rate_limits.count_attempt(rate_limits.SIGN_IN, user.email):
            form.add_error(None, TOO_MANY)
        elif method := _verify(user, **form.cleaned_data):
            rate_limits.refund_attempt(rate_limits.SIGN_IN, user.email)
            request.second_factor = method  # type: ignore[attr-defined]
            return stage.exit()
        else:
            _record_failure(request, user)
            form.add_error("code" if form.cleaned_data["code"] else None, WRONG)
    has = second_factors.get_second_factors(user)
    context: dict[str, Any] = {"form": form, "has_totp": second_factors.FactorType.TOTP in has}
    if second_factors.FactorType.WEBAUTHN in has:
        context["passkey_options"] = json.dumps(passkeys.build_request_options(user, SIGN_IN_ACTION, ""))
    return render(request, "account/second_factor.html", context)


def _verify(user: User, *, code: str, passkey: str) -> str | None:
    if passkey:
        return "passkey" if passkeys.verify_assertion(user, passkey, SIGN_IN_ACTION, "") else None
    if second_factors.has_totp_format(code):
        return "totp" if second_factors.verify_totp(user, code) else None
    return "recovery_code" if second_factors.verify_recovery_code(user, code) else None


def _record_failure(request: HttpRequest, user: User) -> None:
    with transaction.atomic():
        record(
            "user.sign_in_failed",
            by=request.actor,  # type: ignore[attr-defined]
            account_id=user.account_id,
            target=Target("user", str(user.pk), user.email),
            email=user.email,
        )
