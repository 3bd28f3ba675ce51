"""`manage.py serve` as an operator meets it: both planes, one way to stop, nothing left."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from config.serve.supervisor import MIN_UPTIME_SECONDS
from tests.gateways import free_port
from tests.load_clients import ask_until
from tests.waiting import happens, wait_until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0


@dataclass
class Served:
    process: subprocess.Popen[str]
    environ: dict[str, str]
    said: list[str]
    log: Path

    @property
    def portal(self) -> str:
        return f"http://127.0.0.1:{self.environ['PORT']}"

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.environ['GATEWAY_PORT']}"


def processes(environ: dict[str, str]) -> dict[int, str]:
    """Everything that runs with this test's var folder: process ID and command line."""
    mark = f"KEYWARD_VAR={environ['KEYWARD_VAR']}".encode()
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                found[int(name)] = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    data = f"{environ['KEYWARD_VAR']}/postgres"
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if os.readlink(f"/proc/{name}/cwd").startswith(data):
                found[int(name)] = "postgres"
    return found


def gone(environ: dict[str, str], seconds: float = 30) -> dict[int, str]:
    happens(lambda: not processes(environ), seconds=seconds)
    return processes(environ)


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "KEYWARD_VAR": str(tmp_path_factory.mktemp("serve") / "var"),
        "KEYWARD_DEMO_PASSWORD": "a demo password of ours",
        "PORT": str(free_port()),
        "GATEWAY_PORT": str(free_port()),
    }


@contextmanager
def serving(environ: dict[str, str]) -> Iterator[Served]:
    log = Path(environ["KEYWARD_VAR"]).with_name("serve.log")
    with log.open("w") as logged:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--prepare"],
            env=environ,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=logged,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if lines[-1] == "Ready":
                break
        assert lines[-1:] == ["Ready"], lines
        yield Served(process, environ, lines, log)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()
        # For pytest's report.
        sys.stderr.write(log.read_text())
        assert gone(environ) == {}


def wait_for_gateway(environ: dict[str, str]) -> None:
    """Until each of its workers has come as far as to hold the database; Ready says that one has."""

    def all_hold_it() -> bool:
        running = processes(environ)
        workers = [pid for pid in running if "gunicorn_gateway" in running.get(parent(pid), "")]
        return len(workers) >= 2 and all(holds_database(pid) for pid in workers)

    wait_until(all_hold_it, seconds=PATIENCE, interval=0.1, describe=lambda: processes(environ))


def wait_for_log(served: Served, text: str) -> bool:
    """Return whether `serve` has logged it, within a minute."""
    return happens(lambda: text in served.log.read_text(), seconds=60)


def holds_database(pid: int) -> bool:
    folder = Path(f"/proc/{pid}/fd")
    return any(os.readlink(each).endswith("/postgres/users") for each in folder.iterdir())


def status(url: str) -> int:
    try:
        with urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_a_first_start_says_how_to_sign_in_and_a_call_that_is_answered(environ: dict[str, str]) -> None:
    with serving(environ) as served:
        assert served.said[0] == f"Portal: http://localhost:{environ['PORT']}"
        assert served.said[1] == f"Gateway: http://localhost:{environ['GATEWAY_PORT']}"
        people = [line for line in served.said if line.startswith("Sign in: ")]
        assert all(" a demo password of ours (" in line for line in people)
        assert {"Administrator", "Account Reader", "Auditor", "Support"} <= set(
            re.findall(r"\((.*), ", "\n".join(people))
        )
        assert [line.split(":")[0] for line in served.said[-2:]] == ["Try", "Ready"]
        answer = subprocess.run(
            served.said[-2].removeprefix("Try: "), shell=True, capture_output=True, text=True, check=True
        ).stdout
        assert answer.startswith("HTTP/1.1 200 OK")
        assert "x-account: acme" in answer.lower()
        assert (status(f"{served.portal}/login/"), status(f"{served.portal}/static/nothing.css")) == (200, 404)
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(PATIENCE) == 0
        assert processes(environ) == {}


