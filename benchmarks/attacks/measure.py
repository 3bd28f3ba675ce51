"""Measures one attack, in turn with quiet rounds."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.attacks.attack import Attack, Target, Uploader
from benchmarks.attacks.clients import Client
from benchmarks.attacks.uploads import make_files, make_uploaders
from benchmarks.installation import installation, make_keys
from benchmarks.servers import Server, gateway, portal

# Differences below this are noise.
FLOOR_MS = 1.0
# Of the portal's workers in 0.3 s: their loops wake up once a second.
IDLE_CPU_SECONDS = 0.02


class Installation:
    """An installation with both planes and fifty keys."""

    gateway: Server
    portal: Server
    tokens: list[str]
    uploaders: tuple[Uploader, ...]
    files: tuple[bytes, ...]

    def __enter__(self) -> Installation:
        with ExitStack() as stack:
            stack.enter_context(installation())
            self.tokens = make_keys(50)
            from accounts.models import User

            User.objects.filter(nickname="alice").update(roles=["administrator"])
            self.uploaders, self.files = tuple(make_uploaders()), make_files()
            from config.static_build import collect_static

            collect_static()
            self.gateway = stack.enter_context(gateway())
            self.portal = stack.enter_context(portal())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def target(self) -> Target:
        from django.conf import settings

        secret = next(iter(settings.GATEWAY_SECRETS.values()))
        return Target(
            self.gateway.port, self.portal.port, secret, self.tokens[0].split("_")[1], self.uploaders, self.files
        )


@dataclass
class AttackResult:
    """Milliseconds by client (calls, pages), quiet and under attack, and what the attack took or left behind per
    second."""

    name: str
    quiet: list[list[float]] = field(default_factory=lambda: [[], []])
    attacked: list[list[float]] = field(default_factory=lambda: [[], []])
    attempts: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    kilobytes: list[float] = field(default_factory=list)
    connections: int = 0
    database_connections: int = 0
    # Of the portal's workers: peak memory above that before, and CPU seconds a second.
    portal_megabytes: float = 0.0
    portal_cpu: list[float] = field(default_factory=list)

    def ratios(self) -> list[float]:
        pairs = zip(self.attacked, self.quiet, strict=True)
        return [max(_p99(under), FLOOR_MS) / max(_p99(quiet), FLOOR_MS) for under, quiet in pairs]

    @property
    def ratio(self) -> float:
        return max(self.ratios())

    @property
    def cells(self) -> list[str]:
        times = [
            text
            for under, quiet, ratio in zip(self.attacked, self.quiet, self.ratios(), strict=True)
            for text in (f"{_p99(under):.1f}", f"{_p99(quiet):.1f}", f"{ratio:.2f}")
        ]
        left = (f"{median(each):,.0f}" for each in (self.attempts, self.rows, self.kilobytes))
        portal = (f"{self.portal_megabytes:.0f}", f"{median(self.portal_cpu):.2f}")
        return [self.name, *times, *portal, *left, str(self.connections), str(self.database_connections)]


def measure(
    attack: Attack, installed: Installation, clients: Sequence[Client], *, rounds: int, seconds: float
) -> AttackResult:
    """Return the result of as many quiet rounds and rounds under attack."""
    found = AttackResult(attack.name)
    for _ in range(rounds):
        _wait_until_idle(installed)
        _gather(clients, found.quiet, seconds)
        with attack.run_in_background(installed.target) as count:
            rows, size, attempts, began = *_get_log_size(), count.value, time.perf_counter()
            used = installed.portal.cpu_seconds()
            peak = installed.portal.reset_peak_memory()
            _gather(clients, found.attacked, seconds)
            found.connections = max(found.connections, _open_sockets(installed.gateway))
            found.database_connections = max(found.database_connections, _database_connections())
            took = time.perf_counter() - began
            above = installed.portal.peak_memory() - peak
            found.portal_megabytes = max(found.portal_megabytes, above / 1024**2)
            found.portal_cpu.append((installed.portal.cpu_seconds() - used) / took)
            rows_after, size_after = _get_log_size()
            found.attempts.append((count.value - attempts) / took)
            found.rows.append((rows_after - rows) / took)
            found.kilobytes.append((size_after - size) / 1024 / took)
    return found


def _wait_until_idle(installed: Installation) -> None:
    """Wait for the requests that an attack leaves under way: a round beside them is not quiet."""
    used = -math.inf
    while installed.portal.cpu_seconds() - used > IDLE_CPU_SECONDS:
        used = installed.portal.cpu_seconds()
        time.sleep(0.3)


def _gather(clients: Sequence[Client], into: list[list[float]], seconds: float) -> None:
    """Run all clients at once, each in a thread of its own."""
    failed: list[SystemExit] = []

    def one(client: Client, times: list[float]) -> None:
        try:
            times += client.measure(seconds)
        except SystemExit as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=pair) for pair in zip(clients, into, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _p99(times: list[float]) -> float:
    times = sorted(times)
    return times[len(times) * 99 // 100]


def _get_log_size() -> tuple[int, int]:
    """Return the rows of the API log, and its bytes with indexes."""
    from django.db import connections

    with connections["maintenance"].cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM audit_call), sum(pg_total_relation_size(relid))::bigint"
            " FROM pg_partition_tree('audit_call') WHERE isleaf"
        )
        rows, size = cursor.fetchone()
    return rows, size


def _database_connections() -> int:
    from django.db import connections

    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'keyward-%%'", [])
        return int(cursor.fetchone()[0])


def _open_sockets(server: Server) -> int:
    """Return the sockets of the workers: connections, and the few that each has anyway."""
    count = 0
    for pid in server.workers():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                count += os.readlink(descriptor).startswith("socket:")
            except OSError:
                continue
    return count
