"""Every answer carries the headers that keep it where it belongs: each route, the errors, static files."""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import ClassVar

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from keys.models import Api
from tests.access.table import TABLE, Persona
from tests.access.world import World, a_world
from tests.factories.accounts import PASSWORD
from tests.factories.key_rows import an_api
from tests.responses import Response

pytestmark = pytest.mark.django_db

EVERYWHERE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}  # fmt: skip


@pytest.fixture
def world() -> World:
    return a_world("acme", Api.objects.filter(slug="billing").first() or an_api())


def missing(response: Response, *, stored: bool = False) -> list[str]:
    """Return what is not as it should be."""
    wrong = [
        f"{name}: {response.headers.get(name)}"
        for name, value in EVERYWHERE.items()
        if response.headers.get(name) != value
    ]
    # A page whose path is a secret tells nobody.
    if response.headers.get("Referrer-Policy") not in ("same-origin", "no-referrer"):
        wrong.append(f"Referrer-Policy: {response.headers.get('Referrer-Policy')}")
    if "X-Request-Id" not in response.headers:
        wrong.append("X-Request-Id")
    if not stored and "no-store" not in response.headers.get("Cache-Control", ""):
        wrong.append(f"Cache-Control: {response.headers.get('Cache-Control')}")
    if response.headers.get("Access-Control-Allow-Origin") or response.headers.get("Server"):
        wrong.append("says too much")
    return wrong


@pytest.mark.quality(12)
def test_every_route_has_every_header(world: World, figure: Callable[[str], None]) -> None:
    seen, wrong = 0, []
    for row in TABLE:
        for persona in (Persona.ADMINISTRATOR, Persona.SUPPORT, Persona.SIGNED_OUT):
            client = Client()
            if user := world.people[persona]:
                client.force_login(user)
            path = reverse(row.route, args=world.objects[row.of].split("/") if row.of else [])
            for method in ("GET", "OPTIONS"):
                response = client.generic(method, path)
                seen += 1
                wrong += [
                    f"{method} {path} as {persona} ({response.status_code}): {what}" for what in missing(response)
                ]

    assert wrong == []
    figure(
        f"{len(EVERYWHERE) + 3} headers on {seen} answers of {len(TABLE)} routes, and on 400, 403, 404, 405, 429, 500 "
        "and static files"
    )


def test_what_is_not_found_has_them(client: Client) -> None:
    response = client.get("/nowhere/")

    assert response.status_code == 404
    assert missing(response) == []


def test_what_was_refused_has_them(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    client.raise_request_exception = False

    assert missing(strict.post("/login/", {"login": "a@b.example", "password": "x"})) == []
    assert missing(client.get("/", headers={"Host": "evil.example"})) == []
    assert missing(client.put("/login/")) == []
    for _ in range(31):
        last = client.post("/login/", {})
    assert last.status_code == 429
    assert missing(last) == []


def test_what_broke_has_them(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.views.profile.format_user_agent", lambda agent: 1 / 0)
    client.force_login(world.people[Persona.OWNER])
    client.raise_request_exception = False

    response = client.get("/profile/")

    assert response.status_code == 500
    assert missing(response) == []


@override_settings(WHITENOISE_USE_FINDERS=True)
def test_static_files_have_them_and_may_be_kept(client: Client) -> None:
    response = client.get("/static/js/app.js")

    assert response.status_code == 200
    assert missing(response, stored=True) == []
    assert "no-store" not in response.headers["Cache-Control"]
    response.close()


class TestOverTls:
    NAMES: ClassVar = {
        "HTTPS": True, "SESSION_COOKIE_NAME": "__Host-session", "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_NAME": "__Host-csrf", "CSRF_COOKIE_SECURE": True, "SECURE_HSTS_SECONDS": 365 * 24 * 3600,
    }  # fmt: skip

    def test_the_browser_is_told_to_stay_with_it(self, client: Client) -> None:
        with override_settings(**self.NAMES):
            for path in ("/login/", "/nowhere/", "/health/live"):
                assert client.get(path).headers["Strict-Transport-Security"] == "max-age=31536000"
        assert "Strict-Transport-Security" not in client.get("/login/").headers

    def test_cookies_are_of_this_host_alone(self, world: World) -> None:
        user = world.people[Persona.OWNER]
        assert user
        with override_settings(**self.NAMES):
            client = Client()
            client.get("/login/", secure=True)
            client.post("/login/", {"login": user.email, "password": PASSWORD}, secure=True)
            cookies = client.cookies
        for name in ("__Host-session", "__Host-csrf"):
            morsel = SimpleCookie(cookies.output(header=""))[name]
            assert (morsel["secure"], morsel["path"], morsel["domain"], morsel["httponly"]) == (True, "/", "", True)
