"""Every command in the documents works: the fenced `sh` blocks are run in their order, with free ports and a folder
of their own for `var/`.

A block's first line may say more: ```sh serve TEXT``` starts something that stays until the document's end, and that is
ready when it has printed TEXT.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.gateways import free_port
from tests.parameters import sampled

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```sh(?: serve (?P<ready>[^\n]+))?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PROXIES = ("nginx", "caddy", "envoy", "haproxy")
# These need a server, a machine or an engine of containers of their own: test_production.py, test_install.py,
# test_backups.py, tests/containers.
ELSEWHERE = {"production", "install", "backups", "containers"}
WITH_COMMANDS = [
    document for document in DOCUMENTS if BLOCK.search(document.read_text()) and document.stem not in ELSEWHERE
]


# These say how to begin; --full runs the others too.
SAMPLE = [document for document in WITH_COMMANDS if document.stem in {"README", "gateways"}]


class Shell:
    """Runs a document's commands with this run's ports and folder in place of those that are printed."""

    # The checkout, and what runs a command as somebody else.
    root = ROOT
    prefix: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.var = folder / "var"
        self.ports = {port: str(free_port()) for port in ("8000", "8001", "8080", "9000")}
        # What the tests need for themselves is no part of an installation, and its checks would say so.
        given = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
        self.environment = given | {
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}:/usr/sbin",
            "KEYWARD_VAR": str(self.var),
            "PORT": self.ports["8000"],
            "GATEWAY_PORT": self.ports["8001"],
        }

    def run(self, code: str) -> str:
        done = subprocess.run(
            [*self.prefix, "bash", "-euo", "pipefail", "-c", self._here(code)],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}"
        self._correct_ports()
        return done.stdout

    @contextmanager
    def serve(self, code: str, ready: str) -> Iterator[None]:
        process = subprocess.Popen(
            [*self.prefix, "bash", "-c", f"exec {self._here(code).strip()}"],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        # A server that never gets ready is killed, which ends the reading.
        timer = threading.Timer(120, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            output: list[str] = []
            for line in process.stdout:
                output.append(line)
                if line.startswith(ready):
                    break
            else:
                pytest.fail(f"{code}\n{''.join(output)}")
            timer.cancel()
            yield
        finally:
            timer.cancel()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)

    def _here(self, code: str) -> str:
        code = code.replace("$PWD/var/", f"{self.var}/")
        code = re.sub(r"(?<![\w/])var/", f"{self.var}/", code)
        return re.sub("|".join(self.ports), lambda match: self.ports[match[0]], code)

    def _correct_ports(self) -> None:
        """Also in the configuration that a command has just copied."""
        for path in self.var.glob("nginx*/keyward.conf"):
            text = path.read_text()
            path.write_text(re.sub("|".join(self.ports), lambda match: self.ports[match[0]], text))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    yield Shell(tmp_path)
    # A document that failed half-way has not stopped its nginx.
    for running in tmp_path.glob("var/*/nginx.pid"):
        # `nginx -t` leaves an empty one.
        if process := running.read_text().strip():
            os.kill(int(process), signal.SIGTERM)
    shutil.rmtree(tmp_path / "var", ignore_errors=True)


@pytest.mark.parametrize("document", sampled(WITH_COMMANDS, *SAMPLE), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_document_works(document, shell):
    text = document.read_text()
    for program in PROXIES:
        if re.search(rf"(?m)^(?:\w+=\w+ )?{program} ", text) and not shutil.which(
            program, path=shell.environment["PATH"]
        ):
            pytest.skip(f"{program} is not installed")
    output = []
    with ExitStack() as serving:
        for block in BLOCK.finditer(text):
            if block["ready"]:
                serving.enter_context(shell.serve(block["code"], block["ready"]))
                notes = shell.var / "demo.json"
                if notes.exists():
                    shell.environment["TOKEN"] = json.loads(notes.read_text())["token"]
            else:
                output.append(shell.run(block["code"]))
    if document.name == "README.md":
        assert '"X-Key-Name": "Invoice portal"' in output[2]
        assert "HTTP/1.1 401" in output[3]
        assert "invalid_credentials" in output[3]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_to_a_file(document):
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    missing = [target for target in targets if "://" not in target and not (document.parent / target).exists()]
    assert not missing
