"""Digests: what an account can prove with the public key alone, and what of an export or a digest nobody can change."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import shutil
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.utils import ProgrammingError
from django.test import Client

from accounts.models import Account
from audit import digests
from audit.digests import build, normal_form
from audit.digests.check import check_digests
from audit.models import Digest, Event
from audit.trail.record import record
from core import signed_json
from core.actor import Actor
from core.permissions import Role
from core.phone_masking import Mask
from core.replica import open_snapshot
from tests.databases import migrated_database
from tests.factories.accounts import ADDRESS, a_user, an_account
from tests.factories.calls import a_call
from tests.integration.test_exports import HOSTILE
from tests.waiting import wait_for_lasting_hour

BY = Actor.from_command("maintain")
HOUR = timedelta(hours=1)
EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


verify_export = load("verify_export")
verify_digests = load("verify_digests")


@pytest.fixture(scope="module")
def world(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """Three accounts with a few hours of calls, digests of each hour, and exports of two of them; committed once."""
    now = wait_for_lasting_hour()
    with django_db_blocker.unblock(), migrated_database("digests"):
        folder = tmp_path_factory.mktemp("digests")
        made = SimpleNamespace(folder=folder, now=now, key=folder / "key.pem")
        made.key.write_text(signed_json.format_public_pem(settings.CHECKPOINT_KEY))
        acme, bolt, idle = an_account("acme"), an_account("bolt"), an_account("idle")
        Account.objects.filter(pk=bolt.pk).update(mask_phone=True, mask_digits=4, mask_side="last")
        for account in (acme, bolt):
            for hours in (5.5, 5.2):
                late = {"status": 200, "duration_ms": hours * 2, "bytes": 4711}
                a_call(account, time=now - hours * HOUR, path="/leads/447911123456", **late)
            for hours in (3.7, 3.5, 3.2):
                a_call(account, time=now - hours * HOUR, path="/leads/447911123456")
            a_call(account, time=now - 1.5 * HOUR, decision="denied", reason="key_expired", folded=3)
            for text in HOSTILE:
                a_call(account, time=now - 2.5 * HOUR, query=text, user_agent=text, key_name=text)
        a_call(None, time=now - 1.5 * HOUR)
        made.passes = [build.make_pass(now - 4 * HOUR, None, BY), build.make_digests_until(now, now - 5 * HOUR, BY)]
        clients = {}
        for account in (acme, bolt):
            client = Client(REMOTE_ADDR=ADDRESS)
            client.force_login(a_user(account, f"Alice {account.slug}", Role.ADMINISTRATOR))
            clients[account.slug] = client
            with transaction.atomic():
                record("user.signed_out", by=BY, account_id=account.pk)
                changes = {"name": ["=1+1", "\uffffü\n"], "n": [0.1, 10**20]}
                record("settings.changed", by=BY, account_id=account.pk, changes=changes)
        with transaction.atomic():
            record("calls.dropped", by=BY, account_id=None, months=["2019-01"], until="x", rest={})
        build.make_pass(datetime.now(UTC), None, BY)
        made.accounts = {account.slug: account for account in (acme, bolt, idle)}
        for slug, client in clients.items():
            (folder / slug).mkdir()
            for name, content in digests.build_files(made.accounts[slug], None, None):
                (folder / slug / name).write_bytes(content)
            for log, query in (("logs", {}), ("audit", {"scope": "all"})):
                separator = {"bolt": "semicolon"}.get(slug, "comma")
                for format in ("csv", "jsonl", "xlsx"):
                    path = folder / f"{slug}-{log}.{format}"
                    take(client, log, path, format=format, separator=separator, **query)
        made.clients = clients
        yield made


pytestmark = pytest.mark.usefixtures("world")


def take(client: Client, log: str, path: Path, **data: str) -> None:
    """Return an export and its manifest, at `path` and beside it."""
    response = client.post(f"/{log}/export/", data | {"format": data.get("format", "csv")})
    assert response.status_code == 200, response.content
    path.write_bytes(response.getvalue())
    finished = Event.objects.filter(name="export.finished").latest("seq")
    number = json.loads(finished.body)["data"]["started"]
    Path(f"{path}.manifest").write_bytes(client.get(f"/audit/{number}/manifest/").content)


def run(*arguments: object) -> tuple[int, str]:
    """Return the script's exit status and what it said."""
    output = io.StringIO()
    limit = csv.field_size_limit()
    try:
        with redirect_stdout(output), pytest.raises(SystemExit) as ended:
            verify_digests.main([str(argument) for argument in arguments])
    finally:
        # Which the script sets for its process.
        csv.field_size_limit(limit)
    code = ended.value.code
    return (code, output.getvalue()) if isinstance(code, int) else (1, f"{output.getvalue()}{code}")


