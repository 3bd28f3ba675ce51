"""Each page of the portal beside a Django view that only looks up the user: server time, medians."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from benchmarks.figures import format_last_line, format_table
from benchmarks.installation import build_signed_in_client, installation
from benchmarks.logs import make_calls

PAGES = (
    *("/", "/keys/", "/keys/new/?api=billing", "/keys/{key}/", "/keys/{key}/edit/", "/keys/{key}/docs/"),
    *("/ip-lists/", "/logs/", "/logs/?range=24h", "/logs/chart/", "/audit/", "/users/", "/settings/", "/profile/"),
    "/apis/billing/",
)


def run(*, quick: bool) -> None:
    rounds, calls = (5, 2_000) if quick else (60, 200_000)
    with installation():
        from django.conf import settings
        from django.http import HttpResponse
        from django.urls import path

        from config import urls
        from config.static_build import collect_static
        from core.page_guard import public

        @public("a page that says nothing")
        def bare(request: Any) -> HttpResponse:
            return HttpResponse(str(request.session.get("_auth_user_id")))

        urls.urlpatterns.append(path("bare/", bare))
        settings.ALLOWED_HOSTS = ["testserver"]
        collect_static()
        user, key = _account(calls)
        client = build_signed_in_client(user)
        times: dict[str, list[float]] = {page: [] for page in ("/bare/", *PAGES)}
        for _ in range(rounds):
            for page, taken in times.items():
                began = time.perf_counter()
                response = client.get(page.format(key=key))
                taken.append(time.perf_counter() - began)
                if response.status_code != 200:
                    raise SystemExit(f"{page}: {response.status_code}")
        floor = median(times["/bare/"])
    ratios = {page: median(taken) / floor for page, taken in times.items()}
    print(f"Server time in ms, all middlewares, {calls:,} calls in the log, medians of {rounds}\n")
    shown = [(page, f"{median(taken) * 1000:.1f}", f"{ratios[page]:.1f}") for page, taken in times.items()]
    print(format_table(("page", "ms", "x bare"), shown))
    print(format_last_line("pages", max(ratios.values()), must=8, aim=4))


def _account(calls: int) -> tuple[Any, str]:
    """Create an Administrator with a full list of keys and a log; return the user and an API ID."""
    from accounts.models import Account, User
    from benchmarks.installation import make_keys
    from keys.models import Key

    make_keys(200)
    account, user = Account.objects.get(), User.objects.get()
    User.objects.filter(pk=user.pk).update(roles=["administrator"])
    make_calls(account.pk, calls)
    return User.objects.get(), Key.objects.order_by("pk")[0].public_id
