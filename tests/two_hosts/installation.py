"""Keyward on two hosts, and what decides which database is the primary: deploy/high-availability and deploy/pgbouncer
as they are, but for folders, passwords and, without namespaces, addresses."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.installation import link_checkout
from tests.postgresql import AS_SERVER, PROGRAMS
from tests.proxies.program import DEPLOY, changed
from tests.two_hosts.client import Client, client
from tests.two_hosts.network import NAMES, NETWORK, Host, make_hosts
from tests.waiting import wait_until

NEEDED = ("etcd", "patroni", "patronictl", "pgbouncer", "haproxy", "psql")
PATIENCE = 180.0


def list_missing() -> list[str]:
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in NEEDED if shutil.which(name, path=path) is None]
    return missing + ([] if PROGRAMS else ["postgres"])


@dataclass
class Machine:
    """What runs on one host."""

    host: Host
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str, as_server: bool = True, **environ: str) -> None:
        path = f"{os.environ['PATH']}:/usr/sbin"
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*self.host.prefix, *(AS_SERVER if as_server else ()), *command],
                cwd=self.folder,
                env={"PATH": path, "HOME": str(self.folder)} | environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *command: str, as_server: bool = True, **environ: str) -> str:
        done = subprocess.run(
            [*self.host.prefix, *(AS_SERVER if as_server else ()), *command],
            cwd=self.folder,
            env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(self.folder)} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def stop(self, name: str) -> None:
        """As a service is stopped."""
        process = self.processes.pop(name)
        process.terminate()
        process.wait(100)

    def kill_database(self, number: signal.Signals = signal.SIGKILL) -> None:
        with suppress(OSError, ValueError):
            os.kill(int((self.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0]), number)

    def kill_process(self, name: str) -> None:
        """Kill a program with its children."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill(self) -> None:
        for name in list(self.processes):
            self.kill_process(name)
        self.kill_database(signal.SIGQUIT)

    def psql(self, statement: str, database: str = "keyward") -> str:
        options = ("--quiet", "--no-psqlrc", "-At", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder / "run"))
        return self.run("psql", *options, "-U", "postgres", "-d", database, "-c", statement).strip()


@dataclass
class TwoHosts:
    machines: dict[str, Machine]
    client: Client
    folder: Path

    @property
    def environ_file(self) -> Path:
        return self.folder / "keyward.env"

    def variable(self, name: str) -> str:
        return re.findall(rf"^{name}='?([^'\n]*)", self.environ_file.read_text(), re.MULTILINE)[0]

    def environ(self, machine: Machine) -> dict[str, str]:
        return {
            "KEYWARD_ENV_FILE": str(self.environ_file),
            "KEYWARD_VAR": str(machine.folder / "var"),
            "BIND": machine.host.address,
            "GATEWAY_BIND": machine.host.address,
        }

    def keyward(self, machine: Machine, *arguments: str) -> str:
        program = str(self.folder / "bin" / "keyward")
        return machine.run(program, *arguments, as_server=False, **self.environ(machine))

    def serve(self, machine: Machine) -> None:
        self_environ = self.environ(machine)
        machine.start("keyward", str(self.folder / "bin" / "keyward"), "serve", as_server=False, **self_environ)

    def get_members(self) -> dict[str, dict[str, Any]]:
        """Return the members of the cluster by name; none until all that answer agree on their roles, because a host
        that was cut off has an old view for a moment."""
        views = []
        for name in NAMES[:2]:
            status, body = self.client.get(f"{self.machines[name].host.address}:8008", "/cluster")
            if status == 200:
                views.append({member["name"]: member for member in json.loads(body)["members"]})
        roles = {tuple(sorted((name, str(member["role"])) for name, member in view.items())) for view in views}
        return views[0] if len(roles) == 1 else {}

    def get_primary(self) -> Machine:
        leaders: list[str] = []

        def find_leader() -> bool:
            leaders[:] = [name for name, member in self.get_members().items() if member["role"] == "leader"]
            return len(leaders) == 1

        self.wait_for(find_leader, "no primary")
        return self.machines[leaders[0]]

    def get_replica(self) -> Machine:
        primary = self.get_primary()
        return next(
            machine for machine in self.machines.values() if machine is not primary and machine.host.name[-1] in "ab"
        )

    def is_synchronous(self) -> bool:
        roles = sorted(str(member["role"]) for member in self.get_members().values() if member["state"] in RUNNING)
        return roles == ["leader", "sync_standby"]

    def is_serving(self) -> bool:
        ready = [
            self.client.get(f"{self.machines[name].host.address}:{port}", "/health/ready")[0]
            for name in NAMES[:2]
            for port in (8000, 8001)
        ]
        return ready == [200] * 4

    def wait_for(self, what: Callable[[], bool], described: str) -> float:
        began = time.monotonic()
        wait_until(what, seconds=PATIENCE, interval=0.25, describe=lambda: f"{described}: {self.get_members()}")
        return time.monotonic() - began


