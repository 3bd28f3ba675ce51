"""podman and buildah with a storage of their own, under the name `docker`, for the commands of docs/containers.md."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.environment import find_tool

IMAGES = Path(__file__).with_name("images")
PROGRAMS = (
    *("podman", "buildah", "debootstrap", "runc", "/usr/lib/podman/netavark", "/usr/lib/podman/aardvark-dns"),
    # netavark calls it.
    "/usr/sbin/iptables",
)
# What the base image of deploy/Dockerfile has, from Debian's packages.
SUITE = "trixie"
PACKAGES = "python3,python3-venv,ca-certificates"
BASE = "localhost/base"

STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/images"
runroot = "{folder}/run"
"""
# A machine without the right to raise limits, and without systemd.
CONTAINERS = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=32768:32768"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
DOCKER = """\
#!/bin/sh
case "$1" in
build) shift; exec buildah bud --isolation chroot --format docker {mounts} --build-arg BASE={base} "$@" ;;
compose) shift; exec {compose} --project-name {project} "$@" ;;
*) exec podman "$@" ;;
esac
"""


@dataclass(frozen=True)
class Engine:
    folder: Path
    project: str

    @property
    def environ(self) -> dict[str, str]:
        return os.environ | {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}:/usr/sbin",
            "CONTAINERS_CONF": f"{self.folder}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{self.folder}/storage.conf",
        }

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """Run a command and return what it printed; it must succeed."""
        done = subprocess.run(command, cwd=cwd, env=self.environ, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def name(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.project}_{service}_1"

    def exec(self, service: str, *command: str) -> str:
        return self.run("podman", "exec", self.name(service), *command)


def skip_without_engine() -> None:
    if os.geteuid() != 0:
        pytest.skip("containers are built and run as root")
    if missing := [
        program for program in PROGRAMS if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    ]:
        names = ", ".join(Path(program).name for program in missing)
        pytest.skip(f"{names}: not installed, so no image can be built and run here")


@contextmanager
def make_engine(folder: Path) -> Iterator[Engine]:
    """Yield an engine whose images have a base made of Debian's packages; afterwards nothing of it is left."""
    engine = Engine(folder, f"keyward{os.getpid()}")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
    (folder / "containers.conf").write_text(CONTAINERS.format(folder=folder, files=min(files, 20000)))
    (folder / "networks").mkdir()
    (folder / "bin").mkdir()
    compose = find_tool("podman-compose")
    # pip asks where this machine's does.
    mounts = " ".join(
        f"--volume {path}:{path}:ro" for path in ("/etc/ssl/certs", "/etc/pip.conf") if Path(path).exists()
    )
    docker = folder / "bin" / "docker"
    docker.write_text(DOCKER.format(mounts=mounts, base=BASE, compose=compose, project=engine.project))
    docker.chmod(0o755)
    try:
        _make_base(engine)
        yield engine
    finally:
        for command in (
            ["rm", "--all", "--force", "--time=0"],
            ["network", "prune", "--force"],
            ["system", "reset", "-f"],
        ):
            subprocess.run(["podman", *command], env=engine.environ, capture_output=True, check=False)


def _make_base(engine: Engine) -> None:
    root = engine.folder / "base"
    engine.run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root))
    packed = engine.folder / "base.tar"
    engine.run("tar", "--directory", str(root), "--create", "--file", str(packed), ".")
    engine.run("podman", "import", str(packed), BASE)
    shutil.rmtree(root)
    packed.unlink()


def build_stand_ins(engine: Engine) -> dict[str, str]:
    """Build what takes the place of official images; return the variables of compose.yaml that name them."""
    for name in ("postgres", "nginx"):
        engine.run(
            *("buildah", "bud", "--isolation", "chroot", "--build-arg", f"BASE={BASE}"),
            *("--file", f"{name}.Dockerfile", "--tag", f"localhost/{name}", "."),
            cwd=IMAGES,
        )
    return {f"{name.upper()}_IMAGE": f"localhost/{name}" for name in ("postgres", "nginx")}


def change_ports(compose: Path, ports: dict[str, int]) -> None:
    """Publish the ports of compose.yaml elsewhere on this machine alone: inner port to outer port."""
    text = compose.read_text()
    for inner, outer in ports.items():
        text, changed = re.subn(rf'"\d+:{inner}"', f'"127.0.0.1:{outer}:{inner}"', text)
        assert changed == 1, inner
    compose.write_text(text)