def list_digests(world: SimpleNamespace, slug: str) -> list[dict[str, Any]]:
    account = world.accounts[slug]
    return [json.loads(digest.document) for digest in Digest.objects.filter(account_id=account.pk).order_by("number")]


def test_every_hour_is_covered_once_for_every_account(world: SimpleNamespace) -> None:
    for slug, counts in (("acme", [2, 3, len(HOSTILE), 1, 0]), ("idle", [0])):
        found = list_digests(world, slug)
        assert [digest["calls"]["count"] for digest in found][: len(counts)] == counts
        assert [digest["number"] for digest in found] == list(range(1, len(found) + 1))
        assert found[0]["since"] is None
        assert [digest["since"] for digest in found[1:]] == [digest["until"] for digest in found[:-1]]
    assert list_digests(world, "acme")[0]["calls"]["sha256"] is not None
    assert [digest["late"]["count"] for digest in list_digests(world, "acme")] == [0, 0, 0, 0, 2, 0]
    assert list_digests(world, "bolt")[0]["calls"]["sha256"] is None
    assert [event["event"] for event in list_digests(world, "acme")[-1]["installation"]["events"]][
        -1
    ] == "calls.dropped"
    # The same again makes nothing.
    assert build.make_digests_until(world.now, None, BY) == 0


@pytest.mark.parametrize("slug", ["acme", "bolt"])
@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx"])
def test_an_export_in_any_format_is_whole_by_the_public_key_alone(
    world: SimpleNamespace, slug: str, format: str
) -> None:
    paths = [world.folder / f"{slug}-{log}.{format}" for log in ("logs", "audit")]

    code, output = run(world.key, world.folder / slug, *(part for path in paths for part in (path, f"{path}.manifest")))

    assert code == 0, output
    assert f"{6 + len(HOSTILE)} rows, none missing, added or changed" in output
    assert output.count("Good: ") == 3
    assert "Not covered" in output  # the export's own hour has no digest yet


def test_a_zip_is_taken_as_it_was_downloaded(world: SimpleNamespace, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "digests.zip", "w") as archive:
        for path in (world.folder / "acme").iterdir():
            archive.write(path, path.name)

    assert run(world.key, tmp_path / "digests.zip")[0] == 0


def test_the_page_lists_digests_and_gives_those_of_a_range_as_a_zip(world: SimpleNamespace, tmp_path: Path) -> None:
    client = world.clients["acme"]
    page = client.get("/audit/digests/").content.decode()
    assert 'href="/audit/digests/"' in client.get("/audit/").content.decode()
    assert page.count("ZIP<span") == len(list_digests(world, "acme"))
    two = f"from={world.now - 3 * HOUR:%Y-%m-%dT%H:%M}&to={world.now - HOUR:%Y-%m-%dT%H:%M}"
    assert client.get(f"/audit/digests/?{two}").content.decode().count("ZIP<span") == 2

    response = client.get(f"/audit/digests/download/?{two}")

    path = tmp_path / "digests.zip"
    path.write_bytes(response.getvalue())
    assert response["Content-Disposition"] == 'attachment; filename="keyward-acme-digests-3-4.zip"'
    code, output = run(world.key, path)
    assert (code, "digests 3 to 4 of acme" in output) == (0, True), output
    # Page after page; and what is not there, or means nothing, is said.
    assert client.get("/audit/digests/?after=3").content.decode().count("ZIP<span") == 2
    assert client.get("/audit/digests/download/?to=2019-01-01T00:00").status_code == 200  # the first has no beginning
    for query, status in (("from=2099-01-01T00:00", 422), ("from=x", 400), ("q=1", 400), ("after=0", 400)):
        assert client.get(f"/audit/digests/download/?{query}").status_code == status
    assert client.get("/audit/digests/?from=x").status_code == 400


