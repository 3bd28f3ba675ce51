"""Parse client addresses and match them against networks. Pure; shared by portal and gateway."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}")
_QUAD = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){3}")
_WITH_PORT = re.compile(r"(?:(?P<v4>[0-9.]+)|\[(?P<v6>[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]):(?P<port>[0-9]{1,5})")
MAX_PORT = 65535
EXAMPLES = "203.0.113.7, 203.0.113.0/24 or 2001:db8::/32"


class BadAddress(ValueError):
    """The text is not an address or network; the message names it and what would be valid."""


def parse_network(text: str) -> Network:
    """Return the network that a user typed; a plain address means /32 or /128. Raise BadAddress.

    Python also accepts netmasks, host masks and `/08`, and PostgreSQL still other forms. Accepting only one form keeps
    what is shown the same as what is enforced.
    """
    text = text.strip()
    address, slash, prefix = text.partition("/")
    if "%" in address:
        raise BadAddress(f"{text} has a scope ID (after %), which is only valid on one machine. Remove it.")
    try:
        parsed = ip_address(address)
    except ValueError:
        raise BadAddress(_explain_unreadable(text, address)) from None
    if slash and not _PREFIX.fullmatch(prefix):
        raise BadAddress(_explain_unreadable(text, address))
    longest = parsed.max_prefixlen
    if int(prefix or 0) > longest:
        kind = f"an IPv{parsed.version} range"
        raise BadAddress(f"{text} is not an IP address or CIDR range: the prefix of {kind} is 0 to {longest}.")
    network = ip_network(f"{parsed}/{prefix or longest}", strict=False)
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        plain = f"{mapped}" if network.prefixlen == 128 else f"{mapped}/{max(network.prefixlen - 96, 0)}"
        raise BadAddress(f"{text} is an IPv4 address written as IPv6. Write {plain}.")
    if network.network_address != parsed:
        raise BadAddress(f"{text} has bits set beyond its prefix. Did you mean {network} or {parsed}?")
    return network


def split_networks(text: str) -> list[tuple[str, str]]:
    """Return (network, comment) pairs of a text. Networks are separated by spaces, commas and semicolons; # begins a
    comment."""
    found = []
    for line in text.splitlines():
        networks, _, comment = line.partition("#")
        found += [(network, comment.strip()) for network in re.split(r"[\s,;]+", networks) if network]
    return found


def _explain_unreadable(text: str, address: str) -> str:
    """Return why the text is not a network."""
    if _QUAD.fullmatch(address):
        large = next((part for part in map(int, address.split(".")) if part > 255), None)
        if large is not None:
            return f"{text} is not an IP address: {large} is more than 255. Write it like {EXAMPLES}."
    return f"{text} is not an IP address or CIDR range. Write it like {EXAMPLES}."


def format_network(network: Network) -> str:
    """Format a network; a single address without its /32 or /128."""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


# Shorter prefixes are rarely intended.
MIN_USUAL_PREFIX = {4: 8, 6: 32}


def get_width_warning(network: Network) -> str:
    """Return a warning for a very wide network; empty for any other."""
    if network.prefixlen >= MIN_USUAL_PREFIX[network.version]:
        return ""
    if network.prefixlen == 0:
        return f"{network} covers every IPv{network.version} address, so it restricts nothing."
    return f"{network} is very wide: it covers one in {2**network.prefixlen:,} of all IPv{network.version} addresses."


@lru_cache(maxsize=16384)
def parse_address(text: str) -> Address | None:
    """Return a client address as a proxy reports it, IPv4-mapped IPv6 unmapped; None if it is not an address."""
    if "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=16384)
def format_address(address: Address) -> str:
    """Return `str(address)`, which takes twice as long as looking it up."""
    return str(address)


@lru_cache(maxsize=16384)
def parse_hop(text: str) -> Address | None:
    """Return the address of an X-Forwarded-For entry: `address`, `ipv4:port` or `[ipv6]:port`; None for anything else.

    Azure Application Gateway and some load balancers append the client's port to its address.
    """
    if found := _WITH_PORT.fullmatch(text):
        return parse_address(found["v4"] or found["v6"]) if int(found["port"]) <= MAX_PORT else None
    return parse_address(text)


def get_client_address(peer: str | None, forwarded_for: str | None, trusted: Sequence[Network]) -> Address | None:
    """Return the client's address: walk X-Forwarded-For from the right while hops are trusted proxies.

    The walk begins at the peer, or without one (in the gateway, whose caller is authenticated) at the rightmost entry.
    Every entry that is used was written by a trusted hop. Return None if a hop that is needed is missing or unreadable:
    the caller refuses the call.
    """
    hops = [] if forwarded_for is None else forwarded_for.split(",")
    if peer is not None:
        hops.append(peer)
    address = None
    for hop in reversed(hops):
        address = parse_hop(hop.strip())
        if address is None or not trusted or not any(address in network for network in trusted):
            break
    return address


class Rule(NamedTuple):
    """A network prepared for matching: text, version, and address and mask as integers."""

    text: str
    version: int
    network: int
    mask: int


def build_rules(networks: Iterable[Network]) -> tuple[Rule, ...]:
    return tuple(
        Rule(str(network), network.version, int(network.network_address), int(network.netmask)) for network in networks
    )


def find_matching_rule(address: Address, among: Iterable[Rule]) -> Rule | None:
    """Return the first rule that contains the address. IPv4 rules never match IPv6 addresses; `::/0` matches no IPv4
    address."""
    version, value = address.version, int(address)
    for rule in among:
        if rule.version == version and value & rule.mask == rule.network:
            return rule
    return None
