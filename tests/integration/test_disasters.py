"""The table of disasters in docs/operations.md: each row does what it says, by the test of its name."""

from __future__ import annotations

import asyncio
import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client

from accounts.models import Account, User
from audit.models import Event
from audit.trail.anchors import BadAnchor, read_anchors
from audit.trail.checkpoints import build_checkpoint, format_checkpoint
from core import signed_json
from keys.models import Api, Secret
from keys.services import NotRevealable, Overlap, change, resealing, reveal
from tests.factories.accounts import PASSWORD, code_of, recovery_codes_of, with_totp
from tests.factories.keys import CreatedKey, a_billing_key, confirmed
from tests.gateways import SECRET, Asker, gateway
from tests.integration import test_restore
from tests.integration.test_trail_chain import owner, undone
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])

NEW = bytes(range(32))
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
# These are the restore drill's.
ELSEWHERE = {"lost database": test_restore.test_a_dump_in_an_empty_database_is_the_installation}


def run(*command: str) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def lose(settings: Any, ring: str) -> str:
    """Give the ring a new key, and take away the one that everything was made with; return why `serve` does not
    start."""
    setattr(settings, ring, {2: NEW})
    refused = test_restore.started(**{ring: f"2:{base64.b64encode(NEW).decode()}"})
    assert refused.returncode == 1, "serve started"
    [line] = [line for line in refused.stderr.splitlines() if not line.startswith("The static files")]
    assert line.startswith(f"{ring} lacks 1, ")
    assert line in resealing.list_unreadable()
    return line


def ask(*tokens: str, gateway_secret: str = SECRET) -> list[tuple[int, str]]:
    async def ask_all(port: int) -> list[tuple[int, str]]:
        async with Asker(port) as asker:
            answers = [await asker.verify(token, api="billing") for token in tokens]
            return [(answer.status, answer.refusal) for answer in answers]

    with gateway(TEST_SECRET=gateway_secret) as running:
        return asyncio.run(ask_all(running.port))


def change_key(made: CreatedKey, alice: User) -> str:
    current = made.key.secrets.get(retires_at=None).pk
    by = confirmed(alice, "key.change", made.key.public_id)
    return change(key=made.key, secret=current, overlap=Overlap.NONE, by=by).token


@pytest.mark.fault(24)
def test_lost_token_pepper(alice: User, made: CreatedKey, settings: Any, figure: Callable[[str], None]) -> None:
    shown_once = a_billing_key(alice)
    shown_once.key.secrets.update(sealed=None)
    figure(f"serve does not start: {lose(settings, 'TOKEN_PEPPERS')}")

    run("reseal")
    output = run("discard_secrets", "TOKEN_PEPPERS", "1")

    assert output.splitlines() == [
        f"acme {shown_once.key.public_id} is refused until it is changed.",
        "Discarded what needed TOKEN_PEPPERS 1: 1 keys, 0 users.",
    ]
    assert resealing.list_unreadable() == []
    new = change_key(shown_once, alice)
    assert ask(made.token, shown_once.token, new) == [(200, ""), (401, "invalid_credentials"), (200, "")]
    figure("after discard_secrets a key whose token is sealed works; one that is not is refused until it is changed")


@pytest.mark.fault(23)
def test_lost_sealing_key(alice: User, made: CreatedKey, settings: Any, figure: Callable[[str], None]) -> None:
    Account.objects.update(second_factor_required=True)
    with_totp(alice)
    figure(f"serve does not start: {lose(settings, 'SEALING_KEYS')}")

    with pytest.raises(CommandError, match="could not be opened"):
        run("reseal")
    output = run("discard_secrets", "SEALING_KEYS", "1")

    assert output.splitlines() == [
        f"acme {made.key.public_id} works; its token cannot be revealed.",
        "alice@acme.example no longer has a second factor, and is notified by e-mail.",
        "Discarded what needed SEALING_KEYS 1: 1 keys, 1 users.",
    ]
    assert resealing.list_unreadable() == []
    assert [message.to for message in mail.outbox] == [[alice.email]]
    names = since_the_beginning().values_list("name", flat=True)
    assert list(names)[-2:] == ["factors.removed", "secrets.discarded"]
    client = Client()
    client.post("/login/", {"login": alice.email, "password": PASSWORD})
    assert client.get("/profile/").headers["Location"] == "/profile/second-factor/"
    with pytest.raises(NotRevealable):
        reveal(key=made.key, by=confirmed(alice, "key.reveal", made.key.public_id))
    assert ask(made.token) == [(200, "")]
    figure("after discard_secrets the key works, and its token cannot be revealed")


