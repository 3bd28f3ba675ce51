"""Addresses and the rules that admit them: fixed vectors, and generated cases against a slow, obvious model."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.decision.addresses import (
    BadAddress,
    build_rules,
    find_matching_rule,
    format_network,
    get_client_address,
    get_width_warning,
    parse_address,
    parse_hop,
    parse_network,
    split_networks,
)
from keys.forms.fields import NetworksField

# What a person may type, and the rule it is.
NETWORKS = [
    ("203.0.113.7", "203.0.113.7/32"),
    (" 203.0.113.7 ", "203.0.113.7/32"),
    ("203.0.113.7/32", "203.0.113.7/32"),
    ("203.0.113.0/24", "203.0.113.0/24"),
    ("10.0.0.0/8", "10.0.0.0/8"),
    ("0.0.0.0/0", "0.0.0.0/0"),
    ("255.255.255.255", "255.255.255.255/32"),
    ("2001:db8::/32", "2001:db8::/32"),
    ("2001:DB8::1", "2001:db8::1/128"),
    ("2001:0db8:0000::0001", "2001:db8::1/128"),
    ("::/0", "::/0"),
    ("::1", "::1/128"),
    ("64:ff9b::/96", "64:ff9b::/96"),
]

# What is refused, and a piece of the sentence that says why.
REFUSED_NETWORKS = [
    ("", "is not an IP address"),
    ("example.com", "is not an IP address"),
    ("203.0.113", "is not an IP address"),
    ("203.0.113.7.1", "is not an IP address"),
    ("203.0.113.256", "is not an IP address"),
    ("203.0.113.07", "is not an IP address"),
    ("0313.0.0113.7", "is not an IP address"),
    ("0xcb.0.0x71.7", "is not an IP address"),
    ("3405803783", "is not an IP address"),
    ("２０３.0.113.7", "is not an IP address"),
    ("203.0.113.0/33", "is not an IP address"),
    ("203.0.113.0/024", "is not an IP address"),
    ("10.0.0.0/08", "is not an IP address"),
    ("10.0.0.0/255.0.0.0", "is not an IP address"),
    ("10.0.0.0/0.255.255.255", "is not an IP address"),
    ("10.0.0.0/", "is not an IP address"),
    ("10.0.0.0/8/8", "is not an IP address"),
    ("10.0.0.0/-1", "is not an IP address"),
    ("10.0.0.0/ 8", "is not an IP address"),
    ("10.0.0.0-10.0.0.9", "is not an IP address"),
    ("10.0.0.1, 10.0.0.2", "is not an IP address"),
    ("10.0.0.*", "is not an IP address"),
    ("203.0.113.7:443", "is not an IP address"),
    ("[2001:db8::1]", "is not an IP address"),
    ("2001:db8::1::2", "is not an IP address"),
    ("2001:db8::/129", "is not an IP address"),
    ("203.0.113.7\n10.0.0.1", "is not an IP address"),
    ("203.0.113.7\0", "is not an IP address"),
    ("fe80::1%eth0", "has a scope ID"),
    ("fe80::%1/64", "has a scope ID"),
    ("203.0.113.7/24", "Did you mean 203.0.113.0/24 or 203.0.113.7?"),
    ("2001:db8::1/32", "Did you mean 2001:db8::/32 or 2001:db8::1?"),
    ("::ffff:10.1.2.3", "Write 10.1.2.3."),
    ("::ffff:10.0.0.0/104", "Write 10.0.0.0/8."),
    ("::ffff:0:0/96", "Write 0.0.0.0/0."),
]

# What a proxy may report, and the client it means (None: refused).
REPORTED = [
    ("203.0.113.7", "203.0.113.7"),
    ("2001:DB8::1", "2001:db8::1"),
    ("::ffff:203.0.113.7", "203.0.113.7"),
    ("::FFFF:CB00:7107", "203.0.113.7"),
    ("::ffff:203.0.113.7%1", None),
    ("fe80::1%eth0", None),
    ("203.0.113.7:4711", None),
    ("[2001:db8::1]", None),
    ("[2001:db8::1]:443", None),
    ("203.0.113.07", None),
    ("203.0.113.7/32", None),
    ("unknown", None),
    ("_hidden", None),
    ("", None),
]


def test_there_are_60_fixed_vectors():
    assert len(NETWORKS) + len(REFUSED_NETWORKS) + len(REPORTED) >= 60


@pytest.mark.quality(5)
@pytest.mark.parametrize(("text", "rule"), NETWORKS)
def test_a_network_means_what_it_says(text, rule):
    assert str(parse_network(text)) == rule


@pytest.mark.quality(5)
@pytest.mark.parametrize(("text", "because"), REFUSED_NETWORKS)
def test_a_bad_network_is_refused_with_a_reason_that_names_it(text, because):
    with pytest.raises(BadAddress) as refused:
        parse_network(text)
    assert because in str(refused.value)
    assert text.strip() in str(refused.value)


@pytest.mark.quality(5)
@pytest.mark.parametrize(("text", "address"), REPORTED)
def test_a_reported_address_is_read_or_refused(text, address):
    read = parse_address(text)
    assert (None if read is None else str(read)) == address


@pytest.mark.quality(5)
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:0", "203.0.113.7"),
        ("203.0.113.7:65535", "203.0.113.7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("[::1]:1", "::1"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        # Without brackets the last group is part of the address.
        ("2001:db8::7:443", "2001:db8::7:443"),
        ("203.0.113.7:65536", None),
        ("203.0.113.7:", None),
        ("203.0.113.7:-1", None),
        ("203.0.113.7:+1", None),
        ("203.0.113.7:٣", None),
        ("203.0.113.7: 80", None),
        ("203.0.113.7:080000", None),
        ("203.0.113.7:80:80", None),
        ("203.0.113.007:80", None),
        ("203.0.113.256:80", None),
        ("203.0.113:80", None),
        (":80", None),
        ("[203.0.113.7]:80", None),
        ("[2001:db8::7]", None),
        ("[2001:db8::7]:", None),
        ("[2001:db8::7]:65536", None),
        ("[2001:db8::7]443", None),
        ("[fe80::1%eth0]:80", None),
        ("[]:80", None),
        ("[:]:80", None),
        ("localhost:80", None),
        ("unknown:80", None),
        ("203.0.113.7:80\n", None),
    ],
)
def test_a_hop_may_have_a_port(text, address):
    read = parse_hop(text)
    assert (None if read is None else str(read)) == address


def admits(network: str, address: str) -> bool:
    return find_matching_rule(parse_address(address), build_rules([parse_network(network)])) is not None


@pytest.mark.parametrize(
    ("network", "address", "admitted"),
    [
        ("203.0.113.0/24", "203.0.113.0", True),
        ("203.0.113.0/24", "203.0.113.255", True),
        ("203.0.113.0/24", "203.0.114.0", False),
        ("203.0.113.0/24", "::ffff:203.0.113.9", True),
        ("0.0.0.0/0", "255.255.255.255", True),
        ("0.0.0.0/0", "::1", False),
        ("::/0", "203.0.113.7", False),
        ("::/0", "::ffff:203.0.113.7", False),
        ("::/0", "2001:db8::1", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::a00:1", "10.0.0.1", False),
    ],
)
def test_rules_admit_addresses_of_their_own_version_only(network, address, admitted):
    assert admits(network, address) is admitted


def test_the_first_rule_that_admits_is_the_one_named():
    among = build_rules(map(parse_network, ["10.0.0.0/8", "203.0.113.0/24", "203.0.113.7"]))
    rule = find_matching_rule(parse_address("203.0.113.7"), among)
    assert rule is not None
    assert rule.text == "203.0.113.0/24"


def model(address: str, networks: list[str]) -> bool:
    """Return the slow, obvious answer: compare the addresses bit by bit, as text."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.packed[:12] == b"\0" * 10 + b"\xff\xff":
        parsed = IPv4Address(parsed.packed[12:])
    bits = "".join(f"{byte:08b}" for byte in parsed.packed)
    for network in networks:
        base, _, length = network.partition("/")
        packed = ip_address(base).packed
        if (
            len(packed) * 8 == len(bits)
            and "".join(f"{byte:08b}" for byte in packed)[: int(length)] == bits[: int(length)]
        ):
            return True
    return False


