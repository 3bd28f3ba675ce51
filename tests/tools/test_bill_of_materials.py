"""The bill of materials names every pin of the lock with its hashes, and is valid by CycloneDX's own schema."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from config.places import read_version
from tests.tools.bill_of_materials import make
from tests.tools.environment import ROOT, find_tool

pytestmark = pytest.mark.full
LOCK = ROOT / "requirements.txt"
VALIDATE = """
import json, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
validator = JsonStrictValidator(SchemaVersion.V1_6)
print(json.dumps([validator.validate_str(json.dumps(each)) is None for each in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("bill") / "bill.json"
    make(LOCK, file)
    return json.loads(file.read_text())


def validate(*bills: dict[str, Any]) -> list[bool]:
    done = subprocess.run(
        [find_tool("python"), "-c", VALIDATE], input=json.dumps(bills), text=True, capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_it_names_each_pin_with_its_hashes(bill: dict[str, Any]) -> None:
    pins = re.findall(r"^([\w.-]+)==(\S+)[^\n]*\n((?: +--hash=[^\n]+\n)+)", LOCK.read_text(), re.MULTILINE)
    assert len(pins) > 20
    expected = {(name, version, frozenset(re.findall(r"sha256:(\w+)", hashes))) for name, version, hashes in pins}
    named = {
        (
            component["name"],
            component["version"],
            frozenset(each["content"] for place in component["externalReferences"] for each in place["hashes"]),
        )
        for component in bill["components"]
    }
    assert named == expected
    assert {component["purl"] for component in bill["components"]} == {f"pkg:pypi/{n}@{v}" for n, v, _ in pins}
    product = bill["metadata"]["component"]
    assert (product["name"], product["version"]) == ("keyward", read_version())


def test_it_is_valid_and_planted_faults_are_not(bill: dict[str, Any]) -> None:
    kind, name = copy.deepcopy(bill), copy.deepcopy(bill)
    kind["components"][0]["type"] = "package"
    del name["components"][0]["name"]
    assert validate(bill, kind, name) == [True, False, False]


def test_the_same_lock_makes_the_same_file(bill: dict[str, Any], tmp_path: Path) -> None:
    make(LOCK, tmp_path / "bill.json")
    assert json.loads((tmp_path / "bill.json").read_text()) == bill
