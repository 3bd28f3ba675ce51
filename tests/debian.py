"""An empty Debian machine: the files of debootstrap, booted by systemd-nspawn, in a network of its own that reaches the
package mirrors through slirp4netns."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.gateways import free_port

RELEASE = "bookworm"
# What Debian's installer leaves, as far as an administrator uses it.
INCLUDED = "systemd-sysv,dbus,sudo,ca-certificates"
# Each with its Debian package.
PROGRAMS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "slirp4netns": "slirp4netns",
    "nsenter": "util-linux",
    "ip": "iproute2",
}
USER = "ops"
SUDO = f"{USER} ALL=(ALL) NOPASSWD: ALL\n"
# Authorities that this host trusts beside the public ones; downloads in the machine may need them.
TRUSTED = Path("/usr/local/share/ca-certificates")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# slirp4netns answers names there.
NAMESERVER = "10.0.2.3"
BOOT_SECONDS = 120.0
# Where systemd keeps its services' processes: version 1, both together, version 2.
CGROUPS = [f"/sys/fs/cgroup/{place}cgroup.procs" for place in ("systemd/", "unified/", "")]


def require_programs() -> None:
    """Skip the test, by name, if this host cannot boot a machine."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)]
    if missing:
        pytest.skip(f"not installed (Debian): {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("only root can make and boot a machine")


class Machine:
    """A booted machine. `folder` holds its files as this host sees them."""

    def __init__(self, folder: Path, namespace: str, api: Path) -> None:
        self.folder, self.namespace, self._api = folder, namespace, api
        self._leader = 0

    def run(self, code: str, *, user: str = USER, stdin: str = "", timeout: float = 900) -> str:
        """Run a script as a user, who stands in the checkout; return its output. Fail the test if it fails."""
        done = subprocess.run(
            self.build_command(code, user),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}"
        return done.stdout

    def build_command(self, code: str, user: str = USER) -> list[str]:
        home = "/root" if user == "root" else f"/home/{user}"
        path = "/usr/local/bin:/usr/bin:/bin"
        environ = [f"HOME={home}", f"USER={user}", f"PATH={path}", f"PIP_CERT={BUNDLE}", "TERM=dumb", "LANG=C.UTF-8"]
        folder = f"cd {home}/keyward 2>/dev/null || cd {home}"
        return [
            *(
                "nsenter",
                f"--target={self._leader}",
                "--mount",
                "--uts",
                "--ipc",
                "--net",
                "--pid",
                "--cgroup",
                "--root",
                "--wdns=/",
            ),
            *("env", "--ignore-environment", *environ, "/usr/sbin/runuser", "--user", user, "--"),
            *("bash", "-euo", "pipefail", "-c", f"{folder}\n{code}"),
        ]

    def forward(self, port: int) -> int:
        """Return a port of this host's loopback address that leads to the machine's, as from outside."""
        own = free_port()
        request = {
            "execute": "add_hostfwd",
            "arguments": {"proto": "tcp", "host_addr": "127.0.0.1", "host_port": own, "guest_port": port},
        }
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._api))
            connection.sendall(json.dumps(request).encode())
            answer = json.loads(connection.recv(65536))
        assert "error" not in answer, answer
        return own

    @contextmanager
    def boot(self) -> Iterator[None]:
        """Within, the machine runs; afterwards it is shut down as by its power button."""
        self._leader = 0
        command = [
            *("systemd-nspawn", "--quiet", "--boot", "--console=pipe", f"--directory={self.folder}"),
            # No systemd on this host is told of it.
            *(f"--machine={self.namespace}", "--register=no", "--keep-unit", "--resolv-conf=off"),
            # The network is its own, firewall included.
            *(f"--network-namespace-path=/run/netns/{self.namespace}", "--capability=CAP_NET_ADMIN"),
        ]
        with tempfile.TemporaryFile("w+") as console, own_cgroups(self.namespace) as enter:
            process = subprocess.Popen(
                [*enter, *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                if not self._wait_for_boot(process):
                    console.seek(0)
                    pytest.fail(f"the machine does not boot:\n{console.read()[-3000:]}")
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(90)
                except subprocess.TimeoutExpired:
                    # The machine's first process would outlive systemd-nspawn.
                    if self._leader:
                        os.kill(self._leader, signal.SIGKILL)
                    process.kill()
                    process.wait()

    def _wait_for_boot(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            if children:
                self._leader = int(children[0])
                state = subprocess.run(
                    self.build_command("systemctl is-system-running", "root"), capture_output=True, text=True
                )
                if state.stdout.strip() in ("running", "degraded"):
                    return True
            time.sleep(0.5)
        return False


@contextmanager
def own_cgroups(name: str) -> Iterator[list[str]]:
    """Yield a command that runs another in control groups of its own, apart from other machines; remove them after."""
    groups = [path.parent / name for path in map(Path, CGROUPS) if path.exists()]
    try:
        for group in groups:
            group.mkdir()
        join = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"'
        yield ["sh", "-c", join, "sh", *map(str, groups), "--"]
    finally:
        for group in groups:
            for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                folder.rmdir()
            group.rmdir()


def make_files(folder: Path) -> None:
    """Fill `folder` with an empty Debian, that has one user who may use sudo and trusts whom this host trusts.

    DEBIAN_ROOT may name a folder that debootstrap filled before: it is copied.
    """
    given = os.environ.get("DEBIAN_ROOT")
    made = ["cp", "--archive", "--reflink=auto", f"{given}/.", str(folder)]
    debootstrap = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", RELEASE, str(folder)]
    subprocess.run(made if given else debootstrap, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    (folder / "etc/hostname").write_text("keyward\n")
    (folder / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 keyward\n::1 localhost\n")
    (folder / "etc/resolv.conf").write_text(f"nameserver {NAMESERVER}\n")
    for certificate in TRUSTED.glob("*.crt"):
        shutil.copy(certificate, folder / TRUSTED.relative_to("/"))
    (folder / "etc/sudoers.d" / USER).write_text(SUDO)
    for command in (["useradd", "--create-home", "--shell", "/bin/bash", USER], ["update-ca-certificates"]):
        subprocess.run(["chroot", str(folder), *command], check=True, capture_output=True)
    # As the installer makes it.
    (folder / "home" / USER).chmod(0o700)


@contextmanager
def make_machine(prepare: Callable[[Path], None]) -> Iterator[Machine]:
    """Yield a machine that is not booted yet, after `prepare` put what it needs into its files."""
    require_programs()
    name = f"keyward-{os.getpid()}"
    with ExitStack() as stack:
        # Not in pytest's own folder, whose mode is for one user.
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyward-machine-", dir="/var/tmp")))
        top.chmod(0o755)
        folder = top / "root"
        folder.mkdir(mode=0o755)
        try:
            make_files(folder)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"{error.cmd[0]} fails here: {error.stderr.decode(errors='replace').strip()[-300:]}")
        prepare(folder)
        subprocess.run(["ip", "netns", "add", name], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        stack.enter_context(_connect(name, top / "slirp"))
        yield Machine(folder, name, top / "slirp")


@contextmanager
def _connect(name: str, api: Path) -> Iterator[None]:
    """Give the network namespace a way out, and none to this host's own ports."""
    ready, write = os.pipe()
    command = ["slirp4netns", "--configure", "--disable-host-loopback", f"--ready-fd={write}", f"--api-socket={api}"]
    process = subprocess.Popen(
        [*command, "--netns-type=path", f"/run/netns/{name}", "tap0"],
        pass_fds=[write],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        assert os.read(ready, 1), "slirp4netns does not start"
        yield
    finally:
        os.close(ready)
        process.terminate()
        process.wait()
