"""Configuration is understood or refused, in one line that names variable, value and what would be right."""

from __future__ import annotations

import base64
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from config.env import Environment, Misconfigured

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(32)).decode()
Read = Callable[[Environment], Any]


def refusal(environ: dict[str, str], read: Read, *, production: bool = False) -> str:
    env = Environment(environ, production=production)
    read(env)
    with pytest.raises(Misconfigured) as refused:
        env.check()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("environ", "read", "named"),
    [
        ({"PORT": "80x"}, lambda env: env.port("PORT", 8000), ["PORT", "80x", "1 to 65535"]),
        ({"PORT": "0"}, lambda env: env.port("PORT", 8000), ["PORT", "'0'"]),
        ({"PORT": "65536"}, lambda env: env.port("PORT", 8000), ["PORT", "65536"]),
        ({"PORT": "٣"}, lambda env: env.port("PORT", 8000), ["PORT"]),
        ({"M": "prod"}, lambda env: env.choice("M", "demo", ("demo", "production")), ["prod", "demo, production"]),
        ({"B": "yes"}, lambda env: env.boolean("B", False), ["'yes'", "true, false"]),
        ({"U": "keys.example.com"}, lambda env: env.base_url("U", ""), ["keys.example.com", "https://"]),
        ({"U": "https://a/b"}, lambda env: env.base_url("U", ""), ["https://a/b", "without a path"]),
        ({"U": "https://[::1"}, lambda env: env.base_url("U", ""), ["https://[::1"]),
        ({"U": "https://a:99999"}, lambda env: env.base_url("U", ""), ["99999"]),
        ({"H": "a,*"}, lambda env: env.hosts("H", []), ["'*'", "no *"]),
        ({"H": "a:8000"}, lambda env: env.hosts("H", []), ["a:8000", "no port"]),
        ({"T": "10.0.0.0/33"}, lambda env: env.networks("T"), ["10.0.0.0/33"]),
        ({"T": "10.0.0.1/8"}, lambda env: env.networks("T"), ["10.0.0.1/8"]),
        ({"A": "localhost"}, lambda env: env.addresses("A", []), ["'localhost'", "127.0.0.1,::1"]),
        ({"A": "127.0.0.1:8000"}, lambda env: env.addresses("A", []), ["127.0.0.1:8000", "no port"]),
        ({"S_FILE": "/nowhere"}, lambda env: env.secret("S"), ["S_FILE", "/nowhere", "No such file"]),
        ({"S_FILE": "/x", "S": "y"}, lambda env: env.secret("S"), ["S_FILE", "S is set too"]),
    ],
)
def test_a_bad_value_is_refused_by_name(environ: dict[str, str], read: Read, named: list[str]) -> None:
    message = refusal(environ, read)
    assert [name for name in named if name not in message] == []


@pytest.mark.parametrize(
    ("environ", "read"),
    [
        ({"R": f"1:{KEY},1:{OTHER}"}, lambda env: env.ring("R", env.secret("R"))),
        ({"R": f"0:{KEY}"}, lambda env: env.ring("R", env.secret("R"))),
        ({"R": KEY}, lambda env: env.ring("R", env.secret("R"))),
        ({"R": "1:hunter2"}, lambda env: env.ring("R", env.secret("R"))),
        ({"R": f"1:{KEY[:-8]}"}, lambda env: env.ring("R", env.secret("R"))),
        ({"R": f"{KEY}!"}, lambda env: env.key("R", env.secret("R"))),
        ({"G": "hunter2hunter2hunter2"}, lambda env: env.named_secrets("G", env.secret("G"))),
        ({"G": "Nginx:hunter2hunter2hunter2"}, lambda env: env.named_secrets("G", env.secret("G"))),
        ({"G": "nginx:hunter2"}, lambda env: env.named_secrets("G", env.secret("G"))),
        ({"D": "mysql://u:hunter2@h/db"}, lambda env: env.url("D", "db", "")),
        ({"D": "hunter2"}, lambda env: env.url("D", "db", "")),
        ({"D": "postgresql://u:hunter2@h"}, lambda env: env.url("D", "db", "")),
        ({"D": "postgresql://u:hunter2@h:port/db"}, lambda env: env.url("D", "db", "")),
        ({"C": "carrierpigeon://hunter2"}, lambda env: env.url("C", "cache", "")),
        ({"E": "hunter2"}, lambda env: env.url("E", "email", "")),
    ],
)
def test_a_bad_secret_is_refused_without_repeating_it(
    environ: dict[str, str], read: Read, recwarn: pytest.WarningsRecorder
) -> None:
    message = refusal(environ, read)
    assert next(iter(environ)) in message
    assert [value for value in environ.values() if value in message] == []
    assert "hunter2" not in message
    # Warnings of libraries go to standard error, and so into a log.
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize(
    "value",
    [
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/1,128.0.0.0/1",
        "10.0.0.5,0.0.0.0/2,64.0.0.0/2,128.0.0.0/2",
        "10.0.0.0/8,11.0.0.0/8",
    ],
)
def test_production_refuses_trusted_proxies_that_cover_much_of_the_internet(value: str) -> None:
    message = refusal({"T": value}, lambda env: env.networks("T"), production=True)
    assert ("narrower" in message, "choose the address" in message) == (True, True)
    assert Environment({"T": value}).networks("T")


