"""A new password by mail. The link's own page is django-allauth's; second factors are asked for at sign-in as ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account.forms import ResetPasswordKeyForm
from allauth.account.views import PasswordResetFromKeyView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts import services
from accounts.forms.users import ResetForm
from accounts.services import InvalidResetLink
from accounts.signin import rate_limits
from core.page_guard import public
from core.pages import get_form_data, get_form_status

_methods = require_http_methods(["GET", "HEAD", "POST"])
HOUR = timedelta(hours=1)
TOO_MANY = "Too many requests for this e-mail address or from your IP address. Try again in an hour."


@public("whoever forgot their password cannot sign in")
@_methods
@never_cache
def reset(request: HttpRequest) -> HttpResponse:
    """Ask for a link by mail. The response is the same whether the e-mail is known or not."""
    form = ResetForm(get_form_data(request))
    status = get_form_status(request)
    if form.is_valid():
        if _is_within_limits(request, form.cleaned_data["email"]):
            services.request_reset(email=form.cleaned_data["email"], by=request.actor)  # type: ignore[attr-defined]
            return redirect("account_reset_password_done")
        form.add_error("email", TOO_MANY)
        status = 429
    return render(request, "account/password_reset.html", {"form": form}, status=status)


@public("the answer to whoever asked for a new password")
@require_safe
def reset_done(request: HttpRequest) -> HttpResponse:
    return render(request, "account/password_reset_done.html")


class _NewPasswordForm(ResetPasswordKeyForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].label, self.fields["password2"].label = "New password", "The same again"
        self.fields["password1"].help_text = "At least 10 characters."
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class _ResetFromKeyView(PasswordResetFromKeyView):
    form_class = _NewPasswordForm

    def form_valid(self, form: _NewPasswordForm) -> HttpResponse:
        try:
            services.reset_password(
                user=self.reset_user, password=form.cleaned_data["password1"], by=self.request.actor
            )
        except InvalidResetLink:
            return self.render_to_response(self.get_context_data(token_fail=True))
        return redirect("account_reset_password_from_key_done")


reset_from_key = public("whoever has the link is the one it was mailed to")(
    never_cache(_methods(_ResetFromKeyView.as_view()))
)


@public("the answer to whoever set a new password")
@require_safe
def reset_from_key_done(request: HttpRequest) -> HttpResponse:
    return render(request, "account/password_reset_from_key_done.html")


def _is_within_limits(request: HttpRequest, email: str) -> bool:
    address: str | None = request.client_address  # type: ignore[attr-defined]
    source = rate_limits.get_address_key(address) if address else "nowhere"
    return rate_limits.count_attempt("reset", source, most=20, per=HOUR) and rate_limits.count_attempt(
        "reset", email, most=5, per=HOUR
    )
