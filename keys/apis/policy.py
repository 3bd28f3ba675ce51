"""What an API's policy says about its keys, read strictly: a word that is not understood is refused, never ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CREDENTIALS = ("bearer", "token", "raw", "api_key", "basic", "signature", "recording")
FLAGS = ("mask_phone", "hlr_lookup", "recordings")

# How a presented credential is written in front of the token; the first of a policy's is shown with a new secret.
HEADERS = {
    "bearer": "Authorization: Bearer ",
    "token": "Authorization: Token ",
    "raw": "Authorization: ",
    "api_key": "X-API-Key: ",
}

# What every key has besides a name and an owner: the form asks it where the policy says, else under More settings.
SETTINGS = ("addresses", "ip_lists", "modules", "expiry", "enabled", *FLAGS)

# Names of the form's own fields, which a policy's must not take.
RESERVED = frozenset(
    {"name", "owner", "every_module", "expires_on", "password", "form_token", "version", "fields", "api", *SETTINGS}
)
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,39}")


class BadPolicy(ValueError):
    """The policy cannot be used; the text names the key, the value and what would be right."""


@dataclass(frozen=True, slots=True)
class Choice:
    slug: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """Something the form asks besides what every key has; its value is kept as text in Key.fields. One of kind `fixed`
    is shown and never typed: its value is the policy's."""

    slug: str
    label: str
    kind: Literal["text", "url", "choice", "fixed"]
    required: bool = False
    choices: tuple[Choice, ...] = ()
    value: str = ""


