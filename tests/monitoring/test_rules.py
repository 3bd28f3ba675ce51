"""Alert rules and dashboard ask for metrics and labels that exist, and every metric is documented."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.trail.events import CATALOGUE
from config.portal_metrics import counters, database
from gateway.metrics import REASONS, GatewayCollector
from gateway.metrics_endpoint import DatabaseCollector
from gateway.readiness import ReadinessState

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "monitoring"
DOCUMENTED = re.compile(r"^\| `(keyward_\w+)(?:\{([\w,]+)\})?` \|", re.MULTILINE)
LABELS = {
    "event": set(CATALOGUE),
    "reason": set(REASONS),
    "status": set(counters.STATUS_CLASSES),
    "result": set(counters.MAILS),
    "channel": {"mail", "webhook"},
    "decision": {"allowed", "denied"},
    "job": {"keyward", "keyward-portal"},
}
pytestmark = pytest.mark.django_db


def list_metrics() -> set[str]:
    """Return the names of all samples that gateway and portal give, without the endings of histograms."""
    collectors: list[Any] = [
        GatewayCollector(),
        DatabaseCollector(ReadinessState(replica_up=True)),
        counters.PortalCollector(),
        database.InstallationCollector(),
    ]
    families = [family for collector in collectors for family in collector.collect()]
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    return names | {name for name, _ in database._read_gauges()[0]}


def list_rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return list(group["rules"])


def list_expressions() -> Iterable[str]:
    yield from (rule["expr"] for rule in list_rules())
    panels = json.loads((FOLDER / "keyward.dashboard.json").read_text())["panels"]
    yield from (target["expr"] for panel in panels for target in panel["targets"])


def test_expressions_ask_for_what_exists() -> None:
    known, expressions = list_metrics(), list(list_expressions())
    assert len(expressions) > 40
    for expression in expressions:
        used = re.findall(r"\bkeyward_\w+", expression)
        assert used or expression.startswith("up{"), expression
        for name in used:
            assert re.sub(r"_(bucket|sum|count)$", "", name) in known, f"{name} in {expression}"
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', expression):
            assert set(values.split("|")) <= LABELS[label], expression


def test_every_metric_is_documented() -> None:
    documented = [name for name, _ in DOCUMENTED.findall((ROOT / "docs" / "metrics.md").read_text())]
    assert len(documented) == len(set(documented))
    assert set(documented) == list_metrics()


def test_promtool_takes_the_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    command = [promtool, "check", "config", "--syntax-only", "prometheus.yml"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
