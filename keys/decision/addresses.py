"""Addresses of clients and the rules that admit them. Pure; the portal and the gateway use the same functions."""

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
    """An address or network that a person typed and that is not one; the text names it and what would be right."""


def parse_network(text: str) -> Network:
    """A rule as a person types it: a plain address means /32 or /128.

    Python also reads netmasks, host masks and `/08`, and PostgreSQL other things still; one way of writing each
    network keeps what is shown the same as what is enforced.
    """
    text = text.strip()
    address, slash, prefix = text.partition("/")
    if "%" in address:
        raise BadAddress(f"{text} has a scope ID (after %), which means nothing outside one machine. Leave it out.")
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
    """Return the networks of a typed text, parted by spaces, commas and semicolons, and each one's comment: what stands
    behind # in its line."""
    found = []
    for line in text.splitlines():
        networks, _, comment = line.partition("#")
        found += [(network, comment.strip()) for network in re.split(r"[\s,;]+", networks) if network]
    return found


def _explain_unreadable(text: str, address: str) -> str:
    """Return why the text is no network."""
    if _QUAD.fullmatch(address):
        large = next((part for part in map(int, address.split(".")) if part > 255), None)
        if large is not None:
            return f"{text} is not an IP address: {large} is more than 255. Write it like {EXAMPLES}."
    return f"{text} is not an IP address or CIDR range. Write it like {EXAMPLES}."


def format_network(network: Network) -> str:
    """As people write it: a single address without its /32 or /128."""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


# A prefix shorter than this is rarely meant.
MIN_USUAL_PREFIX = {4: 8, 6: 32}


def get_width_warning(network: Network) -> str:
    """What a very wide network means, in words; empty for any other."""
    if network.prefixlen >= MIN_USUAL_PREFIX[network.version]:
        return ""
    if network.prefixlen == 0:
        return f"{network} is every IPv{network.version} address there is: it restricts nothing."
    return f"{network} is very wide: one in {2**network.prefixlen:,} of all IPv{network.version} addresses."


@lru_cache(maxsize=16384)
def parse_address(text: str) -> Address | None:
    """A client's address as a proxy reports it, IPv4-mapped IPv6 unmapped; None for anything that is not one."""
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
def parse_hop(text: str) -> Address | None:
    """Return the address of an X-Forwarded-For entry: `address`, `ipv4:port` or `[ipv6]:port`; None for anything else.

    Azure Application Gateway and some load balancers write the client's port behind its address.
    """
    if found := _WITH_PORT.fullmatch(text):
        return parse_address(found["v4"] or found["v6"]) if int(found["port"]) <= MAX_PORT else None
    return parse_address(text)


def get_client_address(peer: str | None, forwarded_for: str | None, trusted: Sequence[Network]) -> Address | None:
    """The client's address: from the peer leftwards through X-Forwarded-For, as far as each hop is a trusted proxy.

    Without a peer (the gateway, whose caller has proved itself) the rightmost entry is where the walk begins. Every
    entry that is read was so written by a trusted hop. None when a hop that is needed is absent or unreadable: the
    caller refuses.
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
    """A network prepared for matching: its text, version, address and mask as integers."""

    text: str
    version: int
    network: int
    mask: int


def build_rules(networks: Iterable[Network]) -> tuple[Rule, ...]:
    return tuple(
        Rule(str(network), network.version, int(network.network_address), int(network.netmask)) for network in networks
    )


def find_matching_rule(address: Address, among: Iterable[Rule]) -> Rule | None:
    """The first rule that admits the address. IPv4 rules never admit IPv6 addresses, `::/0` admits no IPv4 address."""
    version, value = address.version, int(address)
    for rule in among:
        if rule.version == version and value & rule.mask == rule.network:
            return rule
    return None
