"""`/access-check/` and `manage.py access_check`: every check of the gateway, with what it saw."""

from __future__ import annotations

import io
import json
import re
import sys
from base64 import b64encode
from datetime import timedelta
from typing import NamedTuple

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from accounts.models import Account, User
from audit.models import Event
from core.permissions import Role
from keys.crypto.secrets import generate_token
from keys.models import Api, Enablement, Key
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call
from tests.factories.key_rows import a_key, a_secret, an_api
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db
ROW = re.compile(
    r'<td class="name whole">([^<]*)</td>\s*<td data-label="Result">.*?(Passed|Failed|Not reached)</span></td>\s*'
    r'<td data-label="What it saw">([^<]*)</td>',
    re.DOTALL,
)
WITHOUT_TOKEN = ["Readable request", "Credential", "Key", "Account", "Owner", "Enabled", "Expiry", "Client address"]


class Acme(NamedTuple):
    account: Account
    alice: User
    api: Api
    key: Key
    token: str
    client: Client

    def check(self, status: int = 200, /, **data: str) -> str:
        sent = {"key": self.key.public_id, "method": "GET", "path": "/customers", "address": "203.0.113.7"} | data
        answer = self.client.post("/access-check/", sent)
        assert answer.status_code == status
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.content.decode()


@pytest.fixture
def acme(client: Client) -> Acme:
    account, api = an_account(), an_api()
    alice = a_user(account, "Alice", Role.ADMINISTRATOR)
    key, token = a_key(
        account, a_user(account, "Bob"), api, "Worker", networks=("203.0.113.0/24",), modules=("customers",)
    )
    client.force_login(alice)
    return Acme(account, alice, api, key, token, client)


def rows(page: str) -> list[tuple[str, str, str]]:
    return ROW.findall(page)


def test_an_allowed_call_shows_every_check(acme: Acme) -> None:
    page = acme.check()
    assert ">Allowed</h2>" in page
    assert "The secret is assumed to be correct." in page
    found = rows(page)
    assert [label for label, _, _ in found] == [*WITHOUT_TOKEN, "Route and module", "Recordings"]
    assert {state for _, state, _ in found} == {"Passed"}
    assert ("Client address", "Passed", "203.0.113.7; the key admits 203.0.113.0/24") in found
    assert not Event.objects.filter(name="access.checked").exists()


@pytest.mark.parametrize(
    ("sent", "code", "label", "saw"),
    [
        ({"address": "198.51.100.9"}, "403 <code>ip_not_allowed", "Client address", "198.51.100.9; the key admits"),
        ({"path": "/invoices"}, "403 <code>module_not_granted", "Route and module", "the key has customers"),
        ({"path": "/a/../b"}, "403 <code>unreadable_request", "Readable request", "differently"),
        ({"path": "/a%2Fb"}, "403 <code>unreadable_request", "Readable request", "encoded slash"),
        ({"method": "delete"}, "403 <code>module_not_granted", "Route and module", "DELETE /customers is in no module"),
    ],
)
def test_a_refused_call_stops_at_the_check_that_decides(
    acme: Acme, sent: dict[str, str], code: str, label: str, saw: str
) -> None:
    page = acme.check(**sent)
    assert f"Refused: {code}</code>" in page
    found = rows(page)
    place = [name for name, _, _ in found].index(label)
    assert [state for _, state, _ in found] == ["Passed"] * place + ["Failed"] + ["Not reached"] * (
        len(found) - place - 1
    )
    assert saw in found[place][2]


def test_the_states_of_key_owner_and_account(acme: Acme) -> None:
    Key.objects.update(expires_at=timezone.now() + timedelta(days=1))
    assert ">Allowed</h2>" in acme.check()
    later = f"{timezone.now() + timedelta(days=2):%Y-%m-%dT%H:%M}"
    assert "401 <code>key_expired" in acme.check(time=later)
    Key.objects.update(enabled=False)
    assert "401 <code>key_disabled" in acme.check()
    User.objects.filter(pk=acme.key.owner_id).update(is_active=False)
    assert "401 <code>owner_inactive" in acme.check()
    Enablement.objects.all().delete()
    assert "401 <code>account_inactive" in acme.check()
    Key.objects.update(deleted_at=timezone.now())
    page = acme.check()
    assert "401 <code>invalid_credentials" in page
    assert "is deleted" in page


