"""Configuration from the environment, read strictly: an invalid value stops the start.

Each reader returns a usable placeholder for a value that it refuses and keeps the reason, so that `check` reports every
problem at once: one line each, with the variable, the value (never that of a secret) and what would be valid. A secret
may also come from a file: `NAME_FILE` holds its path.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import wraps
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from config.secret_strength import is_guessable, is_guessable_text

KEY_BYTES = 32
DEMO_BYTES = b"demo"
DEMO_TEXT = "demo-"


URLS = {
    "db": "postgresql://user:password@host:5432/name",
    "cache": "rediss://host:6379/0",
    "email": "smtp+tls://user:password@host:587",
}
# The widest network of trusted proxies in production: a client inside it chooses the address that is logged.
MIN_PREFIX_LENGTH = {4: 8, 6: 7}
# Similarity (difflib ratio) above which an unknown name is refused as a misspelling of a known one.
MISSPELLING_RATIO = 0.85
MIN_MISSPELLING_LENGTH = 8

P = ParamSpec("P")
T = TypeVar("T")
Reader = Callable[Concatenate["Environment", str, P], T]


class Misconfigured(ImproperlyConfigured):
    """A variable is missing or unreadable; the message has a line for each problem, for the operator."""


def is_loopback(address: str) -> bool:
    """Return whether an address to listen on can be reached from this machine alone."""
    return ip_address(address).is_loopback


def _reader(placeholder: Callable[[Any], Any]) -> Callable[[Reader[P, T]], Reader[P, T]]:
    """Decorate a reader so that it reports what it refuses and returns `placeholder(default)` instead."""

    def decorate(read: Reader[P, T]) -> Reader[P, T]:
        @wraps(read)
        def reader(self: Environment, name: str, *args: P.args, **kwargs: P.kwargs) -> T:
            with self.reporting():
                return read(self, name, *args, **kwargs)
            default = args[0] if args else kwargs.get("default")
            return placeholder(default)

        return reader

    return decorate


_as_default = _reader(lambda default: default)


class Environment:
    """Strict readers of `environ`. Collects the problems, and the known names by which it finds misspelt ones."""

    def __init__(self, environ: Mapping[str, str], *, production: bool = False) -> None:
        self._environ = environ
        self._known: set[str] = set()
        self.production = production
        self.problems: list[str] = []

    def check(self) -> None:
        """Raise Misconfigured with all problems, one line each."""
        if self.problems:
            raise Misconfigured("\n".join(dict.fromkeys(self.problems)))

    def report(self, problem: str) -> None:
        self.problems.append(problem)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Collect a Misconfigured raised within, so that the start can report further problems."""
        try:
            yield
        except Misconfigured as error:
            self.report(str(error))

    def text(self, name: str, default: str = "") -> str:
        """Return the value without surrounding space. An empty value counts as unset, as compose files pass unset
        variables."""
        self._known.add(name)
        return self._environ.get(name, "").strip() or default

    @_as_default
    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            self.refuse(name, value, f"one of {', '.join(choices)}")
        return value

    def boolean(self, name: str, default: bool) -> bool:
        return self.choice(name, str(default).lower(), ("true", "false")) == "true"

    @_as_default
    def number(self, name: str, default: int | None, low: int, high: int) -> int | None:
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            self.refuse(name, value, f"a whole number from {low} to {high}")
        return int(value)

    def port(self, name: str, default: int) -> int:
        return self.number(name, default, 1, 65535) or default

    @_as_default
    def matching(self, name: str, default: str, pattern: str, right: str, *, secret: bool = False) -> str:
        value = self.text(name, default)
        if value and not re.fullmatch(pattern, value):
            self.refuse(name, None if secret else value, right)
        return value

    @_as_default
    def base_url(self, name: str, default: str) -> str:
        """Return scheme, host and port, without a path or a trailing slash."""
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

    @_as_default
    def hosts(self, name: str, default: list[str]) -> list[str]:
        values = [piece.strip() for piece in self.text(name).split(",") if piece.strip()]
        for value in values:
            if not re.fullmatch(r"\.?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]", value):
                self.refuse(name, value, "host names separated by commas, such as keys.example.com (no port, no *)")
        return values or default

    @_as_default
    def addresses(self, name: str, default: list[str]) -> list[str]:
        """Return addresses to listen on, IPv4 and IPv6, without brackets."""
        values = [piece.strip() for piece in self.text(name).split(",") if piece.strip()]
        try:
            parsed = [str(ip_address(value)) for value in values]
        except ValueError:
            self.refuse(name, ",".join(values), "addresses separated by commas, such as 127.0.0.1,::1 (no port)")
        return list(dict.fromkeys(parsed)) or default

    @_reader(lambda default: ())
    def networks(self, name: str, *, wide: bool = False) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return networks. `wide` are those of any size, which nobody is trusted for being in."""
        networks = []
        for value in (piece.strip() for piece in self.text(name).split(",")):
            if not value or value == "none":
                continue
            try:
                networks.append(ip_network(value))
            except ValueError:
                self.refuse(name, value, "addresses or ranges separated by commas, such as 10.0.0.5,192.0.2.0/24")
        if self.production and not wide:
            self._refuse_wide(name, networks)
        return tuple(networks)

    def _refuse_wide(self, name: str, networks: list[IPv4Network | IPv6Network]) -> None:
        four = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
        six = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
        collapsed: list[IPv4Network | IPv6Network] = [*four, *six]
        for network in collapsed:
            narrowest = MIN_PREFIX_LENGTH[network.version]
            if network.prefixlen < narrowest:
                why = "anyone inside a trusted range can choose the address that is checked and logged"
                self.refuse(name, str(network), f"a range of /{narrowest} or narrower in production: {why}")

    def url(self, name: str, kind: str, default: str) -> dict[str, Any]:
        """Return a URL of `kind` ("db", "cache" or "email") as Django's settings. No message contains its password."""
        value = self.secret(name) or default
        try:
            # django-environ's warning about an unknown scheme would contain the whole URL with its password.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parsed: dict[str, Any] = getattr(Env, f"{kind}_url_config")(value)
        except (ValueError, TypeError, KeyError, AttributeError, ImproperlyConfigured):
            parsed = {}
        ok = bool(parsed)
        if kind == "db":
            ok = "postgresql" in parsed.get("ENGINE", "") and bool(parsed.get("NAME"))
        if ok:
            return parsed
        with self.reporting():
            self.refuse(name, None, f"a URL such as {URLS[kind]}")
        return dict(getattr(Env, f"{kind}_url_config")(URLS[kind]))

    @_reader(lambda default: "")
    def secret(self, name: str) -> str:
        """Return the value of `name`, or the content of the file that `NAME_FILE` names; empty when neither is set."""
        value, path = self.text(name), self.text(f"{name}_FILE")
        if value and path:
            self.refuse(f"{name}_FILE", path, f"left out, because {name} is set too")
        if not path:
            return value
        try:
            with open(path, encoding="utf-8") as file:
                other_permissions = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o007
                value = file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            self.refuse(f"{name}_FILE", path, f"a readable text file ({reason})")
        if other_permissions and self.production:
            with self.reporting():
                self.refuse(f"{name}_FILE", path, f"a file that other users cannot open (chmod o= {path})")
        return value

    @_reader(lambda default: {})
    def ring(self, name: str, value: str) -> dict[int, bytes]:
        """Return `2:base64,1:base64` as {2: key, 1: key}, newest (highest) first; keys have 32 bytes."""
        ring: dict[int, bytes] = {}
        for piece in filter(None, (piece.strip() for piece in value.split(","))):
            number, colon, text = piece.partition(":")
            if not colon or not re.fullmatch(r"[1-9][0-9]{0,8}", number) or int(number) in ring:
                self.refuse(name, None, "numbered keys, each number once: 2:base64,1:base64")
            key = self.key(name, text)
            if not key:
                return {}
            ring[int(number)] = key
        return dict(sorted(ring.items(), reverse=True))

    @_reader(lambda default: b"")
    def key(self, name: str, value: str) -> bytes:
        try:
            key = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES or (self.production and is_guessable(key)):
            self.refuse(name, None, f"base64 of {KEY_BYTES} random bytes (openssl rand -base64 {KEY_BYTES})")
        return key

    @_reader(lambda default: {})
    def named_secrets(self, name: str, value: str) -> dict[str, str]:
        """Return `edge:secret,backup:secret` as a dict."""
        secrets: dict[str, str] = {}
        for piece in filter(None, (piece.strip() for piece in value.split(","))):
            label, colon, secret = piece.partition(":")
            # Without a colon, the text may be the secret.
            if not colon or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", label) or label in secrets:
                self.refuse(name, None, "name:secret pairs, each name once, in small letters, digits and hyphens")
            if not re.fullmatch(r"[!-~]{16,200}", secret):
                self.refuse(name, None, f"a secret of 16 to 200 printable characters without spaces for {label}")
            if self.production and is_guessable_text(secret):
                self.refuse(name, None, f"a random secret for {label} (openssl rand -hex 32)")
            secrets[label] = secret
        return secrets

    def allow(self, name: str) -> None:
        """Accept a variable that is read elsewhere, by a command."""
        self._known.add(name)

    def refuse_unknown(self) -> None:
        """Report misspelt names: the variable that was meant would silently keep its default."""
        long = sorted(name for name in self._known if len(name) >= MIN_MISSPELLING_LENGTH)
        for name in sorted(set(self._environ) - self._known):
            alike = get_close_matches(name, long, n=1, cutoff=MISSPELLING_RATIO)
            if alike:
                self.report(f"{name} is not a variable Keyward knows: it must be {alike[0]}.")
            elif name.startswith("KEYWARD_"):
                ours = ", ".join(n for n in sorted(self._known) if n.startswith("KEYWARD_"))
                self.report(f"{name} is not a variable Keyward knows; it knows {ours}.")

    def refuse(self, name: str, value: str | None, right: str) -> NoReturn:
        """Raise Misconfigured. `value` is None where it is, or may hold, a secret."""
        suffix = "" if value is None else f" {value!r}"
        raise Misconfigured(f"{name}{suffix} is not usable: it must be {right}.")
