"""What an API's policy says about its keys, read strictly: a word that is not understood is refused, never ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

CREDENTIALS = ("bearer", "token", "raw", "api_key", "basic", "signature", "recording")
FLAGS = ("mask_phone", "hlr_lookup", "recordings")

# How a presented credential is written in front of the token; the first of a policy's is shown with a new secret.
HEADERS = {
    "bearer": "Authorization: Bearer ",
    "token": "Authorization: Token ",
    "raw": "Authorization: ",
    "api_key": "X-API-Key: ",
}

# Names of the form's own fields, which a policy's must not take.
RESERVED = frozenset(
    {"name", "owner", "addresses", "every_module", "modules", "expiry", "expires_on", "enabled", *FLAGS}
    | {"password", "form_token", "version"}
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
    """Something the form asks besides what every key has; its value is kept as text in Key.fields."""

    slug: str
    label: str
    kind: Literal["text", "url", "choice"]
    required: bool
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """An API's rules for its keys. Api.policy holds the same keys as JSON; all are required but the last four."""

    noun: str
    plural: str
    name_label: str
    modules_called: str
    credentials: tuple[str, ...]
    secret: Literal["revealable", "shown_once"]
    unlisted_routes: Literal["deny", "allow"]
    addresses: Literal["optional", "required"]
    expiry: Literal["optional", "none", "required"]
    fields: tuple[Field, ...] = ()
    flags: tuple[str, ...] = ()
    documentation: str = ""
    longest_days: int | None = None

    @property
    def revealable(self) -> bool:
        return self.secret == "revealable"  # noqa: S105

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
            fields=_fields(data.get("fields", [])),
            flags=_words({"flags": [], **data}, "flags", FLAGS),
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
    kind = _word(data, "kind", get_args(Literal["text", "url", "choice"]))
    if not isinstance(data.get("required"), bool):
        raise BadPolicy(f"fields: {slug}: required is {data.get('required')!r}; write true or false.")
    choices = data.get("choices", [])
    if not isinstance(choices, list) or bool(choices) != (kind == "choice"):
        raise BadPolicy(f"fields: {slug}: a field of kind choice, and no other, has a list of choices.")
    return Field(slug, _text(data, "label"), kind, data["required"], tuple(_choice(item, slug) for item in choices))


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
