"""Where webhooks may go: URLs that are accepted, and addresses that may be connected to. Pure but for the resolver."""

from __future__ import annotations

import socket
import threading
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from keys.notices.models import MAX_URL_LENGTH

Address = IPv4Address | IPv6Address
Networks = Collection[IPv4Network | IPv6Network]
DEFAULT_PORTS = {"https": 443, "http": 80}
# A translator's addresses, each of which stands for the IPv4 address in its last bits (RFC 6052).
NAT64 = IPv6Network("64:ff9b::/96")
# Reserved for protocols, documentation and segment routing; not every version of Python knows that.
SPECIAL = (IPv4Network("192.0.0.0/24"), IPv6Network("3fff::/20"), IPv6Network("5f00::/16"))


class NotAllowed(Exception):
    """Webhooks may not go there; the text says why."""


class Destination(NamedTuple):
    """A URL's parts: `host` without brackets, `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str


def list_url_problems(url: str, allowed: Networks) -> list[str]:
    """Return what is wrong with a URL that somebody typed, all at once; nothing is resolved."""
    problems = []
    if len(url) > MAX_URL_LENGTH:
        problems.append(f"The URL has {len(url)} characters. Use at most {MAX_URL_LENGTH}.")
    if not (url.isascii() and url.isprintable()) or " " in url:
        problems.append("Use ASCII characters without spaces: percent-encode others, and host names as xn--….")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return [*problems, f'"{url}" is not a URL. Use one such as https://hooks.example.com/keyward.']
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return [*problems, f'"{url}" is not a web address. Use one such as https://hooks.example.com/keyward.']
    if parts.scheme == "http" and not allowed:
        problems.append("Use https://. http:// is sent only to networks that the operator allows.")
    if parts.username is not None or parts.password is not None:
        problems.append("Remove the user name and password: the signature proves who sends.")
    if parts.fragment:
        problems.append("Remove the part after #: it is never sent.")
    problems += _list_address_problems(parts, allowed)
    return problems


def parse_destination(url: str) -> Destination:
    parts = urlsplit(url)
    assert parts.hostname is not None  # list_url_problems
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme], target)


def resolve(destination: Destination, allowed: Networks, timeout_seconds: float) -> list[Address]:
    """Return the host's addresses in the order of the resolver. Raise NotAllowed if one of them may not be connected
    to, OSError if there are none."""
    found = list(dict.fromkeys(_look_up(destination, timeout_seconds)))
    for address in found:
        require_allowed(address, destination.scheme, allowed)
    return found


def require_allowed(address: Address, scheme: str, allowed: Networks) -> None:
    """Raise NotAllowed unless the address is a public one and the scheme https, or the operator allows its network."""
    reached = _list_reached(address)
    if all(any(each in network for network in allowed) for each in reached):
        return
    if not all(map(_is_public, reached)):
        raise NotAllowed(f"{address} is not a public address, and the operator does not allow it.")
    if scheme == "http":
        raise NotAllowed(f"http:// is sent only to networks that the operator allows, and {address} is in none.")


def _list_reached(address: Address) -> list[Address]:
    """Return what the address must be judged by: an IPv4 address that an IPv6 one stands for, or leads through."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return [address.ipv4_mapped]
        if address in NAT64:
            return [IPv4Address(int(address) & 0xFFFFFFFF)]
        if address.sixtofour:
            return [address, address.sixtofour]
    return [address]


def _is_public(address: Address) -> bool:
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    special = special or address.is_link_local or (isinstance(address, IPv6Address) and address.is_site_local)
    return address.is_global and not special and not any(address in network for network in SPECIAL)


def _list_address_problems(parts: SplitResult, allowed: Networks) -> list[str]:
    """Return the problem of a host that is written as an address."""
    try:
        require_allowed(ip_address(parts.hostname or ""), "https", allowed)
    except NotAllowed as problem:
        return [str(problem)]
    except ValueError:
        pass
    return []


def _look_up(destination: Destination, timeout_seconds: float) -> list[Address]:
    """Return the addresses that the system's resolver has. It knows no timeout, so it runs in a thread that is left to
    itself."""
    found: list[Address] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
            found.extend(ip_address(str(address[0])) for *_, address in rows)
        except (OSError, UnicodeError) as error:
            failed.append(error if isinstance(error, OSError) else OSError(str(error)))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError("The host name was not resolved in time.")
    return list(found)