def test_the_addresses_of_proxies_inside_a_company_are_trusted() -> None:
    value = "127.0.0.1,10.0.0.0/8,192.168.0.0/16,fc00::/7"
    env = Environment({"T": value}, production=True)
    assert [str(network) for network in env.networks("T")] == ["127.0.0.1/32", *value.split(",")[1:]]
    assert Environment({"T": "none"}, production=True).networks("T") == ()
    env.check()


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    env = Environment({"PORT": "x", "T": "nowhere", "D": "mysql://hunter2@h", "R": "1:hunter2", "B": "maybe"})
    assert (env.port("PORT", 8000), env.networks("T"), env.boolean("B", True)) == (8000, (), True)
    assert env.url("D", "db", "")["ENGINE"] == "django.db.backends.postgresql"
    assert env.ring("R", env.secret("R")) == {}
    with pytest.raises(Misconfigured) as refused:
        env.check()
    lines = str(refused.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["PORT", "T", "B", "D", "R"]
    assert "hunter2" not in str(refused.value)


def test_a_secret_file_that_others_can_open_is_refused_in_production(tmp_path: Path) -> None:
    file = tmp_path / "s"
    file.write_text("text")
    for mode, problems in ((0o644, 1), (0o604, 1), (0o640, 0), (0o600, 0)):
        file.chmod(mode)
        env = Environment({"S_FILE": str(file)}, production=True)
        assert (env.secret("S"), len(env.problems)) == ("text", problems)


def test_a_ring_is_read_newest_first() -> None:
    env = Environment({"R": f"1:{KEY}, 12:{OTHER}"})
    assert list(env.ring("R", env.secret("R"))) == [12, 1]


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("from the file\n")
    assert Environment({"S_FILE": str(tmp_path / "s")}).secret("S") == "from the file"


def test_an_empty_value_counts_as_unset() -> None:
    assert Environment({"PORT": " "}).port("PORT", 8000) == 8000


def test_good_values_are_read() -> None:
    env = Environment({"T": "10.0.0.5, 2001:db8::/32", "U": "https://keys.example.com/", "H": "a.example, [::1]"})
    assert env.networks("T") == (ip_network("10.0.0.5"), ip_network("2001:db8::/32"))
    assert env.base_url("U", "") == "https://keys.example.com"
    assert env.hosts("H", []) == ["a.example", "[::1]"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KEYWARD_MOED", "KEYWARD_MODE"),
        ("KEYWARD_COLOUR", "KEYWARD_MODE"),
        ("LOG_RETENTION_DAY", "LOG_RETENTION_DAYS"),
        ("GATEWAY_SECRET", "GATEWAY_SECRETS"),
        ("GATEWAY_SECRETS_FIL", "GATEWAY_SECRETS_FILE"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("SIGNING_KEY", "SIGNING_KEYS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_known_one(name: str, meant: str) -> None:
    env = Environment({name: "x", "HOME": "/", "GATEWAY_HOST": "x", "PORTS": "x", "PATH": "/bin", "DATABASE_HOST": "x"})
    for known in ("KEYWARD_MODE", "LOG_RETENTION_DAYS", "TRUSTED_PROXIES", "PORT", "GATEWAY_PORT"):
        env.text(known)
    for known in ("GATEWAY_SECRETS", "SIGNING_KEYS", "SEALING_KEYS", "DATABASE_URL"):
        env.secret(known)
    env.refuse_unknown()
    with pytest.raises(Misconfigured, match=rf"^{name} is not a variable Keyward knows[^\n]*{meant}[^\n]*$"):
        env.check()
