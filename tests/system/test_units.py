"""The systemd units are accepted by systemd and keep what they start in a sandbox."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.serve.planes import GATEWAY

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
SERVICES = sorted(unit.name for unit in UNITS.glob("*.service"))
# systemd's own measure, from 0 (nothing is exposed) to 10.
MAX_EXPOSURE = 1.5

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed (systemd)"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as `keyward init` writes them, for a program that is there."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/keyward/bin/keyward", sys.executable)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def test_there_is_a_unit_for_each_part_of_an_installation() -> None:
    assert SERVICES == [
        "keyward-access-log.service",
        "keyward-gateway.service",
        "keyward-maintain.service",
        "keyward-notices.service",
        "keyward-portal.service",
    ]


def test_systemd_understands_every_line(units: Path) -> None:
    done = analyze("verify", "--man=no", *(str(unit) for unit in sorted(units.iterdir())))
    # What it says of units of this machine is not about ours.
    assert [line for line in done.stderr.splitlines() if "keyward" in line] == []
    (units / "keyward-portal.service").write_text("[Service]\nExecStart=/bin/true\nProtectSystm=strict\n")
    assert "ProtectSystm" in analyze("verify", "--man=no", str(units / "keyward-portal.service")).stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_programs_that_every_host_has(service: str) -> None:
    """/bin/kill, for example, belongs to a package that a small Debian lacks."""
    programs = set(re.findall(r"^Exec\w+=(\S+)", (UNITS / service).read_text(), re.MULTILINE))
    assert programs <= {"/opt/keyward/bin/keyward", "/bin/sh"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_exposed_no_more_than_it_must_be(units: Path, service: str) -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(units / service))
    level = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) <= MAX_EXPOSURE


def test_the_gateway_is_given_nothing_that_opens_a_token() -> None:
    unit = (UNITS / "keyward-gateway.service").read_text()
    assert "keyward.env" not in re.sub(r"^InaccessiblePaths=.*$", "", unit, flags=re.MULTILINE)
    assert re.search(r"^InaccessiblePaths=.*/etc/keyward/keyward\.env", unit, re.MULTILINE)
    assert not [name for name in GATEWAY.withheld if name in unit]
    portal = (UNITS / "keyward-portal.service").read_text()
    assert re.search(r"^User=(.*)$", unit, re.MULTILINE)[1] != re.search(r"^User=(.*)$", portal, re.MULTILINE)[1]
