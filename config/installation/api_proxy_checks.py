"""The check of `keyward doctor` on the proxies in front of the APIs: each must ask this gateway about every call."""

from __future__ import annotations

from datetime import timedelta
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import UUID

from django.utils import timezone

from audit.models import Call
from config.serve.listeners import format_listen_address, list_listen_addresses
from config.serve.planes import GATEWAY
from keys.apis.policy import Policy
from keys.models import Api

TIMEOUT_SECONDS = 5.0
PATH = "/keyward-doctor"
# Of the row that the gateway wrote a moment ago.
MAX_ROW_AGE = timedelta(minutes=10)


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Return nothing: a redirect is an answer that the gateway did not give."""


def check_api_proxies() -> list[str]:
    """Call each API that an account has and whose address is configured, without a key; return what is wrong with the
    answers. The refused calls are in the API log."""
    enabled = Api.objects.filter(enablements__isnull=False).distinct().order_by("slug")
    links = {api.slug: api.request_link or Policy.from_data(api.policy).request_link for api in enabled}
    return [problem for slug, link in links.items() if link and (problem := _check(slug, link))]


def _check(slug: str, link: str) -> str:
    proxy = f"The proxy of {slug} at {link}"
    try:
        status, headers = _call(link + PATH)
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        return f"{proxy} does not answer ({reason}): start it, or correct the request link of {slug}."
    refusal = headers.get("X-Refusal", "")
    if refusal == "gateway_secret":
        return f"{proxy} does not send a secret of GATEWAY_SECRETS: put it into its configuration and reload it."
    if refusal == "unknown_api":
        return f"{proxy} asks for an API that does not exist: it must ask for {slug}."
    if refusal == "unavailable" or (status >= 500 and not refusal):
        gateway = format_listen_address(list_listen_addresses(GATEWAY)[0])
        return f"{proxy} gets no decision of the gateway ({status}): it must ask the gateway at {gateway}."
    if refusal != "invalid_credentials":
        return (
            f"{proxy} answers {status} to a call without a key and did not ask the gateway: pass calls to the API only "
            "through a proxy of deploy/ (docs/gateways.md)."
        )
    requested = _find_api(headers.get("X-Request-Id", ""))
    if requested is None:
        return (
            f"{proxy} asks another gateway: its call is not in this database's API log. Ask the one of this database."
        )
    return "" if requested == slug else f"{proxy} asks for {requested}: it must ask for {slug}."


def _call(url: str) -> tuple[int, Any]:
    """Return status and headers."""
    request = Request(url, headers={"User-Agent": "keyward-doctor"})  # noqa: S310 - Support set it, http or https
    try:
        with build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.headers
    except HTTPError as error:
        with error:
            return error.code, error.headers


def _find_api(request_id: str) -> str | None:
    """Return the API of the row that was written for the call, if there is one."""
    try:
        rows = Call.objects.filter(request_id=UUID(request_id), time__gte=timezone.now() - MAX_ROW_AGE)
    except ValueError:
        return None
    return rows.values_list("api", flat=True).first()
