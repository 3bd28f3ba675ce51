"""Webhooks go to public addresses over TLS, and elsewhere only where the operator says so."""

from __future__ import annotations

import socket
import threading
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from keys.notices import destinations
from keys.notices.destinations import NotAllowed, list_url_problems, parse_destination, require_allowed, resolve

PRIVATE = (
    *("127.0.0.1", "127.255.255.254", "10.0.0.5", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("198.18.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.7", "192.0.0.8"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1"),
    # IPv4 addresses in the clothes of IPv6.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "64:ff9b::10.0.0.1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::"),
    # Instance metadata over IPv6.
    "fd00:ec2::254",
)
PUBLIC = ("8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a00:1450:4001::1")


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(NotAllowed, match="is not a public address"):
        require_allowed(ip_address(address), "https", ())


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_one_is_allowed_over_tls_alone(address: str) -> None:
    require_allowed(ip_address(address), "https", ())
    with pytest.raises(NotAllowed, match="http://"):
        require_allowed(ip_address(address), "http", (ip_network("10.0.0.0/8"),))


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3"])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_what_the_operator_allows_is_allowed_in_either_way(address: str, scheme: str) -> None:
    require_allowed(ip_address(address), scheme, (ip_network("10.1.0.0/16"),))
    with pytest.raises(NotAllowed):
        require_allowed(ip_address(address), scheme, (ip_network("10.2.0.0/16"), ip_network("::/0")))


def test_one_private_address_of_a_name_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*about: Any, **more: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 443)) for address in ("8.8.8.8", "10.0.0.5")]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(NotAllowed, match=r"10\.0\.0\.5"):
        resolve(parse_destination("https://hooks.example.com/"), (), 1)


def test_a_resolver_that_does_not_answer_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(destinations.socket, "getaddrinfo", lambda *about, **more: answered.wait(10) and [])
    with pytest.raises(TimeoutError):
        resolve(parse_destination("https://hooks.example.com/"), (), 0.05)
    answered.set()


def test_a_name_of_this_machine_is_refused() -> None:
    with pytest.raises(NotAllowed):
        resolve(parse_destination("https://localhost/"), (), 5)


URLS = {
    "https://hooks.example.com": [],
    "https://hooks.example.com:8443/a/b?c=d": [],
    "https://[2606:4700::1111]/": [],
    "http://hooks.example.com/": ["Use https://"],
    "https://alice:password@hooks.example.com/": ["Remove the user name"],
    "https://hooks.example.com/#part": ["Remove the part after #"],
    "https://10.0.0.5/": ["10.0.0.5 is not a public address"],
    "https://[::1]/": ["::1 is not a public address"],
    "https://[::ffff:10.0.0.5]/": ["is not a public address"],
    "https://169.254.169.254/latest/meta-data/": ["169.254.169.254 is not a public address"],
    "http://alice@10.0.0.5/#x": ["Use https://", "Remove the user name", "Remove the part", "is not a public address"],
    "ftp://hooks.example.com/": ["is not a web address"],
    "hooks.example.com": ["is not a web address"],
    "https://": ["is not a web address"],
    "https://hooks.example.com:99999/": ["is not a URL"],
    "https://hooks.example.com:0/": ["is not a web address"],
    "https://[::1": ["is not a URL"],
    "https://höoks.example.com/": ["Use ASCII characters"],
    "https://hooks.example.com/a b": ["Use ASCII characters"],
    "https://hooks.example.com/\r\nX-Evil: 1": ["Use ASCII characters"],
    f"https://hooks.example.com/{'a' * 500}": ["has 526 characters"],
}


@pytest.mark.parametrize("url", URLS)
def test_all_that_is_wrong_with_a_url_is_said_at_once(url: str) -> None:
    problems = list_url_problems(url, ())
    assert len(problems) == len(URLS[url]), problems
    for problem, words in zip(problems, URLS[url], strict=True):
        assert words in problem


def test_an_allowed_network_may_be_named_over_http() -> None:
    assert list_url_problems("http://10.1.2.3:8080/hook", (ip_network("10.1.0.0/16"),)) == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
def test_other_spellings_of_an_address_are_refused_when_they_are_resolved(host: str) -> None:
    try:
        found = resolve(parse_destination(f"https://{host}/"), (), 5)
    except (NotAllowed, OSError):
        return
    pytest.fail(f"{host} leads to {found}")
