"""Probes: ids of the other account in paths and in forms, and fields that no form has. None has any effect."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Invitation, User
from keys.ip_lists.entries import Entry
from keys.models import Address, Api, Enablement, IpList, IpListEntry, Key, KeyModule, Secret
from tests.access.table import TABLE, Persona
from tests.access.world import Kind, World, a_world
from tests.factories.accounts import PASSWORD

STRANGERS = (Persona.ADMINISTRATOR, Persona.ACCOUNT_READER, Persona.AUDITOR, Persona.OWNER)
# What a form of any of these routes would need, so that nothing but the id can be wrong.
FILLED_IN = {
    "name": "Probed",
    "platform": "web",
    "every_module": "all",
    "expiry": "never",
    "version": "1",
    "roles": ["auditor"],
    "keys": "leave",
    "password": PASSWORD,
}
EXTRA = {
    "id": "1",
    "pk": "1",
    "account": "2",
    "account_id": "2",
    "owner": "1",
    "owner_id": "1",
    "public_id": "AAAAAAAAAAAA",
    "slug": "probed",
    "status": "suspended",
    "email": "probed@evil.example",
    "nickname": "Probed",
    "is_active": "",
    "is_staff": "on",
    "is_superuser": "on",
    "sessions_ended": "99",
    "created_at": "2000-01-01",
    "deleted_at": "2000-01-01",
    "hlr_lookup": "on",
    "recordings": "on",
    "digest": "x",
    "inviter": "probed",
    "expires_at": "2099-01-01",
    "api": "1",
    "by": "1",
}


@pytest.fixture
def worlds(db: None) -> tuple[World, World]:
    api = Api.objects.get(slug="billing")
    made = a_world("acme", api), a_world("globex", api)
    for world in made:
        Enablement.objects.get_or_create(account=world.account, api=api)
    return made


def everything() -> list[Any]:
    """Return a digest of each table whose rows anyone's form could change, but for when people signed in."""
    tables = (User, Account, Invitation, Key, Secret, Address, KeyModule, Enablement, IpList, IpListEntry)
    digest = (
        "SELECT md5(string_agg(line, ' ' ORDER BY line))"
        " FROM (SELECT (to_jsonb({0}) - 'last_login')::text AS line FROM {0}) AS lines"
    )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(digest.format(model._meta.db_table) for model in tables))
        return cursor.fetchall()


@contextmanager
def undone() -> Iterator[None]:
    block = transaction.atomic()
    # As a test's own: limits and confirmations must be outermost.
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)


@pytest.mark.quality(9)
def test_an_id_of_the_other_account_leads_nowhere(
    worlds: tuple[World, World], full: bool, figure: Callable[[str], None]
) -> None:
    """With --full from both accounts, and by those too whom a route refuses before the id matters."""
    count, wrong = 0, []
    for home, away in (worlds, worlds[::-1]) if full else (worlds,):
        for persona in STRANGERS:
            client = Client()
            client.force_login(home.people[persona])
            before = everything()
            for row in TABLE:
                if row.of is None or row.for_whoever_knows or row.numbered_within:
                    continue
                if not full and persona not in row.open_to | row.sent_on | row.hidden_from:
                    continue
                path = reverse(row.route, args=away.objects[row.of].split("/"))
                for method in ("get", "post"):
                    with undone():
                        status = getattr(client, method)(path, FILLED_IN if method == "post" else None).status_code
                        count += 1
                        if status not in (403, 404, 405) or everything() != before:
                            wrong.append(f"{method} {path} as {persona} of {home.account}: {status}")
    figure(f"{count} probes with ids of the other account: no effect")
    assert wrong == []
    assert count >= 100


def test_a_form_takes_no_user_of_the_other_account(worlds: tuple[World, World]) -> None:
    home, away = worlds
    client, mine = Client(), home.objects["user"]
    client.force_login(home.people[Persona.ADMINISTRATOR])
    before = everything()

    for stranger in (person for person in away.people.values() if person):
        for route, given in (("user-hand-over", {}), ("user-deactivate", {"keys": "give"})):
            answer = client.post(reverse(route, args=[mine]), {**given, "heir": stranger.pk, "password": PASSWORD})
            assert answer.status_code == 422
    assert everything() == before


