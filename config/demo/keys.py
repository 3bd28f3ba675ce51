"""The keys of the demo, for every preset, and their past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import NamedTuple

from django.db.models import F
from django.utils import timezone

from accounts.models import Account, User
from core.actor import Actor
from keys import apis
from keys import services as keys
from keys.apis.policy_parsing import FLAGS
from keys.ip_lists.entries import Entry
from keys.ip_lists.services import create_list
from keys.key_settings import KeySettings
from keys.models import Api, IpList, Key, Secret
from keys.rotation_schedule import Overlap, RotationSchedule

# The APIs of each account's keys.
APIS = {
    "acme": ("billing", "cloud-pbx", "sip-caller", "lms-call-logic", "lynx", "textpeak"),
    "globex": ("billing", "textpeak"),
}
# The address of the proxies in deploy/.
REQUEST_LINK = "http://localhost:8080"
OFFICES = ("Offices", "Our own servers", {"203.0.113.0/26": "Berlin", "2001:db8:7::/48": "Lisbon"})


@dataclass(frozen=True)
class DemoKey:
    """A key of the demo. `networks` are its own entries, `offices` attaches the IP list, `days` is its lifetime.

    It was created `age` days ago, got its present secret `changed` days ago, and was disabled `disabled` days ago.
    """

    account: str
    owner: str
    name: str
    age: float
    api: str = "billing"
    fields: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    offices: bool = False
    modules: frozenset[str] | None = None
    flags: frozenset[str] = frozenset()
    days: int | None = None
    schedule: RotationSchedule | None = None
    changed: float | None = None
    disabled: float | None = None

    def build_settings(self, lists: Mapping[str, IpList]) -> KeySettings:
        return KeySettings(
            name=self.name,
            fields=dict(self.fields),
            networks=tuple(map(ip_network, self.networks)),
            ip_lists=frozenset([lists[self.account].pk]) if self.offices else frozenset(),
            modules=self.modules,
            expires_at=timezone.now() + timedelta(days=self.days) if self.days else None,
            scheduled_rotation=self.schedule,
            **{flag: flag in self.flags for flag in FLAGS},
        )


def _platform_fields(slug: str) -> dict[str, str]:
    return {"website": "", "platform": slug}


DEMO_KEYS = (
    DemoKey("acme", "alice", "Invoice portal", 117.9, fields=_platform_fields("web")),
    DemoKey(
        "acme",
        "alice",
        "Payment import",
        75.1,
        fields=_platform_fields("server"),
        networks=("203.0.113.0/24", "2001:db8:7::/48"),
        days=90,
    ),
    DemoKey(
        "acme", "olga", "Field app", 83.8, fields=_platform_fields("mobile"), modules=frozenset({"customers"}), days=90
    ),
    DemoKey("acme", "olga", "Trade fair app", 99.2, fields=_platform_fields("mobile"), days=90),
    DemoKey("acme", "alice", "Old reporting", 121.1, fields=_platform_fields("desktop"), disabled=31),
    DemoKey("acme", "alice", "Test of a supplier", 105.3, fields=_platform_fields("server")),
    DemoKey(
        "acme",
        "alice",
        "dialer",
        109.9,
        "cloud-pbx",
        networks=("203.0.113.7", "203.0.113.64/26", "203.0.113.200"),
        flags=frozenset({"mask_phone", "hlr_lookup"}),
    ),
    DemoKey("acme", "olga", "wallboard", 46.8, "cloud-pbx", networks=("203.0.113.9",), modules=frozenset({"calls"})),
    DemoKey("acme", "alice", "Campaign sync", 96.2, "sip-caller", modules=frozenset({"account-reader"}), days=365),
    DemoKey(
        "acme",
        "alice",
        "Campaign robot",
        11.9,
        "sip-caller",
        modules=frozenset({"account-reader", "administrator"}),
        days=30,
    ),
    # Named by their owners' nicknames.
    DemoKey("acme", "arthur", "", 63.1, "lms-call-logic", flags=frozenset({"recordings"})),
    DemoKey("acme", "olga", "", 57.7, "lms-call-logic", modules=frozenset({"publisher-list", "buyer-list"})),
    DemoKey("acme", "alice", "", 33.2, "lynx", modules=frozenset({"detailed-reports", "summary-reports"})),
    DemoKey("acme", "alice", "Order texts", 100.8, "textpeak", offices=True, changed=6.25),
    DemoKey(
        "globex",
        "gina",
        "Globex shop",
        85.2,
        fields=_platform_fields("web"),
        networks=("198.51.100.7",),
        schedule=RotationSchedule(90, Overlap.WEEK),
    ),
    DemoKey("globex", "gina", "Globex reminders", 18.9, "textpeak"),
)


class MadeKey(NamedTuple):
    """A key as it was made: its first token, its current secret and the one before."""

    key: Key
    token: str
    disabled_at: datetime | None
    secret: Secret
    old_secret: Secret | None


def create_keys(
    accounts: Mapping[str, Account], users: Mapping[str, User], now: datetime, by: Actor
) -> dict[str, MadeKey]:
    """Enable the APIs and create the keys, which are then moved into the past. Return the keys by name."""
    set_request_links(by)
    known = {api.slug: api for api in Api.objects.defer("document")}
    for account, slugs in APIS.items():
        for slug in slugs:
            apis.enable(api=known[slug], account=accounts[account], by=by)
    name, about, entries = OFFICES
    offices = [Entry(ip_network(network), place) for network, place in entries.items()]
    lists = {"acme": create_list(account=accounts["acme"], name=name, description=about, entries=offices, by=by)}
    keys_by_name = {}
    for demo_key in DEMO_KEYS:
        key, token = keys.create(
            account=accounts[demo_key.account],
            api=known[demo_key.api],
            key_settings=demo_key.build_settings(lists),
            owner=users[demo_key.owner],
            enabled=demo_key.disabled is None,
            by=by,
        )
        if demo_key.changed is not None:
            keys.change(key=key, secret=key.secrets.get().pk, overlap=Overlap.WEEK, by=by)
        keys_by_name[demo_key.name] = _move_into_past(demo_key, key, token, now)
    return keys_by_name


def _move_into_past(demo_key: DemoKey, key: Key, token: str, now: datetime) -> MadeKey:
    """Set the times of a new key and its secrets back. Its events keep theirs: nothing can date an event."""
    age = timedelta(days=demo_key.age)
    changed = age if demo_key.changed is None else timedelta(days=demo_key.changed)
    Key.objects.filter(pk=key.pk).update(created_at=F("created_at") - age, expires_at=F("expires_at") - age)
    key.secrets.filter(retires_at=None).update(created_at=F("created_at") - changed)
    key.secrets.exclude(retires_at=None).update(created_at=F("created_at") - age, retires_at=F("retires_at") - changed)
    key.refresh_from_db(fields=("created_at", "expires_at"))
    return MadeKey(
        key,
        token,
        None if demo_key.disabled is None else now - timedelta(days=demo_key.disabled),
        key.secrets.get(retires_at=None),
        key.secrets.exclude(retires_at=None).first(),
    )


def set_request_links(by: Actor) -> None:
    """Set the base URLs of the presets' APIs, so that the programs in the key docs run."""
    for api in Api.objects.defer("document"):
        apis.set_request_link(api=api, link=REQUEST_LINK, by=by)