def test_lost_signing_key(alice: User, settings: Any) -> None:
    api = Api.objects.get(slug="billing")
    Api.objects.filter(pk=api.pk).update(policy=api.policy | {"credentials": ["signature"]})
    made = a_billing_key(alice)
    lose(settings, "SIGNING_KEYS")

    output = run("discard_secrets", "SIGNING_KEYS", "1")

    assert f"acme {made.key.public_id} is refused until it is changed." in output
    assert resealing.list_unreadable() == []
    change_key(made, alice)
    assert made.key.secrets.get(retires_at=None).sealed is not None
    assert resealing.list_unreadable() == []


@pytest.mark.parametrize(
    ("ring", "number", "problem"),
    [
        ("AUDIT_KEYS", "1", "ring: 'AUDIT_KEYS' is not one of SEALING_KEYS, SIGNING_KEYS, TOKEN_PEPPERS."),
        ("SEALING_KEYS", "1", "number: SEALING_KEYS has 1: nothing under it is lost."),
        ("TOKEN_PEPPERS", "7", "number: Nothing needs TOKEN_PEPPERS 7."),
    ],
)
def test_what_is_not_lost_is_not_discarded(made: CreatedKey, ring: str, number: str, problem: str) -> None:
    before = list(Secret.objects.values())
    with pytest.raises(CommandError, match=re.escape(problem)):
        run("discard_secrets", ring, number)
    assert list(Secret.objects.values()) == before