def test_the_command_writes_the_files(world: SimpleNamespace, tmp_path: Path) -> None:
    call_command("audit_digests", "acme", str(tmp_path / "some"), "--from", f"{world.now - 2 * HOUR:%Y-%m-%dT%H:%M}")

    code, output = run(world.key, tmp_path / "some")
    assert code == 0
    assert f"from {world.now - 2 * HOUR:%Y-%m-%dT%H}" in output
    for arguments, problem in (
        (["nobody"], "There is no account 'nobody'"),
        (["acme", "--from", "x"], "--from: 'x' is not a time"),
        (["acme", "--from", "2026-01-02", "--to", "2026-01-01"], "--from must be before --to"),
        (["acme", "--from", "2099-01-01"], "There is no digest of acme in this time"),
    ):
        with pytest.raises(CommandError, match=problem):
            call_command("audit_digests", arguments[0], str(tmp_path / "x"), *arguments[1:])


def test_the_normal_form_is_the_same_whatever_was_masked() -> None:
    texts = [*HOSTILE, "%441234567", "%2B447911123456,1234567", "XXX1234567", "expires=1234567890", "a1234567"]
    for text in texts:
        # As COPY writes them: a row ends at the first TAB or LF.
        text = text.translate(normal_form._ESCAPES)
        row = dict.fromkeys(normal_form.CALL_COLUMNS, "1234567") | {"path": text, "query": text}
        cells = dict(zip(row, normal_form._mask_row("\t".join(row.values()).encode()).split(b"\t"), strict=True))
        plain = cells.pop("path")
        assert cells.pop("query") == plain
        assert set(cells.values()) == {b"1234567"}
        for digits in range(12):
            for side in ("first", "last"):
                hidden = Mask(digits, side).mask(text)
                assert verify_digests.MASKABLE.sub(lambda run: "X" * len(run[0]), hidden).encode() == plain


def test_nobody_changes_a_digest(world: SimpleNamespace) -> None:
    for statement in ("UPDATE audit_digest SET number = 9", "DELETE FROM audit_digest", "TRUNCATE audit_digest"):
        for using in ("default", "maintenance"):
            with (
                pytest.raises(ProgrammingError),
                transaction.atomic(using=using),
                connections[using].cursor() as cursor,
            ):
                cursor.execute(statement)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "UPDATE audit_digest SET document = replace(document, '\"count\":2', '\"count\":3')",
            "are not those that event",
        ),
        ("UPDATE audit_digest SET document = 'x' WHERE number = 2", "are not those that event"),
        (
            "DELETE FROM audit_digest WHERE number = 2 AND account_id = (SELECT min(account_id) FROM audit_digest)",
            "are not those that event",
        ),
        ("DELETE FROM audit_digest WHERE until = (SELECT max(until) FROM audit_digest)", "are missing, which event"),
        ("UPDATE audit_digest SET until = until + interval '1 day' WHERE number = 2", "are in no event"),
        ("UPDATE audit_digest SET number = 99 WHERE number = 2", "have columns other than they state"),
        ("UPDATE audit_digest SET last_event = 1", "have columns other than they state"),
    ],
)
def test_the_owners_change_of_a_digest_is_found(world: SimpleNamespace, statement: str, problem: str) -> None:
    with open_snapshot(seconds=60, using="maintenance") as cursor:
        assert check_digests(cursor) == []
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        cursor.execute("ALTER TABLE audit_digest DISABLE TRIGGER USER")
        cursor.execute(statement)
        found = check_digests(cursor)  # type: ignore[arg-type]
        transaction.set_rollback(True, using="maintenance")
    assert problem in " ".join(message.text for message in found)


