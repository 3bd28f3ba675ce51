"""Sign-in and sign-out: django-allauth's views, mounted one by one so that no other page of it can be reached."""

from __future__ import annotations

from allauth.account.views import LoginView, LogoutView
from django.views.decorators.http import require_http_methods

from accounts.access import public
from accounts.forms import SignInForm

_methods = require_http_methods(["GET", "HEAD", "POST"])

sign_in = public("this is where one signs in")(_methods(LoginView.as_view(form_class=SignInForm)))
sign_out = public("leaving twice is no error")(_methods(LogoutView.as_view()))
