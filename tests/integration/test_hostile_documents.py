"""Documents of 16 MB that say nothing, to the command and to Support's page: refused in our words, in bounded time and
memory."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from core.permissions import Role
from tests.factories.accounts import a_user, with_totp
from tests.hostile_documents import IMPORTED, list_documents

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.quality(32)]
POLICY = Path("keys/apis/presets/billing.policy.yaml")
CPU_SECONDS = 25.0
MEMORY_MB = 500
# A sample, of each kind of work: counting, one long value, many small ones, references, aliases, directives.
SAMPLE = {
    *("json: spaces", "json: one long number", "json: empty names", "json: depth", "json: a long server"),
    *("json: shared tags", "json: references abroad", "yaml: one long text", "yaml: aliases"),
    *("yaml: merges of merges", "yaml: directives"),
}
# Uploaded they are read by the same code as from a file; with --full what takes longest is uploaded too.
ON_THE_PAGE = {"json: spaces", "json: empty names", "yaml: aliases", "yaml: directives"}
SLOW_ON_THE_PAGE = {"json: references abroad"}


def measure(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the CPU seconds and the MB of memory that the work takes at its peak."""
    Path("/proc/self/clear_refs").write_text("5")
    before, began = _get_peak(), time.process_time()
    work()
    return time.process_time() - began, _get_peak() - before


def _get_peak() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        assert self.family == socket.AF_UNIX or address[1] != 9, "a document was followed"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, Callable[[], str], str]]:
    return (
        (f"{suffix}: {kind}", suffix, make, named)
        for kind, suffix, make, named in list_documents()
        if request.config.getoption("--full") or f"{suffix}: {kind}" in SAMPLE
    )


@pytest.mark.usefixtures("no_network")
def test_the_command_refuses_each_in_bounded_time_and_memory(
    chosen: Any, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    costs: dict[str, tuple[float, float]] = {}
    for kind, suffix, make, named in chosen:
        file = tmp_path / f"large.{suffix}"
        file.write_text(make())
        lines: list[str] = []

        def run(file: Path = file, lines: list[str] = lines) -> None:
            options = ("--policy", str(POLICY), "--dry-run")
            try:
                call_command("import_api", str(file), *options, stdout=io.StringIO(), stderr=io.StringIO())
            except CommandError as error:
                lines.append(str(error))

        costs[kind] = measure(run)
        if named == IMPORTED:
            assert lines == [], kind
        else:
            assert named in lines[0], kind
            assert len(lines[0]) < 200_000, kind
        file.unlink()
    assert {kind: cost for kind, cost in costs.items() if cost[0] > CPU_SECONDS or cost[1] > MEMORY_MB} == {}
    slowest, largest = max(cost[0] for cost in costs.values()), max(cost[1] for cost in costs.values())
    figure(f"{len(costs)} hostile documents of up to 16 MB: each within {slowest:.1f} s of CPU and {largest:.0f} MB")


@pytest.mark.usefixtures("no_network")
def test_the_page_of_support_refuses_them_alike(client: Client, full: bool, figure: Callable[[str], None]) -> None:
    """Upload some of the documents; with --full the one that takes longest too."""
    user: User = a_user(None, "Sam", Role.SUPPORT)
    with_totp(user)
    client.force_login(user)
    costs: dict[str, tuple[float, float]] = {}
    for kind, suffix, make, named in list_documents():
        if f"{suffix}: {kind}" not in ON_THE_PAGE | (SLOW_ON_THE_PAGE if full else set()):
            continue
        content = make().encode()
        answers: list[Any] = []

        def send(content: bytes = content, answers: list[Any] = answers) -> None:
            files = {
                "document": SimpleUploadedFile("large", content),
                "policy": SimpleUploadedFile("policy", POLICY.read_bytes()),
            }
            answers.append(client.post("/admin/keys/api/new/", {"slug": "large", **files}))

        costs[kind] = measure(send)
        page = answers[0].content.decode().replace("&#x27;", "'")
        assert answers[0].status_code == 422, kind
        assert named in page, kind
        assert len(page) < 400_000, kind
    assert {kind: cost for kind, cost in costs.items() if cost[0] > CPU_SECONDS or cost[1] > MEMORY_MB} == {}
    figure(
        f"{len(costs)} of them on Support's page: each within {max(cost[0] for cost in costs.values()):.1f} s of CPU"
    )
