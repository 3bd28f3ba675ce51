"""Middleware of every request: its ID, the client's address and the actor, headers, body limits, redirects for htmx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import structlog
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.core.signals import request_finished
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.http.response import HttpResponseRedirectBase

from config.errors import method_not_allowed
from config.frame_stack import in_one_chunk
from config.request_limits import format_too_large, get_max_body_bytes
from core.actor import Actor
from core.request_id import generate_request_id
from keys.decision.addresses import get_client_address

Handler = Callable[[HttpRequest], HttpResponse]


class IdentifiedRequest(HttpRequest):
    """A request with the attributes that these middlewares add."""

    id: str
    client_address: str | None
    actor: Actor


class FrameStack:
    """Reserve one chunk of memory for the frames of each request (config/frame_stack.py)."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = in_one_chunk(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


class RequestIdentity:
    """Set the request's ID and the client's address, and X-Request-Id in the response."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: IdentifiedRequest) -> HttpResponse:
        request.id = generate_request_id()
        address = get_client_address(
            request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR"), settings.TRUSTED_PROXIES
        )
        request.client_address = str(address) if address else None
        # Until the end of the request: Django logs a refusal after its middleware, and a streaming response may fail
        # later still.
        structlog.contextvars.bind_contextvars(request_id=request.id)
        response = self.get_response(request)
        response.headers["X-Request-Id"] = request.id
        return response


@receiver(request_finished)
def forget_request_id(**_: Any) -> None:
    """Remove the request's ID from the log lines of this thread."""
    structlog.contextvars.unbind_contextvars("request_id")


class SafeHeaders:
    """Set the security headers of every response, including errors and static files.

    Strict-Transport-Security follows BASE_URL, because the proxy that terminates TLS speaks plain HTTP to the portal.
    No page is stored unless its view says so.
    """

    ALWAYS: ClassVar = {
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in self.ALWAYS.items():
            response.headers[name] = value
        if settings.HTTPS:
            response.headers["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}"
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class ConstantPolicy(CSPMiddleware):
    """Send django-csp's header with the directives in the order of the settings, so that it is the same on every
    page."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response = super().process_response(request, response)
        if HEADER in response:
            order = list(settings.CONTENT_SECURITY_POLICY["DIRECTIVES"])
            parts = response.headers[HEADER].split("; ")
            response.headers[HEADER] = "; ".join(sorted(parts, key=lambda part: order.index(part.split(" ")[0])))
        return response


class BodyLimits:
    """Refuse a body that is too long for its page before anything reads it, whatever server is in front."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        limit = get_max_body_bytes(request.path_info)
        if not length.isdigit() or int(length) > limit:
            return HttpResponse(format_too_large(limit), status=413, content_type="text/plain")
        return self.get_response(request)


class HtmxRedirect:
    """Turn a redirect into HX-Redirect for htmx, which would otherwise load the target into the fragment."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.headers.get("HX-Request") == "true" and isinstance(response, HttpResponseRedirectBase):
            response_without_redirect = HttpResponse(status=204, headers={"HX-Redirect": response.url})
            response_without_redirect.cookies = response.cookies
            return response_without_redirect
        return response


class MethodPages:
    """Give the response to a method that a view does not accept a page, which Django's lacks."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed):
            return method_not_allowed(request, response.headers["Allow"])
        return response


class RequestActor:
    """Set `request.actor`, on whose behalf services run."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: IdentifiedRequest) -> HttpResponse:
        request.actor = get_actor(request)
        return self.get_response(request)


def get_actor(request: IdentifiedRequest) -> Actor:
    """Return the signed-in user, or an anonymous client, as an actor."""
    user = request.user
    if user.is_authenticated:
        return Actor("user", str(user.pk), user.email, request.client_address, request.id)
    return Actor("client", "", "anonymous", request.client_address, request.id)