RUNNING = ("running", "streaming")


@contextmanager
def two_hosts(folder: Path) -> Iterator[TwoHosts]:
    """Yield both hosts, serving; everything is gone afterwards."""
    with ExitStack() as stack:
        hosts = stack.enter_context(make_hosts())
        machines = {host.name: Machine(host, folder / host.name) for host in hosts}
        for machine in machines.values():
            (machine.folder / "run").mkdir(parents=True)
            stack.callback(machine.kill)
        both = [machines[name] for name in NAMES[:2]]
        client_of_all = stack.enter_context(client(hosts[2].prefix))
        new = TwoHosts(machines, client_of_all, folder)
        passwords = {f"CHANGE-ME-{number}": secrets.token_hex(16) for number in (1, 2, 3)}
        for machine in machines.values():
            _write_etcd(machine)
        for machine in both:
            _write_patroni(machine, passwords)
            _write_haproxy(machine, "haproxy-database")
        _write_haproxy(machines["host-c"], "haproxy-planes")
        if AS_SERVER:
            subprocess.run(["chown", "-R", "postgres", *(machine.folder for machine in machines.values())], check=True)
            _open_parents(folder)
        for machine in machines.values():
            machine.start("etcd", "etcd", "--config-file", "etcd.yaml")
        for machine in both:
            machine.start("patroni", "patroni", "patroni.yaml")
        new.wait_for(new.is_synchronous, "the replica is not synchronous")
        for machine in both:
            machine.start("haproxy", "haproxy", "-db", "-f", "haproxy-database.cfg")
        _install(new, both)
        for machine in both:
            new.serve(machine)
        machines["host-c"].start("haproxy", "haproxy", "-db", "-f", "haproxy-planes.cfg")
        new.wait_for(new.is_serving, "not all planes are ready")
        yield new


def _open_parents(folder: Path) -> None:
    """Let the server's user through to the folder."""
    for parent in (folder, *folder.parents):
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)