def test_without_its_event_nothing_is_discarded(
    made: CreatedKey, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(Secret.objects.values())
    lose(settings, "SEALING_KEYS")
    monkeypatch.setattr("keys.services.lost_keys.record", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("discard_secrets", "SEALING_KEYS", "1")
    assert list(Secret.objects.values()) == before


def test_lost_audit_key(alice: User, settings: Any) -> None:
    with undone():
        run("end_sessions", alice.email)
        settings.AUDIT_KEYS = {max(settings.AUDIT_KEYS) + 1: NEW}

        run("end_sessions", alice.email)
        last = Event.objects.latest("seq")
        assert last.key_id == max(settings.AUDIT_KEYS)
        with pytest.raises(CommandError, match=rf"events 1 to {last.seq - 1} are under key 1, which AUDIT_KEYS"):
            run("audit_verify", "--trail-only")
        run("audit_acknowledge", "--by", alice.email, "--reason", "Key 1 is lost; the checkpoints agree.")
        assert "Ignored because acknowledged: 1 problems." in run("audit_verify", "--trail-only")
        # Whoever changes one of them is found, although its MAC can be checked no more.
        with owner() as cursor:
            cursor.execute("UPDATE audit_event SET body = replace(body, 'alice', 'eve') WHERE seq = %s", [last.seq - 1])
        with pytest.raises(CommandError, match=rf"events 1 to {last.seq - 1} are under key 1"):
            run("audit_verify", "--trail-only")


def public_key(private: bytes) -> Ed25519PublicKey:
    return signed_json.parse_public_pem(signed_json.format_public_pem(private).encode())


def test_lost_checkpoint_key(alice: User, settings: Any, tmp_path: Path) -> None:
    old = public_key(settings.CHECKPOINT_KEY)
    (tmp_path / "anchors").write_text(format_checkpoint(build_checkpoint()) + "\n")
    settings.CHECKPOINT_KEY = NEW
    new = public_key(NEW)

    assert read_anchors(tmp_path / "anchors", [new, old])
    with pytest.raises(BadAnchor):
        read_anchors(tmp_path / "anchors", [new])
    (tmp_path / "new").write_text(format_checkpoint(build_checkpoint()) + "\n")
    assert read_anchors(tmp_path / "new", [new])


def dump() -> bytes:
    """Return every row of every table, as a dump has it."""
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        tables, rows = [name for (name,) in cursor.fetchall()], bytearray()
        for table in tables:
            with cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
                for block in copy:
                    rows += block
    return bytes(rows)


def test_stolen_dump(alice: User, made: CreatedKey) -> None:
    secret = with_totp(alice)
    codes = recovery_codes_of(alice)

    stolen = dump()

    assert alice.email.encode() in stolen
    assert made.key.public_id.encode() in stolen
    for hidden in (made.token, made.token.split("_")[-1], PASSWORD, secret, *codes):
        assert hidden.encode() not in stolen
        assert hidden.encode().hex().encode() not in stolen


def test_stolen_dump_and_secrets(client: Client, alice: User, made: CreatedKey, settings: Any) -> None:
    secret = with_totp(alice)
    client.force_login(alice)
    assert client.get("/profile/").status_code == 200

    new = change_key(made, alice)
    run("remove_second_factors", alice.email)
    settings.SECRET_KEY = "another one, drawn at random, for this test"

    assert client.get("/profile/").status_code == 302
    assert ask(made.token, new) == [(401, "secret_retired"), (200, "")]
    assert not Authenticator.objects.filter(user=alice).exists()
    thief = Client()
    thief.post("/login/", {"login": alice.email, "password": "guessed"})
    assert thief.post("/login/second-factor/", {"code": code_of(secret)}).headers["Location"] == "/login/"


def test_leaked_gateway_secret(made: CreatedKey) -> None:
    rows = connection.cursor()
    rows.execute("SELECT count(*) FROM audit_call")
    before = rows.fetchone()

    # The gateway was given another one, and is asked with the one that leaked.
    assert ask(made.token, gateway_secret="the-one-that-replaced-it") == [(403, "gateway_secret")]

    rows.execute("SELECT count(*) FROM audit_call")
    assert rows.fetchone() == before


def test_leaked_administrator_password(alice: User, made: CreatedKey, monkeypatch: pytest.MonkeyPatch) -> None:
    thief = Client()
    thief.post("/login/", {"login": alice.email, "password": PASSWORD})
    assert thief.get("/keys/").status_code == 200
    thief.post(f"/keys/{made.key.public_id}/reveal/", {"password": PASSWORD})
    assert Event.objects.filter(name="key.revealed", target_id=made.key.public_id).exists()
    # The thief locks the owner out.
    with_totp(alice)

    monkeypatch.setenv("KEYWARD_PASSWORD", "a new passphrase of alice")
    run("changepassword", alice.email)
    run("remove_second_factors", alice.email)

    assert thief.get("/keys/").status_code == 302
    thief.post("/login/", {"login": alice.email, "password": PASSWORD})
    assert thief.get("/keys/").status_code == 302
    own = Client()
    own.post("/login/", {"login": alice.email, "password": "a new passphrase of alice"})
    assert own.get("/keys/").status_code == 200


def test_every_row_of_the_table_has_its_test() -> None:
    [table] = re.findall(r"(?ms)^\| disaster \|.*?\n\n", DOCUMENT.read_text())
    rows = [line.split("|")[1].strip() for line in table.strip().splitlines()[2:]]
    assert len(rows) >= 8
    missing = [row for row in rows if f"test_{row.replace(' ', '_')}" not in globals() and row not in ELSEWHERE]
    assert missing == []
