"""What exports say that they are: numbers, names and signed manifests, of logs and of lists, and who checks them."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.http import HttpResponseBase
from django.test import Client

from accounts.models import Account, User
from audit.exports import file
from audit.exports.description import describe_manifest
from audit.models import Event
from audit.trail.selectors import list_events
from core import signed_json
from core.permissions import Role
from keys.models import IpList
from tests.factories.accounts import ADDRESS, a_user, an_account, with_totp
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True)
STANDALONE = Path(__file__).parents[2] / "examples" / "verify_export.py"


@pytest.fixture
def acme() -> Account:
    account = an_account()
    account.mask_phone, account.mask_digits, account.mask_side = True, 4, "last"
    account.save()
    return account


@pytest.fixture
def alice(acme: Account) -> User:
    return a_user(acme, "Alice", Role.ADMINISTRATOR)


@pytest.fixture
def client(alice: User) -> Client:
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(alice)
    return client


@pytest.fixture
def offices(alice: User) -> IpList:
    a_billing_key(alice)
    return an_ip_list(alice, "203.0.113.7", name="Offices")


def content_of(response: HttpResponseBase) -> bytes:
    assert response.status_code == 200, getattr(response, "content", b"")
    return b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]


def name_of(response: HttpResponseBase) -> str:
    return response.headers["Content-Disposition"].split('"')[1]


def the_export(acme: Account, name: str = "export.started") -> Event:
    return list_events(acme.pk).get(name=name)


def test_a_log_exports_manifest_says_all_of_what_it_is(client: Client, acme: Account) -> None:
    a_call(acme, decision="denied", reason="key_disabled")
    response = client.post("/logs/export/", {"format": "csv", "range": "7d", "reason": "key_disabled"})
    content = content_of(response)
    started = the_export(acme)

    manifest = client.get(f"/audit/{started.number}/manifest/")
    data = json.loads(manifest.content)

    signed_json.verify(data, kind="keyward-export-2", public_key=public_key())
    assert data["number"] == started.number
    assert name_of(response).endswith(f"-{started.number}.csv")
    assert (data["file"], name_of(manifest)) == (name_of(response), f"{name_of(response)}.manifest.json")
    assert (data["account"], data["content"], data["format"]) == ("acme", "API log", "csv")
    assert data["filters"] == {"Reason": "The key is disabled"}
    assert data["masking"] == "Phone numbers in path and query are masked except for the last 4 digits."
    assert data["columns"] == content.split(b"\r\n")[0].decode().split(",")
    assert (data["rows"], data["sha256"]) == (1, hashlib.sha256(content).hexdigest())
    assert (data["exporter"]["label"], data["version"]) == ("alice@acme.example", settings.VERSION)
    # Absolute, never "7d".
    assert data["range"]["from"] < data["at"] < data["range"]["to"]
    assert all(text.endswith("Z") for text in (*data["range"].values(), data["at"]))
    ends = json.loads(the_export(acme, "export.finished").body)["data"]
    assert ends["started"] == started.number


def test_no_row_is_newer_than_the_range_that_the_manifest_states(client: Client, acme: Account) -> None:
    response = client.post("/logs/export/", {"format": "jsonl"})
    a_call(acme)
    assert content_of(response) == b""


def test_what_a_replica_does_not_have_yet_is_not_promised(
    client: Client, acme: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = datetime.now(UTC) - timedelta(minutes=5)
    monkeypatch.setattr(file, "get_replayed_until", lambda: followed)
    a_call(acme, time=followed - timedelta(seconds=1), path="/there")
    a_call(acme, path="/not-there-yet")
    content = content_of(client.post("/logs/export/", {"format": "jsonl", "to": "2031-01-01T00:00"}))
    assert [json.loads(line)["path"] for line in content.splitlines()] == ["/there"]
    data = json.loads(client.get(f"/audit/{the_export(acme).number}/manifest/").content)
    assert datetime.fromisoformat(data["range"]["to"]) == followed


@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx"])
@pytest.mark.parametrize("log", ["logs", "audit"])
def test_a_zip_holds_the_file_and_the_manifest_that_is_downloaded_later(
    client: Client, acme: Account, log: str, format: str
) -> None:
    a_call(acme)
    response = client.post(f"/{log}/export/", {"format": format, "zip": "on", "from": "2020-01-01T00:00"})
    assert response["Content-Type"] == "application/zip"
    assert not list_events(acme.pk).filter(name="export.finished").exists()

    archive = ZipFile(io.BytesIO(content_of(response)))

    assert archive.testzip() is None
    number = the_export(acme).number
    file, manifest = archive.namelist()
    assert (name_of(response), manifest) == (f"{file.removesuffix(format)}zip", f"{file}.manifest.json")
    assert archive.read(manifest) == client.get(f"/audit/{number}/manifest/").content
    data = json.loads(archive.read(manifest))
    assert (data["file"], data["sha256"]) == (file, hashlib.sha256(archive.read(file)).hexdigest())
    assert json.loads(the_export(acme, "export.finished").body)["data"]["sha256"] == data["sha256"]


def test_a_zip_that_is_broken_off_is_an_incomplete_export(client: Client, acme: Account) -> None:
    response = client.post("/logs/export/", {"format": "csv", "zip": "on"})
    next(iter(response))
    response.close()
    assert list_events(acme.pk).filter(name="export.incomplete").exists()
    assert client.get(f"/audit/{the_export(acme).number}/manifest/").status_code == 404


LISTS = {
    "keys.exported": ("/keys/export/", {"status": "active"}, "API keys", {"Status": "Active"}),
    "users.exported": ("/users/export/", {"role": "administrator"}, "users", {"Role": "Administrator"}),
    "ip_lists.exported": ("/ip-lists/export/", {"q": "Off"}, "IP lists", {"Search": "Off"}),
    "ip_list.exported": (
        "/ip-lists/{}/export/",
        {"state": "enabled"},
        "entries of the IP list Offices",
        {"Status": "Enabled"},
    ),
}


@pytest.mark.parametrize("event", LISTS)
@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_exports_of_lists_have_manifests_too(
    client: Client, acme: Account, offices: IpList, event: str, format: str
) -> None:
    path, filters, words, in_words = LISTS[event]
    path = path.format(offices.pk)
    response = client.post(path, filters | {"format": format, "zip": "on"})
    archive = ZipFile(io.BytesIO(content_of(response)))
    number = the_export(acme, event).number
    file, manifest = archive.namelist()
    assert archive.read(manifest) == client.get(f"/audit/{number}/manifest/").content
    data = json.loads(archive.read(manifest))
    signed_json.verify(data, kind="keyward-export-2", public_key=public_key())
    assert (data["number"], data["file"], data["content"]) == (number, file, words)
    assert (data["filters"], data["rows"], data["account"]) == (in_words, 1, "acme")
    assert data["sha256"] == hashlib.sha256(archive.read(file)).hexdigest()
    assert file.endswith(f"-{number}.{format}")
    # Where it was downloaded: rows, format, filters and manifest; and on the event's page.
    for page in (client.get(path, filters), client.get(f"/audit/{number}/")):
        assert f'href="/audit/{number}/manifest/"' in page.content.decode()
    listed = client.get(path).content.decode()
    assert f"1 row · {format.upper()} · {next(iter(in_words))}: <bdi>{next(iter(in_words.values()))}</bdi>" in listed


def test_support_takes_the_manifest_of_its_own_export(acme: Account, offices: IpList) -> None:
    support = a_user(None, "Sam", Role.SUPPORT)
    with_totp(support)
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(support)
    response = client.post("/admin/keys/key/export/", {"account": "acme", "format": "csv", "zip": "on"})
    _, manifest = ZipFile(io.BytesIO(content_of(response))).namelist()
    event = the_export(acme, "keys.exported")
    answer = client.get(f"/admin/audit/event/{event.seq}/manifest/")
    assert name_of(answer) == manifest
    assert json.loads(answer.content)["exporter"]["label"] == support.email
    assert (
        f"/admin/audit/event/{event.seq}/manifest/"
        in client.get(f"/admin/audit/event/{event.seq}/change/").content.decode()
    )


def test_a_manifest_is_of_a_finished_export_of_the_own_account_alone(client: Client, acme: Account) -> None:
    client.post("/logs/export/", {"format": "csv"}).close()
    bolt = Client(REMOTE_ADDR=ADDRESS)
    bolt.force_login(a_user(an_account("bolt"), "Bob", Role.ADMINISTRATOR))
    assert client.get(f"/audit/{the_export(acme).number}/manifest/").status_code == 404
    content_of(client.post("/logs/export/", {"format": "csv"}))
    numbers = [event.number for event in list_events(acme.pk).order_by("seq")]
    answers = {number: client.get(f"/audit/{number}/manifest/").status_code for number in numbers}
    assert list(answers.values()).count(200) == 1
    assert {bolt.get(f"/audit/{number}/manifest/").status_code for number in numbers} == {404}


def test_the_dialog_lists_ones_own_exports_of_this_log(client: Client, acme: Account) -> None:
    a_call(acme)
    content_of(client.post("/logs/export/", {"format": "jsonl", "decision": "allowed", "to": "2031-01-01T00:00"}))
    link = f"/audit/{the_export(acme).number}/manifest/"
    page = client.get("/logs/export/").content.decode()
    assert link in page
    assert "1 row · JSONL · Decision: <bdi>Allowed</bdi>" in page
    assert link not in client.get("/audit/export/").content.decode()


def public_key() -> Any:
    return signed_json.parse_public_pem(signed_json.format_public_pem(settings.CHECKPOINT_KEY).encode())


@pytest.fixture
def signed(client: Client, acme: Account, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A file, its manifest, and the public key."""
    a_call(acme)
    paths = tmp_path / "log.csv", tmp_path / "manifest.json", tmp_path / "key.pem"
    paths[0].write_bytes(content_of(client.post("/logs/export/", {"format": "csv", "key": "Ro\x1b[2J\nbot"})))
    paths[1].write_bytes(client.get(f"/audit/{the_export(acme).number}/manifest/").content)
    paths[2].write_text(signed_json.format_public_pem(settings.CHECKPOINT_KEY))
    return paths