def test_a_second_start_says_the_same(environ: dict[str, str]) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(connect_until_answered, int(environ["GATEWAY_PORT"]))
        with serving(environ | {"SHUTDOWN_DELAY_SECONDS": "60"}) as served:
            # A connection is refused until it would be answered.
            assert first.result() < 1
            assert "Sign in: alice@acme.example a demo password of ours (Administrator, Acme Telecom)" in served.said
            # Ctrl-C does not wait until load balancers send no more, nor does a signal after the one to end.
            served.process.send_signal(signal.SIGTERM)
            assert wait_for_log(served, "readiness fails")
            assert served.process.poll() is None
            served.process.send_signal(signal.SIGINT)
            assert served.process.wait(30) == 0
    var = Path(environ["KEYWARD_VAR"])
    assert {stat.S_IMODE((var / name).stat().st_mode) for name in ("demo.json", "secrets/demo_password")} == {0o600}


def connect_until_answered(port: int) -> float:
    """Return how long the first connection that is accepted waits for its answer, in seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 5)
        except ConnectionRefusedError:
            time.sleep(0.005)
            continue
        with connection:
            began = time.monotonic()
            connection.settimeout(PATIENCE)
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            return time.monotonic() - began
    raise TimeoutError("nothing was accepted")


@pytest.mark.quality(30)
def test_sigterm_fails_readiness_first_and_loses_no_call(environ: dict[str, str]) -> None:
    delay = 8  # as long as a busy machine takes for what is asked meanwhile
    with serving(environ | {"SHUTDOWN_DELAY_SECONDS": str(delay)}) as served:
        port, question = int(environ["GATEWAY_PORT"]), build_question(served)
        assert status(f"{served.gateway}/health/ready") == status(f"{served.portal}/health/ready") == 200
        actual = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert wait_for_log(served, "readiness fails")
        ask = partial(ask_until, port, question, pause=0.01)
        during = asyncio.run(ask(lambda answers: time.monotonic() - actual > 2))
        assert status(f"{served.gateway}/health/ready") == status(f"{served.portal}/health/ready") == 503
        assert status(f"{served.gateway}/health/live") == status(f"{served.portal}/login/") == 200
        assert set(during) == {"200"}, during

        # To the end nothing is lost: a connection that is refused has asked nothing, and a proxy asks another host.
        refused = repr(ConnectionRefusedError(111, f"Connect call failed ('127.0.0.1', {port})"))
        after = asyncio.run(ask(lambda answers: served.process.poll() is not None))
        assert set(after) == {"200", refused}, after
        assert time.monotonic() - actual >= delay
        assert served.process.wait(PATIENCE) == 0
    content = served.log.read_text()
    assert content.index("readiness fails") < content.index("the planes finish their work") < content.index("stopped")


@pytest.fixture(scope="class")
def served(environ: dict[str, str]) -> Iterator[Served]:
    with serving(environ) as served:
        yield served


@pytest.fixture
def data(environ: dict[str, str]) -> Path:
    return Path(environ["KEYWARD_VAR"]) / "postgres/server/data"


class TestWhileItServes:
    @pytest.mark.quality(30)
    def test_no_call_fails_while_it_reloads(self, served: Served, full: bool, figure: Callable[[str], None]) -> None:
        """Each of the two planes gets new processes; the last answer comes from the new ones."""
        masters = find_masters(served)
        question = build_question(served)
        reloads, target, pause = (3, 20_000, 0.0) if full else (1, 500, 0.01)
        began = time.monotonic()

        def is_over(answers: int) -> bool:
            nonlocal masters, reloads, began
            now = find_masters(served)
            if len(now) == 2 and not now & masters and reloads:
                reloads -= 1
                masters, began = now, time.monotonic()
                if reloads:
                    served.process.send_signal(signal.SIGHUP)
            return (answers >= target and not reloads) or time.monotonic() - began > PATIENCE

        served.process.send_signal(signal.SIGHUP)
        port = int(served.environ["GATEWAY_PORT"])
        counted = asyncio.run(ask_until(port, question, CheckedNowAndThen(is_over), pause=pause))
        assert reloads == 0
        assert set(counted) == {"200"}, counted
        assert served.process.poll() is None
        assert status(f"{served.portal}/login/") == 200
        figure(f"{sum(counted.values())} calls over {3 if full else 1} reloads of one host, 0 failed")

    def test_a_client_cannot_move_the_path_by_a_header(self, served: Served) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(served.environ["PORT"]), timeout=30)
        connection.request("GET", "/login/", headers={"SCRIPT_NAME": "/login"})
        assert connection.getresponse().status == 400
        connection.close()
        assert served.process.poll() is None

    def test_a_killed_database_is_started_again(self, served: Served, data: Path) -> None:
        # A worker that finds no database at its start ends its plane, and one so young is not started again.
        wait_for_gateway(served.environ)
        killed = kill_database(data)
        assert is_replaced(data, killed)
        # What a probe found before is still the answer for a second.
        time.sleep(1)
        assert answers_again(f"{served.portal}/health/ready")

    def test_a_database_that_cannot_start_again_is_tried_until_it_can(self, served: Served, data: Path) -> None:
        needed, hidden = data / "global/pg_control", data / "global/pg_control.hidden"
        needed.rename(hidden)
        kill_database(data)
        wait_until(lambda: served.log.read_text().count("the database cannot be started again") > 1, seconds=60)
        assert served.process.poll() is None
        for plane in (served.portal, served.gateway):
            assert happens(lambda plane=plane: status(f"{plane}/health/ready") == 503)  # type: ignore[misc]
        hidden.rename(needed)
        assert answers_again(f"{served.portal}/health/ready")
        assert answers_again(f"{served.gateway}/health/ready")

    @pytest.mark.fault(2)
    def test_a_plane_that_dies_is_started_again(self, served: Served, figure: Callable[[str], None]) -> None:
        master = next(
            pid
            for pid, command in processes(served.environ).items()
            if "gunicorn_gateway" in command and parent(pid) == served.process.pid
        )
        # One that ends earlier has failed to start, and ends `serve`.
        wait_until_old(master, MIN_UPTIME_SECONDS)
        began = time.monotonic()
        os.kill(master, signal.SIGKILL)
        # What another worker found out for its readiness may be a second old.
        assert status(f"{served.portal}/login/") == 200
        assert wait_for_log(served, "plane ended: restarting it")
        assert answers_again(f"{served.gateway}/health/ready")
        seconds = time.monotonic() - began
        figure(f"gateway's master killed: the portal goes on, the gateway is ready again after {seconds:.1f} s")


def wait_until_old(pid: int, seconds: float) -> None:
    """Wait until the process has run for so long, by its start in clock ticks since boot (proc(5))."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    started = ticks / os.sysconf("SC_CLK_TCK")
    while (age := time.clock_gettime(time.CLOCK_BOOTTIME) - started) <= seconds:
        time.sleep(seconds - age + 0.1)


