"""The start as an operator meets it: a command in an environment."""

from __future__ import annotations

import base64
import os
import runpy
import secrets
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from config.env import Misconfigured

ROOT = Path(__file__).resolve().parents[2]
READ = "from django.conf import settings; print(settings.KEYWARD_MODE, settings.SECRET_KEY)"


def start(var: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", "KEYWARD_VAR": str(var), **environ}
    command = [
        sys.executable,
        "-c",
        f"import sys; from config.command_line import run; sys.argv[1:] = ['help', '--commands']; run(); {READ}",
    ]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    # Without the names of commands, which any command that does nothing would do for.
    done.stdout = "".join(done.stdout.splitlines(keepends=True)[-1:])
    return done


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
        "TRUSTED_PROXIES": "127.0.0.1",
        "EMAIL_URL": "smtp+tls://keyward:x@mail.example.com:587",
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
    ("environ", "message"),
    [
        ({"PORT": "eighty"}, "PORT 'eighty' is not usable"),
        ({"PORT": "9000", "GATEWAY_PORT": "9000"}, "must differ"),
        ({"TOKEN_PEPPERS": "1:hunter2"}, "TOKEN_PEPPERS is not usable"),
        ({"KEYWARD_DEMO_PASSWORD": "short"}, "KEYWARD_DEMO_PASSWORD is not usable"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line(environ: dict[str, str], message: str, tmp_path: Path) -> None:
    done = start(tmp_path, **environ)
    assert done.returncode != 0
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


ZEROS = base64.b64encode(bytes(32)).decode()
ONE = key()
WRONG = [
    ({"KEYWARD_MODE": "prod"}, "KEYWARD_MODE 'prod' is not usable"),
    ({"PORT": "eighty"}, "PORT 'eighty'"),
    ({"GATEWAY_PORT": "70000"}, "GATEWAY_PORT '70000'"),
    ({"METRICS_PORT": "0"}, "METRICS_PORT '0'"),
    ({"BIND": "keys.example.com"}, "BIND 'keys.example.com'"),
    ({"GATEWAY_BIND": "127.0.0.1:80"}, "GATEWAY_BIND '127.0.0.1:80'"),
    ({"METRICS_BIND": "[::1]"}, "METRICS_BIND '[::1]'"),
    ({"BIND": "0.0.0.0", "BASE_URL": "http://keys.example.com"}, "BIND 0.0.0.0 would send passwords"),
    ({"BIND": "::", "BASE_URL": "http://keys.example.com"}, "BIND :: would send passwords"),
    ({"BASE_URL": "keys.example.com"}, "BASE_URL 'keys.example.com'"),
    ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is not set"),
    ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS '*'"),
    ({"TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES is not set"),
    ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "TRUSTED_PROXIES '0.0.0.0/0'"),
    ({"TRUSTED_PROXIES": "0.0.0.0/1,128.0.0.0/1"}, "TRUSTED_PROXIES '0.0.0.0/0'"),
    ({"TRUSTED_PROXIES": "the-proxy"}, "TRUSTED_PROXIES 'the-proxy'"),
    ({"SECRET_KEY": "x" * 60}, "SECRET_KEY is not usable"),
    ({"SECRET_KEY": secrets.token_urlsafe(24)}, "SECRET_KEY is not usable"),
    ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
    ({"TOKEN_PEPPERS": f"1:{ZEROS}"}, "TOKEN_PEPPERS is not usable"),
    ({"TOKEN_PEPPERS": ""}, "TOKEN_PEPPERS is not set"),
    ({"SEALING_KEYS": f"1:{ZEROS}"}, "SEALING_KEYS is not usable"),
    ({"SEALING_KEYS": f"1:{ONE}", "SIGNING_KEYS": f"1:{ONE}"}, "SIGNING_KEYS holds a secret that SEALING_KEYS holds"),
    ({"SIGNING_KEYS": f"2:{ONE},1:{ONE}"}, "SIGNING_KEYS holds the same secret twice"),
    ({"SIGNING_KEYS": "2:short"}, "SIGNING_KEYS is not usable"),
    ({"AUDIT_KEYS": base64.b64encode(bytes(range(32))).decode()}, "AUDIT_KEYS is not usable"),
    ({"AUDIT_KEYS": f"1:{base64.b64encode(b'correct horse battery staple 123').decode()}"}, "AUDIT_KEYS is not usable"),
    ({"CHECKPOINT_KEY": ONE, "AUDIT_KEYS": f"7:{ONE}"}, "CHECKPOINT_KEY holds a secret that AUDIT_KEYS holds"),
    ({"CHECKPOINT_KEY_FILE": "/nowhere", "CHECKPOINT_KEY": ""}, "CHECKPOINT_KEY_FILE '/nowhere'"),
    (
        {"GATEWAY_SECRETS": "nginx:aaaaaaaaaaaaaaaa"},
        "GATEWAY_SECRETS is not usable: it must be a random secret",
    ),
    ({"GATEWAY_SECRETS": "nginx:CHANGE-ME-0123-4567-89ab"}, "GATEWAY_SECRETS is not usable"),
    ({"GATEWAY_SECRETS": f"a:{ONE},b:{ONE}"}, "GATEWAY_SECRETS holds the same secret twice"),
    ({"GATEWAY_SECRETS": secrets.token_hex(16)}, "GATEWAY_SECRETS is not usable: it must be name:secret"),
    ({"EMAIL_URL": ""}, "EMAIL_URL is not set to a mail server"),
    ({"EMAIL_URL": "consolemail://"}, "EMAIL_URL is not set to a mail server"),
    ({"EMAIL_URL": "mail.example.com"}, "EMAIL_URL is not usable"),
    ({"DATABASE_URL": "mysql://root@db/keyward"}, "DATABASE_URL is not usable"),
    ({"REPLICA_DATABASE_URL": "postgresql://db"}, "REPLICA_DATABASE_URL is not usable"),
    ({"CACHE_URL": "carrierpigeon://"}, "CACHE_URL is not usable"),
    ({"PGBOUNCER": "yes"}, "PGBOUNCER 'yes'"),
    ({"TOKEN_PREFIX": "Acme!"}, "TOKEN_PREFIX 'Acme!'"),
    ({"SUPPORT_CONTACT": "ask Sam"}, "SUPPORT_CONTACT 'ask Sam'"),
    ({"SUPPORT_CONTACT": "javascript:alert(1)//@x"}, "SUPPORT_CONTACT 'javascript"),
    ({"LOG_RETENTION_DAYS": "0"}, "LOG_RETENTION_DAYS '0'"),
    ({"KEY_MAX_LIFETIME_DAYS": "forever"}, "KEY_MAX_LIFETIME_DAYS 'forever'"),
    ({"KEYWARD_DEMO_PASSWORD": "a demo password"}, "KEYWARD_DEMO_PASSWORD is set"),
    ({"KEYWARD_VAR": "/proc/nowhere"}, "KEYWARD_VAR '/proc/nowhere' is not usable"),
    ({"LOG_RETENTION_DAY": "3"}, "LOG_RETENTION_DAY is not a variable Keyward knows: it must be LOG_RETENTION_DAYS"),
    ({"GATEWAY_SECRET": "x"}, "GATEWAY_SECRET is not a variable Keyward knows: it must be GATEWAY_SECRETS"),
    ({"KEYWARD_MDOE": "demo"}, "KEYWARD_MDOE is not a variable Keyward knows"),
]


def problems(environ: dict[str, str], var: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what reading the settings in that environment reports, a line each; the tests' own are not touched."""
    with monkeypatch.context() as patched:
        for name in list(os.environ):
            patched.delenv(name)
        for name, value in ({"PATH": "/bin", "KEYWARD_VAR": str(var)} | environ).items():
            patched.setenv(name, value)
        try:
            runpy.run_path(str(ROOT / "config" / "settings.py"))
        except Misconfigured as error:
            return str(error).splitlines()
    return []


@pytest.mark.quality(29)
def test_each_of_many_wrong_configurations_gets_its_line_and_all_of_them_in_one_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None]
) -> None:
    good = production()
    assert problems(good, tmp_path, monkeypatch) == []
    together: dict[str, str] = {}
    at_once = []
    for environ, message in WRONG:
        lines = problems(good | environ, tmp_path, monkeypatch)
        # A value that is not read is not there for what compares it with another: one line more is right.
        assert [line for line in lines if line.startswith(message)], (environ, lines)
        assert len(lines) == 1 or "KEYWARD_MODE" in environ, (environ, lines)
        if not set(environ) & set(together) and "KEYWARD_MODE" not in environ and "KEYWARD_VAR" not in environ:
            together |= environ
            at_once.append(message)
    lines = problems(good | together, tmp_path, monkeypatch)
    missing = [message for message in at_once if not any(line.startswith(message) for line in lines)]
    assert missing == []
    figure(f"{len(WRONG)} wrong configurations, a line each; {len(at_once)} of them named in one start")


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
    output = {process.communicate()[0] for process in running}
    assert len(output) == 1
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
