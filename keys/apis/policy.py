"""Parse an API's policy: the settings, credentials and forms of its keys. Unknown words are errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from keys.apis import consistency, policy_parsing
from keys.apis.leaving_out import LeaveOut
from keys.apis.policy_parsing import FLAGS, SETTINGS, BadPolicy, format_value

CREDENTIALS = ("bearer", "token", "raw", "api_key", "basic", "signature", "recording")

# The text before the token in a header; the first of the policy's kinds is shown with a new secret.
HEADERS = {
    "bearer": "Authorization: Bearer ",
    "token": "Authorization: Token ",
    "raw": "Authorization: ",
    "api_key": "X-API-Key: ",
}

# Labels of settings unless the policy renames them; it always names `name` and `modules` itself.
LABELS = {
    "addresses": "IP ACL",
    "ip_lists": "IP lists",
    "expiry": "Expiration",
    "enabled": "Enabled",
    "mask_phone": "Mask Phone Number",
    "hlr_lookup": "HLR Lookup",
    "recordings": "Allow to download call recordings",
}

# Names of the form's own fields, which a policy's field must not have.
RESERVED = frozenset(
    {
        *("name", "owner", "every_module", "expires_on", "new_list", "new_list_entries", "was_enabled", "disable"),
        *("password", "passkey", "form_token", "version", "fields", "api", *SETTINGS),
    }
)
_MODULE_SLUG = re.compile(r"[a-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Choice:
    slug: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field that the policy adds to the form; its value is stored as text in Key.fields.

    A field of kind `fixed` is shown with the policy's value and cannot be edited.
    """

    slug: str
    label: str
    kind: Literal["text", "url", "choice", "fixed"]
    required: bool = False
    choices: tuple[Choice, ...] = ()
    value: str = ""


@dataclass(frozen=True, slots=True)
class ModuleRule:
    """What a policy adds to a module of the document, identified by its tag.

    `number` is a menuItemId; `slug` is for names that give none or a duplicate; `routes` (`METHOD
    path-template?name=value`, or patterns such as `* /v1/users*`) replace the tag's operations; `contains` are tags of
    modules that it includes: a key with this module may call their routes. With `routes` the tag need not be in the
    document.
    """

    tag: str
    number: int | None = None
    slug: str = ""
    routes: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """An API's rules for its keys. Api.policy is the same as JSON; keys with a default may be absent.

    `name_kind` is a text; a username, which is unique and fixed after creation; or the owner's nickname. `asks` are the
    settings that the form shows before More settings, in that order; `labels` renames settings, `notes` adds help
    texts; `fixed` are those that cannot change after creation. `adds_leads` and `recordings` are routes.
    """

    noun: str
    plural: str
    name_label: str
    modules_called: str
    credentials: tuple[str, ...]
    secret: Literal["revealable", "shown_once"]
    unlisted_routes: Literal["deny", "allow"]
    addresses: Literal["optional", "required"]
    expiry: Literal["optional", "none", "required"]
    name_kind: Literal["text", "username", "owner"] = "text"
    fields: tuple[Field, ...] = ()
    asks: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    leave_out: LeaveOut = field(default_factory=LeaveOut)
    modules: tuple[ModuleRule, ...] = ()
    adds_leads: tuple[str, ...] = ()
    recordings: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    documentation: str = ""
    request_link: str = ""
    longest_days: int | None = None
    preflight: Literal["deny", "allow"] = "deny"
    encoded_slash: tuple[str, ...] = ()

    @property
    def revealable(self) -> bool:
        return self.secret == "revealable"  # noqa: S105

    @property
    def signs(self) -> bool:
        """Whether clients sign with the secret instead of sending it, so that the gateway must be able to read it."""
        return "signature" in self.credentials

    @property
    def header(self) -> str:
        """The text before the token in the header to paste; empty if no credential is a plain header."""
        return next((HEADERS[kind] for kind in self.credentials if kind in HEADERS), "")

    @property
    def immutable_settings(self) -> frozenset[str]:
        """The settings that cannot change after creation. A username is one; an owner's nickname follows the owner."""
        return frozenset(self.fixed) | (frozenset() if self.name_kind == "text" else {"name"})

    def get_label(self, setting: str) -> str:
        """Return the label of a setting, or of the name."""
        known = {**LABELS, "name": self.name_label, "modules": self.modules_called, **self.labels}
        return known.get(setting, setting)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Policy:
        """Parse a policy. Raise BadPolicy."""
        if not isinstance(data, Mapping):
            raise BadPolicy(f"A policy is a mapping of names to values, not {format_value(data)}.")
        policy_parsing.require_known_names(data, cls.__dataclass_fields__, "policy")
        policy = cls(
            noun=policy_parsing.parse_line(data, "noun"),
            plural=policy_parsing.parse_line(data, "plural"),
            name_label=policy_parsing.parse_line(data, "name_label"),
            modules_called=policy_parsing.parse_line(data, "modules_called"),
            credentials=policy_parsing.parse_choices(data, "credentials", CREDENTIALS, at_least=1),
            secret=policy_parsing.parse_choice(data, "secret", ("revealable", "shown_once")),
            unlisted_routes=policy_parsing.parse_choice(data, "unlisted_routes", ("deny", "allow")),
            addresses=policy_parsing.parse_choice(data, "addresses", ("optional", "required")),
            expiry=policy_parsing.parse_choice(data, "expiry", ("optional", "none", "required")),
            name_kind=policy_parsing.parse_choice(
                {"name_kind": "text", **data}, "name_kind", ("text", "username", "owner")
            ),
            fields=_parse_fields(data.get("fields", [])),
            asks=policy_parsing.parse_choices({"asks": [], **data}, "asks", SETTINGS),
            labels=policy_parsing.parse_lines_by_name(data, "labels", ("name", *SETTINGS)),
            notes=policy_parsing.parse_lines_by_name(data, "notes", ("name", *SETTINGS)),
            fixed=policy_parsing.parse_choices({"fixed": [], **data}, "fixed", ("name", *SETTINGS)),
            flags=policy_parsing.parse_choices({"flags": [], **data}, "flags", FLAGS),
            leave_out=_parse_leave_out(data.get("leave_out", {})),
            modules=_parse_modules(data.get("modules", [])),
            adds_leads=policy_parsing.parse_lines(data, "adds_leads"),
            recordings=policy_parsing.parse_lines(data, "recordings"),
            components=policy_parsing.parse_lines(data, "components"),
            documentation=policy_parsing.parse_line({"documentation": "", **data}, "documentation", empty=True),
            request_link=policy_parsing.parse_line({"request_link": "", **data}, "request_link", empty=True).rstrip(
                "/"
            ),
            longest_days=policy_parsing.parse_days(data, "longest_days"),
            preflight=policy_parsing.parse_choice({"preflight": "deny", **data}, "preflight", ("deny", "allow")),
            encoded_slash=policy_parsing.parse_lines(_wrap_text(data, "encoded_slash"), "encoded_slash"),
        )
        consistency.require_consistent(policy)
        return policy


