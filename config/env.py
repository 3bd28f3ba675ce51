"""Configuration from the environment, read strictly: a value that is not understood stops the start.

Every reader names the variable, the value (never a secret's) and what would be right. A secret may also come from a
file: `NAME_FILE` holds its path.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

KEY_BYTES = 32
DEMO_BYTES = b"demo"
DEMO_TEXT = "demo-"


class Misconfigured(ImproperlyConfigured):
    """A variable is missing or unreadable; the message is one line for the operator."""


class Environment:
    """Strict readers over `environ`; remembers which names it knows, so that misspelt ones can be refused."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        """The value without surrounding space; empty counts as unset, as compose files write unset variables."""
        self._known.add(name)
        return self._environ.get(name, "").strip() or default

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            self.refuse(name, value, f"one of {', '.join(choices)}")
        return value

    def boolean(self, name: str, default: bool) -> bool:
        return self.choice(name, str(default).lower(), ("true", "false")) == "true"

    def number(self, name: str, default: int | None, low: int, high: int) -> int | None:
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            self.refuse(name, value, f"a whole number from {low} to {high}")
        return int(value)

    def port(self, name: str, default: int) -> int:
        return self.number(name, default, 1, 65535) or default

    def matching(self, name: str, default: str, pattern: str, right: str, *, secret: bool = False) -> str:
        value = self.text(name, default)
        if value and not re.fullmatch(pattern, value):
            self.refuse(name, None if secret else value, right)
        return value

    def base_url(self, name: str, default: str) -> str:
        """Scheme, host and port, without a path or a trailing slash."""
        value = self.text(name, default)
        right = "a URL without a path, such as https://keys.example.com"
        try:
            parts = urlsplit(value)
            bad = parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None
            bad = bad or (parts.port is not None and parts.port == 0)
        except ValueError:
            self.refuse(name, value, right)
        if bad or parts.path not in ("", "/") or parts.query or parts.fragment:
            self.refuse(name, value, right)
        return f"{parts.scheme}://{parts.netloc}"

    def hosts(self, name: str, default: list[str]) -> list[str]:
        values = [piece.strip() for piece in self.text(name).split(",") if piece.strip()]
        for value in values:
            if not re.fullmatch(r"\.?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]", value):
                self.refuse(name, value, "host names separated by commas, such as keys.example.com (no port, no *)")
        return values or default

    def networks(self, name: str, *, allow_everything: bool) -> tuple[IPv4Network | IPv6Network, ...]:
        networks = []
        for value in (piece.strip() for piece in self.text(name).split(",")):
            if not value:
                continue
            try:
                network = ip_network(value)
            except ValueError:
                self.refuse(name, value, "addresses or ranges separated by commas, such as 10.0.0.5,192.0.2.0/24")
            if network.prefixlen == 0 and not allow_everything:
                self.refuse(name, value, "a narrower range in production: /0 would let every client choose its address")
            networks.append(network)
        return tuple(networks)

    def url(self, name: str, kind: str, default: str) -> dict[str, Any]:
        """A `kind` ("db", "cache" or "email") URL as Django's settings; its password is never repeated."""
        value = self.secret(name) or default
        rights = {
            "db": "postgresql://user:password@host:5432/name",
            "cache": "rediss://host:6379/0",
            "email": "smtp+tls://user:password@host:587",
        }
        try:
            parsed: dict[str, Any] = getattr(Env, f"{kind}_url_config")(value)
        except (ValueError, TypeError, KeyError, AttributeError, ImproperlyConfigured):
            parsed = {}
        ok = bool(parsed)
        if kind == "db":
            ok = "postgresql" in parsed.get("ENGINE", "") and bool(parsed.get("NAME"))
        if not ok:
            self.refuse(name, None, f"a URL such as {rights[kind]}")
        return parsed

    def secret(self, name: str) -> str:
        """The value of `name`, or the content of the file that `NAME_FILE` names; empty when neither is set."""
        value, path = self.text(name), self.text(f"{name}_FILE")
        if value and path:
            self.refuse(f"{name}_FILE", path, f"left out, because {name} is set too")
        if not path:
            return value
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            self.refuse(f"{name}_FILE", path, f"a readable text file ({reason})")

    def ring(self, name: str, value: str) -> dict[int, bytes]:
        """`2:base64,1:base64` as {2: key, 1: key}, newest (highest) first; keys are 32 bytes."""
        ring: dict[int, bytes] = {}
        for piece in filter(None, (piece.strip() for piece in value.split(","))):
            number, colon, text = piece.partition(":")
            if not colon or not re.fullmatch(r"[1-9][0-9]{0,8}", number) or int(number) in ring:
                self.refuse(name, None, "numbered keys, each number once: 2:base64,1:base64")
            ring[int(number)] = self.key(name, text)
        return dict(sorted(ring.items(), reverse=True))

    def key(self, name: str, value: str) -> bytes:
        try:
            key = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            self.refuse(name, None, f"base64 of {KEY_BYTES} random bytes (openssl rand -base64 {KEY_BYTES})")
        return key

    def named_secrets(self, name: str, value: str) -> dict[str, str]:
        """`edge:secret,backup:secret` as a dict."""
        secrets: dict[str, str] = {}
        for piece in filter(None, (piece.strip() for piece in value.split(","))):
            label, colon, secret = piece.partition(":")
            # Without a colon, what stands there may be the secret.
            if not colon or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", label) or label in secrets:
                self.refuse(name, None, "name:secret pairs, each name once, in small letters, digits and hyphens")
            if not re.fullmatch(r"[!-~]{16,200}", secret):
                self.refuse(name, None, f"a secret of 16 to 200 printable characters without spaces for {label}")
            secrets[label] = secret
        return secrets

    def allow(self, name: str) -> None:
        """A variable that a command reads for itself."""
        self._known.add(name)

    def refuse_unknown(self) -> None:
        """A misspelt KEYWARD_ variable would silently leave its default in force."""
        for name in sorted(self._environ):
            if name.startswith("KEYWARD_") and name not in self._known:
                known = ", ".join(sorted(n for n in self._known if n.startswith("KEYWARD_")))
                raise Misconfigured(f"{name} is not a variable Keyward knows; it knows {known}.")

    def refuse(self, name: str, value: str | None, right: str) -> NoReturn:
        """`value` is None where it is or may hold a secret."""
        said = "" if value is None else f" {value!r}"
        raise Misconfigured(f"{name}{said} is not usable: it must be {right}.")
