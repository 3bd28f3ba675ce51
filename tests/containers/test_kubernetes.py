"""The manifests of deploy/kubernetes are valid for the API, keep to the restricted Pod Security Standard and belong
together. No cluster is started."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.env import Environment, Misconfigured
from config.installation.environment import OF_THE_PORTAL_ALONE
from tests.tools.environment import find_tool

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
# The newest that the validator knows, and the oldest whose pods can sleep before they end.
VERSIONS = ("1.30", "1.37")
# The volume types of the restricted standard.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
Resource = dict[str, Any]


def read() -> list[Resource]:
    return [each for file in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(file.read_text())]


def find(resources: list[Resource], kind: str, name: str) -> Resource:
    return next(each for each in resources if (each["kind"], each["metadata"]["name"]) == (kind, name))


def get_template(resource: Resource) -> Resource | None:
    """Return the pods that a resource makes."""
    spec = resource.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    return spec.get("template")


def list_pods(resources: list[Resource]) -> list[tuple[str, Resource]]:
    return [(each["metadata"]["name"], pod) for each in resources if (pod := get_template(each))]


def list_problems(resources: list[Resource]) -> list[str]:
    """Return where a manifest breaks the restricted standard, or promises of docs/containers.md."""
    problems: list[str] = []
    for name, pod in list_pods(resources):
        problems += [f"{name}: {problem}" for problem in _list_pod_problems(pod["spec"])]
    for name in ("keyward-portal", "keyward-gateway"):
        problems += [f"{name}: {problem}" for problem in _list_plane_problems(resources, name)]
    gateway = str(find(resources, "Deployment", "keyward-gateway"))
    problems += [
        f"the gateway is given {each}" for each in ("keyward-portal", *OF_THE_PORTAL_ALONE[:-1]) if each in gateway
    ]
    policies = [each["spec"] for each in resources if each["kind"] == "NetworkPolicy"]
    if {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} not in policies:
        problems.append("the network is open to pods that no policy names")
    problems += [
        f"an ingress from everywhere: {policy['podSelector']}"
        for policy in policies
        for rule in policy.get("ingress", [])
        if not rule.get("from")
    ]
    return problems


def _list_pod_problems(spec: Resource) -> list[str]:
    security = spec.get("securityContext", {})
    wrong = {
        "may run as root": security.get("runAsNonRoot") is not True or not security.get("runAsUser"),
        "has no seccomp profile": security.get("seccompProfile") != {"type": "RuntimeDefault"},
        "has a token of the cluster": spec.get("automountServiceAccountToken") is not False,
        "has variables of services": spec.get("enableServiceLinks") is not False,
        "shares the host": any(spec.get(each) for each in ("hostNetwork", "hostPID", "hostIPC")),
        "has a volume of the host": not {key for volume in spec["volumes"] for key in volume} - {"name"} <= VOLUMES,
    }
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own = container.get("securityContext", {})
        wrong |= {
            "may gain rights": own.get("allowPrivilegeEscalation") is not False or bool(own.get("privileged")),
            "may write its root": own.get("readOnlyRootFilesystem") is not True,
            "has capabilities": own.get("capabilities") != {"drop": ["ALL"]},
            "has no limit of memory": "memory" not in container.get("resources", {}).get("limits", {}),
            "takes a port of the host": any("hostPort" in port for port in container.get("ports", [])),
        }
    return [problem for problem, there in wrong.items() if there]


def _list_plane_problems(resources: list[Resource], name: str) -> list[str]:
    deployment = find(resources, "Deployment", name)["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    (container,) = deployment["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    service = find(resources, "Service", name)["spec"]
    budget = find(resources, "PodDisruptionBudget", name)["spec"]
    paths = {
        probe: container.get(probe, {}).get("httpGet", {}).get("path") for probe in ("livenessProbe", "readinessProbe")
    }
    wrong = {
        "its selector selects other pods": not deployment["selector"]["matchLabels"].items() <= labels.items(),
        "its service selects other pods": not service["selector"].items() <= labels.items(),
        "its service leads nowhere": not {port["targetPort"] for port in service["ports"]} <= ports,
        "its budget selects other pods": not budget["selector"]["matchLabels"].items() <= labels.items(),
        "it cannot lose a node": deployment["replicas"] - budget["minAvailable"] < 1,
        "it refuses calls while it changes": deployment["strategy"]["rollingUpdate"]["maxUnavailable"] != 0,
        "a database that is away would restart it": paths["livenessProbe"] != "/health/live",
        "it is asked before it can work": paths["readinessProbe"] != "/health/ready",
    }
    return [problem for problem, there in wrong.items() if there]


def list_invalid(texts: list[str], folder: Path, version: str = VERSIONS[-1]) -> tuple[list[int], str]:
    """Return which of the texts the schemas of the API refuse, or do not know, and what the validator said."""
    files = [folder / f"{number}.yaml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    done = subprocess.run(
        [find_tool("kubernetes-validate"), "--strict", "-k", version, *files], capture_output=True, text=True
    )
    lines = (done.stdout + done.stderr).splitlines()
    return [
        int(file.stem) for file in files if any(str(file) in line and " passed " not in line for line in lines)
    ], done.stdout


@pytest.mark.full
@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_accepts_every_manifest(version: str, tmp_path: Path) -> None:
    invalid, content = list_invalid([file.read_text() for file in sorted(FOLDER.glob("*.yaml"))], tmp_path, version)
    assert invalid == []
    assert content.count(" passed ") == len(read()) == 17


def test_the_manifests_keep_to_the_restricted_standard() -> None:
    resources = read()
    assert {name for name, _ in list_pods(resources)} == {
        "keyward-portal",
        "keyward-gateway",
        "keyward-migrate",
        "keyward-maintain",
        "keyward-notices",
    }
    assert list_problems(resources) == []


MISTAKES = {
    "replicas: 2": "replica: 2",
    "maxUnavailable: 0": "maxUnavailable: [0]",
    "containerPort: 8001": "containerPort: gateway",
    "httpGet: {path: /health/ready, port: http}": "httpGet: {path: /health/ready}",
    "kind: Deployment": "kind: Deployments",
    "apiVersion: apps/v1": "apiVersion: apps/v1beta1",
}


@pytest.mark.full
@pytest.mark.quality(24)
def test_planted_mistakes_are_no_valid_manifests(tmp_path: Path) -> None:
    good = (FOLDER / "gateway.yaml").read_text().split("---\n")[0]
    assert [right for right in MISTAKES if right not in good] == []
    planted = [good.replace(right, wrong) for right, wrong in MISTAKES.items()]
    assert list_invalid([good, *planted], tmp_path)[0] == list(range(1, len(MISTAKES) + 1))


def _container(pod: Resource) -> Resource:
    return pod["spec"]["containers"][0]


PLANTED: dict[str, Callable[[Resource], object]] = {
    "may run as root": lambda pod: pod["spec"]["securityContext"].update(runAsNonRoot=False),
    "has no seccomp profile": lambda pod: pod["spec"]["securityContext"].pop("seccompProfile"),
    "has a token of the cluster": lambda pod: pod["spec"].pop("automountServiceAccountToken"),
    "has variables of services": lambda pod: pod["spec"].pop("enableServiceLinks"),
    "shares the host": lambda pod: pod["spec"].update(hostNetwork=True),
    "has a volume of the host": lambda pod: pod["spec"]["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    "may gain rights": lambda pod: _container(pod)["securityContext"].pop("allowPrivilegeEscalation"),
    "may write its root": lambda pod: _container(pod)["securityContext"].update(readOnlyRootFilesystem=False),
    "has capabilities": lambda pod: _container(pod)["securityContext"].pop("capabilities"),
    "has no limit of memory": lambda pod: _container(pod)["resources"].pop("limits"),
    "takes a port of the host": lambda pod: _container(pod).update(ports=[{"hostPort": 80, "containerPort": 80}]),
}


@pytest.mark.quality(24)
@pytest.mark.parametrize("problem", PLANTED)
def test_a_planted_insecure_setting_of_a_pod_is_found(problem: str) -> None:
    for name in ("keyward-migrate", "keyward-maintain"):
        resources = read()
        PLANTED[problem](dict(list_pods(resources))[name])
        assert list_problems(resources) == [f"{name}: {problem}"]


@pytest.mark.quality(24)
@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("secretName: keyward-gateway", "secretName: keyward-portal", "the gateway is given keyward-portal"),
        ("GATEWAY_BIND, value: 0.0.0.0", "SEALING_KEYS, value: x", "the gateway is given SEALING_KEYS"),
        ("minAvailable: 1", "minAvailable: 2", "keyward-gateway: it cannot lose a node"),
        ("maxUnavailable: 0", "maxUnavailable: 1", "keyward-gateway: it refuses calls while it changes"),
        ("httpGet: {path: /health/live, port: http}", "httpGet: {path: /health/ready, port: http}",
         "keyward-gateway: a database that is away would restart it"),
        ("selector: {app: keyward, plane: gateway}", "selector: {app: gateway}",
         "keyward-gateway: its service selects other pods"),
        ("targetPort: http}", "targetPort: https}", "keyward-gateway: its service leads nowhere"),
    ],
)  # fmt: skip
def test_a_planted_fault_of_the_gateway_is_found(right: str, wrong: str, message: str) -> None:
    text = (FOLDER / "gateway.yaml").read_text()
    assert right in text
    changed = list(yaml.safe_load_all(text.replace(right, wrong)))
    others = [each for each in read() if each["metadata"]["name"] != "keyward-gateway"]
    assert message in list_problems(others + changed)


@pytest.mark.quality(24)
def test_a_planted_opening_of_the_network_is_found() -> None:
    resources = read()
    resources.remove(find(resources, "NetworkPolicy", "deny-all"))
    assert list_problems(resources) == ["the network is open to pods that no policy names"]
    resources = read()
    del find(resources, "NetworkPolicy", "gateway")["spec"]["ingress"][0]["from"]
    assert [problem.partition(":")[0] for problem in list_problems(resources)] == ["an ingress from everywhere"]


def test_the_variables_of_services_would_stop_the_start() -> None:
    env = Environment({"KEYWARD_PORTAL_SERVICE_HOST": "192.0.2.1"}, production=True)
    env.refuse_unknown()
    with pytest.raises(Misconfigured, match="KEYWARD_PORTAL_SERVICE_HOST"):
        env.check()
