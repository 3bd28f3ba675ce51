"""Check that the settings of a policy are consistent. Each error names key, value and what would be valid."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keys.apis.policy_parsing import FLAGS, BadPolicy
from keys.apis.request_link import find_request_link_problem
from keys.decision.containment import BadContainment, resolve_containment

if TYPE_CHECKING:
    from keys.apis.policy import Policy


def require_consistent(policy: Policy) -> None:
    """Raise BadPolicy for the first inconsistency."""
    for rule in (
        _check_credentials,
        _check_secret,
        _check_flags,
        _check_settings,
        _check_expiry,
        _check_fields,
        _check_modules,
        _check_documentation,
        _check_request_link,
    ):
        rule(policy)


def _check_credentials(policy: Policy) -> None:
    kinds = policy.credentials
    if "basic" in kinds:
        if len(kinds) > 1:
            raise BadPolicy(
                f"credentials: {_format_list(kinds)}: basic cannot be combined with others. Write credentials: [basic]."
            )
        if policy.name_kind != "username":
            raise BadPolicy(
                f"name_kind: {policy.name_kind!r}: credentials: [basic] requires usernames. Write username."
            )
    if policy.signs and (others := [kind for kind in kinds if kind not in ("signature", "recording")]):
        raise BadPolicy(
            f"credentials: {_format_list(kinds)}: a signing secret is never sent. Remove {others[0]!r} or signature."
        )
    if "recording" in kinds:
        if not policy.signs:
            raise BadPolicy(f"credentials: {_format_list(kinds)}: recording links are signed. Add signature.")
        if not policy.recordings:
            raise BadPolicy(
                "recordings: [] but credentials include recording. Add a route, such as GET /recordings/{lead_id}."
            )
    elif policy.recordings:
        raise BadPolicy(f"recordings: {policy.recordings[0]!r} needs recording links. Add recording to credentials.")


def _check_secret(policy: Policy) -> None:
    if policy.signs and not policy.revealable:
        raise BadPolicy(
            "secret: 'shown_once' cannot be combined with the credential signature, because the gateway checks "
            "signatures with the secret. Write revealable."
        )


def _check_flags(policy: Policy) -> None:
    for flag, routes, name in (
        ("hlr_lookup", policy.adds_leads, "adds_leads"),
        ("recordings", policy.recordings, "recordings"),
    ):
        if routes and flag not in policy.flags:
            raise BadPolicy(f"flags: {_format_list(policy.flags)} but {name} lists {routes[0]!r}. Add {flag}.")
        if flag in policy.flags and not routes:
            raise BadPolicy(f"flags: {flag} has no effect because {name} lists no route. Add one, or remove {flag}.")


def _check_settings(policy: Policy) -> None:
    unknown_flags = {flag for flag in FLAGS if flag not in policy.flags}
    for name, settings in (
        ("asks", policy.asks),
        ("fixed", policy.fixed),
        ("labels", tuple(policy.labels)),
        ("notes", tuple(policy.notes)),
    ):
        if absent := next((setting for setting in settings if setting in unknown_flags), None):
            raise BadPolicy(f"{name}: {absent} is not in flags: {_format_list(policy.flags)}. Add it there.")
    for setting, key in (("name", "name_label"), ("modules", "modules_called")):
        if setting in policy.labels:
            raise BadPolicy(f"labels: {setting}: use {key} instead.")
    if "enabled" in policy.fixed:
        raise BadPolicy("fixed: enabled: every key can be disabled and enabled. Remove it.")
    if policy.addresses == "required" and not {"addresses", "ip_lists"} & set(policy.asks):
        raise BadPolicy("asks: addresses or ip_lists is missing, but addresses is required. Add one of them.")


def _check_expiry(policy: Policy) -> None:
    if policy.expiry == "none" and policy.longest_days is not None:
        raise BadPolicy(
            f"longest_days: {policy.longest_days} but expiry is none. Write expiry: required, or remove longest_days."
        )
    if policy.expiry == "none" and "expiry" in policy.asks:
        raise BadPolicy("asks: expiry is listed, but keys have none. Write expiry: optional, or remove it from asks.")


def _check_fields(policy: Policy) -> None:
    for field in policy.fields:
        slugs = [choice.slug for choice in field.choices]
        if doubled := next((slug for slug in slugs if slugs.count(slug) > 1), None):
            raise BadPolicy(f"fields: {field.slug}: two choices have the slug {doubled!r}. Slugs must be unique.")
        if field.kind == "fixed" and field.required:
            raise BadPolicy(f"fields: {field.slug}: required: true has no effect on a fixed field. Remove it.")


def _check_modules(policy: Policy) -> None:
    kinds: tuple[tuple[str, list[object]], ...] = (
        ("tag", [rule.tag for rule in policy.modules]),
        ("number", [rule.number for rule in policy.modules if rule.number is not None]),
        ("slug", [rule.slug for rule in policy.modules if rule.slug]),
    )
    for name, values in kinds:
        if doubled := next((value for value in values if values.count(value) > 1), None):
            raise BadPolicy(f"modules: {name}: {doubled!r} appears twice. Modules must not share it.")
    try:
        resolve_containment({rule.tag: rule.contains for rule in policy.modules})
    except BadContainment as error:
        raise BadPolicy(f"modules: contains: {error}") from error


def _check_documentation(policy: Policy) -> None:
    if not policy.documentation:
        return
    try:
        parts = urlsplit(policy.documentation)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in policy.documentation
    except ValueError:
        good = False
    if not good:
        raise BadPolicy(
            f"documentation: {policy.documentation!r} is not a URL. Write one such as https://docs.example.com/, "
            "or leave it empty to use Keyward's API reference."
        )


def _check_request_link(policy: Policy) -> None:
    if policy.request_link and (problem := find_request_link_problem(policy.request_link)):
        raise BadPolicy(f"request_link: {policy.request_link!r} {problem}")


def _format_list(words: tuple[str, ...]) -> str:
    return f"[{', '.join(words)}]"
