"""Check that the settings of a policy are consistent. Each fault names its place, the value and what would be valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from keys.apis.findings import Findings, format_found
from keys.apis.policy_parsing import FLAGS
from keys.apis.request_link import find_request_link_problem
from keys.decision.containment import BadContainment, resolve_containment

if TYPE_CHECKING:
    from keys.apis.policy import Policy


class _Fault(NamedTuple):
    place: tuple[str, ...]
    actual: str
    advice: str


def check_consistency(policy: Policy, findings: Findings) -> None:
    """Add all inconsistencies to `findings`. What depends on a setting that is faulty itself is not checked."""
    faulty = findings.list_names()
    for names, rule in _RULES.items():
        if faulty.isdisjoint(names):
            for fault in rule(policy):
                findings.add(*fault, fatal=True)


def _check_credentials(policy: Policy) -> Iterator[_Fault]:
    kinds, place = policy.credentials, ("credentials",)
    if "basic" in kinds and len(kinds) > 1:
        yield _Fault(
            place, f"{_format_list(kinds)}: basic cannot be combined with others", "Write credentials: [basic]"
        )
    elif "basic" in kinds and policy.name_kind != "username":
        actual = f"{format_found(policy.name_kind)}, but credentials: [basic] requires usernames"
        yield _Fault(("name_kind",), actual, "Write username")
    for number, kind in enumerate(kinds if policy.signs else ()):
        if kind not in ("signature", "recording", "basic"):
            actual = f"{format_found(kind)} cannot be combined with signature: a signing secret is never sent"
            yield _Fault((*place, str(number)), actual, f"Remove {kind} or signature")
    if "recording" in kinds:
        if not policy.signs:
            yield _Fault(place, f"{_format_list(kinds)}: recording links are signed", "Add signature")
        if not policy.recordings:
            actual = "No routes, but credentials include recording"
            yield _Fault(("recordings",), actual, "Add a route, such as GET /recordings/{lead_id}")
    elif policy.recordings:
        actual = f"{format_found(policy.recordings[0])} needs recording links"
        yield _Fault(("recordings", "0"), actual, "Add recording to credentials")


def _check_secret(policy: Policy) -> Iterator[_Fault]:
    if policy.signs and not policy.revealable:
        why = "cannot be combined with the credential signature, because the gateway checks signatures with the secret"
        yield _Fault(("secret",), f'"shown_once" {why}', "Write revealable")


def _check_scheduled_rotation(policy: Policy) -> Iterator[_Fault]:
    if policy.scheduled_rotation == "optional" and not policy.revealable:
        actual = '"optional", but secrets are shown once, so nobody could read the new one'
        yield _Fault(("scheduled_rotation",), actual, "Remove it, or write secret: revealable")
    if "scheduled_rotation" in policy.asks and not policy.offers_rotation:
        place = ("asks", str(policy.asks.index("scheduled_rotation")))
        yield _Fault(place, "scheduled_rotation is listed, but keys have none", "Remove it from asks")


def _check_flags(policy: Policy) -> Iterator[_Fault]:
    for flag, routes, name in (
        ("hlr_lookup", policy.adds_leads, "adds_leads"),
        ("recordings", policy.recordings, "recordings"),
    ):
        if routes and flag not in policy.flags:
            actual = f"{_format_list(policy.flags)}, but {name} lists {format_found(routes[0])}"
            yield _Fault(("flags",), actual, f"Add {flag}")
        if flag in policy.flags and not routes:
            place = ("flags", str(policy.flags.index(flag)))
            yield _Fault(place, f"{flag} has no effect because {name} lists no route", f"Add one, or remove {flag}")


def _check_settings(policy: Policy) -> Iterator[_Fault]:
    for name, settings in (
        ("asks", policy.asks),
        ("fixed", policy.fixed),
        ("labels", policy.labels),
        ("notes", policy.notes),
    ):
        for number, setting in enumerate(settings):
            if setting in FLAGS and setting not in policy.flags:
                place = (name, str(number) if name in ("asks", "fixed") else setting)
                yield _Fault(place, f"{setting} is not in flags: {_format_list(policy.flags)}", "Add it there")


def _check_labels(policy: Policy) -> Iterator[_Fault]:
    for setting, key in (("name", "name_label"), ("modules", "modules_called")):
        if setting in policy.labels:
            yield _Fault(("labels", setting), f"{setting} has a setting of its own", f"Use {key} instead")


def _check_fixed(policy: Policy) -> Iterator[_Fault]:
    if "enabled" in policy.fixed:
        place = ("fixed", str(policy.fixed.index("enabled")))
        yield _Fault(place, "enabled: every key can be disabled and enabled", "Remove it")


def _check_addresses(policy: Policy) -> Iterator[_Fault]:
    if policy.addresses == "required" and not {"addresses", "ip_lists"} & set(policy.asks):
        actual = f"{_format_list(policy.asks)}, but addresses are required"
        yield _Fault(("asks",), actual, "Add addresses or ip_lists")


def _check_expiry(policy: Policy) -> Iterator[_Fault]:
    if policy.expiry == "none" and policy.longest_days is not None:
        actual = f"{policy.longest_days}, but expiry is none"
        yield _Fault(("longest_days",), actual, "Write expiry: required, or remove longest_days")
    if policy.expiry == "none" and "expiry" in policy.asks:
        place = ("asks", str(policy.asks.index("expiry")))
        yield _Fault(place, "expiry is listed, but keys have none", "Write expiry: optional, or remove it from asks")


def _check_modules(policy: Policy) -> Iterator[_Fault]:
    try:
        resolve_containment({rule.tag: rule.contains for rule in policy.modules})
    except BadContainment as error:
        number = next(number for number, rule in enumerate(policy.modules) if rule.tag == error.name)
        yield _Fault(("modules", str(number), "contains"), str(error), error.advice)


def _check_documentation(policy: Policy) -> Iterator[_Fault]:
    if not policy.documentation:
        return
    try:
        parts = urlsplit(policy.documentation)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in policy.documentation
    except ValueError:
        good = False
    if not good:
        right = "Write one such as https://docs.example.com/, or leave it empty to use Keyward's API reference"
        yield _Fault(("documentation",), f"{format_found(policy.documentation)} is not a URL", right)


def _check_request_link(policy: Policy) -> Iterator[_Fault]:
    if policy.request_link and (problem := find_request_link_problem(policy.request_link)):
        actual, _, advice = problem.rstrip(".").partition(". ")
        yield _Fault(("request_link",), f"{format_found(policy.request_link)} {actual}", advice)


def _format_list(words: tuple[str, ...]) -> str:
    return f"[{', '.join(words)}]"


# The checks, by the settings that they read.
_RULES: dict[tuple[str, ...], Callable[[Policy], Iterator[_Fault]]] = {
    ("credentials", "name_kind", "recordings"): _check_credentials,
    ("credentials", "secret"): _check_secret,
    ("scheduled_rotation", "secret", "asks"): _check_scheduled_rotation,
    ("flags", "adds_leads", "recordings"): _check_flags,
    ("flags", "asks", "fixed", "labels", "notes"): _check_settings,
    ("labels",): _check_labels,
    ("fixed",): _check_fixed,
    ("addresses", "asks"): _check_addresses,
    ("expiry", "longest_days", "asks"): _check_expiry,
    ("modules",): _check_modules,
    ("documentation",): _check_documentation,
    ("request_link",): _check_request_link,
}
