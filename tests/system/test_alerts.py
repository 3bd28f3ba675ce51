"""The alert rules are understood by Prometheus, fire when they should, and each says in the runbook what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "monitoring" / "alerts.yaml"
RULES: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["groups"][0]["rules"]
METRIC = re.compile(r"keyward_\w+")
# A series that makes each alert fire, a value a minute.
SERIES = {
    "KeywardGatewayDown": ('up{job="keyward", instance="a"}', "0x2000"),
    "KeywardGatewayNotReady": ('keyward_gateway_ready{instance="a"}', "0x2000"),
    "KeywardTampering": ('keyward_tampering_findings{instance="a"}', "1x2000"),
    "KeywardCallsUnavailable": (
        'keyward_gateway_decisions_total{instance="a", decision="denied", reason="unavailable"}',
        "0+1x2000",
    ),
    "KeywardVerifySlow": ('keyward_gateway_verify_seconds_bucket{instance="a", le="+Inf"}', "0+9x2000"),
    "KeywardMaintainLate": ('keyward_maintain_late{instance="a"}', "1x2000"),
    "KeywardPartitionsMissing": ('keyward_missing_partitions{instance="a"}', "1x2000"),
    "KeywardReplicaAway": ('keyward_replica_up{instance="a"}', "0x2000"),
    "KeywardUnknownProxy": (
        'keyward_gateway_decisions_total{instance="a", decision="denied", reason="gateway_secret"}',
        "0+1x2000",
    ),
    "KeywardConnectionsEvicted": ('keyward_gateway_evicted_connections_total{instance="a"}', "0+1x2000"),
    "KeywardPortalDown": ('up{job="keyward-portal", instance="a"}', "0x2000"),
    "KeywardDatabaseAway": ('keyward_portal_database_up{instance="a"}', "0x2000"),
    "KeywardPortalErrors": ('keyward_portal_requests_total{instance="a", route="key-list", status="5xx"}', "0+60x2000"),
    "KeywardSigninsRefused": ('keyward_portal_events_total{instance="a", event="user.sign_in_failed"}', "0+10x2000"),
    "KeywardManyReveals": ('keyward_portal_events_total{instance="a", event="key.revealed"}', "0+1x2000"),
    "KeywardExportsBroken": ('keyward_portal_events_total{instance="a", event="export.incomplete"}', "0+1x2000"),
    "KeywardMailFails": ('keyward_portal_mails_total{instance="a", result="failed"}', "0+1x2000"),
    "KeywardSealsBehind": ('keyward_seal_lag_seconds{instance="a"}', "20000x2000"),
    "KeywardNoticesLate": ('keyward_notices_overdue_seconds{instance="a"}', "1000x2000"),
    "KeywardNoticesRefused": ('keyward_notices_failing{instance="a", channel="mail"}', "3x2000"),
    "KeywardConnectionsShort": ('keyward_database_connections{instance="a"}', "90x2000"),
    "KeywardDiskGrows": ('keyward_database_size_bytes{instance="a"}', "1000000000+1000000x2000"),
}
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (prometheus)")


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_each_alert_has_its_part_of_the_runbook_and_the_other_way_round() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]


def test_alerts_are_about_metrics_that_there_are() -> None:
    documented = set(METRIC.findall((ROOT / "docs" / "metrics.md").read_text()))
    found = {name.removesuffix("_bucket") for rule in RULES for name in METRIC.findall(rule["expr"])}
    assert found
    assert found <= documented


@needs_promtool
def test_prometheus_understands_the_rules_and_would_say_if_not(tmp_path: Path) -> None:
    assert promtool("check", "rules", "--lint-fatal", str(FILE), folder=tmp_path).returncode == 0
    (tmp_path / "broken.yaml").write_text(FILE.read_text().replace("rate(", "rat(", 1))
    assert promtool("check", "rules", "broken.yaml", folder=tmp_path).returncode != 0


@pytest.mark.full
@needs_promtool
def test_each_alert_fires_on_its_own_cause_alone(tmp_path: Path) -> None:
    healthy = [
        ('up{job="keyward", instance="a"}', "1x2000"),
        ('keyward_gateway_ready{instance="a"}', "1x2000"),
        ('keyward_tampering_findings{instance="a"}', "0x2000"),
        ('keyward_replica_up{instance="a"}', "1x2000"),
        ('keyward_maintain_late{instance="a"}', "0x2000"),
        ('keyward_missing_partitions{instance="a"}', "0x2000"),
        ('keyward_gateway_evicted_connections_total{instance="a"}', "0x2000"),
        ('up{job="keyward-portal", instance="a"}', "1x2000"),
        ('keyward_portal_database_up{instance="a"}', "1x2000"),
        ('keyward_seal_lag_seconds{instance="a"}', "3600x2000"),
        ('keyward_notices_overdue_seconds{instance="a"}', "60x2000"),
        ('keyward_notices_failing{instance="a", channel="mail"}', "0x2000"),
        # A receiver's trouble, which the account is told of.
        ('keyward_notices_failing{instance="a", channel="webhook"}', "9x2000"),
        ('keyward_database_connections{instance="a"}', "20x2000"),
        ('keyward_database_max_connections{instance="a"}', "100x2000"),
        ('keyward_database_size_bytes{instance="a"}', "1000000000x2000"),
    ]
    tests = []
    for fired in (None, *SERIES):
        planted = [SERIES[fired]] if fired else []
        if fired == "KeywardVerifySlow":
            planted.append(('keyward_gateway_verify_seconds_bucket{instance="a", le="0.25"}', "0+8x2000"))
        series = planted + [each for each in healthy if each[0] not in {name for name, _ in planted}]
        expected = [f"count(ALERTS{{alertstate='firing', alertname='{rule['alert']}'}}) or vector(0)" for rule in RULES]
        tests.append(
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series],
                "promql_expr_test": [
                    {
                        "expr": expression,
                        "eval_time": "30h",
                        "exp_samples": [{"labels": "{}", "value": int(rule["alert"] == fired)}],
                    }
                    for rule, expression in zip(RULES, expected, strict=True)
                ],
            }
        )
    assert set(SERIES) == {rule["alert"] for rule in RULES}
    # Thirty hours evaluated each minute would cost ten times as much. JSON is YAML.
    rules = {"rule_files": [str(FILE)], "evaluation_interval": "10m", "tests": tests}
    (tmp_path / "tests.yaml").write_text(json.dumps(rules))
    done = promtool("test", "rules", "tests.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
