"""The start as an operator meets it: a command in an environment."""

from __future__ import annotations

import base64
import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
READ = "from django.conf import settings; print(settings.KEYWARD_MODE, settings.SECRET_KEY)"


def start(var: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", "KEYWARD_VAR": str(var), **environ}
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", READ]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def production() -> dict[str, str]:
    rings = {name: f"1:{key()}" for name in ("TOKEN_PEPPERS", "SEALING_KEYS", "SIGNING_KEYS", "AUDIT_KEYS")}
    return {
        "KEYWARD_MODE": "production",
        "SECRET_KEY": secrets.token_urlsafe(40),
        "CHECKPOINT_KEY": key(),
        "ALLOWED_HOSTS": "keys.example.com",
        "BASE_URL": "https://keys.example.com",
        **rings,
    }


def test_production_starts_with_everything_it_needs(tmp_path: Path) -> None:
    done = start(tmp_path, **production())
    assert (done.returncode, done.stdout.split(" ")[0]) == (0, "production"), done.stderr
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize("missing", sorted(set(production()) - {"KEYWARD_MODE", "BASE_URL"}))
def test_production_refuses_to_start_without(missing: str, tmp_path: Path) -> None:
    done = start(tmp_path, **{name: value for name, value in production().items() if name != missing})
    assert done.returncode != 0
    assert done.stderr.startswith(f"{missing} is not set")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["SECRET_KEY", "TOKEN_PEPPERS", "CHECKPOINT_KEY", "GATEWAY_SECRETS"])
def test_production_refuses_what_the_demo_made(name: str, tmp_path: Path) -> None:
    assert start(tmp_path).returncode == 0
    demo = tmp_path / "secrets" / name.lower()
    environ = {other: value for other, value in production().items() if other != name}
    done = start(tmp_path, **environ, **{f"{name}_FILE": str(demo)})
    assert done.returncode != 0
    assert done.stderr == f"{name} holds a secret that the demo made: production needs one of its own.\n"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"PORT": "eighty"}, "PORT 'eighty' is not usable"),
        ({"KEYWARD_MODE": "prod"}, "KEYWARD_MODE 'prod' is not usable"),
        ({"PORT": "9000", "GATEWAY_PORT": "9000"}, "must differ"),
        ({"KEYWARD_MDOE": "demo"}, "KEYWARD_MDOE is not a variable"),
        ({"TOKEN_PEPPERS": "1:hunter2"}, "TOKEN_PEPPERS is not usable"),
        ({"KEYWARD_VAR": "/proc/nowhere"}, "KEYWARD_VAR '/proc/nowhere' is not usable"),
        ({"KEYWARD_DEMO_PASSWORD": "short"}, "KEYWARD_DEMO_PASSWORD is not usable"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line(environ: dict[str, str], said: str, tmp_path: Path) -> None:
    done = start(tmp_path, **environ)
    assert done.returncode != 0
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def test_an_unreachable_database_stops_a_command_with_one_line(tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "KEYWARD_VAR": str(tmp_path),
        "DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x",
    }
    command = [sys.executable, "manage.py", "migrate"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith("The database does not answer")
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def test_the_demo_keeps_its_secrets_for_itself(tmp_path: Path) -> None:
    var = tmp_path / "var"
    first, second = start(var), start(var)
    assert first.stdout == second.stdout != ""
    assert stat.S_IMODE(var.stat().st_mode) == 0o700
    assert stat.S_IMODE((var / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (var / "secrets").iterdir()} == {0o600}


def test_processes_that_start_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "KEYWARD_VAR": str(tmp_path / "var"),
    }
    command = [sys.executable, "-c", READ]
    running = [subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = {process.communicate()[0] for process in running}
    assert len(said) == 1
    assert all(process.returncode == 0 for process in running)


def test_passwords_are_hashed_with_argon2id() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import config.settings as s; print(s.PASSWORD_HASHERS[0], s.DEBUG)"],
        env={"PATH": os.environ["PATH"], "KEYWARD_VAR": os.environ["KEYWARD_VAR"]},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "django.contrib.auth.hashers.Argon2PasswordHasher False\n"
