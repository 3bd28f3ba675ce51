"""A secret that was made, shown, used, mistyped and rotated is looked for wherever something is kept or shown."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import os
import pickle
import re
import subprocess
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse
from psycopg.conninfo import conninfo_to_dict

from accounts.models import User
from audit.models import Call, Event
from config.embedded.launch import EmbeddedDatabaseError, find_wheel_folder
from config.logs import build_logging_config as log_settings
from keys import services
from keys.models import Api, Key
from keys.views import change as change_page
from tests.access.table import TABLE, Persona, Row
from tests.access.world import World, a_world
from tests.factories.accounts import PASSWORD
from tests.factories.keys import billing_for
from tests.gateways import Asker, conninfo, gateway
from tests.responses import Response

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "maintenance"]), pytest.mark.quality(13)]
TOKEN = re.compile(r"kw_[0-9A-Za-z]{12}_([0-9A-Za-z]{32})[0-9A-Za-z]{6}")
WEBHOOK_SECRET = re.compile(r"whsec_([A-Za-z0-9+/]+)")
FORMATS = ("csv", "jsonl", "xlsx")


@dataclass
class Canaries:
    """What must be nowhere: each in the forms in which programs write things down."""

    forms: dict[bytes, str] = field(default_factory=dict)

    def add(self, name: str, secret: str) -> None:
        raw = secret.encode()
        self.forms |= {raw: name, raw.hex().encode(): f"{name} in hex", quote(secret, safe="").encode(): name}
        for lead in range(3):
            # Whatever stands before it, one of three ways to cut it into base64's groups is this one.
            core = base64.b64encode(bytes(lead) + raw)[4 if lead else 0 :]
            self.forms[core[: len(core) // 4 * 4 - 4]] = f"{name} in base64"

    def found_in(self, content: bytes) -> set[str]:
        return {name for form, name in self.forms.items() if form in content}


def token_in(response: Response, canaries: Canaries, name: str) -> str:
    """Return the token that this answer, asked for, shows; from here on it is a canary."""
    match = TOKEN.search(response.content.decode())
    assert match is not None, response.content.decode()
    canaries.add(name, match[1])
    assert canaries.found_in(response.content) >= {name}, "the search would not find it where it is"
    return match[0]


def test_the_search_finds_every_form():
    canaries = Canaries()
    canaries.add("token", "A" * 5 + "bcdefghij" * 3)
    secret = "A" * 5 + "bcdefghij" * 3
    for lead in ("", "x", "xy", "xyz", "user:"):
        assert canaries.found_in(base64.b64encode(f"{lead}kw_{secret}\n".encode())) == {"token in base64"}
    assert canaries.found_in(secret.encode().hex().encode()) == {"token in hex"}
    assert canaries.found_in(f"a {secret} b".encode()) == {"token"}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What this process logs, as an operator gets it."""
    formatter = logging.config.DictConfigurator(log_settings(json=True)).configure_formatter(
        log_settings(json=True)["formatters"]["structured"]
    )
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


def test_no_sink_holds_a_secret(
    written: io.StringIO, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None]
) -> None:
    world = a_world("acme", Api.objects.get(slug="billing"))
    alice = world.people[Persona.ADMINISTRATOR]
    assert alice is not None
    canaries, client = Canaries(), Client(raise_request_exception=False)
    canaries.add("password", PASSWORD)
    canaries.add("second factor", seed_of(alice))
    key, old, new, ring = lived(client, alice, canaries)
    sinks = {"gateway's log": used(old, new)}
    mistyped(client, world, key, new, monkeypatch)
    sinks["portal's log"] = written.getvalue().encode()
    sinks |= dict(pages(world, key))
    sinks |= dict(exports(world))
    sinks |= dict(kept())
    sinks["repr of what services answer"] = ring
    assert canaries.found_in(sinks["portal's log"]) == set()
    found = {name: hits for name, content in sinks.items() if (hits := canaries.found_in(content))}
    assert found == {}
    assert len(sinks) >= 30
    assert all(content for name, content in sinks.items() if name not in ("gateway's log", "mails"))
    kinds = len({name.split(" as ")[0] for name in sinks})
    figure(f"{len(canaries.forms)} forms of 5 secrets in {kinds} sinks, {len(sinks)} looks, {len(found)} found")


def seed_of(user: User) -> str:
    from allauth.mfa.utils import decrypt

    return decrypt(Authenticator.objects.get(user=user, type="totp").data["secret"])


