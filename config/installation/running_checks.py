"""The checks of `keyward doctor` on running processes: both planes, the proxy in front of the portal, the mail
server."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.mail import get_connection

from config.serve.health_request import request
from config.serve.listeners import format_listen_address, list_listen_addresses
from config.serve.planes import GATEWAY, PORTAL, Plane
from config.serve.preflight import STATIC_FILES
from config.static_build import is_collected

TIMEOUT_SECONDS = 5.0


def check_static_files() -> list[str]:
    return [] if is_collected() else [STATIC_FILES]


def check_portal() -> list[str]:
    """Return why the portal is not ready, or its warnings."""
    problems, text = _check_ready(PORTAL)
    return problems or [f"The portal warns: {line}." for line in text.splitlines()[1:]]


def check_gateway() -> list[str]:
    """Return why the gateway is not ready, or its warnings."""
    problems, text = _check_ready(GATEWAY)
    if problems:
        return problems
    state = json.loads(text)
    if state.get("replica") == "away":
        problems.append("The gateway's host does not reach the replica of REPLICA_DATABASE_URL.")
    return problems + _list_unaccepted_secrets()


def _list_unaccepted_secrets() -> list[str]:
    """Return a line for each of GATEWAY_SECRETS that the running gateway does not accept."""
    if settings.GATEWAY_SOCKET:
        return []
    listen_address = list_listen_addresses(GATEWAY)[0]
    # The API does not exist: the gateway writes no row for such a call.
    answers = {
        name: request(listen_address, "/v1/verify/-", {"X-Gateway-Secret": secret}, TIMEOUT_SECONDS)[2]
        for name, secret in settings.GATEWAY_SECRETS.items()
    }
    return [
        f"The running gateway does not accept {name} of GATEWAY_SECRETS: reload it, and set the proxy's secret to it."
        for name, refusal in answers.items()
        if refusal == "gateway_secret"
    ]


def check_proxy() -> list[str]:
    """Return a problem if BASE_URL does not lead to this portal through the proxy in front of it."""
    try:
        with urlopen(Request(f"{settings.BASE_URL}/health/live"), timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            if answer.read(64) == b"live\n":
                return []
            reason = "something else answers"
    except HTTPError as error:
        error.close()
        reason = f"it answers {error.code}"
    except URLError as error:
        failed = isinstance(error.reason, ssl.SSLError)
        reason = f"its certificate is not accepted: {error.reason}" if failed else str(error.reason)
    except (OSError, HTTPException, ValueError) as error:
        reason = str(error)
    return [
        f"BASE_URL {settings.BASE_URL} does not lead to the portal ({reason}): the proxy must pass requests to "
        f"{format_listen_address(list_listen_addresses(PORTAL)[0])} (deploy/nginx-portal)."
    ]


def check_mail() -> list[str]:
    """Return why the mail server does not accept mail. No mail is sent."""
    try:
        connection = get_connection(timeout=TIMEOUT_SECONDS)
        connection.open()
        connection.close()
    except Exception as error:
        # smtplib raises its own errors, the resolver's and the socket's; their texts hold the server's answers, no
        # password.
        reason = f"{type(error).__name__}: {error}"[:200]
        server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        return [f"The mail server {server} of EMAIL_URL does not take mail ({reason}): invitations would not arrive."]
    return []


def _check_ready(plane: Plane) -> tuple[list[str], str]:
    """Return the problem of a plane that is not ready, and the body of its response."""
    listen_address = list_listen_addresses(plane)[0]
    try:
        status, text, _ = request(listen_address, "/health/ready", {}, TIMEOUT_SECONDS)
    except (OSError, HTTPException) as error:
        start = f"start it (keyward serve {plane.name})"
        return [f"The {plane.name} does not answer at {format_listen_address(listen_address)} ({error}): {start}."], ""
    if status == 200:
        return [], text
    return [f"The {plane.name} cannot work: {' '.join(text.split())[:300]}"], text
