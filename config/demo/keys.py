"""The keys of the demo, for every preset, and the calls made with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network

from django.utils import timezone

from accounts.models import Account, User
from config.demo.calls import DemoCall
from core.actor import Actor
from keys import apis
from keys import services as keys
from keys.apis.policy_parsing import FLAGS
from keys.ip_lists.entries import Entry
from keys.ip_lists.services import create_list
from keys.key_settings import KeySettings
from keys.models import Api, IpList

# Which account has keys of which APIs.
APIS = {
    "acme": ("billing", "cloud-pbx", "sip-caller", "lms-call-logic", "lynx", "textpeak"),
    "globex": ("billing", "textpeak"),
}
# The address of the proxies in deploy/.
REQUEST_LINK = "http://localhost:8080"
OFFICES = ("Offices", "Where our own programs run", {"203.0.113.0/26": "Berlin", "2001:db8:7::/48": "Lisbon"})


@dataclass(frozen=True)
class DemoKey:
    """A key of the demo. `networks` are its own entries, `offices` adds the IP list, `days` is its lifetime."""

    account: str
    owner: str
    name: str
    api: str = "billing"
    fields: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    offices: bool = False
    modules: frozenset[str] | None = None
    flags: frozenset[str] = frozenset()
    days: int | None = None
    enabled: bool = True

    def build_settings(self, lists: Mapping[str, IpList]) -> KeySettings:
        return KeySettings(
            name=self.name,
            fields=dict(self.fields),
            networks=tuple(map(ip_network, self.networks)),
            ip_lists=frozenset([lists[self.account].pk]) if self.offices else frozenset(),
            modules=self.modules,
            expires_at=timezone.now() + timedelta(days=self.days) if self.days else None,
            **{flag: flag in self.flags for flag in FLAGS},
        )


def _platform_fields(slug: str) -> dict[str, str]:
    return {"website": "", "platform": slug}


DEMO_KEYS = (
    DemoKey("acme", "alice", "Invoice portal", fields=_platform_fields("web")),
    DemoKey(
        "acme",
        "alice",
        "Payment import",
        fields=_platform_fields("server"),
        networks=("203.0.113.0/24", "2001:db8:7::/48"),
        days=90,
    ),
    DemoKey("acme", "olga", "Field app", fields=_platform_fields("mobile"), modules=frozenset({"customers"}), days=10),
    DemoKey("acme", "alice", "Old reporting", fields=_platform_fields("desktop"), enabled=False),
    DemoKey(
        "acme",
        "alice",
        "dialer",
        "cloud-pbx",
        networks=("203.0.113.7", "203.0.113.64/26"),
        flags=frozenset({"mask_phone", "hlr_lookup"}),
    ),
    DemoKey("acme", "olga", "wallboard", "cloud-pbx", networks=("203.0.113.9",), modules=frozenset({"calls"})),
    DemoKey("acme", "alice", "Campaign sync", "sip-caller", modules=frozenset({"account-reader"}), days=365),
    DemoKey(
        "acme",
        "alice",
        "Campaign robot",
        "sip-caller",
        modules=frozenset({"account-reader", "administrator"}),
        days=30,
    ),
    # Named by their owners' nicknames.
    DemoKey("acme", "arthur", "", "lms-call-logic", flags=frozenset({"recordings"})),
    DemoKey("acme", "olga", "", "lms-call-logic", modules=frozenset({"publisher-list", "buyer-list"})),
    DemoKey("acme", "alice", "", "lynx", modules=frozenset({"detailed-reports", "summary-reports"})),
    DemoKey("acme", "alice", "Order texts", "textpeak", offices=True),
    DemoKey("globex", "gina", "Globex shop", fields=_platform_fields("web"), networks=("198.51.100.7",)),
    DemoKey("globex", "gina", "Globex reminders", "textpeak"),
)
CALLS = (
    *(DemoCall("Invoice portal", "GET", "/customers", "203.0.113.20"),) * 6,
    *(DemoCall("Invoice portal", "GET", "/invoices?status=open", "203.0.113.21"),) * 4,
    *(DemoCall("Payment import", "POST", "/payments", "203.0.113.8"),) * 5,
    DemoCall("Payment import", "POST", "/payments", "192.0.2.66"),
    *(DemoCall("Field app", "GET", "/customers/1042", "198.51.100.23"),) * 3,
    DemoCall("Field app", "GET", "/invoices/88", "198.51.100.23"),
    *(DemoCall("Old reporting", "GET", "/cdrs", "203.0.113.30"),) * 2,
    *(DemoCall("Campaign sync", "GET", "/v1/accounts/7/campaigns?status=active", "203.0.113.31"),) * 4,
    DemoCall("Campaign sync", "POST", "/v1/accounts/7/campaigns", "203.0.113.31"),
    *(DemoCall("Order texts", "POST", "/api/v1/messages", "203.0.113.12"),) * 3,
    DemoCall("Order texts", "GET", "/api/v1/balance", "198.51.100.40"),
    *(DemoCall("Globex shop", "GET", "/customers", "198.51.100.7"),) * 3,
    DemoCall("Globex shop", "GET", "/customers", "198.51.100.8"),
    DemoCall("Globex reminders", "POST", "/api/v1/messages", "198.51.100.9"),
)


def create_keys(accounts: Mapping[str, Account], users: Mapping[str, User], by: Actor) -> dict[str, tuple[str, str]]:
    """Enable the APIs and create the keys. Return the API and the token of each key that CALLS names."""
    set_request_links(by)
    known = {api.slug: api for api in Api.objects.defer("document")}
    for account, slugs in APIS.items():
        for slug in slugs:
            apis.enable(api=known[slug], account=accounts[account], by=by)
    name, about, entries = OFFICES
    offices = [Entry(ip_network(network), place) for network, place in entries.items()]
    lists = {"acme": create_list(account=accounts["acme"], name=name, description=about, entries=offices, by=by)}
    made = {}
    for demo_key in DEMO_KEYS:
        created = keys.create(
            account=accounts[demo_key.account],
            api=known[demo_key.api],
            key_settings=demo_key.build_settings(lists),
            owner=users[demo_key.owner],
            enabled=demo_key.enabled,
            by=by,
        )
        made[demo_key.name] = (demo_key.api, created.token)
    return {call.key: made[call.key] for call in CALLS}


def set_request_links(by: Actor) -> None:
    """Set where the APIs of the presets are reached, so that the programs on the pages of keys run."""
    for api in Api.objects.defer("document"):
        apis.set_request_link(api=api, link=REQUEST_LINK, by=by)