@pytest.mark.parametrize("until", ["until", "until + interval '1 hour'"])
def test_a_forged_digest_is_found_and_not_signed_over(world: SimpleNamespace, until: str) -> None:
    """The application's role may insert digests: the next one must not follow a forged one, which would make it part of
    the signed chain."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_digest (account_id, number, since, until, late_until, last_event, document)"
            f" SELECT account_id, number + 1, until, {until}, late_until, last_event,"
            " replace(document, '\"number\":' || number, '\"number\":' || number + 1)"
            " FROM audit_digest WHERE account_id = %s ORDER BY number DESC LIMIT 1",
            [world.accounts["acme"].pk],
        )
        problems = check_digests(cursor)  # type: ignore[arg-type]
        assert "are in no event" in problems[0].text if until != "until" else "are not those" in problems[0].text
        with pytest.raises(build.DigestMismatch, match="the digests until"):
            build.make_pass(datetime.now(UTC) + 2 * HOUR, None, BY)
        transaction.set_rollback(True)


# Alterations


def resigned(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """As whoever holds the key would sign it anew."""
    rest = {name: value for name, value in document.items() if name not in ("kind", "public_key", "signature")}
    return signed_json.sign(rest, kind=kind, key=settings.CHECKPOINT_KEY)


def change(path: Path, edit: Callable[[Any], None], *, sign: bytes | None = None) -> None:
    document = json.loads(path.read_text())
    edit(document)
    if sign:
        rest = {name: value for name, value in document.items() if name not in ("kind", "public_key", "signature")}
        document = signed_json.sign(rest, kind=document["kind"], key=sign)
    path.write_text(json.dumps(document))


def put(*names: str, value: Any) -> Callable[[Any], None]:
    def edit(document: Any) -> None:
        for name in names[:-1]:
            document = document[name]
        assert document[names[-1]] != value
        document[names[-1]] = value

    return edit


def remove_last(at: SimpleNamespace) -> None:
    at.last.unlink()
    change(at.index, put("last", value=at.number - 1))


STRANGER = b"s" * 32
# What is done to the folder of digests: `second` is one in the middle, `last` the newest, `index` the index.
TO_DIGESTS: dict[str, Callable[[SimpleNamespace], object]] = {
    "a count": lambda at: change(at.second, put("calls", "count", value=9)),
    "a hash of calls": lambda at: change(at.second, put("calls", "sha256_masked", value="0" * 64)),
    "a hash of events": lambda at: change(at.last, put("events", "sha256", value="0" * 64)),
    "the first call": lambda at: change(at.second, put("calls", "first", value="x")),
    "the start": lambda at: change(at.second, put("since", value="2020-01-01T00:00:00.000000Z")),
    "the end": lambda at: change(at.second, put("until", value="2020-01-01T00:00:00.000000Z")),
    "the number": lambda at: change(at.second, put("number", value=77)),
    "the account": lambda at: change(at.second, put("account", "slug", value="bolt")),
    "the link": lambda at: change(at.second, put("previous", value="0" * 64)),
    "the columns": lambda at: change(at.second, put("columns", "calls", value=["time"])),
    "the late columns": lambda at: change(at.second, put("late", "count", value=5)),
    "an event of the installation": lambda at: change(at.last, put("installation", "events", value=[])),
    "the signature": lambda at: change(at.last, put("signature", value="A" * 86 + "==")),
    "no signature": lambda at: change(at.last, lambda document: document.pop("signature")),
    "the kind": lambda at: change(at.second, put("kind", value="keyward-export-2")),
    "another key": lambda at: change(at.last, put("version", value=2), sign=STRANGER),
    "a field more": lambda at: change(at.last, lambda document: document.update(note="x")),
    "signed anew, one in the middle": lambda at: change(
        at.second, put("calls", "count", value=9), sign=settings.CHECKPOINT_KEY
    ),
    "signed anew, the newest": lambda at: change(
        at.last, put("events", "count", value=9), sign=settings.CHECKPOINT_KEY
    ),
    "one in the middle taken out": lambda at: at.second.unlink(),
    "the newest taken out": lambda at: at.last.unlink(),
    "the first taken out": lambda at: at.first.unlink(),
    "the index taken out": lambda at: at.index.unlink(),
    "the index shortened": remove_last,
    "the index by another key": lambda at: change(at.index, put("version", value=2), sign=STRANGER),
    "another account's digest": lambda at: shutil.copy(at.foreign, at.folder / "more.json"),
    "another account's in its place": lambda at: shutil.copy(at.foreign, at.second),
    "two contents of one place": lambda at: at.second.write_bytes(at.last.read_bytes()),
    "a name twice": lambda at: at.second.write_text(
        at.second.read_text().replace('"version"', '"version":1,"version"', 1)
    ),
    "not JSON": lambda at: at.second.write_text("{"),
    "a list": lambda at: at.second.write_text("[]"),
    "empty": lambda at: at.second.write_text(""),
    "not UTF-8": lambda at: at.second.write_bytes(b"\xff\xfe"),
    "a file that is neither": lambda at: (at.folder / "notes.json").write_text("{}"),
    "a number as text": lambda at: change(at.second, put("number", value="2")),
}


def lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def last(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Replace it where it stands last: the newest events are those of the export, which no digest covers yet."""
    return lambda text: new.join(text.rsplit(old, 1))


