"""Parse an API's policy: the settings, credentials and forms of its keys. Unknown words are errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from keys.apis import consistency
from keys.apis.findings import Findings, format_found
from keys.apis.leaving_out import LeaveOut
from keys.apis.policy_parsing import FLAGS, MAX_DAYS, SETTINGS, BadPolicy, Setting

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
    "scheduled_rotation": "Scheduled rotation",
    "enabled": "Enabled",
    "mask_phone": "Mask Phone Number",
    "hlr_lookup": "HLR Lookup",
    "recordings": "Allow to download call recordings",
}

# Names of the form's own fields, which a policy's field must not have.
RESERVED = frozenset(
    {
        *("name", "owner", "every_module", "expires_on", "new_list", "new_list_entries", "was_enabled", "disable"),
        *("rotation_overlap", "password", "passkey", "form_token", "version", "fields", "api", *SETTINGS),
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
    scheduled_rotation: Literal["optional", "none"] = "none"
    preflight: Literal["deny", "allow"] = "deny"
    encoded_slash: tuple[str, ...] = ()

    @property
    def revealable(self) -> bool:
        return self.secret == "revealable"  # noqa: S105

    @property
    def offers_rotation(self) -> bool:
        """Whether secrets may be changed by a schedule: only if the new one can be read."""
        return self.revealable and self.scheduled_rotation == "optional"

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
    def from_data(cls, data: Any, text: str | None = None) -> Policy:
        """Parse a policy. `text` is its source, for line numbers. Raise BadPolicy."""
        findings = Findings()
        policy = cls.parse(data, findings)
        if findings:
            raise BadPolicy(findings.build_report(text))
        return policy

    @classmethod
    def parse(cls, data: Any, findings: Findings) -> Policy:
        """Parse a policy and add its faults to `findings`. What is faulty has some valid value in the result."""
        rules = Setting(data, (), findings)
        if not rules.has_mapping(cls.__dataclass_fields__, "a policy"):
            rules = rules._replace(value={}, findings=Findings())
        encoded_slash = rules.get("encoded_slash", [])
        if isinstance(encoded_slash.value, str):
            encoded_slash = encoded_slash._replace(value=[encoded_slash.value])
        policy = cls(
            noun=rules.get("noun").parse_line(),
            plural=rules.get("plural").parse_line(),
            name_label=rules.get("name_label").parse_line(),
            modules_called=rules.get("modules_called").parse_line(),
            credentials=rules.get("credentials").parse_choices(CREDENTIALS, at_least=1),
            secret=rules.get("secret").parse_choice(("revealable", "shown_once")),
            unlisted_routes=rules.get("unlisted_routes").parse_choice(("deny", "allow")),
            addresses=rules.get("addresses").parse_choice(("optional", "required")),
            expiry=rules.get("expiry").parse_choice(("optional", "none", "required")),
            name_kind=rules.get("name_kind", "text").parse_choice(("text", "username", "owner")),
            fields=_parse_fields(rules.get("fields", [])),
            asks=rules.get("asks", []).parse_choices(SETTINGS),
            labels=rules.get("labels", {}).parse_lines_by_name(("name", *SETTINGS), "labels"),
            notes=rules.get("notes", {}).parse_lines_by_name(("name", *SETTINGS), "notes"),
            fixed=rules.get("fixed", []).parse_choices(("name", *SETTINGS)),
            flags=rules.get("flags", []).parse_choices(FLAGS),
            leave_out=_parse_leave_out(rules.get("leave_out", {})),
            modules=_parse_modules(rules.get("modules", [])),
            adds_leads=rules.get("adds_leads", []).parse_lines(),
            recordings=rules.get("recordings", []).parse_lines(),
            components=rules.get("components", []).parse_lines(),
            documentation=rules.get("documentation", "").parse_line(empty=True),
            request_link=rules.get("request_link", "").parse_line(empty=True).rstrip("/"),
            longest_days=rules.get("longest_days", None).parse_number(MAX_DAYS),
            scheduled_rotation=_parse_scheduled_rotation(rules),
            preflight=rules.get("preflight", "deny").parse_choice(("deny", "allow")),
            encoded_slash=encoded_slash.parse_lines(),
        )
        consistency.check_consistency(policy, findings)
        return policy


def _parse_scheduled_rotation(rules: Setting) -> Literal["optional", "none"]:
    """Return the setting, by default whether secrets can be shown again."""
    default = "optional" if rules.value.get("secret") == "revealable" else "none"
    choice: Literal["optional", "none"] = rules.get("scheduled_rotation", default).parse_choice(("optional", "none"))
    return choice


def _parse_leave_out(rules: Setting) -> LeaveOut:
    names = LeaveOut.__dataclass_fields__
    if not rules.has_mapping(names, "leave_out"):
        return LeaveOut()
    return LeaveOut(*(rules.get(name, []).parse_lines() for name in names))


def _parse_fields(rules: Setting) -> tuple[Field, ...]:
    rules.require_unique("slug")
    names = Field.__dataclass_fields__
    return tuple(_parse_field(item) for item in rules.list_items("fields") if item.has_mapping(names, "a field"))


def _parse_field(item: Setting) -> Field:
    slug, kind = item.get("slug"), item.get("kind").parse_choice(("text", "url", "choice", "fixed"))
    if slug.value in RESERVED:
        slug.add_fault("Choose another slug", f"{format_found(slug.value)} is reserved")
    choices, value, required = item.get("choices", []), item.get("value", ""), item.get("required", False)
    if kind != "choice" and choices.value:
        choices.add_fault("Remove them, or write kind: choice", f"A field of kind {kind} has no choices")
    if kind != "fixed" and "value" in item.value:
        value.add_fault("Remove it, or write kind: fixed", f"A field of kind {kind} has no value")
    if kind == "fixed" and required.value is True:
        required.add_fault("Remove it", "It has no effect on a field of kind fixed")
    return Field(
        slug.parse_slug(),
        item.get("label").parse_line(),
        kind,
        required=required.parse_flag(),
        choices=_parse_field_choices(item.get("choices")) if kind == "choice" else (),
        value=item.get("value").parse_line() if kind == "fixed" else "",
    )


def _parse_field_choices(rules: Setting) -> tuple[Choice, ...]:
    items = rules.list_items("choices, each with slug and label")
    if rules.value == []:
        rules.add_fault("List at least one choice with slug and label")
    rules.require_unique("slug")
    names = Choice.__dataclass_fields__
    return tuple(
        Choice(item.get("slug").parse_slug(), item.get("label").parse_line())
        for item in items
        if item.has_mapping(names, "a choice")
    )


def _parse_modules(rules: Setting) -> tuple[ModuleRule, ...]:
    names = ModuleRule.__dataclass_fields__
    for name in ("tag", "number", "slug"):
        rules.require_unique(name)
    return tuple(_parse_module(item) for item in rules.list_items("modules") if item.has_mapping(names, "a module"))


def _parse_module(item: Setting) -> ModuleRule:
    slug = item.get("slug", "")
    if not isinstance(slug.value, str) or (slug.value and not _MODULE_SLUG.fullmatch(slug.value)):
        slug.add_fault("Write up to 64 lowercase letters, digits and hyphens")
        slug = slug._replace(value="")
    return ModuleRule(
        item.get("tag").parse_line(),
        item.get("number", None).parse_number(2**31 - 1),
        slug.value,
        item.get("routes", []).parse_lines(),
        item.get("contains", []).parse_lines(),
    )
