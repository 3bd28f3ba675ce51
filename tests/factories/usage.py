"""A log of calls at random times, for tests of the roll-ups of usage, which have a database of their own."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from accounts.models import Account
from audit.usage import roll_up
from tests.factories.accounts import an_account
from tests.factories.calls import a_call

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
ADDRESSES = ("198.51.100.7", "203.0.113.9", "2001:db8::7")
KEYS = ("0123456789ab", "ba9876543210")
# Path and query, and what the billing API has for them.
ROUTES = {
    ("/invoices", ""): ("GET /invoices", "invoices"),
    ("/invoices/17", ""): ("GET /invoices/{invoice_id}", "invoices"),
    ("/customers/ü", "q=%C3%BC&a=ü"): ("GET /customers/{customer_id}", "customers"),
    ("/nowhere/17", ""): ("", ""),
    ("/_keyward/whoami", ""): ("whoami", ""),
    ("/v1/whoami/billing", ""): ("whoami", ""),
}
UNPROVEN = ("invalid_credentials", "unreadable_request", "unavailable")
BEFORE_ROUTE = ("account_inactive", "owner_inactive", "key_disabled", "key_expired", "ip_not_allowed")
NO_ROUTE = ("stale_timestamp", "secret_retired")
ROUTED = ("", "", "", "", "replayed", "module_not_granted", "recordings_not_allowed")


def an_account_alone() -> Account:
    """Return an account whose calls are the only ones."""
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("ALTER TABLE audit_call DISABLE TRIGGER ALL; DELETE FROM audit_call")
        for guard in ("change", "delete", "truncate"):
            cursor.execute(f"ALTER TABLE audit_call ENABLE ALWAYS TRIGGER audit_call_refuse_{guard}")
        cursor.execute(
            "TRUNCATE audit_usage, audit_usage_day, audit_usage_path; UPDATE audit_usage_state SET until = NULL"
        )
    return an_account(f"acme{random.randrange(10**9)}")


def log_some(account: Account, count: int, seed: int, days: int = 70) -> None:
    """Log calls as the gateway would, at random times of the last `days`, with some that count for no key."""
    rng = random.Random(seed)
    for _ in range(count):
        reason = rng.choice((*ROUTED, *UNPROVEN, *BEFORE_ROUTE, *NO_ROUTE))
        (path, query), (route, module) = rng.choice(list(ROUTES.items()))
        rule, network = "", rng.choice(("", "203.0.113.0/24"))
        if reason in ROUTED:
            found = "" if route == "whoami" else route
            rule = "; ".join(filter(None, (network, found) if not reason else (found,)))
        else:
            module = ""
        a_call(
            account if rng.random() > 0.05 else None,
            time=NOW - DAY * days * rng.random(),
            key_id=rng.choice((*KEYS, KEYS[0], "")),
            api=rng.choice(("billing", "billing", "gone")),
            client_address=rng.choice((*ADDRESSES, None) if reason in UNPROVEN else ADDRESSES),
            credential=rng.choice(("bearer", "token")),
            path=path,
            query=query,
            rule=rule,
            module=module if reason in ROUTED else "",
            reason=reason,
            decision="denied" if reason else "allowed",
            folded=rng.choice((1, 1, 7)) if reason in UNPROVEN else 1,
            old_secret=reason not in UNPROVEN and rng.random() < 0.3,
        )


def seal_until(monkeypatch: pytest.MonkeyPatch, until: datetime) -> None:
    monkeypatch.setattr(roll_up, "get_sealed_until", lambda: until)
