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


def refusal(environ: dict[str, str], read: Read) -> str:
    with pytest.raises(Misconfigured) as refused:
        read(Environment(environ))
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
        ({"T": "10.0.0.0/33"}, lambda env: env.networks("T", allow_everything=False), ["10.0.0.0/33"]),
        ({"T": "10.0.0.1/8"}, lambda env: env.networks("T", allow_everything=False), ["10.0.0.1/8"]),
        ({"T": "0.0.0.0/0"}, lambda env: env.networks("T", allow_everything=False), ["0.0.0.0/0", "narrower"]),
        ({"T": "::/0"}, lambda env: env.networks("T", allow_everything=False), ["::/0", "narrower"]),
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
        ({"D": "postgresql://u:hunter2@h"}, lambda env: env.url("D", "db", "")),
        ({"D": "postgresql://u:hunter2@h:port/db"}, lambda env: env.url("D", "db", "")),
        ({"C": "carrierpigeon://hunter2"}, lambda env: env.url("C", "cache", "")),
        ({"E": "hunter2"}, lambda env: env.url("E", "email", "")),
    ],
)
def test_a_bad_secret_is_refused_without_repeating_it(environ: dict[str, str], read: Read) -> None:
    message = refusal(environ, read)
    assert next(iter(environ)) in message
    assert [value for value in environ.values() if value in message] == []
    assert "hunter2" not in message


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
    assert env.networks("T", allow_everything=False) == (ip_network("10.0.0.5"), ip_network("2001:db8::/32"))
    assert env.base_url("U", "") == "https://keys.example.com"
    assert env.hosts("H", []) == ["a.example", "[::1]"]


def test_a_misspelt_variable_is_refused() -> None:
    env = Environment({"KEYWARD_MOED": "production", "HOME": "/"})
    env.text("KEYWARD_MODE")
    with pytest.raises(Misconfigured, match=r"^KEYWARD_MOED .* KEYWARD_MODE"):
        env.refuse_unknown()
