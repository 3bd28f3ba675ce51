"""The packages are where a reader who knows Django looks first, and the import contract covers every module."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ["config", "gateway", "keys", "accounts", "audit", "core"]
# What a newcomer looks for, and the module and name where it is.
COMMENT = re.compile(r"{#.*?#}|{% comment.*?endcomment %}|(?<!:)//[^\n]*|/\*.*?\*/", re.DOTALL)
NAMED = re.compile(rf"\b(?:{'|'.join(LAYERS)})(?:/[\w/.]+\w|(?:\.\w+)+)|(?<![\w/])(?:components|css|js)/\w[\w/.]*\w")
PLACES = {
    "page size of a list": "core.lists.PAGE_SIZE",
    "limit of wrong sign-ins": "accounts.signin.rate_limits.SIGN_IN",
    "the overview page": "keys.views.overview.overview",
    "the hourly job": "config.management.commands.maintain.Command",
    "a new field of a key": "keys.models.keys.Key",
    "words of a refusal": "audit.calls.reasons.explain",
    "CSV escaping": "core.csv_escaping.escape_cell",
    "deactivating a user": "keys.services.ownership.deactivate_owner",
    "why a call was refused": "keys.decision.access.authorise",
    "a new column of the log": "audit.models.Call",
}


def find_modules() -> set[str]:
    """Return the modules of all packages, by the files that are tracked."""
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    paths = [Path(file).with_suffix("") for file in files if (ROOT / file).exists() and file.split("/")[0] in LAYERS]
    return {".".join(path.parts).removesuffix(".__init__") for path in paths}


def test_the_contract_covers_every_module_and_ignores_no_import() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(contract for contract in linter["contracts"] if contract["type"] == "layers")
    assert layers["layers"] == linter["root_packages"] == LAYERS
    assert not any("ignore_imports" in contract for contract in linter["contracts"])
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == {*LAYERS, "benchmarks", "tests"}
    graph = grimp.build_graph(*LAYERS, cache_dir=None)
    assert find_modules() == graph.modules


@pytest.mark.parametrize("wanted", PLACES)
def test_what_a_newcomer_looks_for_is_at_the_first_guess(wanted: str) -> None:
    module, _, name = PLACES[wanted].rpartition(".")
    assert hasattr(import_module(module), name)


def test_the_architecture_names_the_same_places() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = dict(re.findall(r"^\| ([^|]+) \| (.+) \|$", text[text.index("## Where to find things") :], re.MULTILINE))
    for wanted, place in PLACES.items():
        assert place.rpartition(".")[0].replace(".", "/") in table[wanted], wanted


@pytest.mark.parametrize("package", ["gateway.http", "gateway.libpq"])
def test_a_sub_package_of_the_gateway_stands_alone(package: str) -> None:
    graph = grimp.build_graph("gateway", cache_dir=None, include_external_packages=True)
    modules = {package, *graph.find_descendants(package)}
    imported = {name for module in modules for name in graph.find_modules_directly_imported_by(module)} - modules
    assert not {name for name in imported if name.partition(".")[0] in {*LAYERS, "django"}}


def exists(name: str) -> bool:
    """Return whether a file, or a dotted name of Python, is in the repository."""
    if "/" in name:
        return any((ROOT / folder / name).exists() for folder in ("", "static", "templates"))
    try:
        pkgutil.resolve_name(name)
    except (AttributeError, ImportError):
        return False
    return True


def test_names_in_comments_of_templates_scripts_and_styles_exist() -> None:
    files = [file for folder in ("static", "templates") for file in (ROOT / folder).rglob("*.*")]
    named = [
        (str(file.relative_to(ROOT)), name)
        for file in files
        for comment in COMMENT.findall(file.read_text())
        for name in NAMED.findall(comment)
    ]
    assert len(named) > 20
    assert not [(file, name) for file, name in named if not exists(name)]


@pytest.mark.parametrize("name", ["keys/none.py", "keys.none", "keys.models.None_", "components/none.html"])
def test_a_name_of_nothing_is_noticed(name: str) -> None:
    assert not exists(name)