# What is done to an export as CSV by whoever holds the key too, and signs its manifest anew.
TO_ROWS: dict[str, Callable[[bytes], bytes]] = {
    "a row taken out": lambda text: b"".join([*lines(text)[:-2], lines(text)[-1]]),
    "a row twice": lambda text: b"".join([*lines(text)[:-1], lines(text)[-1], lines(text)[-1]]),
    "rows in another order": lambda text: b"".join([lines(text)[0], *lines(text)[:0:-1]]),
    "every row taken out": lambda text: lines(text)[0],
    "a time": last(b"Z,", b"1Z,"),
    "an ID": last(b"-", b"e"),
    "a column's name": lambda text: text.replace(b"request_id", b"request", 1),
}
TO_CALLS = {
    "a status": last(b",200,", b",500,"),
    "a duration": last(b",11,", b",12,"),
    "a number of bytes": last(b",4711", b",4712"),
    "an address": last(b"203.0.113.8", b"203.0.113.9"),
    "an owner": last(b"Alice", b"Alicf"),
    "a decision": last(b"allowed", b"denied"),
    "an empty cell filled": last(b'"",', b"x,"),
    "a digit of a phone number": last(b"/leads/447911123456", b"/leads/447911123457"),
    "the first hours taken out": lambda text: b"".join(lines(text)[:-2]),
    "an hour taken out in the middle": lambda text: b"".join([*lines(text)[:2], *lines(text)[-2:]]),
}
TO_EVENTS = {
    "an event of the installation taken out": lambda text: b"".join(
        line for line in lines(text) if b"calls.dropped" not in line
    ),
    "a routine event of the installation taken out": lambda text: b"".join(
        line for line in lines(text) if b"digests.made" not in line
    ),
    "an event of the installation made one's own": last(b",installation,", b",account,"),
    "an actor": last(b"manage.py maintain", b"manage.py mmaintain"),
    "a value": last(b"=1+1", b"=1+2"),
}
# What is done to a manifest: changed as it is, it is refused for its signature; signed anew, for what it then says.
TO_MANIFEST: dict[str, Callable[[Any], None]] = {
    "another account": put("account", value="bolt"),
    "filters": put("filters", value={"Decision": "Denied"}),
    "another content": put("content", value="API keys"),
    "another hash": put("sha256", value="0" * 64),
    "another format": put("format", value="xlsx"),
}
BY_SIGNATURE: dict[str, Callable[[Any], None]] = {
    **TO_MANIFEST,
    "a wider range": put("range", "to", value="2099-01-01T00:00:00.000000Z"),
    "rows": put("rows", value=1),
    "masking": put("masking", value="Phone numbers in path and query are masked in every digit."),
    "who": put("exporter", "label", value="mallory"),
    "no signature": lambda document: document.pop("signature"),
    "another kind": put("kind", value="keyward-digest-1"),
}


