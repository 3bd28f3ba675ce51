"""`manage.py find_tokens` reads files and standard input and says of each token whose it is."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.models import Event
from keys.crypto.secrets import generate_token
from keys.models import Api, Key
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import a_key
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys() -> list[tuple[Key, str]]:
    """A live key of one account and a disabled one of another."""
    api = Api.objects.get(slug="billing")
    acme, globex = an_account(), an_account("globex")
    return [
        a_key(acme, a_user(acme, "Alice"), api, "Portal"),
        a_key(globex, a_user(globex, "Zoe"), api, "Shop", enabled=False),
    ]


def run(*files: str) -> tuple[str, str]:
    """Return what it prints, and with what it fails."""
    out = io.StringIO()
    try:
        call_command("find_tokens", *files, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def searched() -> tuple[int | None, dict[str, object]]:
    event = since_the_beginning().get(name="keys.searched")
    return event.account_id, json.loads(event.body)["data"]


def test_each_token_with_file_line_state_and_account(keys: list[tuple[Key, str]], tmp_path: Path) -> None:
    (live, token), (off, other) = keys
    first, second = tmp_path / "app.log", tmp_path / "dump.bin"
    first.write_text(f"a\nb {token}\n{token}")
    second.write_bytes(b"\x00\xff" + other.encode() + b"\n" + generate_token("kw").token.encode())

    out, problem = run(str(first), str(second))
    lines = out.splitlines()
    assert lines[0].startswith(f"{first}:2: kw_{live.public_id}_******** LIVE: Portal of acme (billing), owner Alice.")
    assert lines[1].startswith(f"{first}:3: kw_{live.public_id}_******** LIVE")
    assert lines[2].startswith(f"{second}:1: kw_{off.public_id}_******** not live: Shop of globex")
    assert "the key is disabled" in lines[2]
    assert lines[3].endswith("This token does not belong to any key.")
    assert lines[4] == "3 tokens in 4 places, 1 live."
    assert problem == "1 token live: disable or change the key."
    assert searched() == (None, {"what": "3 tokens", "keys": sorted([live.public_id, off.public_id])})
    assert token[16:] not in out


def test_standard_input_and_no_token(keys: list[tuple[Key, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    _, (off, other) = keys
    for text, summary in ((other, "1 token in 1 place, 0 live."), ("", "0 tokens in 0 places, 0 live.")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        out, problem = run()
        assert (out.splitlines()[-1], problem) == (summary, "")
    # The account whose key was found sees it in its trail.
    assert list(Event.objects.filter(name="keys.searched").order_by("seq").values_list("account_id", flat=True)) == [
        off.account_id,
        None,
    ]


def test_what_cannot_be_read_is_named_and_the_rest_is_searched(keys: list[tuple[Key, str]], tmp_path: Path) -> None:
    packed, last = tmp_path / "a.gz", tmp_path / "last"
    packed.write_bytes(b"\x1f\x8b\x08\x00")
    last.write_text(keys[1][1])
    out, problem = run(str(packed), str(tmp_path), str(tmp_path / "none"), str(last))
    assert "1 token in 1 place" in out
    assert problem.splitlines() == [
        f"{packed}: This is a compressed file, in which tokens cannot be seen. Unpack it first.",
        f"{tmp_path}: Is a directory",
        f"{tmp_path / 'none'}: No such file or directory",
    ]