# Few different bits, so that near misses at every prefix length are common.
v4 = (
    st.integers(0, 31)
    .flatmap(lambda bit: st.sampled_from([0xCB007107, 0x0A000000]))
    .flatmap(lambda base: st.integers(0, 31).map(lambda bit: str(IPv4Address(base ^ (1 << bit)))))
)
v6 = st.integers(0, 127).map(lambda bit: str(IPv6Address((0x20010DB8 << 96) ^ (1 << bit))))
mapped = v4.map(lambda text: f"::ffff:{text}")
any_address = st.one_of(v4, v6, mapped, st.ip_addresses().map(str).filter(lambda text: "%" not in text))
v4_networks = st.tuples(v4, st.integers(0, 32)).map(lambda pair: str(ip_network(f"{pair[0]}/{pair[1]}", strict=False)))
v6_networks = st.tuples(v6, st.integers(0, 128)).map(lambda pair: str(ip_network(f"{pair[0]}/{pair[1]}", strict=False)))


@pytest.mark.quality(5)
def test_rules_agree_with_the_reference_model(full: bool, fast: bool, figure: Callable[[str], None]):
    count, admitted = 20_000 if full else 100 if fast else 1_000, 0

    @settings(max_examples=count, database=None)
    @given(any_address, st.lists(st.one_of(v4_networks, v6_networks), max_size=4))
    def agree(address, networks):
        nonlocal admitted
        among = build_rules(parse_network(network) for network in networks)
        expected = model(address, networks)
        assert (find_matching_rule(parse_address(address), among) is not None) is expected
        admitted += expected

    agree()
    assert admitted > count / 20
    fixed = len(NETWORKS) + len(REFUSED_NETWORKS) + len(REPORTED)
    assert fixed >= 60
    figure(f"{fixed} fixed vectors; {count:,} generated as a reference model says, {admitted:,} of them admitted")