def lived(client: Client, alice: User, canaries: Canaries) -> tuple[Key, str, str, bytes]:
    """Create, show and change a key by the pages."""
    assert alice.account is not None
    billing_for(alice.account)
    client.force_login(alice)
    made = client.post(
        "/keys/new/?api=billing",
        {
            "name": "Robot", "platform": "web", "every_module": "all", "expiry": "never", "enabled": "on",
            "form_token": str(uuid.uuid4()), "password": PASSWORD,
        },
    )  # fmt: skip
    old = token_in(made, canaries, "first token")
    key = Key.objects.get(name="Robot")
    shown = client.post(reverse("key-reveal", args=[key.public_id]), {"password": PASSWORD})
    assert token_in(shown, canaries, "first token") == old
    current = key.secrets.get(retires_at=None)
    changed = client.post(
        reverse("key-change", args=[key.public_id]),
        {"secret": str(current.pk), "overlap": "24h", "password": PASSWORD},
    )
    new = token_in(changed, canaries, "second token")
    hooked = client.post(reverse("webhook-new"), {"url": "https://hooks.example.com/robot", "password": PASSWORD})
    secret = WEBHOOK_SECRET.search(hooked.content.decode())
    assert secret is not None
    canaries.add("webhook secret", secret[1])
    # Whatever holds them in memory does not say them when it is printed.
    things = [services.ChangedKey(key, new, None), services.CreatedKey(key, new), key, *key.secrets.all()]
    return key, old, new, repr(things).encode() + str(things).encode()


def used(old: str, new: str) -> bytes:
    """Through a gateway: as it should be, and in every wrong place."""
    wrong = new[:-1] + ("a" if new[-1] != "a" else "b")
    basic = base64.b64encode(f"robot:{new}".encode()).decode()
    uris = [f"/{new}", f"/customers?token={new}", f"/customers?a={quote(new, safe='')}&x=1", f"/%6b{new[1:]}"]
    uris += [f"/customers?x={wrong}", f"/customers?signature={new}"]
    headers = [("User-Agent", f"robot {new}"), ("X-Forwarded-Host", new), ("X-API-Key", new), ("Cookie", f"t={new}")]
    headers += [("Authorization", f"Basic {basic}"), ("Authorization", new), ("X-Request-Id", new)]

    async def ask(port: int) -> list[int]:
        async with Asker(port) as asker:
            answers = [await asker.verify(token, api="billing") for token in (old, new, wrong)]
            answers += [await asker.verify(new, api="billing", uri=uri) for uri in uris]
            answers += [await asker.verify(None, api="billing", extra=(header,)) for header in headers]
            answers += [await asker.verify(new, api="billing", extra=(header,)) for header in headers]
            answers += [await asker.verify(new, api=new), await asker.get(f"/{new}", [("X-Gateway-Secret", new)])]
            bodies = b"".join(repr(answer).encode() for answer in answers)
            assert new.encode() not in bodies
            return [answer.status for answer in answers]

    with gateway(workers=2) as running:
        statuses = asyncio.run(ask(running.port))
        assert statuses[:3] == [200, 200, 401]
        commands = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in running.workers())
        text = running.log.read_bytes() + commands
    return text