def _wrap_text(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the data with a single text of that name replaced by a list of it."""
    return {**data, name: [data[name]]} if isinstance(data.get(name), str) else data


def _parse_leave_out(data: Any) -> LeaveOut:
    if not isinstance(data, Mapping):
        raise BadPolicy(f"leave_out: {format_value(data)} is not a mapping with paths, tags, operations.")
    policy_parsing.require_known_names(data, LeaveOut.__dataclass_fields__, "leave_out")
    return LeaveOut(*(policy_parsing.parse_lines(data, name) for name in LeaveOut.__dataclass_fields__))


def _parse_fields(data: Any) -> tuple[Field, ...]:
    if not isinstance(data, list):
        raise BadPolicy(f"fields: {format_value(data)} is not a list.")
    fields = tuple(_parse_field(item) for item in data)
    slugs = [field.slug for field in fields]
    if doubled := next((slug for slug in slugs if slugs.count(slug) > 1), None):
        raise BadPolicy(f"fields: two fields have the slug {doubled!r}. Slugs must be unique.")
    return fields


def _parse_field(data: Any) -> Field:
    if not isinstance(data, Mapping):
        raise BadPolicy(f"fields: {format_value(data)} is not a mapping with slug, label, kind, required.")
    policy_parsing.require_known_names(data, Field.__dataclass_fields__, "fields")
    slug = policy_parsing.parse_slug(data, "fields")
    if slug in RESERVED:
        raise BadPolicy(f"fields: the slug {slug!r} is reserved. Choose another.")
    kind = policy_parsing.parse_choice(data, "kind", ("text", "url", "choice", "fixed"))
    required = data.get("required", False)
    if not isinstance(required, bool):
        raise BadPolicy(f"fields: {slug}: required is {format_value(required)}; write true or false.")
    choices = data.get("choices", [])
    if not isinstance(choices, list) or bool(choices) != (kind == "choice"):
        raise BadPolicy(f"fields: {slug}: a field of kind choice needs a list of choices; other kinds have none.")
    value = policy_parsing.parse_line(data, "value") if kind == "fixed" else ""
    if "value" in data and kind != "fixed":
        raise BadPolicy(f"fields: {slug}: only a field of kind fixed has a value.")
    return Field(
        slug,
        policy_parsing.parse_line(data, "label"),
        kind,
        required,
        tuple(_parse_field_choice(item, slug) for item in choices),
        value,
    )


def _parse_modules(data: Any) -> tuple[ModuleRule, ...]:
    if not isinstance(data, list):
        raise BadPolicy(
            f"modules: {format_value(data)} is not a list of mappings with tag, number, slug, routes, contains."
        )
    return tuple(_parse_module(item) for item in data)


def _parse_module(data: Any) -> ModuleRule:
    if not isinstance(data, Mapping):
        raise BadPolicy(f"modules: {format_value(data)} is not a mapping with tag, number, slug, routes, contains.")
    policy_parsing.require_known_names(data, ModuleRule.__dataclass_fields__, "modules")
    number = data.get("number")
    if number is not None and (type(number) is not int or not 1 <= number < 2**31):
        raise BadPolicy(f"modules: number: {format_value(number)} is not a whole number of at least 1.")
    slug = data.get("slug", "")
    if not isinstance(slug, str) or (slug and not _MODULE_SLUG.fullmatch(slug)):
        raise BadPolicy(
            f"modules: the slug {format_value(slug)} is not up to 64 lowercase letters, digits and hyphens."
        )
    return ModuleRule(
        policy_parsing.parse_line(data, "tag"),
        number,
        slug,
        policy_parsing.parse_lines(data, "routes"),
        policy_parsing.parse_lines(data, "contains"),
    )


def _parse_field_choice(data: Any, field: str) -> Choice:
    if not isinstance(data, Mapping):
        raise BadPolicy(f"fields: {field}: the choice {format_value(data)} is not a mapping with slug and label.")
    policy_parsing.require_known_names(data, Choice.__dataclass_fields__, f"fields: {field}: choices")
    return Choice(
        policy_parsing.parse_slug(data, f"fields: {field}: choices"), policy_parsing.parse_line(data, "label")
    )