@settings(max_examples=5 * settings().max_examples)
@given(st.text(alphabet="0123456789abcdefx.:/%[], \t٣", max_size=40))
def test_no_text_makes_reading_fail_in_another_way(text):
    parse_address(text)
    try:
        network = parse_network(text)
    except BadAddress:
        return
    assert parse_network(str(network)) == network


TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        # The gateway: its caller has proved itself, so the walk begins at the rightmost entry.
        (None, "203.0.113.7", "203.0.113.7"),
        (None, "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (None, "198.51.100.1, 203.0.113.7, 10.0.0.9", "203.0.113.7"),
        (None, "203.0.113.7,10.0.0.9,2001:db8:1::5", "203.0.113.7"),
        (None, "::ffff:203.0.113.7, ::ffff:10.0.0.9", "203.0.113.7"),
        (None, "10.0.0.8, 10.0.0.9", "10.0.0.8"),
        (None, "forged, 203.0.113.7", "203.0.113.7"),
        (None, "forged, 10.0.0.9", None),
        (None, "203.0.113.7, ", None),
        (None, "203.0.113.7, 10.0.0.9:80", "203.0.113.7"),
        (None, "203.0.113.7:51234, 10.0.0.9:80", "203.0.113.7"),
        (None, "[2001:db8::7]:51234, [2001:db8:1::5]:443", "2001:db8::7"),
        # What a hop that is not trusted says is not read, with a port or without.
        (None, "10.0.0.9:80, 203.0.113.7:51234", "203.0.113.7"),
        (None, "198.51.100.1:80, forged:80, 10.0.0.9:80", None),
        (None, "", None),
        (None, None, None),
        # The portal: its peer is known, and only a trusted peer's word counts.
        ("198.51.100.1", "203.0.113.7", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "unknown", None),
    ],
)
def test_the_client_is_the_first_hop_from_the_right_that_is_not_trusted(peer, forwarded_for, client):
    address = get_client_address(peer, forwarded_for, TRUSTED)
    assert (None if address is None else str(address)) == client


@pytest.mark.parametrize(
    ("network", "text"),
    [
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.0/31", "203.0.113.0/31"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_a_single_address_is_shown_without_its_prefix(network, text):
    assert format_network(ip_network(network)) == text
    assert parse_network(text) == ip_network(network)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("0.0.0.0/0", "0.0.0.0/0 covers every IPv4 address"),
        ("::/0", "::/0 covers every IPv6 address"),
        ("0.0.0.0/1", "one in 2 of all IPv4"),
        ("10.0.0.0/7", "one in 128 of all IPv4"),
        ("2001::/16", "one in 65,536 of all IPv6"),
        ("10.0.0.0/8", ""),
        ("2001:db8::/32", ""),
        ("203.0.113.7", ""),
    ],
)
def test_a_very_wide_network_is_told_and_no_other(network, message):
    warning = get_width_warning(ip_network(network))

    assert message in warning
    assert bool(warning) == bool(message)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("# office", []),
        ("203.0.113.7 # office", [("203.0.113.7", "office")]),
        ("203.0.113.7#a # b\r\n\r\n ::1;::2,", [("203.0.113.7", "a # b"), ("::1", ""), ("::2", "")]),
        ("::1 ::2 # hall", [("::1", "hall"), ("::2", "hall")]),
    ],
)
def test_typed_networks_are_split_from_the_comment_of_their_line(text: str, found: list[tuple[str, str]]) -> None:
    assert split_networks(text) == found


def test_a_key_s_own_addresses_are_taken_without_their_comments() -> None:
    taken = NetworksField().clean("203.0.113.7 # office\n# old: ::3\n::1, ::2 # hall, 2nd floor")
    assert taken == tuple(map(ip_network, ("203.0.113.7", "::1", "::2")))
