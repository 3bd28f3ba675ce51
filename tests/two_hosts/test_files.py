"""The files of deploy/high-availability are readable by the programs they are for; test_two_hosts.py runs them."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from tests.proxies.program import DEPLOY, find

FOLDER = DEPLOY / "high-availability"


@pytest.mark.parametrize("name", ["haproxy-database.cfg", "haproxy-planes.cfg"])
def test_haproxy_accepts_its_file(name: str) -> None:
    program = find("haproxy")
    if program is None:
        pytest.skip("HAProxy is not installed (Debian: haproxy)")
    done = subprocess.run([program, "-c", "-f", str(FOLDER / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()


def test_every_balancer_of_the_planes_takes_a_host_out_after_as_many_checks() -> None:
    files = [FOLDER / "haproxy-planes.cfg", DEPLOY / "two-hosts" / "haproxy.cfg"]
    checks = [re.findall(r"default-server check (inter \w+ fall \d+ rise \d+)", file.read_text()) for file in files]
    assert checks == [["inter 1s fall 3 rise 1"]] * 2


def test_an_isolated_primary_stops_before_another_is_promoted() -> None:
    """Patroni requires it: a primary gives up after loop_wait and two tries, the others wait for ttl."""
    patroni = yaml.safe_load((FOLDER / "patroni.yaml").read_text())
    cluster = patroni["bootstrap"]["dcs"]
    assert cluster["loop_wait"] + 2 * cluster["retry_timeout"] <= cluster["ttl"]
    assert cluster["synchronous_mode"]
    assert cluster["postgresql"]["parameters"]["synchronous_commit"] == "on"
    assert cluster["postgresql"]["use_pg_rewind"]


def test_all_three_hosts_decide() -> None:
    etcd = yaml.safe_load((FOLDER / "etcd.yaml").read_text())
    patroni = yaml.safe_load((FOLDER / "patroni.yaml").read_text())
    members = [member.partition("=")[2] for member in etcd["initial-cluster"].split(",")]
    assert [member.removeprefix("http://").replace("2380", "2379") for member in members] == patroni["etcd"]["hosts"]
    assert etcd["enable-v2"]