def standalone(*paths: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-I", str(STANDALONE), *map(str, paths)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.quality(20)
def test_one_changed_byte_is_refused_with_the_public_key_alone(
    signed: tuple[Path, Path, Path], figure: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    path, manifest, key = signed
    good, data = path.read_bytes(), json.loads(manifest.read_text())
    call_command("verify_export", str(path), str(manifest))
    output = capsys.readouterr().out
    # Both say the same, and all of it.
    assert standalone(path, manifest, key) == (0, output)
    assert output.splitlines() == [
        f"Good: {path} is export {data['number']}, whole and unchanged.",
        *describe_manifest(data),
    ]
    assert "Filters:     Key: Ro\\x1b[2J\\x0abot" in output
    for stated in ("acme", "API log, as csv", "from the first row to before 2", "last 4 digits", "client_address"):
        assert stated in output
    places = range(0, len(good), max(len(good) // 20, 1))
    for place in places:
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(CommandError, match="NOT the exported file"):
            call_command("verify_export", str(path), str(manifest))
    assert standalone(path, manifest, key)[0] == 1
    path.write_bytes(good)
    changes = {
        "rows": 2,
        "sha256": "0" * 64,
        "filters": {},
        "version": "9",
        "content": "audit trail",
        "account": "bolt",
        "range": {"from": None, "to": "2031-01-01T00:00:00.000000Z"},
        "masking": "Not masked.",
        "columns": [],
        "number": data["number"] + 1,
    }
    for name, value in changes.items():
        manifest.write_text(json.dumps(data | {name: value}))
        with pytest.raises(CommandError, match="NOT good"):
            call_command("verify_export", str(path), str(manifest))
    assert "NOT good" in standalone(path, manifest, key)[1]
    key.write_text(signed_json.format_public_pem(b"x" * 32))
    manifest.write_text(json.dumps(data))
    assert standalone(path, manifest, key)[0] == 1
    with pytest.raises(CommandError, match="a different key"):
        call_command("verify_export", str(path), str(manifest), "--public-key", str(key))
    figure(f"{len(places)} changed bytes and {len(changes)} changed manifests refused, by the public key alone")


def test_manifests_that_two_readers_would_read_differently_are_refused(signed: tuple[Path, Path, Path]) -> None:
    path, manifest, key = signed
    text = manifest.read_text()
    wrong = {
        text.replace("{", '{"rows": 999, ', 1): "it has the name 'rows' twice",
        text.replace('"exporter": {', '"exporter": {"label": "eve@acme.example", '): "it has the name 'label' twice",
        text.replace('"rows": 0', '"rows": NaN'): "NaN is not JSON",
        f"[{text}]": "it is not a JSON object",
        f'{{"rows": 999}}{text}': "Extra data",
        text.replace("keyward-export-2", "keyward-export-1"): "'keyward-export-1', not 'keyward-export-2'",
    }
    for content, problem in wrong.items():
        manifest.write_text(content)
        with pytest.raises(CommandError, match="NOT good"):
            call_command("verify_export", str(path), str(manifest))
        status, message = standalone(path, manifest, key)
        assert (status, problem in message) == (1, True), message
    manifest.write_bytes(text.encode("utf-16"))
    with pytest.raises(CommandError, match="not UTF-8; take it as it was downloaded"):
        call_command("verify_export", str(path), str(manifest))
    assert "not UTF-8; take it as it was downloaded" in standalone(path, manifest, key)[1]
    # A byte order mark, as editors add it, changes nothing that was signed.
    manifest.write_bytes(b"\xef\xbb\xbf" + text.encode())
    call_command("verify_export", str(path), str(manifest))
    assert standalone(path, manifest, key)[0] == 0