@dataclass(frozen=True, slots=True)
class ModuleRule:
    """What a policy adds to a module of the document (its tag's name): a number (menuItemId), and routes of its own,
    `METHOD path-template?name=value`, in place of the tag's operations."""

    tag: str
    number: int | None = None
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """An API's rules for its keys. Api.policy holds the same keys as JSON; those with a default may be left out.

    `name_kind`: a text; a username, which is unique and fixed after creation; or the owner's nickname. `asks` are the
    settings that the form asks in front of More settings, in that order; `labels` renames settings, `notes` says more
    at them; `fixed` are those that creation decides for good. `adds_leads` and `recordings` are routes.
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
    modules: tuple[ModuleRule, ...] = ()
    adds_leads: tuple[str, ...] = ()
    recordings: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    documentation: str = ""
    longest_days: int | None = None

    @property
    def revealable(self) -> bool:
        return self.secret == "revealable"  # noqa: S105

    @property
    def signs(self) -> bool:
        """Whether clients sign with the secret instead of sending it: the gateway must then be able to read it."""
        return "signature" in self.credentials

    @property
    def header(self) -> str:
        """What stands before the token in the header to paste; empty if no credential is a plain header."""
        return next((HEADERS[kind] for kind in self.credentials if kind in HEADERS), "")

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Policy:
        if not isinstance(data, Mapping):
            raise BadPolicy(f"A policy is a mapping of names to values, not {data!r}.")
        _only(data, cls.__dataclass_fields__, "policy")
        return cls(
            noun=_text(data, "noun"),
            plural=_text(data, "plural"),
            name_label=_text(data, "name_label"),
            modules_called=_text(data, "modules_called"),
            credentials=_words(data, "credentials", CREDENTIALS, at_least=1),
            secret=_word(data, "secret", ("revealable", "shown_once")),
            unlisted_routes=_word(data, "unlisted_routes", ("deny", "allow")),
            addresses=_word(data, "addresses", ("optional", "required")),
            expiry=_word(data, "expiry", ("optional", "none", "required")),
            name_kind=_word({"name_kind": "text", **data}, "name_kind", ("text", "username", "owner")),
            fields=_fields(data.get("fields", [])),
            asks=_words({"asks": [], **data}, "asks", SETTINGS),
            labels=_texts(data, "labels"),
            notes=_texts(data, "notes"),
            fixed=_words({"fixed": [], **data}, "fixed", ("name", *SETTINGS)),
            flags=_words({"flags": [], **data}, "flags", FLAGS),
            modules=_modules(data.get("modules", [])),
            adds_leads=_lines(data, "adds_leads"),
            recordings=_lines(data, "recordings"),
            components=_lines(data, "components"),
            documentation=_text({"documentation": "", **data}, "documentation", empty=True),
            longest_days=_days(data.get("longest_days")),
        )


def _fields(data: Any) -> tuple[Field, ...]:
    if not isinstance(data, list):
        raise BadPolicy(f"fields: {data!r} is not a list.")
    fields = tuple(_field(item) for item in data)
    slugs = [field.slug for field in fields]
    if doubled := next((slug for slug in slugs if slugs.count(slug) > 1), None):
        raise BadPolicy(f"fields: two fields have the slug {doubled!r}. Give each its own.")
    return fields


def _field(data: Any) -> Field:
    if not isinstance(data, Mapping):
        raise BadPolicy(f"fields: {data!r} is not a mapping with slug, label, kind, required.")
    _only(data, Field.__dataclass_fields__, "fields")
    slug = _slug(data, "fields")
    if slug in RESERVED:
        raise BadPolicy(f"fields: the slug {slug!r} belongs to every key's form. Choose another.")
    kind = _word(data, "kind", ("text", "url", "choice", "fixed"))
    required = data.get("required", False)
    if not isinstance(required, bool):
        raise BadPolicy(f"fields: {slug}: required is {required!r}; write true or false.")
    choices = data.get("choices", [])
    if not isinstance(choices, list) or bool(choices) != (kind == "choice"):
        raise BadPolicy(f"fields: {slug}: a field of kind choice, and no other, has a list of choices.")
    value = _text(data, "value") if kind == "fixed" else ""
    if "value" in data and kind != "fixed":
        raise BadPolicy(f"fields: {slug}: only a field of kind fixed has a value.")
    return Field(slug, _text(data, "label"), kind, required, tuple(_choice(item, slug) for item in choices), value)


def _modules(data: Any) -> tuple[ModuleRule, ...]:
    if not isinstance(data, list):
        raise BadPolicy(f"modules: {data!r} is not a list of mappings with tag, number, routes.")
    return tuple(_module(item) for item in data)


def _module(data: Any) -> ModuleRule:
    if not isinstance(data, Mapping):
        raise BadPolicy(f"modules: {data!r} is not a mapping with tag, number, routes.")
    _only(data, ModuleRule.__dataclass_fields__, "modules")
    number = data.get("number")
    if number is not None and (type(number) is not int or not 1 <= number < 2**31):
        raise BadPolicy(f"modules: number: {number!r} is not a whole number from 1.")
    return ModuleRule(_text(data, "tag"), number, _lines(data, "routes"))


def _texts(data: Mapping[str, Any], name: str) -> dict[str, str]:
    value = data.get(name, {})
    if not isinstance(value, Mapping):
        raise BadPolicy(f"{name}: {value!r} is not a mapping of settings to texts.")
    _only(value, ("name", *SETTINGS), name)
    return {setting: _text(value, setting) for setting in value}


def _lines(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = data.get(name, [])
    if not isinstance(value, list):
        raise BadPolicy(f"{name}: {value!r} is not a list of texts.")
    return tuple(_text({name: line}, name) for line in value)


def _choice(data: Any, field: str) -> Choice:
    if not isinstance(data, Mapping):
        raise BadPolicy(f"fields: {field}: the choice {data!r} is not a mapping with slug and label.")
    _only(data, Choice.__dataclass_fields__, f"fields: {field}: choices")
    return Choice(_slug(data, f"fields: {field}: choices"), _text(data, "label"))


def _only(data: Mapping[str, Any], known: Any, where: str) -> None:
    if unknown := [name for name in data if name not in known]:
        raise BadPolicy(f"{where}: {unknown[0]!r} is unknown. Known are {', '.join(known)}.")


def _text(data: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value.isprintable() or len(value) > 200 or not (value.strip() or empty):
        raise BadPolicy(f"{name}: {value!r} is not a line of at most 200 characters.")
    return value.strip()


def _days(value: Any) -> int | None:
    if value is not None and (type(value) is not int or not 1 <= value <= 36500):
        raise BadPolicy(f"longest_days: {value!r} is not a whole number from 1 to 36500.")
    return value


def _slug(data: Mapping[str, Any], where: str) -> str:
    value = data.get("slug")
    if not isinstance(value, str) or not _SLUG.fullmatch(value):
        raise BadPolicy(f"{where}: the slug {value!r} is not small letters, digits and _, beginning with a letter.")
    return value


def _word(data: Mapping[str, Any], name: str, known: tuple[str, ...]) -> Any:
    value = data.get(name)
    if value not in known:
        raise BadPolicy(f"{name}: {value!r} is unknown. Write one of {', '.join(known)}.")
    return value


def _words(data: Mapping[str, Any], name: str, known: tuple[str, ...], *, at_least: int = 0) -> tuple[str, ...]:
    value = data.get(name)
    if not isinstance(value, list) or len(value) < at_least:
        raise BadPolicy(f"{name}: {value!r} is not a list of {', '.join(known)}.")
    if unknown := [word for word in value if word not in known]:
        raise BadPolicy(f"{name}: {unknown[0]!r} is unknown. Known are {', '.join(known)}.")
    return tuple(value)
