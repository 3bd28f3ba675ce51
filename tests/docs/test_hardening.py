"""The tables of docs/hardening.md are what the code has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from config.database_roles import LOG_TABLE_RIGHTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "hardening.md").read_text()
FIREWALL = ROOT / "deploy" / "firewall" / "nftables.conf"


def list_rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_rights_are_those_that_migrate_grants() -> None:
    documented = {
        row[0].strip("`"): set(re.findall(r"\b(?:SELECT|INSERT|UPDATE|DELETE)\b", row[1]))
        for row in list_rows("Database roles")
    }
    documented.pop("every other table of Keyward")
    granted = {table: set(re.findall(r"[A-Z]{6}", rights)) for table, rights in LOG_TABLE_RIGHTS.items()}
    assert documented == granted | {"django_migrations": {"SELECT"}}
    assert "INSERT (time" not in LOG_TABLE_RIGHTS["audit_call"]
    assert LOG_TABLE_RIGHTS["audit_call"].endswith("UPDATE (status, duration_ms, bytes)")


def test_ports_are_the_defaults_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = {row[1].split(",")[0].strip("`"): row[0] for row in list_rows("Ports")}
    source = (ROOT / "config" / "settings.py").read_text()
    for variable in ("PORT", "GATEWAY_PORT"):
        assert f'{variable} = env.port("{variable}", {ports[variable]})' in source
    assert ports["METRICS_PORT"] == "none"
    assert 'METRICS_PORT = env.number("METRICS_PORT", None,' in source
    for variable in ("BIND", "GATEWAY_BIND", "METRICS_BIND"):
        assert f'{variable} = env.addresses("{variable}", ["127.0.0.1"])' in source
    assert settings.METRICS_TOKEN == ""


def test_the_firewall_opens_the_ports_of_the_table() -> None:
    text = re.sub(r"#.*", "", FIREWALL.read_text())
    opened = {
        source or "everybody": set(re.findall(r"\d+", ports))
        for source, ports in re.findall(r"(?:ip saddr @(\w+) )?tcp dport \{([^}]+)\} accept", text)
    }
    assert opened == {"everybody": {"80", "443"}, "proxies": {"8000", "8001"}, "operators": {"22", "8000", "9101"}}
    assert text.count("policy drop;") == 2


def test_the_disk_of_the_sizing_table_follows_from_the_row() -> None:
    row_bytes, seconds, days = 480, 86_400, 400
    text = (ROOT / "docs" / "scaling.md").read_text().split("\n## Sizing\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if re.match(r"\| [\d,]+ \|", line)]
    assert len(rows) == 4
    for calls, *_, day, whole in rows:
        gigabytes = float(calls.replace(",", "")) * row_bytes * seconds / 1e9
        assert day.strip() == f"{gigabytes:.1f} GB"
        assert whole.strip().startswith(f"{gigabytes * days:,.0f} GB")


def test_nft_takes_the_firewall() -> None:
    nft = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin")
    if nft is None:
        pytest.skip("nft is not installed (Debian: nftables)")
    done = subprocess.run([nft, "--check", "--file", FIREWALL], capture_output=True, text=True)
    if "Operation not permitted" in done.stderr or "Unable to initialize" in done.stderr:
        pytest.skip("nft may not ask the kernel here")
    assert done.returncode == 0, done.stderr