class CheckedNowAndThen:
    """Looks at the processes ten times a second, however many ask."""

    def __init__(self, check: Callable[[int], bool]) -> None:
        self._check, self._next, self._last = check, 0.0, False

    def __call__(self, answers: int) -> bool:
        if time.monotonic() >= self._next:
            self._last = self._check(answers)
            self._next = time.monotonic() + 0.1
        return self._last


def find_masters(served: Served) -> set[int]:
    """Return the process of each plane, and those that finish their work."""
    found = set()
    for pid, command in processes(served.environ).items():
        # One that has ended meanwhile is none.
        with suppress(OSError):
            if "-m gunicorn" in command and parent(pid) == served.process.pid:
                found.add(pid)
    return found


def build_question(served: Served) -> bytes:
    """Return the request of the curl command that `serve` printed, which is answered 200."""
    words = shlex.split(served.said[-2].removeprefix("Try: "))
    headers = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
    path = urlsplit(next(word for word in words if word.startswith("http"))).path
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: gateway", *headers, "", ""]).encode()


def kill_database(data: Path) -> int:
    """Kill the server; return its process number."""
    pid = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    return pid


def is_replaced(data: Path, killed: int) -> bool:
    """Wait for another server in the place of the killed one."""

    def is_another() -> bool:
        with suppress(OSError, IndexError):
            return int((data / "postmaster.pid").read_text().split()[0]) != killed
        return False

    return happens(is_another, seconds=60)


def test_kill_9_of_serve_takes_everything_with_it(environ: dict[str, str]) -> None:
    with serving(environ) as served:
        served.process.kill()
        served.process.wait()
        assert gone(environ, 60) == {}


@pytest.mark.parametrize("variable", ["PORT", "GATEWAY_PORT"])
def test_a_taken_port_gets_one_line(environ: dict[str, str], variable: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "manage.py", "serve"],
            env=environ | {variable: str(port)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert done.stderr.startswith(f"{variable} {port} is not free")
    assert done.stderr.count("\n") == 1


def test_the_demo_is_loaded_into_an_empty_database_only(environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "demo"], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr == "The database is not empty, so the demo is not loaded: it needs a new one.\n"


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def answers_again(url: str) -> bool:
    def is_good() -> bool:
        with suppress(OSError, http.client.HTTPException):
            return status(url) == 200
        return False

    return happens(is_good, seconds=60)
