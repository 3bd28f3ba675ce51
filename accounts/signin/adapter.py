"""The adapter of django-allauth: no sign-up, one neutral response, redirects to own paths only, an event for every
sign-in."""

from __future__ import annotations

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


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "Incorrect e-mail or password.",
        "too_many_login_attempts": "Too many failed sign-ins. Try again in 5 minutes.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Return whether the URL is one of the portal's own paths, whatever hosts it answers to."""
        return url is not None and url.startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def is_ajax(self, request: HttpRequest) -> bool:
        """Return False: allauth's JSON responses would be a second sign-in to protect."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        address = request.client_address  # type: ignore[attr-defined]
        if not address:
            raise PermissionDenied("Unable to determine the client's address")
        return str(address)

    def get_login_stages(self) -> list[str]:
        return ["accounts.signin.login_stage.SecondFactor"]

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Return the administration for Support, for whom the portal's pages answer 403."""
        return reverse("admin:index") if request.user.is_staff else super().get_login_redirect_url(request)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Authenticate as allauth does, but answer an inactive user with the right password as for a wrong one."""
        email = credentials.get("email", "")
        if not rate_limits.count_attempt(rate_limits.SIGN_IN, email):
            raise self.validation_error("too_many_login_attempts")
        user = authenticate(request, **credentials)
        AuthenticationBackend.unstash_authenticated_user()
        if user is None:
            self.authentication_failed(request, **credentials)
        else:
            rate_limits.refund_attempt(rate_limits.SIGN_IN, email)
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Record the e-mail as typed, in its user's account if there is one."""
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
        """Start a session under a new key, with its event in one transaction. The page of the second step sets on the
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
        """Record the event, then end the session: a rollback could not restore an emptied session."""
        account_id = request.user.account_id  # type: ignore[union-attr]
        with transaction.atomic():
            record("user.signed_out", by=request.actor, account_id=account_id)  # type: ignore[attr-defined]
            super().logout(request)