def test_a_token_is_compared_recorded_and_not_kept(acme: Acme) -> None:
    session = acme.client.session.session_key
    old = generate_token("kw", acme.key.public_id).token
    a_secret(acme.key, old, retires_at=timezone.now() - timedelta(hours=1))
    wrong = generate_token("kw", acme.key.public_id).token
    mistyped = acme.token[:-1] + ("A" if acme.token[-1] != "A" else "B")
    for token, result, saw in (
        (acme.token, "allowed", "the current secret of the key matches"),
        (f"Authorization: Bearer {acme.token}", "allowed", "the current secret of the key matches"),
        (f"Basic {b64encode(f'x:{acme.token}'.encode()).decode()}", "allowed", "the current secret of the key matches"),
        (old, "secret_retired", "the secret is retired"),
        (wrong, "invalid_credentials", "no secret of the key matches"),
    ):
        page = acme.check(key="", token=token)
        assert saw in page
        assert token.rsplit("_", 1)[-1][:20] not in page
        event = Event.objects.filter(name="access.checked").latest("seq")
        assert json.loads(event.body)["data"] == {"api": "ledger", "result": result}
        assert (event.account_id, event.target_id) == (acme.account.pk, acme.key.public_id)
    page = acme.check(key="", token=mistyped)
    assert "no well-formed credential is presented" in page
    assert "The secret is assumed to be correct." not in page
    for secret in (acme.token[16:], old[16:], wrong[16:]):
        assert not Event.objects.filter(body__contains=secret).exists()
        assert secret not in str(Session.objects.get(session_key=session).get_decoded())


def test_a_key_of_another_api_and_of_another_account(acme: Acme) -> None:
    Enablement.objects.create(account=acme.account, api=Api.objects.get(slug="billing"))
    page = acme.check(api="billing")
    assert "is a key of ledger, not of billing" in page
    globex = an_account("globex")
    theirs, token = a_key(globex, a_user(globex, "Zoe"), acme.api, "Night shift")
    unknown = generate_token("kw").token
    for named in (theirs.public_id, unknown[3:15]):
        assert escape(f'No key has the API ID "{named}"') in acme.check(422, key=named)
    answers = []
    for pasted in (token, unknown):
        assert "belongs to no key that you can see" in acme.check(422, key="", token=pasted)
        answers.append(rows(acme.check(key="", token=pasted, api="ledger")))
    assert answers[0] == answers[1]
    assert answers[0][2] == ("Key", "Failed", "no key has this API ID")


def test_bad_input_names_each_fault_and_keeps_what_was_typed_but_the_token(acme: Acme) -> None:
    page = acme.check(
        422, key="nothing", method="GET IT", path="customers", address="203.0.113.777", time="soon", api="none",
        token=f"{acme.token} {generate_token('kw').token}",
    )  # fmt: skip
    for fault in (
        'No key has the API ID "nothing"', '"GET IT" is not a method', "The path begins with /",
        '"203.0.113.777" is not an address', '"soon" is not a time', "Select a valid choice", "Paste only one token",
    ):  # fmt: skip
        assert escape(fault) in page, fault
    for typed in ('value="nothing"', 'value="GET IT"', 'value="customers"', 'value="203.0.113.777"', 'value="soon"'):
        assert typed in page, typed
    assert acme.token not in page
    # What looks like a token comes back from no field.
    page = acme.check(422, key=acme.token, path=f"/a?x={acme.token}", method="")
    assert acme.token[16:] not in page
    assert "This looks like a token" in page
    assert escape("Enter a key's API ID or paste a token.") in acme.check(422, key="")
    assert "The token is of another key" in acme.check(422, token=generate_token("kw").token)


