"""Pages of the password reset. The page behind the link is django-allauth's; sign-in then asks for the second factor as
always."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import ResetPasswordKeyForm
from allauth.account.views import PasswordResetFromKeyView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts import services
from accounts.forms.new_password import HELP_TEXT
from accounts.forms.users import ResetForm
from accounts.services import InvalidResetLink
from accounts.signin import rate_limits
from core.page_guard import public
from core.pages import get_form_data, get_form_status

_methods = require_http_methods(["GET", "HEAD", "POST"])
TOO_MANY = "Too many requests for this e-mail address or from your IP address. Try again in an hour."


@public("whoever forgot their password cannot sign in")
@_methods
@never_cache
def reset(request: HttpRequest) -> HttpResponse:
    """Request a link by mail. The response is the same whether or not the e-mail is known."""
    form = ResetForm(get_form_data(request))
    status = get_form_status(request)
    if form.is_valid():
        email, by = form.cleaned_data["email"], request.actor  # type: ignore[attr-defined]
        if rate_limits.count_mail(rate_limits.RESET, email, rate_limits.RESET_FROM_ADDRESS, by.address):
            services.request_reset(email=email, by=by)
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
        self.fields["password1"].label, self.fields["password2"].label = "New password", "Confirm new password"
        self.fields["password1"].help_text = HELP_TEXT
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
