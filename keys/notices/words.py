"""What notices say, in mails and on pages, from the data of a webhook's body."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.utils import timezone

from audit.calls.reasons import REFUSED
from core.mail import Link, build_url
from core.templatetags.ui import format_relative
from keys.models import Key
from keys.notices.kinds import TEST, Kind

Data = Mapping[str, Any]


class Words(NamedTuple):
    """The words of a kind: the title of one notice and of several, a sentence for each, its links, and what to do."""

    title: str
    titles: str
    sentence: Callable[[Data], str]
    advice: str
    links: Callable[[Data], Sequence[Link]] = lambda data: ()


def describe_key(key: Key) -> dict[str, str]:
    """Return the key as the body of a webhook names it."""
    return {"id": key.public_id, "name": key.name, "api": key.api.slug}


def format_instant(at: datetime) -> str:
    """Return the time as the body of a webhook has it, in UTC and seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_title(kind: str, count: int) -> str:
    words = WORDS[kind]
    return words.title if count == 1 else words.titles.format(count=count)


def build_lines(kind: str, found: Sequence[Data]) -> list[str | Link]:
    """Return the paragraphs of a mail: for each notice its sentence and its links."""
    words, lines = WORDS[kind], list[str | Link]()
    for data in found:
        lines += [words.sentence(data), *words.links(data)]
    return lines


def build_sentence(kind: str, data: Data) -> str:
    return WORDS[kind].sentence(data)


def _name(data: Data) -> str:
    """Return the key as mails name it."""
    return f"{data['key']['name']} (API ID {data['key']['id']})"