def _install(new: TwoHosts, both: list[Machine]) -> None:
    """Make the database and the environment file, which both hosts have, and PgBouncer's."""
    link_checkout(new.folder / "bin")
    own = both[0].host.address if not both[0].host.namespace else "127.0.0.1"
    program = str(new.folder / "bin" / "keyward")
    init = (program, "init", ".", "--base-url", "https://keys.example.com", "--database", f"{own}:6432")
    subprocess.run(init, cwd=new.folder, check=True, capture_output=True, env={"PATH": os.environ["PATH"]})
    text = new.environ_file.read_text()
    text = re.sub(r"^(MAINTENANCE_DATABASE_URL=.*):6432/", r"\1:5000/", text, flags=re.MULTILINE)
    text = re.sub(r"^TRUSTED_PROXIES=.*", f"TRUSTED_PROXIES={new.machines['host-c'].host.address}", text, flags=re.M)
    new.environ_file.write_text(text + "PGBOUNCER=true\nSHUTDOWN_DELAY_SECONDS=5\n")
    primary = new.get_primary()
    roles = primary.folder / "roles.sql"
    roles.write_text((new.folder / "roles.sql").read_text())
    roles.chmod(0o644)
    primary.run(
        "psql", "--quiet", "-h", str(primary.folder / "run"), "-U", "postgres", "-d", "postgres", "-f", str(roles)
    )
    stored = "SELECT format('\"%s\" \"%s\"', rolname, rolpassword) FROM pg_authid WHERE rolname = 'keyward_app'"
    users = primary.psql(stored, "postgres")
    for machine in both:
        places = {
            "host=127.0.0.1 port=5432": "host=127.0.0.1 port=5000",
            "/etc/pgbouncer/userlist.txt": "userlist.txt",
        }
        _write(machine, "pgbouncer.ini", changed((DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text(), places))
        _write(machine, "userlist.txt", f"{users}\n")
        machine.start("pgbouncer", "pgbouncer", "pgbouncer.ini")
    new.keyward(both[0], "migrate", "--verbosity", "0")
    new.keyward(both[0], "configure_role")
    new.keyward(both[0], "collectstatic", "--verbosity", "0")
    shutil.copytree(both[0].folder / "var" / "static", both[1].folder / "var" / "static")


def _write(machine: Machine, name: str, text: str) -> None:
    """Write a file of a host. On the loopback, everybody's own 127.0.0.1 is the host's address."""
    if not machine.host.namespace:
        text = text.replace("127.0.0.1", machine.host.address)
        for number in (1, 2, 3):
            text = text.replace(f"{NETWORK}.{number}", f"127.0.77.{number}")
        text = text.replace(f"{NETWORK}.0/24", "127.0.77.0/24")
    (machine.folder / name).write_text(text)


def _write_etcd(machine: Machine) -> None:
    own = f"http://{NETWORK}.{NAMES.index(machine.host.name) + 1}"
    options = ("listen-peer-urls", "initial-advertise-peer-urls", "listen-client-urls", "advertise-client-urls")
    places = {f"\n{option}: http://{NETWORK}.1": f"\n{option}: {own}" for option in options}
    places |= {"\nname: host-a": f"\nname: {machine.host.name}", "/var/lib/etcd/keyward": f"{machine.folder}/etcd"}
    text = (DEPLOY / "high-availability" / "etcd.yaml").read_text()
    _write(machine, "etcd.yaml", changed(text, places))


def _write_patroni(machine: Machine, passwords: Mapping[str, str]) -> None:
    own = f"{NETWORK}.{NAMES.index(machine.host.name) + 1}"
    places = {
        "\nname: host-a": f"\nname: {machine.host.name}",
        f"listen: {NETWORK}.1:8008": f"listen: {own}:8008",
        f"connect_address: {NETWORK}.1:8008": f"connect_address: {own}:8008",
        f"listen: {NETWORK}.1,127.0.0.1:5432": f"listen: {own},127.0.0.1:5432"
        if machine.host.namespace
        else f"listen: {own}:5432",
        f"connect_address: {NETWORK}.1:5432": f"connect_address: {own}:5432",
        "/var/lib/postgresql/15/keyward": f"{machine.folder}/data",
        "/usr/lib/postgresql/15/bin": str(PROGRAMS[-1]),
        "/var/run/postgresql": f"{machine.folder}/run",
        **passwords,
    }
    if not AS_SERVER:
        places["local all all peer"] = "local all all trust"
    text = (DEPLOY / "high-availability" / "patroni.yaml").read_text()
    _write(machine, "patroni.yaml", changed(text, places))
    (machine.folder / "patroni.yaml").chmod(0o600)


def _write_haproxy(machine: Machine, name: str) -> None:
    text = (DEPLOY / "high-availability" / f"{name}.cfg").read_text()
    _write(machine, f"{name}.cfg", text.replace("/run/haproxy/admin.sock", f"{machine.folder}/admin.sock"))
