"""The command that creates an account."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, User
from audit.models import Event
from tests.factories.accounts import PASSWORD, an_account

pytestmark = pytest.mark.django_db
ACME = ("acme", "Acme Ltd", "Alice@acme.example", "Alice")


def test_makes_an_active_account_with_its_first_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWARD_PASSWORD", PASSWORD)
    output = io.StringIO()

    call_command("create_account", *ACME, stdout=output)

    alice = User.objects.get()
    assert (alice.email, alice.nickname, alice.roles) == ("alice@acme.example", "Alice", ["administrator"])
    assert alice.account == Account.objects.get(slug="acme", status="active")
    assert alice.check_password(PASSWORD)
    created, next_step = output.getvalue().splitlines()
    assert created == "Created the account acme (active) with alice@acme.example as Administrator."
    assert next_step.startswith("Next: Support enables its APIs at http://")
    assert f"/admin/accounts/account/{alice.account_id}/change/" in next_step
    assert "manage.py enable_api API acme (API is one of: billing, cloud-pbx, lms-call-logic," in next_step
    by = Event.objects.filter(account_id=alice.account_id).values_list("name", "actor_kind", "actor").order_by("seq")
    assert list(by) == [
        ("account.created", "command", "manage.py create_account"),
        ("user.created", "command", "manage.py create_account"),
    ]


def test_reads_the_password_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYWARD_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))

    output = io.StringIO()
    call_command("create_account", *ACME, "--pending", stdout=output)

    assert output.getvalue().splitlines()[-1].startswith("Next: Support activates it and enables its APIs at http://")
    assert User.objects.get().check_password(PASSWORD)
    assert Account.objects.get().status == "pending"


def test_asks_twice_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    typed = iter([PASSWORD, PASSWORD + "!"])
    monkeypatch.delenv("KEYWARD_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("accounts.management.passwords.getpass", lambda prompt: next(typed))

    with pytest.raises(CommandError, match="password: the two passwords do not match"):
        call_command("create_account", *ACME)


@pytest.mark.parametrize(
    ("message", "given", "password"),
    [
        ("slug: Account with this Slug already exists", ("globex", "Globex", "a@b.example", "A"), PASSWORD),
        ("slug: Enter a valid", ("Not a slug", "Acme", "a@b.example", "A"), PASSWORD),
        ("email: Enter a valid email address", ("acme", "Acme", "alice", "A"), PASSWORD),
        ("password: This password is too short", ("acme", "Acme", "a@b.example", "A"), "short"),
    ],
)
def test_says_what_is_wrong_and_leaves_nothing_behind(
    message: str, given: tuple[str, ...], password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_account("globex")
    monkeypatch.setenv("KEYWARD_PASSWORD", password)

    with pytest.raises(CommandError, match=message):
        call_command("create_account", *given)

    assert Account.objects.get().slug == "globex"
    assert not User.objects.exists()


def test_says_all_that_is_wrong_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWARD_PASSWORD", "short")

    with pytest.raises(CommandError) as refusal:
        call_command("create_account", "Not a slug", "Acme\x00", "alice", "A\nB")

    lines = str(refusal.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["slug", "name", "email", "nickname", "password"]
    assert not Account.objects.exists()


def test_takes_no_password_as_an_argument() -> None:
    with pytest.raises(CommandError, match="unrecognized arguments"):
        call_command("create_account", *ACME, "--password", PASSWORD)
