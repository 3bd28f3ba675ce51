"""Support's pages of both logs, for an account with very many calls and events beside one with few."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.figures import format_table, measure_in_turn
from benchmarks.installation import build_signed_in_client, installation
from benchmarks.logs import get_key_id, make_calls, make_events
from benchmarks.results import Ratio
from benchmarks.sizes import Size

CALLS, EVENTS = "/admin/audit/call/", "/admin/audit/event/"
PAGES = {
    "calls, the last day": f"{CALLS}?account={{account}}",
    "calls, the last day, denied": f"{CALLS}?account={{account}}&decision=denied",
    "calls, 30 days, path contains, never": f"{CALLS}?account={{account}}&range=30d&path=nowhere",
    "calls, 30 days, rare pair": f"{CALLS}?account={{account}}&range=30d&address=203.0.113.9&reason=key_expired",
    "calls of a key": f"{CALLS}?key_id={{key}}",
    "calls of a key, 30 days, denied": f"{CALLS}?key_id={{key}}&range=30d&decision=denied",
    "a call by its request ID": f"{CALLS}?request_id={{call}}",
    "a call": f"{CALLS}{{call}}/change/",
    "events, the last day": f"{EVENTS}?account={{account}}",
    "events, 30 days, by nobody": f"{EVENTS}?account={{account}}&range=30d&who=nobody",
    "events, 30 days, about a key": f"{EVENTS}?account={{account}}&range=30d&kind=key&object={{key}}",
    "an event": f"{EVENTS}{{event}}/change/",
}
# Pages of all accounts, or of none: one page beside that of the small account.
OF_ALL = {"calls of no account": CALLS, "events of all accounts": EVENTS}


def run(size: Size) -> list[Ratio]:
    few, many, rounds, seconds = size.choose(
        quick=(500, 5_000, 1, 0), normal=(100_000, 1_000_000, 9, 1), full=(100_000, 10_000_000, 9, 5)
    )
    with installation():
        from accounts.models import Account

        accounts = [Account.objects.create(slug=slug, name=slug, status="active") for slug in ("small", "large")]
        make_calls(None, few)
        # A page scans at most as many rows as the small account has.
        for account, calls, events in zip(accounts, (few, many), (few, many // 10), strict=True):
            make_calls(account.pk, calls)
            make_events(account.pk, events)
        get = _support()
        pages = {name: [page.format(**_own(account)) for account in accounts] for name, page in PAGES.items()}
        pages |= {name: [f"{page}?account=small", page] for name, page in OF_ALL.items()}
        rows, ratios = [], []
        for name, addresses in pages.items():
            at_few, at_many = measure_in_turn([partial(get, address) for address in addresses], rounds, seconds)
            ratios.append(Ratio(f"support-pages {name}", [at_many / at_few]))
            rows.append((name, f"{at_few:.1f}", f"{at_many:.1f}", f"{ratios[-1].value:.2f}"))
    print(f"Server time of a page in ms, {few:,} and {many:,} calls, {few:,} and {many // 10:,} events; medians\n")
    print(format_table(("page", f"{few:,}", f"{many:,}", "ratio"), rows))
    return [*ratios, Ratio("support-pages", [max(ratio.value for ratio in ratios)], must=2, aim=1.1)]


def _own(account: Any) -> dict[str, Any]:
    """Return the parameters of the account's pages: one of its keys, calls and events."""
    from audit.calls.selectors import list_calls
    from audit.trail.selectors import list_events

    calls, events = list_calls(account.pk), list_events(account.pk)
    return {
        "account": account.slug,
        "key": get_key_id(account.pk, 75),
        "call": calls.order_by("-time")[50].request_id,
        "event": events.order_by("-seq")[50].seq,
    }


def _support() -> Any:
    """Return a function that gets a page as Support."""
    from django.conf import settings

    from accounts.allauth_internals import TOTP, generate_totp_secret
    from accounts.models import User
    from config.static_build import collect_static

    settings.ALLOWED_HOSTS = ["testserver"]
    collect_static()
    user = User.objects.create(email="sam@support.example", nickname="sam", roles=["support"])
    TOTP.activate(user, generate_totp_secret())
    client = build_signed_in_client(user)

    def get(address: str) -> None:
        response = client.get(address)
        if response.status_code != 200:
            raise SystemExit(f"{address}: {response.status_code}")

    get(CALLS)
    return get