@pytest.mark.parametrize("field", ["key", "method", "path", "address", "time", "api", "token"])
@pytest.mark.parametrize("text", ["", "\x00", "é🔑", "x" * 9_000, "/" * 7_999, "%", "::ffff:1.2.3.4", "'\"<"])
def test_odd_input_breaks_nothing(acme: Acme, field: str, text: str) -> None:
    sent = {"key": acme.key.public_id, "method": "GET", "path": "/customers", "address": "203.0.113.7", field: text}
    assert acme.client.post("/access-check/", sent).status_code in (200, 422)


def test_a_logged_call_is_checked_again_with_the_settings_of_now(acme: Acme) -> None:
    call = a_call(
        acme.account, api="ledger", key_id=acme.key.public_id, path="/customers/a?b", query="q=1", decision="denied",
        reason="ip_not_allowed", client_address="203.0.113.9",
    )  # fmt: skip
    assert f'href="/access-check/?call={call}"' in acme.client.get(f"/logs/{call}/").content.decode()
    page = acme.client.get(f"/access-check/?call={call}").content.decode()
    assert ">Allowed</h2>" in page
    assert 'value="/customers/a%3Fb?q=1"' in page
    assert 'value="203.0.113.9"' in page
    other = a_call(an_account("globex"), key_id="Globex000001")
    for named in (other, "x", ""):
        page = acme.client.get("/access-check/", {"call": str(named)}).content.decode()
        assert "Globex" not in page
        assert 'id="result"' not in page
    assert (
        f'value="{acme.key.public_id}"' in acme.client.get(f"/access-check/?key={acme.key.public_id}").content.decode()
    )
    assert acme.client.get(f"/access-check/?key={acme.token}").headers["Location"] == "/find/"


def test_masked_numbers_stay_masked(acme: Acme) -> None:
    Account.objects.update(mask_phone=True, mask_digits=0)
    call = a_call(acme.account, api="ledger", key_id=acme.key.public_id, path="/customers/447911123456")
    assert "447911123456" not in acme.client.get(f"/access-check/?call={call}").content.decode()


def test_an_auditor_checks_without_a_token(acme: Acme) -> None:
    acme.client.force_login(a_user(acme.account, "Carol", Role.AUDITOR))
    assert 'name="token"' not in acme.client.get("/access-check/").content.decode()
    page = acme.check(token=acme.token)
    assert "The secret is assumed to be correct." in page
    assert not Event.objects.filter(name="access.checked").exists()
    assert escape("Enter a key's API ID.") in acme.check(422, key="", token=acme.token)
    acme.client.force_login(a_user(acme.account, "Rita", Role.ACCOUNT_READER))
    acme.check(403)
    call = a_call(acme.account, key_id=acme.key.public_id)
    assert "/access-check/" not in acme.client.get(f"/logs/{call}/").content.decode()


def run(*arguments: str) -> tuple[str, str]:
    out = io.StringIO()
    try:
        call_command("access_check", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_the_command(acme: Acme, monkeypatch: pytest.MonkeyPatch) -> None:
    out, problem = run("GET", "/customers", "203.0.113.7", "--key", acme.key.public_id)
    assert (out.splitlines()[-1], problem) == ("Allowed.", "")
    assert "Client address    passed      203.0.113.7; the key admits 203.0.113.0/24" in out
    out, problem = run("GET", "/customers", "198.51.100.9", "--key", acme.key.public_id)
    assert problem == "Refused: 403 ip_not_allowed"
    assert "Route and module  not reached" in out
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{acme.token}\n"))
    out, problem = run("GET", "/customers", "203.0.113.7", "--token")
    assert "the current secret of the key matches" in out
    event = since_the_beginning().get(name="access.checked")
    assert (event.actor_kind, event.account_id) == ("command", acme.account.pk)
    _, problem = run("GET", "customers", "nowhere", "--key", "x")
    assert problem.splitlines() == [
        'key: No key has the API ID "x". It has 12 letters and digits.',
        "path: The path begins with /, as in /customers?page=2.",
        'address: "nowhere" is not an address. Write it like 203.0.113.7 or 2001:db8::7.',
    ]
