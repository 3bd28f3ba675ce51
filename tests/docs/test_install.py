"""docs/install.md, executed: each command in its order on an empty Debian that systemd boots, as an ordinary user, and
what people do between them, from outside and over TLS."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.core.management import get_commands

from accounts.allauth_internals import format_hotp_value, hotp_value
from config.installation.environment import NewInstallation
from config.installation.init import build_files
from tests.certificates import make_authority, make_certificate
from tests.debian import USER, Machine, make_machine
from tests.docs.test_commands import BLOCK, ROOT
from tests.visitor import Visitor
from tests.waiting import wait_until

GUIDE = (ROOT / "docs" / "install.md").read_text()
PORTAL, API = "https://keys.example.com", "https://api.example.com"
MAIL_ADDRESS = "127.0.0.25"
HOSTS = f"127.0.0.1 keys.example.com api.example.com\n{MAIL_ADDRESS} mail.example.com\n"
PASSWORD = "a long enough password of hers"
SERVICES = ("keyward-portal", "keyward-gateway", "keyward-access-log", "nginx", "postgresql")
MAIL_PYTHON = "/usr/bin/python3"
SAMPLE = NewInstallation(PORTAL, "smtp://mail.example.com:25", "localhost:5432", "/var/lib/keyward")
TOKEN = re.compile(r"kw_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")


class Guide:
    """The document's blocks, run one after the other with what its reader types and does."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.minutes, self.count = machine, 0.0, 0
        self._typed: dict[str, Callable[[], str]] = {}

    def type(self, command: str, text: Callable[[], str]) -> None:
        """Let `text()` be typed where the command asks for it."""
        self._typed[command] = text

    def run(self, serving: ExitStack, report: Callable[[str], None]) -> str:
        """Run all blocks; return what the last `curl` of an allowed call said."""
        said = ""
        for heading, block in list_blocks():
            began = time.monotonic()
            code = block["code"]
            if block["ready"]:
                serving.enter_context(self._serve(code, block["ready"]))
            else:
                typed = "".join(text() for command, text in self._typed.items() if command in code)
                output = self.machine.run(code, stdin=typed)
                said = output if "$TOKEN" in code else said
            self.count += len(re.findall(r"^(?![ }<]|END)\S.*", code, re.MULTILINE))
            self.minutes += (time.monotonic() - began) / 60
            report(f"{heading}: after {self.minutes:.1f} minutes")
        return said

    @contextmanager
    def _serve(self, code: str, ready: str) -> Iterator[None]:
        process = subprocess.Popen(
            self.machine.build_command(f"exec {code.strip()}"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        timer = threading.Timer(120, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            assert any(line.startswith(ready) for line in process.stdout), code
            timer.cancel()
            yield
        finally:
            timer.cancel()
            # nsenter waits for the one process that it started in the machine, which passes the signal on.
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGTERM)
            process.wait()
            process.stdout.close()


def list_blocks() -> list[tuple[str, re.Match[str]]]:
    """Return the blocks, each with its heading."""
    headings = [(match.start(), match[1]) for match in re.finditer(r"^## (.+)$", GUIDE, re.MULTILINE)]
    return [
        (max((start, name) for start, name in headings if start < block.start())[1], block)
        for block in BLOCK.finditer(GUIDE)
    ]


def prepare(folder: Path, authority: Path) -> None:
    """Put into the machine's files what the guide's reader has before they begin."""
    home = folder / "home" / USER
    checkout = home / "keyward"
    checkout.mkdir()
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, files.stdout.split("\0")):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    (home / "tls").mkdir(mode=0o700)
    for name in ("keys.example.com", "api.example.com"):
        for file in make_certificate(authority.parent, name):
            shutil.copy(file, home / "tls")
    with (folder / "etc/hosts").open("a") as hosts:
        hosts.write(HOSTS)
    shutil.copy(authority, folder / "usr/local/share/ca-certificates/example.crt")
    for command in (["update-ca-certificates"], ["chown", "--recursive", f"{USER}:", f"/home/{USER}"]):
        subprocess.run(["chroot", str(folder), *command], check=True, capture_output=True)


@contextmanager
def mail_server(machine: Machine, folder: Path) -> Iterator[Path]:
    """Yield the folder of the mails that the organisation's mail server, in the machine's network, accepts."""
    certificate, key = make_certificate(folder, "mail.example.com")
    script = [MAIL_PYTHON, str(ROOT / "tests" / "mail_server.py"), MAIL_ADDRESS, str(certificate), str(key)]
    process = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{machine.namespace}", *script, str(folder / "mails")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield folder / "mails" / "new"
    finally:
        process.terminate()
        process.communicate()


def wait_for_mail(mails: Path, text: str) -> str:
    """Return the newest mail that holds a text."""

    def find() -> str | None:
        newest_first = sorted(mails.glob("*"), reverse=True)
        contents = (mail.read_text().replace("=\n", "").replace("=3D", "=") for mail in newest_first)
        return next((content for content in contents if text in content), None)

    content = wait_until(find, seconds=60, describe=lambda: f"a mail with {text!r}")
    assert content
    return content


def sign_in(visitor: Visitor, email: str) -> None:
    visitor.open("/login/")
    visitor.submit(login=email, password=PASSWORD)
    assert (visitor.status, "/login/" in visitor.url) == (200, False), visitor.page


def create_first_key(alice: Visitor) -> str:
    """Sign in as the account's Administrator, and return the token of a new key."""
    sign_in(alice, "alice@example.com")
    alice.open("/keys/new/?api=shop")
    page = alice.submit(name="Till", every_module="all", expiry="never", enabled="on", password=PASSWORD)
    token = TOKEN.search(page)
    assert token, page
    return token[0]


def check_people(alice: Visitor, bob: Visitor, sam: Visitor, mails: Path) -> None:
    """Support adds the second factor that it needs; who is invited gets the mail, and in."""
    sign_in(sam, "sam@example.com")
    assert sam.url == f"{PORTAL}/profile/second-factor/", sam.url
    shown = re.search(r'<dd class="mono">([A-Z2-7 ]+)</dd>', sam.open("/profile/totp/"))
    assert shown, sam.page
    code = format_hotp_value(hotp_value(shown[1].replace(" ", ""), int(time.time()) // 30))
    sam.submit(code=code, password=PASSWORD)
    assert "acme" in sam.open("/admin/accounts/account/")

    assert "test" in wait_for_mail(mails, "To: alice@example.com").lower()
    alice.open("/users/invite/")
    alice.submit(email="bob@example.com", roles="auditor", password=PASSWORD)
    link = re.search(rf"{PORTAL}/invitation/[\w-]+/", wait_for_mail(mails, "To: bob@example.com"))
    assert link
    bob.open(link[0])
    bob.submit(nickname="Bob", password=PASSWORD)
    sign_in(bob, "bob@example.com")
    assert bob.open("/audit/").count("bob@example.com") > 0


def check_log(alice: Visitor) -> None:
    """Wait until the API log has the first call with the status that the proxy logged."""
    status = '<td data-label="Status" class="number">200</td>'
    wait_until(lambda: status in alice.open("/logs/?decision=allowed"), seconds=60, describe=lambda: alice.page)
    assert "GET /customers" in alice.page


def is_reached(port: int) -> bool:
    """Return whether something answers at a forwarded port."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: keys.example.com\r\nConnection: close\r\n\r\n")
            return connection.recv(1) != b""
    except OSError:
        return False


def check_services(machine: Machine) -> None:
    """Everything runs, as doctor says, and from outside nothing but the proxy is reached."""
    timers = "keyward-maintain.timer keyward-notices.timer"
    active = machine.run(f"systemctl is-active {' '.join(SERVICES)} {timers}; systemctl --failed --plain")
    assert active.startswith("active\n" * (len(SERVICES) + 2)), active
    assert "0 loaded units" in active

    def diagnose() -> str:
        return machine.run("sudo keyward doctor || true")

    wait_until(lambda: "WRONG" not in diagnose(), seconds=60, describe=diagnose)
    said = diagnose()
    assert said.endswith("All checks passed.\n")
    units = " ".join(SERVICES[:3])
    users = machine.run(f"for unit in {units}; do stat --format %U /proc/$(systemctl show -P MainPID $unit); done")
    assert users.split() == ["keyward", "keyward-gateway", "keyward"]
    assert [port for port in (80, 443, 8000, 8001, 5432) if is_reached(machine.forward(port))] == [80, 443]
    assert machine.run("curl --silent --output /dev/null --write-out '%{redirect_url}' http://api.example.com/x") == (
        f"{PORTAL}/x"
    )


def check_reload(machine: Machine, client: Visitor) -> None:
    """Reload both planes: their processes are replaced, and no call is left without an answer meanwhile."""
    machine.run("sudo systemctl reload keyward-portal keyward-gateway")
    logs = "sudo journalctl --output=cat --unit=keyward-portal --unit=keyward-gateway"
    deadline = time.monotonic() + 60
    while (said := machine.run(logs)).count('"event": "reloaded') < 2:
        assert time.monotonic() < deadline, said
        assert "invalid_credentials" in client.open(f"{API}/customers")


@pytest.mark.parametrize(("heading", "block"), list_blocks(), ids=[heading for heading, _ in list_blocks()])
def test_a_block_is_shell_that_names_what_there_is(heading: str, block: re.Match[str], tmp_path: Path) -> None:
    """Check what needs no machine: syntax, Keyward's commands, and the files of the checkout and of `keyward init`."""
    code = block["code"]
    parsed = subprocess.run(["bash", "-n", "-c", code], capture_output=True, text=True)
    assert parsed.returncode == 0, parsed.stderr
    own = {"init", "doctor", "version"}
    commands = re.findall(r"(?m)(?:^|sudo |-u keyward )keyward ([a-z_]+)", code)
    assert [name for name in commands if name not in own | set(get_commands())] == []
    for named in re.findall(r"(?<![\w/])((?:deploy|examples)/[\w./-]+)", code):
        assert (ROOT / named).exists(), named
    written = {f"/etc/keyward/{name}" for name in build_files(SAMPLE, Path("/etc/keyward"))}
    for named in re.findall(r"/etc/keyward/(?:systemd|nginx|nginx-portal)/[\w.-]+|/etc/keyward/\w+\.(?:env|sql)", code):
        assert named in written, named


@pytest.mark.full
@pytest.mark.quality(33)
def test_the_guide_leads_from_an_empty_machine_to_the_first_call(
    tmp_path: Path, figure: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def report(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)  # noqa: T201 - the minutes are what the reader waits for

    if not shutil.which("aiosmtpd", path="/usr/bin"):
        pytest.skip("not installed (Debian): python3-aiosmtpd")
    authority = make_authority(tmp_path)
    began = time.monotonic()
    with make_machine(lambda folder: prepare(folder, authority)) as machine:
        report(f"An empty Debian: {(time.monotonic() - began) / 60:.1f} minutes")
        port = machine.forward(443)
        alice, bob, sam = (Visitor(PORTAL, port, authority) for _ in range(3))
        with mail_server(machine, tmp_path) as mails:
            with machine.boot():
                guide = Guide(machine)
                guide.type("create_account", lambda: f"{PASSWORD}\n")
                guide.type("grant_support", lambda: f"{PASSWORD}\n")
                guide.type("read -rsp", lambda: f"{create_first_key(alice)}\n")
                with ExitStack() as serving:
                    said = guide.run(serving, report)
                    assert '"X-Key-Name": "Till"' in said
                    assert '"X-Account": "acme"' in said
                    check_people(alice, bob, sam, mails)
                    check_log(alice)
                check_services(machine)
                check_reload(machine, alice)
            report("Starting again")
            with machine.boot():
                check_services(machine)
                assert "invalid_credentials" in alice.open(f"{API}/customers")
    figure(
        f"docs/install.md: {guide.count} commands on an empty Debian that systemd booted, as an ordinary user, in "
        f"{guide.minutes:.0f} minutes: an allowed call through nginx with TLS; everything runs again after a reboot"
    )