@pytest.mark.quality(27)
def test_whatever_is_altered_is_refused(world: SimpleNamespace, tmp_path: Path, figure: Callable[[str], None]) -> None:
    missed = []
    foreign = sorted((world.folder / "bolt").glob("*digest-*"))[1]
    for name, alter in TO_DIGESTS.items():
        folder = tmp_path / "altered"
        shutil.copytree(world.folder / "acme", folder)
        ordered = sorted(folder.glob("*digest-*"))
        (index,) = folder.glob("*digests-*")
        alter(SimpleNamespace(
            folder=folder, first=ordered[0], second=ordered[1], last=ordered[-1], index=index, foreign=foreign,
            number=len(ordered),
        ))  # fmt: skip
        code, output = run(world.key, folder)
        if code != 1 or "NOT good" not in output:
            missed.append((name, output))
        shutil.rmtree(folder)
    altered = [("logs", TO_ROWS | TO_CALLS), ("audit", TO_ROWS | TO_EVENTS)]
    files = 0
    for log, alterations in altered:
        source = world.folder / f"acme-{log}.csv"
        for name, rewrite in alterations.items():
            content = rewrite(source.read_bytes())
            assert content != source.read_bytes(), name
            files += 1
            path, manifest = tmp_path / "file.csv", tmp_path / "manifest"
            path.write_bytes(content)
            shutil.copy(f"{source}.manifest", manifest)
            unsigned = run(world.key, world.folder / "acme", path, manifest)
            change(manifest, put("sha256", value=verify_export.hashlib.sha256(content).hexdigest()),
                   sign=settings.CHECKPOINT_KEY)  # fmt: skip
            signed = run(world.key, world.folder / "acme", path, manifest)
            if (unsigned[0], signed[0]) != (1, 1) or "NOT good" not in signed[1]:
                missed.append((f"{log}: {name}", signed[1]))
    for name, edit in BY_SIGNATURE.items():
        for key in (None, settings.CHECKPOINT_KEY) if name in TO_MANIFEST else (None,):
            manifest = tmp_path / "manifest"
            shutil.copy(world.folder / "acme-logs.csv.manifest", manifest)
            change(manifest, edit, sign=key)
            code, output = run(world.key, world.folder / "acme", world.folder / "acme-logs.csv", manifest)
            if code != 1 or "NOT good" not in output:
                missed.append((f"manifest: {name}", output))
    stranger = tmp_path / "stranger.pem"
    stranger.write_text(signed_json.format_public_pem(STRANGER))
    assert run(stranger, world.folder / "acme")[0] == 1
    assert missed == []
    assert files >= 18
    figure(
        f"{len(TO_DIGESTS)} alterations of digests, {files} of exports whose manifests were signed anew with the key, "
        f"{len(BY_SIGNATURE)} of manifests: all refused by the public key alone"
    )


def test_what_was_changed_is_named_with_its_hour(world: SimpleNamespace, tmp_path: Path) -> None:
    source = world.folder / "acme-logs.csv"
    text = source.read_bytes()
    hour = f"{world.now - 4 * HOUR:%Y-%m-%dT%H:%M}"
    row = next(line for line in lines(text) if line.startswith(f"{world.now - 4 * HOUR:%Y-%m-%dT%H}".encode()))
    path, manifest = tmp_path / "file.csv", tmp_path / "manifest"
    path.write_bytes(text.replace(row, b""))
    shutil.copy(f"{source}.manifest", manifest)
    change(manifest, put("sha256", value=verify_export.hashlib.sha256(path.read_bytes()).hexdigest()),
           sign=settings.CHECKPOINT_KEY)  # fmt: skip

    code, output = run(world.key, world.folder / "acme", path, manifest)

    assert code == 1
    assert output.count("NOT good") == 1
    assert f"from {hour}:00.000000Z to " in output
    assert "1 calls missing, it had 3" in output


