"""What files cost that are made to cost more than they weigh, measured in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CPU_SECONDS = 2.0
MEMORY_MB = 64
MEASURE = """
import json, time
import django
django.setup()
from tests.parsing import parse_bytes
from tests.unit.keys.test_hostile_uploads import DOCUMENTS, SHEETS, UnreadableFile, refusal
refusal(SHEETS["cut off"][0]())
peak = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
found = {}
def measure(kind, read):
    open("/proc/self/clear_refs", "w").write("5")
    before, began = peak(), time.process_time()
    read()
    found[kind] = (time.process_time() - began, peak() - before)
def try_document(content):
    try:
        parse_bytes(content)
    except UnreadableFile:
        pass
for kind, (make, _) in SHEETS.items():
    content = make()
    measure("sheet: " + kind, lambda: refusal(content))
for kind, (content, _) in DOCUMENTS.items():
    measure("document: " + kind, lambda: try_document(content))
print(json.dumps(found))
"""


@pytest.mark.quality(28)
def test_each_hostile_upload_costs_bounded_time_and_memory(figure: Callable[[str], None]) -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    slow = {kind: cost for kind, cost in found.items() if cost[0] > CPU_SECONDS or cost[1] > MEMORY_MB}
    assert slow == {}
    most = max(cost[0] for cost in found.values()), max(cost[1] for cost in found.values())
    figure(f"{len(found)} hostile uploads of at most 100 kB: each within {most[0]:.2f} s of CPU and {most[1]:.0f} MB")
