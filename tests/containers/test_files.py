"""The Dockerfile and compose.yaml as files: a linter's rules, and what they must never say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.installation.environment import OF_THE_PORTAL_ALONE
from tests.tools.environment import find_tool

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = (DEPLOY / "compose" / "compose.yaml").read_text()
OURS = {"migrate", "portal", "gateway", "maintain", "notices", "api"}
NARROWED = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "user": "10001:10001",
}


def lint(text: str, tmp_path: Path) -> str:
    (tmp_path / "Dockerfile").write_text(text)
    return subprocess.run([find_tool("hadolint"), tmp_path / "Dockerfile"], capture_output=True, text=True).stdout


def list_dockerfile_problems(text: str) -> list[str]:
    """Return what of the image's promises a Dockerfile breaks."""
    last = text[text.rindex("FROM ") :]
    users = re.findall(r"^USER (.*)$", last, re.MULTILINE)
    problems = [] if users and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]) else ["it runs as root"]
    problems += [] if re.search(r"^HEALTHCHECK .*CMD \[", last, re.MULTILINE) else ["it has no health check"]
    installs = re.findall(r"pip (?:--python \S+ )?install(?:[^\n]|\\\n)*", text)
    problems += [
        f"packages without hashes: {line[:60]}"
        for line in installs
        if "--require-hashes" not in line and "--no-index" not in line
    ]
    problems += ["it copies the whole folder"] if re.search(r"^COPY \. ", text, re.MULTILINE) else []
    return problems


def list_compose_problems(text: str) -> list[str]:
    """Return what of the containers' promises a compose file breaks."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    problems = [
        f"{name}: {setting} is {services[name].get(setting)}"
        for name in (*sorted(OURS), "nginx")
        for setting, value in NARROWED.items()
        if services[name].get(setting) != value
    ]
    problems += [
        f"{name} publishes a port" for name, service in services.items() if name != "nginx" and "ports" in service
    ]
    sources = [volume.rsplit(":", 2)[0] for volume in services["gateway"]["volumes"]]
    problems += ["gateway has the portal's file" for source in sources if source.endswith("/keyward.env")]
    problems += [
        f"gateway has {name}" for name in OF_THE_PORTAL_ALONE if name in str(services["gateway"].get("environment"))
    ]
    return problems


def test_the_dockerfile_keeps_its_promises() -> None:
    assert list_dockerfile_problems(DOCKERFILE) == []


def test_the_dockerfile_is_clean(tmp_path: Path) -> None:
    assert lint(DOCKERFILE, tmp_path) == ""


@pytest.mark.quality(24)
@pytest.mark.parametrize(
    ("planted", "message"),
    [
        (DOCKERFILE.replace("USER 10001:10001\n", ""), "it runs as root"),
        (DOCKERFILE.replace("USER 10001:10001", "USER 0:0"), "it runs as root"),
        (re.sub(r"HEALTHCHECK .*\n", "", DOCKERFILE), "it has no health check"),
        (DOCKERFILE.replace(" --require-hashes", ""), "packages without hashes"),
        (DOCKERFILE.replace("COPY accounts accounts", "COPY . ."), "it copies the whole folder"),
    ],
    ids=["no user", "root", "no health check", "no hashes", "everything"],
)
def test_a_planted_fault_of_the_dockerfile_is_found(planted: str, message: str) -> None:
    assert any(problem.startswith(message) for problem in list_dockerfile_problems(planted))


@pytest.mark.quality(24)
def test_the_linter_finds_a_planted_fault(tmp_path: Path) -> None:
    assert "DL3002" in lint(DOCKERFILE + "USER root\n", tmp_path)
    assert "DL3020" in lint(DOCKERFILE + "ADD config config\n", tmp_path)


def test_the_containers_are_narrow() -> None:
    assert set(yaml.safe_load(COMPOSE)["services"]) == OURS | {"nginx", "postgres"}
    assert list_compose_problems(COMPOSE) == []


@pytest.mark.quality(24)
@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("read_only: true", "read_only: false", "portal: read_only is False"),
        ("cap_drop: [ALL]", "cap_drop: [NET_RAW]", "gateway: cap_drop is ['NET_RAW']"),
        ('user: "10001:10001"', "user: root", "maintain: user is root"),
        (
            '"no-new-privileges:true"',
            '"no-new-privileges:false"',
            "portal: security_opt is ['no-new-privileges:false']",
        ),
        ("/gateway.env:", "/keyward.env:", "gateway has the portal's file"),
        ("GATEWAY_BIND: 0.0.0.0", "SEALING_KEYS: 1:abc", "gateway has SEALING_KEYS"),
        ("command: [serve, portal]", "command: [serve, portal]\n    ports: ['8000:8000']", "portal publishes a port"),
    ],
)
def test_a_planted_fault_of_compose_is_found(right: str, wrong: str, message: str) -> None:
    assert right in COMPOSE
    assert message in list_compose_problems(COMPOSE.replace(right, wrong))


def test_the_built_context_has_no_secrets() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    needed = set(re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE))
    names = {name.split("/")[0] for names in needed for name in names.split()}
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == names