@pytest.mark.parametrize("query", [{"decision": "allowed"}, {"key": "Worker"}, {"status": "200"}])
def test_a_narrowed_export_does_not_pass_for_the_whole(
    world: SimpleNamespace, tmp_path: Path, query: dict[str, str]
) -> None:
    path = tmp_path / "narrowed.csv"
    take(world.clients["acme"], "logs", path, **query)

    code, output = run(world.key, world.folder / "acme", path, f"{path}.manifest")

    assert code == 1
    assert "the export is not whole: it was narrowed to" in output


def test_a_range_is_checked_where_the_digests_cover_it(world: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "range.csv"
    since, until = world.now - 3.5 * HOUR, world.now - HOUR
    take(world.clients["acme"], "logs", path, **{"from": f"{since:%Y-%m-%dT%H:%M}", "to": f"{until:%Y-%m-%dT%H:%M}"})

    code, output = run(world.key, world.folder / "acme", path, f"{path}.manifest")

    assert code == 0, output
    assert f"is whole from {since + HOUR / 2:%Y-%m-%dT%H:%M}" in output
    assert f"Not covered by these digests: {path}: from {since:%Y-%m-%dT%H:%M}" in output


@pytest.mark.parametrize("log", ["calls", "events"])
def test_a_large_export_takes_the_memory_of_one_hour(log: str) -> None:
    """Hours of rows go by, of which the check keeps one hour's at a time."""
    hours, rows = 30, 200
    columns = {
        "calls": [*normal_form.CALL_COLUMNS],
        "late": [*normal_form.LATE_COLUMNS],
        "events": [*normal_form.CALL_COLUMNS],
    }
    begin = datetime(2026, 3, 1, tzinfo=UTC)

    def row(place: int) -> dict[str, str]:
        number = f"{place + 1:06}"
        cells = dict.fromkeys(columns["calls"], "x" * 40) | dict.fromkeys(columns["late"], "200")
        at = begin + place * HOUR / rows
        return cells | {"request_id": number, "number": str(place + 1), "time": f"{at:%FT%T.%fZ}", "scope": "account"}

    def digest(hour: int) -> dict[str, Any]:
        made = [row(hour * rows + place) for place in range(rows)]
        hashes = {
            name: verify_digests.sha256([verify_digests.line(row, columns[name]) for row in made]) for name in columns
        }
        key = "number" if log == "events" else "request_id"
        since, until = (f"{begin + place * HOUR:%FT%T.%fZ}" for place in (hour, hour + 1))
        stated = {"count": rows, "first": made[0][key], "last": made[-1][key]}
        return {
            "number": hour + 1,
            "since": since,
            "until": until,
            "columns": columns,
            "calls": stated | {"sha256": hashes["calls"], "sha256_masked": hashes["calls"]},
            "late": stated | {"since": since, "until": until, "sha256": hashes["late"]},
            "events": stated | {"sha256": hashes["events"]},
            "installation": {"since": since, "events": []},
        }

    digests_made = [digest(hour) for hour in range(hours)]
    manifest = {"range": {"from": None, "to": "2027"}, "filters": {}, "masking": "Not masked."}
    check = verify_digests.Check("x.csv", manifest, digests_made)
    all_of_them = (row(place) for place in range(hours * rows - 1, -1, -1))
    tracemalloc.start()
    getattr(check, log)(all_of_them)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert check.problems == []
    assert check.checked == hours * rows
    kept = rows * len(verify_digests.line(row(0), columns[log]))
    assert peak < 5 * kept < hours * kept / 4


def test_the_trail_without_routine_is_whole_too(world: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "trail.jsonl"
    take(world.clients["acme"], "audit", path, format="jsonl")

    code, output = run(world.key, world.folder / "acme", path, f"{path}.manifest")

    assert code == 0, output
    assert "digests.made" not in path.read_text()
