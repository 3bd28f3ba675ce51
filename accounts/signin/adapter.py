"""Where django-allauth meets the house: no sign-up, one neutral answer, own paths only, every sign-in on the trail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from accounts.services.sessions import notify_new_address
from accounts.signin import current_session, rate_limits
from audit.trail.events import Target
from audit.trail.record import record
from core.actor import Actor

# Wrong tries as one e-mail: password and second step together.
SIGN_IN_LIMIT = "sign-in"
MAX_ATTEMPTS, ATTEMPT_WINDOW = 5, timedelta(minutes=5)


def count_sign_in_attempt(email: str) -> bool:
    """Count a try to sign in as this e-mail; a right one is given back."""
    return rate_limits.count_attempt(SIGN_IN_LIMIT, email, most=MAX_ATTEMPTS, per=ATTEMPT_WINDOW)


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "Incorrect e-mail or password.",
        "too_many_login_attempts": "Too many failed sign-ins. Try again in 5 minutes.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Only paths of our own are followed after sign-in, whatever hosts we answer to."""
        return url is not None and url.startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def is_ajax(self, request: HttpRequest) -> bool:
        """Pages only: allauth's JSON answers would be a second sign-in to guard."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        address = request.client_address  # type: ignore[attr-defined]
        if not address:
            raise PermissionDenied("Unable to determine the client's address")
        return str(address)

    def get_login_stages(self) -> list[str]:
        return ["accounts.signin.login_stage.SecondFactor"]

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Support's pages are the administration; the portal's answer 403."""
        return reverse("admin:index") if request.user.is_staff else super().get_login_redirect_url(request)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """As allauth's, but an inactive user with the right password gets the answer of a wrong password."""
        email = credentials.get("email", "")
        if not count_sign_in_attempt(email):
            raise self.validation_error("too_many_login_attempts")
        user = authenticate(request, **credentials)
        AuthenticationBackend.unstash_authenticated_user()
        if user is None:
            self.authentication_failed(request, **credentials)
        else:
            rate_limits.refund_attempt(SIGN_IN_LIMIT, email)
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Record the e-mail as it was typed, in the account of its user if there is one."""
        email = credentials.get("email", "")
        user = User.objects.filter(email=email).first()
        with transaction.atomic():
            record(
                "user.sign_in_failed",
                by=request.actor,  # type: ignore[attr-defined]
                account_id=user.account_id if user else None,
                target=Target("user", str(user.pk), user.email) if user else None,
                email=email,
            )

    def login(self, request: HttpRequest, user: User) -> None:
        """Start a session under a new key, with its event in one transaction. The page of the second step notes on the
        request which factor was used."""
        with transaction.atomic():
            super().login(request, user)
            current_session.start(request)
            actor = Actor(
                kind="user",
                id=str(user.pk),
                label=user.email,
                address=self.get_client_ip(request),
                request_id=request.id,  # type: ignore[attr-defined]
            )
            notify_new_address(user, address=self.get_client_ip(request), agent=request.headers.get("User-Agent", ""))
            method = getattr(request, "second_factor", "password")
            record("user.signed_in", by=actor, account_id=user.account_id, method=method)

    def logout(self, request: HttpRequest) -> None:
        """Record the event, then end the session: emptying the request's session cannot be undone by a rollback."""
        account_id = request.user.account_id  # type: ignore[union-attr]
        with transaction.atomic():
            record("user.signed_out", by=request.actor, account_id=account_id)  # type: ignore[attr-defined]
            super().logout(request)