def _format_time(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def _format_expiring(data: Data) -> str:
    at = datetime.fromisoformat(data["expires_at"])
    when = format_relative(at, timezone.now())
    return f"{_name(data)} expires {when}, at {_format_time(data['expires_at'])}."


def _format_rotation(data: Data) -> str:
    when = format_relative(datetime.fromisoformat(data["rotates_at"]), timezone.now())
    return f"The secret of {_name(data)} will be changed on schedule {when}, at {_format_time(data['rotates_at'])}."


def _format_rotated(data: Data) -> str:
    until = _format_time(data["overlap_until"])
    return f"The secret of {_name(data)} was changed on schedule. The old one works until {until}."


def _link_key(data: Data) -> Sequence[Link]:
    return (Link(f"Open {data['key']['name']}", build_url("key-detail", data["key"]["id"])),)


def _format_new_network(data: Data) -> str:
    networks = ", ".join(data["networks"])
    more = f" and {data['count'] - len(data['networks'])} more" if data["count"] > len(data["networks"]) else ""
    last = _format_time(data["last_seen_at"])
    return f"{_name(data)} was used from {networks}{more} for the first time. The last call was at {last}."


def _link_networks(data: Data) -> Sequence[Link]:
    name, public_id = data["key"]["name"], data["key"]["id"]
    return (
        Link(f"It was us ({name})", build_url("key-networks", public_id)),
        Link(f"Disable {name}", build_url("key-disable", public_id)),
    )


def _format_rising(data: Data) -> str:
    about = f"with {_name(data)} " if data["key"] else "of your account "
    reasons = ", ".join(f"{REFUSED[code][0] if code in REFUSED else code} ({n})" for code, n in data["reasons"].items())
    before = f"at most {data['before']} in any hour of the seven days before"
    return (
        f"{data['refused']} calls {about}were refused in the hour of {_format_time(data['hour'])}, {before}: {reasons}."
    )


def _link_refusals(data: Data) -> Sequence[Link]:
    filters = {"from": data["hour"][:16], "zone": "UTC", "decision": "denied"}
    if data["key"]:
        filters["key_id"] = data["key"]["id"]
    return (Link("Open the refused calls", f"{build_url('log-list')}?{urlencode(filters)}"),)


def _format_old_secret(data: Data) -> str:
    old = data["old_secret"]
    if not old["last_used_at"]:
        return "It was never used."
    return f"It was last used at {_format_time(old['last_used_at'])} from {old['last_used_from']}."


def _format_ending(data: Data) -> str:
    used = " and is still used" if data["used_lately"] else ""
    return f"The old secret of {_name(data)} ends at {_format_time(data['ends_at'])}{used}. {_format_old_secret(data)}"


def _format_ended(data: Data) -> str:
    refused = (
        f" Calls with it are refused, the last at {_format_time(data['refused_at'])}." if data["refused_at"] else ""
    )
    return (
        f"The old secret of {_name(data)} ended at {_format_time(data['ends_at'])}. {_format_old_secret(data)}{refused}"
    )


def _format_unused(data: Data) -> str:
    names = {
        "keys": ("key", "keys"),
        "modules": ("module of a key", "modules of keys"),
        "addresses": ("address of a key", "addresses of keys"),
        "ip_list_entries": ("IP list entry", "IP list entries"),
        "old_secrets": ("old secret that still works", "old secrets that still work"),
    }
    parts = [f"{data[field]} {words[data[field] != 1]}" for field, words in names.items() if data[field]]
    return f"Not used for {data['days']} days: {', '.join(parts)}."


def _format_failing(data: Data) -> str:
    return f"A notice to {data['endpoint']['host']} was given up after ten attempts. The last one: {data['error']}"


def _link_endpoint(data: Data) -> Sequence[Link]:
    return (Link(f"Open {data['endpoint']['host']}", build_url("webhook-detail", data["endpoint"]["id"])),)


WORDS: dict[str, Words] = {
    Kind.KEY_EXPIRING: Words(
        "An API key expires soon",
        "{count} API keys expire soon",
        _format_expiring,
        "Calls with an expired key are refused. If it is still needed, an Administrator can give it a later expiry.",
        _link_key,
    ),
    Kind.KEY_ROTATION_UPCOMING: Words(
        "An API key will get a new secret soon",
        "{count} API keys will get new secrets soon",
        _format_rotation,
        "Prepare the applications that use it. After the change, an Administrator can read the new secret on the key's "
        "page.",
        _link_key,
    ),
    Kind.KEY_ROTATED: Words(
        "An API key has a new secret",
        "{count} API keys have new secrets",
        _format_rotated,
        "Give the applications that use it the new secret, which an Administrator can read on the key's page.",
        _link_key,
    ),
    Kind.KEY_NEW_NETWORK: Words(
        "An API key was used from a new network",
        "{count} API keys were used from new networks",
        _format_new_network,
        "If it was not you, disable the key and change its secret. A list of allowed addresses keeps others out.",
        _link_networks,
    ),
    Kind.REFUSALS_RISING: Words(
        "Many calls are refused",
        "Many calls are refused ({count} notices)",
        _format_rising,
        "Use the access check to see why a call is refused and what would have to change.",
        _link_refusals,
    ),
    Kind.OVERLAP_ENDING: Words(
        "An old secret ends soon",
        "{count} old secrets end soon",
        _format_ending,
        "Switch every caller to the new secret before then, or extend the overlap on the key's page.",
        _link_key,
    ),
    Kind.OVERLAP_ENDED_IN_USE: Words(
        "An old secret ended while it was used",
        "{count} old secrets ended while they were used",
        _format_ended,
        "An old secret that has ended cannot be restored. Give its callers the new one.",
        _link_key,
    ),
    Kind.GRANTS_UNUSED: Words(
        "Unused keys and permissions",
        "Unused keys and permissions",
        _format_unused,
        "Unused access can still be misused. Each item is listed with the reason and can be removed with one click.",
        lambda data: (Link("Review unused access", build_url("unused")),),
    ),
    Kind.WEBHOOK_FAILING: Words(
        "A webhook endpoint is failing",
        "{count} webhook endpoints are failing",
        _format_failing,
        "Notices are still sent there, each for about three days. Once the endpoint works again, resend them under "
        "Settings > Notices.",
        _link_endpoint,
    ),
    TEST: Words("Test", "{count} tests", lambda data: data["message"], ""),
}
