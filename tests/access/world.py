"""Two accounts that know nothing of each other, with one person of each kind, two keys, one call and one event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import transaction

from accounts.models import Account, User
from audit.exports.statement import build_statement
from audit.trail.record import record
from core.actor import Actor
from core.permissions import Role
from keys.models import Api
from keys.notices.models import Delivery
from tests.access.table import Kind, Persona
from tests.factories.accounts import a_saved_filter, a_user, an_account, an_invitation, with_totp
from tests.factories.calls import a_call
from tests.factories.docs_links import a_docs_link
from tests.factories.ip_lists import an_ip_list
from tests.factories.key_rows import a_key
from tests.factories.notices import an_endpoint
from tests.trail import get_event_number


@dataclass(frozen=True)
class World:
    account: Account
    people: dict[Persona, User | None]
    # What stands in the paths: API ID, request ID, number of an event, ...; parts of one path parted by "/".
    objects: dict[Kind, str]


def a_world(slug: str, api: Api) -> World:
    account = an_account(slug)
    owner = a_user(account, "Olga")
    people: dict[Persona, User | None] = {
        Persona.ADMINISTRATOR: a_user(account, "Alice", Role.ADMINISTRATOR),
        Persona.ACCOUNT_READER: a_user(account, "Bob", Role.ACCOUNT_READER),
        Persona.AUDITOR: a_user(account, "Carol", Role.AUDITOR),
        # Support has no account: the same person meets both worlds.
        Persona.SUPPORT: User.objects.filter(account=None).first() or a_user(None, "Sam", Role.SUPPORT),
        Persona.OWNER: owner,
        Persona.NOTHING: a_user(account, "Nina"),
        Persona.SIGNED_OUT: None,
    }
    key = a_key(account, owner, api).key
    invitation, token = an_invitation(account, f"ivy@{slug}.example")
    holder = people[Persona.ADMINISTRATOR]
    with_totp(holder)
    if not Authenticator.objects.filter(user=people[Persona.SUPPORT]).exists():
        with_totp(people[Persona.SUPPORT])
    ip_list = an_ip_list(holder, "203.0.113.7")
    entry = ip_list.entries.get()
    endpoint = an_endpoint(holder)
    recorded = a_key(account, owner, Api.objects.get(slug="lms-call-logic"), recordings=True).key
    shared, recordings = a_docs_link(key, holder), a_docs_link(recorded, holder)
    numbers, exports = _an_event(account), _an_export(account)
    objects: dict[Kind, str] = {
        "IP list": str(ip_list.pk),
        "IP entry": f"{ip_list.pk}/{entry.pk}",
        "factor": str(Authenticator.objects.get(user=holder, type="totp").pk),
        "session": str(UserSession.objects.create(user=holder, ip="203.0.113.8", session_key=slug).pk),
        "key": key.public_id,
        "key of recordings": recorded.public_id,
        "docs link": shared.token,
        "docs link of recordings": recordings.token,
        "docs link to revoke": f"{key.public_id}/{shared.link.pk}",
        "API": api.slug,
        "call": str(a_call(account)),
        "event": str(numbers[0]),
        "event in the chain": str(numbers[1]),
        "event of the installation": _an_event_of_the_installation(),
        "export": str(exports[0]),
        "export in the chain": str(exports[1]),
        "list": "keys",
        "saved filter": f"keys/{a_saved_filter(holder).pk}",
        "webhook": str(endpoint.pk),
        "webhook delivery": f"{endpoint.pk}/{Delivery.objects.get(endpoint=endpoint).pk}",
        "user": str(owner.pk),
        "invitation": str(invitation.pk),
        "invitation link": token,
        "account": str(account.pk),
        "key by number": str(key.pk),
        "API by number": str(api.pk),
        "nothing": "nothing",
        "reset": f"{user_pk_to_url_str(owner)}/set-password",
    }
    return World(account, people, objects)


def _an_export(account: Account) -> tuple[int, int]:
    """Its number within the account, and in the chain."""
    export: dict[str, Any] = {"log": "API log", "format": "csv"}
    by = Actor.from_command("test")
    with transaction.atomic():
        stated = build_statement(account, columns=["time"], filters_in_words={})
        seq = record("export.started", by=by, account_id=account.pk, filters={}, **export, **stated)
        record(
            "export.finished",
            by=by,
            account_id=account.pk,
            started=get_event_number(seq),
            rows=0,
            sha256="0" * 64,
            **export,
        )
    return get_event_number(seq), seq


def _an_event(account: Account) -> tuple[int, int]:
    """Its number within the account, and in the chain."""
    with transaction.atomic():
        seq = record("user.signed_out", by=Actor.from_command("test"), account_id=account.pk)
    return get_event_number(seq), seq


def _an_event_of_the_installation() -> str:
    with transaction.atomic():
        return str(
            get_event_number(record("partitions.made", by=Actor.from_command("test"), account_id=None, months=[]))
        )
