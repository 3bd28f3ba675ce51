"""The calls of the demo: three months of ordinary use, and some trouble to find."""

from __future__ import annotations

from dataclasses import dataclass

from config.demo.rhythm import ALWAYS, NIGHTLY, OFFICE, SHOP, Rhythm

HISTORY_DAYS = 92
HOUR = 1 / 24


@dataclass(frozen=True)
class DemoCall:
    """Calls that are alike: with the key of this name, from this address, `per_day` times on a weekday.

    They begin `since` days before the present hour, with the key at the earliest, and end `until` days before it; None
    is now.
    """

    key: str
    method: str
    uri: str
    address: str
    per_day: float
    rhythm: Rhythm = OFFICE
    since: float = HISTORY_DAYS
    until: float | None = None
    old_secret: bool = False
    agent: str = "python-requests/2.32.3"


BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CALLS = (
    DemoCall("Invoice portal", "GET", "/customers", "203.0.113.20", 12),
    DemoCall("Invoice portal", "GET", "/invoices?status=open", "203.0.113.21", 8),
    # Copied from somewhere: since yesterday the key is used from a network where nobody of Acme is.
    DemoCall("Invoice portal", "GET", "/customers", "192.0.2.146", 20, ALWAYS, since=1.1, agent="curl/8.5.0"),
    DemoCall("Invoice portal", "GET", "/cdrs", "192.0.2.146", 500, ALWAYS, since=0.4, agent="curl/8.5.0"),
    DemoCall("Payment import", "POST", "/payments", "203.0.113.8", 6, NIGHTLY),
    # Moved to a server whose address the key does not allow; since the last full hour it tries again and again.
    DemoCall("Payment import", "POST", "/payments", "192.0.2.66", 1, NIGHTLY, since=4, until=HOUR),
    DemoCall("Payment import", "POST", "/payments", "192.0.2.66", 2600, ALWAYS, since=HOUR, until=0),
    DemoCall("Field app", "GET", "/customers/1042", "198.51.100.23", 5),
    DemoCall("Field app", "GET", "/invoices/88", "198.51.100.23", 0.6),
    # It expired nine days ago, and this one was disabled a month ago; both are still in use.
    DemoCall("Trade fair app", "GET", "/customers", "198.51.100.31", 4),
    DemoCall("Old reporting", "GET", "/cdrs", "203.0.113.30", 2, NIGHTLY),
    DemoCall("dialer", "POST", "/leads", "203.0.113.7", 9),
    DemoCall("dialer", "GET", "/calls", "203.0.113.70", 3),
    DemoCall("Campaign sync", "GET", "/v1/accounts/7/campaigns?status=active", "203.0.113.31", 8, ALWAYS),
    DemoCall("Campaign sync", "POST", "/v1/accounts/7/campaigns", "203.0.113.31", 0.4),
    DemoCall("Campaign robot", "POST", "/v1/accounts/7/campaigns", "203.0.113.31", 2),
    # One of two servers was not given the new secret.
    DemoCall("Order texts", "POST", "/api/v1/messages", "203.0.113.12", 7, until=6.25),
    DemoCall("Order texts", "POST", "/api/v1/messages", "203.0.113.12", 5, since=6.25),
    DemoCall("Order texts", "POST", "/api/v1/messages", "203.0.113.13", 24, ALWAYS, since=6.25, old_secret=True),
    DemoCall("Order texts", "GET", "/api/v1/balance", "198.51.100.40", 0.5),
    DemoCall("Globex shop", "GET", "/customers", "198.51.100.7", 9, SHOP, agent=BROWSER),
    DemoCall("Globex shop", "GET", "/customers", "198.51.100.8", 0.5, SHOP, agent=BROWSER),
    DemoCall("Globex reminders", "POST", "/api/v1/messages", "198.51.100.9", 3, NIGHTLY),
)
