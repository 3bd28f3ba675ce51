"""The wheel, installed and run as an operator does it: without the repository."""

from __future__ import annotations

import os
import re
import secrets
import signal
import stat
import subprocess
import sys
import tomllib
import zipfile
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.installation import Installation, build_wheel, install
from tests.waiting import happens

# Where the repository has files that the product reads while it runs.
READ = ("templates", "static", "deploy", "keys/sql", "audit/sql", "keys/apis/presets", "keys/docs/programs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("installation")
    return Installation(install(wheel, folder / "venv"), folder)


def get(url: str, **headers: str) -> tuple[int, str, str]:
    """Return status, body and refusal code."""
    try:
        with urlopen(
            Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
        ) as answer:
            return answer.status, answer.read().decode(), ""
    except HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers.get("X-Refusal", "")


def test_the_wheel_has_every_file_that_the_product_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    root = Path(__file__).resolve().parents[2]
    for folder in READ:
        files = [path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file()]
        files = [path for path in files if "__pycache__" not in path.parts]
        moved = [str(path) if folder.count("/") else f"config/wheel/{path}" for path in files]
        assert files
        assert not set(moved) - names
    assert "config/wheel/collected/staticfiles.json" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/")) or "/var/" in name]


@pytest.mark.full
def test_an_installed_wheel_is_initialised_and_serves(installation: Installation) -> None:
    portal = f"http://localhost:{installation.ports['PORT']}"
    gateway = f"http://localhost:{installation.ports['GATEWAY_PORT']}"
    folder = installation.folder

    output = installation.run("init", "--base-url", portal)
    assert output.returncode == 0, output.stderr
    assert "never beside the dump" in output.stdout
    secret_files = {"keyward.env", "gateway.env", "roles.sql", "nginx/keyward-secret.conf"}
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in secret_files} == {0o600}
    again = installation.run("init")
    assert (again.returncode, "overwrites nothing" in again.stderr) == (1, True)

    root = Path(__file__).resolve().parents[2]
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    assert installation.run("version").stdout == f"Keyward {version}\n"
    assert installation.run("migrate", "--verbosity", "0").returncode == 0
    made = installation.run("create_account", "acme", "Acme Ltd", "a@example.com", "Alice", stdin="a long password\n")
    assert made.returncode == 0, made.stderr
    assert "enabled with keyward enable_api API acme" in made.stdout
    with installation.serve() as process:
        status, page, _ = get(f"{portal}/login/")
        assert status == 200
        files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
        assert files
        assert {get(portal + file)[0] for file in files} == {200}
        assert ask(gateway, folder) == (401, "invalid_credentials")
        assert not (folder / "var" / "static").exists()
    assert process.returncode == 0


@pytest.mark.full
def test_the_documented_commands_install_the_wheel(wheel: Path, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    guide = (root / "docs/install.md").read_text()
    commands = re.findall(r'^sudo "/opt/keyward-\$VERSION/bin/pip" (install .*)$', guide, re.MULTILINE)
    environ = os.environ | {"VERSION": wheel.name.split("-")[1]}
    assert len(commands) == 2
    for command in commands:
        subprocess.run(
            f"{tmp_path}/venv/bin/pip {command.replace('dist/', f'{wheel.parent}/')}",
            shell=True,
            cwd=root,
            env=environ,
            check=True,
        )
    output = subprocess.run([tmp_path / "venv/bin/keyward", "init", "."], cwd=tmp_path, capture_output=True, text=True)
    assert (output.returncode, (tmp_path / "keyward.env").exists()) == (0, True), output.stderr


def ask(gateway: str, folder: Path) -> tuple[int, str]:
    """Return the gateway's answer to a call without a key, asked with the secret of its environment file."""
    secret = re.search(r"GATEWAY_SECRETS=nginx:(\w+)", (folder / "gateway.env").read_text())
    assert secret is not None
    status, _, refusal = get(
        f"{gateway}/v1/verify/billing",
        X_Gateway_Secret=secret[1],
        X_Original_Method="GET",
        X_Original_Uri="/",
        X_Forwarded_For="203.0.113.9",
    )
    return status, refusal


@pytest.mark.full
def test_a_gateway_serves_alone_without_the_keys_that_open_tokens(installation: Installation) -> None:
    folder = installation.folder
    names = re.findall(r"^(\w+)=", (folder / "gateway.env").read_text(), re.MULTILINE)
    assert not {"SEALING_KEYS", "CHECKPOINT_KEY", "MAINTENANCE_DATABASE_URL", "EMAIL_URL"} & set(names)
    own = {"KEYWARD_ENV_FILE": "gateway.env", "KEYWARD_VAR": str(folder / "var")}
    gateway = f"http://localhost:{installation.ports['GATEWAY_PORT']}"
    file = folder / "gateway.env"
    good = file.read_text()
    with installation.serve("gateway", **own) as process:
        assert ask(gateway, folder) == (401, "invalid_credentials")
        with pytest.raises(OSError, match="refused"):
            get(f"http://localhost:{installation.ports['PORT']}/login/")

        # SIGHUP reads the file again. What is wrong in it is said, and the process before goes on.
        for wrong, expected in (("BASE_URL = x", "reload refused"), ("LOG_RETENTION_DAYS=0", "reload failed")):
            file.write_text(f"{good}{wrong}\n")
            process.send_signal(signal.SIGHUP)
            assert happens(partial(installation.has_logged, expected)), installation.read_log()
            assert ask(gateway, folder) == (401, "invalid_credentials")
        file.write_text(re.sub("nginx:\\w+", f"nginx:{secrets.token_hex(32)}", good))
        assert ask(gateway, folder) == (403, "gateway_secret")
        process.send_signal(signal.SIGHUP)
        assert happens(lambda: ask(gateway, folder) == (401, "invalid_credentials"))
        assert process.poll() is None


@pytest.mark.parametrize(
    ("line", "mode", "message"),
    [
        ("PORT = 8000", 0o600, "keyward.env:1 is not usable: it must be NAME=value"),
        ("EMAIL_URL=smtp://a:b$c@h", 0o600, "keyward.env:1 EMAIL_URL is not usable: its value must stand in '...'"),
        ("PORT=1\nPORT=2", 0o600, "keyward.env:2 PORT is set twice"),
        ("PORT=1", 0o644, "keyward.env has mode 644: other users must not open it"),
        ("PORT=eighty", 0o600, "PORT 'eighty' is not usable"),
    ],
)
def test_an_environment_file_that_is_not_usable_gets_a_line(
    installation: Installation, tmp_path: Path, line: str, mode: int, message: str
) -> None:
    (tmp_path / "keyward.env").write_text(f"{line}\n")
    (tmp_path / "keyward.env").chmod(mode)
    here = Installation(installation.programs, tmp_path, {})
    done = here.run("check")
    assert done.returncode == 1
    assert done.stderr.startswith(message), done.stderr
    assert done.stderr.count("\n") == 1
