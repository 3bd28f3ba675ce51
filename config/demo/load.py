"""The data of the demo: two accounts, a user of each role, keys with a past, and three months of calls."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.expressions import CombinedExpression
from django.utils import timezone

from accounts import services as people
from accounts.models import Account, User
from audit.trail.record import record
from config.demo import keys as demo_keys
from config.demo.calls import CALLS
from config.demo.history import write_history
from config.demo.traces import insert_last_uses, record_known_networks
from config.env import Misconfigured
from config.secrets import load_or_create
from core.actor import Actor
from core.permissions import Role
from keys.models import IpList, IpListEntry

BY = Actor.from_command("demo")
NOTES = settings.VAR / "demo.json"
PASSWORD = settings.VAR / "secrets" / "demo_password"
# Account, nickname (also in the e-mail), role, and how many days ago they were added; olga has keys of her own and no
# role.
PEOPLE = (
    ("acme", "alice", Role.ADMINISTRATOR, 124),
    ("acme", "rita", Role.ACCOUNT_READER, 41),
    ("acme", "arthur", Role.AUDITOR, 90),
    ("acme", "olga", None, 103),
    ("globex", "gina", Role.ADMINISTRATOR, 86),
    (None, "sam", Role.SUPPORT, 125),
)
ACCOUNTS = {"acme": "Acme Telecom", "globex": "Globex"}
# How many days ago these were added.
ACCOUNT_DAYS = {"acme": 125, "globex": 86}
OFFICES_DAYS = 101
# The key of the call to try.
TRIED = "Invoice portal"
# Calls from networks that a key was used from in the days before are new to it.
NEW_NETWORK_PERIOD = timedelta(days=3)


def is_database_empty() -> bool:
    """Return whether there is nothing that the demo could overwrite."""
    return not Account.objects.exists()


def load_demo() -> None:
    """Fill the empty database, with a past of three months, and save the instructions. Raise Misconfigured in
    production, and if the database is not empty."""
    if settings.PRODUCTION:
        raise Misconfigured("KEYWARD_MODE 'production' does not load the demo: it needs KEYWARD_MODE=demo.")
    if not is_database_empty():
        raise Misconfigured("The database is not empty, so the demo is not loaded: it needs a new one.")
    if settings.DEMO_PASSWORD:
        PASSWORD.unlink(missing_ok=True)
    password = load_or_create(PASSWORD, lambda: settings.DEMO_PASSWORD or secrets.token_urlsafe(12))
    now = timezone.now()
    with transaction.atomic():
        accounts = {slug: people.create_account(slug=slug, name=name, by=BY) for slug, name in ACCOUNTS.items()}
        users = {nickname: _create_user(accounts, slug, nickname, role, password) for slug, nickname, role, _ in PEOPLE}
        made = demo_keys.create_keys(accounts, users, now, BY)
        _move_into_past()
        _save_notes(made[TRIED].token)
        record("demo.loaded", by=BY, account_id=None)
    history = write_history(CALLS, made, now)
    allowed = [call for call in history if call.decision.allowed]
    insert_last_uses(allowed)
    record_known_networks([call for call in allowed if call.at < now - NEW_NETWORK_PERIOD], BY)


def list_instructions() -> list[str]:
    """Return the lines about signing in and making a first call; none if the demo is not loaded here."""
    try:
        notes = json.loads(NOTES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    password = PASSWORD.read_text(encoding="utf-8").strip()
    instructions = [
        f"Sign in: {user['email']} {password} ({user['role']}, {user['account']})" for user in notes["users"]
    ]
    if settings.GATEWAY_SECRETS:
        instructions.append(f"Try: {_build_curl_command(notes['token'])}")
    return instructions


def _create_user(
    accounts: dict[str, Account], slug: str | None, nickname: str, role: Role | None, password: str
) -> User:
    account = accounts[slug] if slug else None
    email = f"{nickname}@{slug or 'keyward'}.example"
    roles = [role] if role else []
    try:
        return people.create_user(
            account=account, email=email, nickname=nickname, password=password, roles=roles, by=BY
        )
    except people.Invalid as error:
        reason = " ".join(error.messages)
        raise Misconfigured(f"KEYWARD_DEMO_PASSWORD is not usable: {reason}") from error


def _move_into_past() -> None:
    """Set the times of users, accounts and IP lists back."""
    for slug, nickname, _, days in PEOPLE:
        User.objects.filter(account__slug=slug, nickname=nickname).update(created_at=_subtract(days))
    for slug, days in ACCOUNT_DAYS.items():
        Account.objects.filter(slug=slug).update(created_at=_subtract(days))
    for model in (IpList, IpListEntry):
        model.objects.update(created_at=_subtract(OFFICES_DAYS))


def _subtract(days: float) -> CombinedExpression:
    return F("created_at") - timedelta(days=days)


def _save_notes(token: str) -> None:
    """Save the instructions, which every start prints, readable for this user only."""
    users = [
        {
            "email": f"{nickname}@{slug or 'keyward'}.example",
            "role": role.label if role else "owner of a key",
            "account": ACCOUNTS[slug] if slug else "all accounts",
        }
        for slug, nickname, role, _ in PEOPLE
    ]
    NOTES.unlink(missing_ok=True)
    with os.fdopen(os.open(NOTES, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump({"users": users, "token": token}, file)


def _build_curl_command(token: str) -> str:
    """Return the command that asks the gateway as a proxy would, for a call with this token."""
    secret = next(iter(settings.GATEWAY_SECRETS.values()))
    headers = {
        "X-Gateway-Secret": secret,
        "X-Forwarded-For": "203.0.113.20",
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Uri": "/customers",
        "Authorization": f"Bearer {token}",
    }
    command = ["curl", "-i"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if settings.GATEWAY_SOCKET:
        return shlex.join(
            [*command, "--unix-socket", str(settings.GATEWAY_SOCKET), "http://localhost/v1/verify/billing"]
        )
    return shlex.join([*command, f"http://localhost:{settings.GATEWAY_PORT}/v1/verify/billing"])