def mistyped(client: Client, world: World, key: Key, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """People put the token where it does not belong, and a page breaks while it holds one."""
    auditor = Client(raise_request_exception=False)
    auditor.force_login(world.people[Persona.AUDITOR])
    # One at a time: a filter that is refused would hide the others.
    for path in ("/logs/", "/audit/", "/keys/", "/users/", "/ip-lists/"):
        for name in ("path", "key", "q", "request_id", "actor", "module", "owner", "name", "client_address", "event"):
            for value in (new, f"/{new}", f"x {new}"):
                client.get(path, {name: value})
                auditor.get(path, {name: value})
    for name in ("path", "key", "owner", "module"):
        answer = auditor.post("/logs/export/", {"format": "csv", name: new})
        answer.getvalue()
    client.post(reverse("key-reveal", args=[key.public_id]), {"password": new})
    client.get(f"/{new}/")
    Client().post("/login/", {"login": f"{new}@acme.example", "password": new})
    Client().post("/password/reset/", {"email": f"{new}@acme.example"})

    def broken(*_: Any) -> None:
        raise RuntimeError(f"could not show {new}")

    with monkeypatch.context() as patched:
        patched.setattr(change_page, "build_credential", broken)
        current = key.secrets.get(retires_at=None)
        data = {"secret": str(current.pk), "overlap": "none", "password": PASSWORD}
        client.force_login(world.people[Persona.ADMINISTRATOR])
        answer = client.post(reverse("key-change", args=[key.public_id]), data)
        assert answer.status_code == 500
        assert new.encode() not in answer.content


def pages(world: World, key: Key) -> Iterator[tuple[str, bytes]]:
    """Every page of the table as everyone gets it, with its headers and cookies."""
    call = Call.objects.filter(key_id=key.public_id).order_by("-request_id").first()
    event = Event.objects.filter(target_id=key.public_id).order_by("-seq").first()
    assert call is not None
    assert event is not None
    objects = world.objects | {"key": key.public_id, "call": str(call.request_id), "event": str(event.number)}
    objects["event in the chain"] = str(event.seq)
    for persona in (Persona.ADMINISTRATOR, Persona.AUDITOR, Persona.SUPPORT, Persona.SIGNED_OUT):
        client = Client(raise_request_exception=False)
        if user := world.people[persona]:
            client.force_login(user)
        for row in TABLE:
            if "GET" in row.methods:
                yield f"{row.route} as {persona}", got(client, row, objects)


def got(client: Client, row: Row, objects: Any) -> bytes:
    response = client.get(reverse(row.route, args=objects[row.of].split("/") if row.of else []))
    assert response.status_code < 500, row.route
    content = response.getvalue()
    return content + repr(response.headers).encode() + str(response.cookies).encode()


def exports(world: World) -> Iterator[tuple[str, bytes]]:
    """Every file that can be taken away, by who may take it."""
    for row in (row for row in TABLE if row.route.endswith("export")):
        client = Client()
        persona = Persona.AUDITOR if Persona.AUDITOR in row.open_to else Persona.SUPPORT
        # Of an object of an account the account is known.
        of = {"account": world.account.slug} if persona is Persona.SUPPORT and not row.of else {}
        client.force_login(world.people[persona])
        address = reverse(row.route, args=[world.objects[row.of]] if row.of else [])
        for kind in FORMATS:
            response = client.post(address, {"format": kind} | of)
            content = response.getvalue()
            # A list's own CSV has no other format.
            assert response.status_code == 200 or kind != "csv", (row.route, content)
            yield f"{row.route} {kind}", unzipped(content) if content.startswith(b"PK") else content


def unzipped(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return b"".join(book.read(name) for name in book.namelist())


def kept() -> Iterator[tuple[str, bytes]]:
    """Yield the database as a dump and as it lies on the disk, sessions and cache as they are read, mails."""
    yield "database dump", dump()
    yield "sessions", repr([session.get_decoded() for session in Session.objects.all()]).encode()
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key, value FROM django_cache")
        rows = [(name, repr(pickle.loads(base64.b64decode(value)))) for name, value in cursor.fetchall()]
        yield "cache", repr(rows).encode() + b" "
        cursor.execute("SELECT body FROM audit_event")
        yield "bodies of the audit trail", b"\n".join(bytes(body, "utf-8") for (body,) in cursor.fetchall())
    yield "mails", b"\n".join(message.message().as_bytes() for message in mail.outbox)
    var = Path(os.environ["KEYWARD_VAR"])
    files = [path for path in var.rglob("*") if path.is_file() and not path.is_symlink()]
    for folder in sorted({path.relative_to(var).parts[0] for path in files}):
        yield (
            f"files under var/{folder}",
            b"\n".join(content(path) for path in files if path.relative_to(var).parts[0] == folder),
        )


def content(path: Path) -> bytes:
    """Return the bytes of the file; none if a running server has deleted it meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def dump() -> bytes:
    """By pg_dump, of the whole database."""
    try:
        program = str(find_wheel_folder() / "pginstall" / "bin" / "pg_dump")
    except EmbeddedDatabaseError:
        program = "pg_dump"
    known = conninfo_to_dict(conninfo("maintenance"))
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": str(known.get("password") or "")}
    command = [program, "--inserts", "-h", str(known["host"]), "-U", str(known["user"]), "-d", str(known["dbname"])]
    if known.get("port"):
        command += ["-p", str(known["port"])]
    return subprocess.run(command, env=environment, capture_output=True, check=True).stdout