@pytest.mark.quality(9)
def test_a_field_that_no_form_has_does_nothing(
    worlds: tuple[World, World], full: bool, figure: Callable[[str], None]
) -> None:
    home, _ = worlds
    client = Client()
    client.force_login(home.people[Persona.ADMINISTRATOR])
    settings = {"name": "Acme", "mask_digits": "4", "mask_side": "last", "mask_phone": "on"}
    forms: dict[str, dict[str, Any]] = {
        reverse("settings"): settings,
        reverse("user-roles", args=[home.objects["user"]]): {"roles": ["auditor"], "password": PASSWORD},
        reverse("user-deactivate", args=[home.objects["user"]]): {"keys": "leave"},
        reverse("user-end-sessions", args=[home.objects["user"]]): {},
        reverse("user-invite"): {"email": "new@acme.example", "roles": [], "password": PASSWORD},
        reverse("key-new") + "?api=billing": {**FILLED_IN, "enabled": "on"},
        reverse("key-edit", args=[home.objects["key"]]): {**FILLED_IN, "expiry": "keep"},
        reverse("key-disable", args=[home.objects["key"]]): {},
        reverse("invitation", args=[home.objects["invitation link"]]): {"nickname": "New", "password": PASSWORD},
    }
    lists: tuple[tuple[str, Kind | None, dict[str, str]], ...] = (
        ("ip-list-new", None, {"name": "Probed", "addresses": "192.0.2.1"}),
        ("ip-list-edit", "IP list", {"name": "Probed", "version": "1"}),
        ("ip-entry-new", "IP list", {"network": "192.0.2.1", "enabled": "on"}),
        ("ip-entry-edit", "IP entry", {"network": "192.0.2.1", "stamp": entry_stamp(home)}),
    )
    for route, of, given in lists:
        forms[reverse(route, args=home.objects[of].split("/") if of else [])] = given
    count, wrong = 0, []
    for turn, (path, given) in enumerate(forms.items()):
        browser = Client() if "invitation" in path else client
        plain = _after(browser, path, given)
        for place, (name, value) in enumerate(EXTRA.items()):
            # Every other form gets every other field.
            if name in given or (not full and (place + turn) % 2):
                continue
            count += 1
            if _after(browser, path, given | {name: value}) != plain:
                wrong.append(f"{path} with {name}")
    figure(f"{count} probes with fields that are not on the form: no effect")
    assert wrong == []
    assert count >= (200 if full else 100)


def entry_stamp(world: World) -> str:
    return Entry.from_row(IpListEntry.objects.get(pk=world.objects["IP entry"].split("/")[1])).stamp


def _after(client: Client, path: str, given: dict[str, Any]) -> list[Any]:
    """Return what there is after the POST, without what is new each time: keys made and random."""
    with undone():
        answer = client.post(path, {**given, "form_token": str(uuid.uuid4())})
        assert answer.status_code in (200, 302), f"{path}: {answer.status_code}"
        columns = ("name", "account", "api", "owner__nickname", "enabled", "expires_at", "all_modules", "deleted_at")
        flags = ("mask_phone", "hlr_lookup", "recordings", "version", "fields")
        people = ("email", "nickname", "account", "roles", "is_active", "sessions_ended")
        return [
            answer.status_code,
            list(Account.objects.order_by("slug").values()),
            list(User.objects.order_by("email").values_list(*people)),
            list(Invitation.objects.order_by("email").values_list("email", "account", "roles", "inviter")),
            list(Key.objects.order_by("created_at").values_list(*columns, *flags)),
            list(IpList.objects.order_by("created_at").values_list("account", "name", "description", "version")),
            list(IpListEntry.objects.order_by("created_at").values_list("ip_list__name", "network", "enabled")),
        ]
