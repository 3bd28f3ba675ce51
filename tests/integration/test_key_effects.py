"""A change of a key is replayed over its calls of the last 30 days: what it would refuse and allow is said, and asked
about, before it is saved."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from core.permissions import Role
from keys.key_settings import KeySettings
from keys.models import Key
from tests.factories.accounts import PASSWORD, a_user, with_totp
from tests.factories.calls import a_call, as_owner
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key, billing_for, events
from tests.responses import Response

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture
def alice(unsummed: User) -> User:
    billing_for(unsummed.account)
    return unsummed


@pytest.fixture
def key(alice: User) -> Key:
    """Open to any address and for all modules, and used from three places."""
    key = a_billing_key(alice).key
    used(key, "198.51.100.7", "invoices", days=2)
    used(key, "198.51.100.7", "invoices", hours=3)
    used(key, "198.51.100.7", "customers", hours=4)
    used(key, "203.0.113.9", "customers", days=20)
    used(key, "2001:db8::7", "invoices", days=1)
    # None of these counts: too long ago, refused, of another key.
    used(key, "192.0.2.1", "payments", days=31)
    used(key, "192.0.2.2", "payments", days=1, reason="invalid_credentials")
    a_call(key.account, client_address="192.0.2.3", module="payments")
    return key


def used(key: Key, address: str, module: str, *, reason: str = "", **ago: int) -> Any:
    """Log a call as the gateway would."""
    columns = {
        "client_address": address, "path": f"/{module}", "decision": "denied" if reason else "allowed",
        "reason": reason, "rule": "" if reason == "ip_not_allowed" else f"GET /{module}",
        "module": "" if reason == "ip_not_allowed" else module,
    }  # fmt: skip
    return a_call(key.account, time=NOW - timedelta(**ago), key_id=key.public_id, **columns)


def save(client: Client, key: Key, **other: Any) -> Response:
    key_settings = KeySettings.from_key(Key.objects.get(pk=key.pk))
    data = {
        "name": key_settings.name,
        **key_settings.fields,
        "addresses": "\n".join(map(str, key_settings.networks)),
        "every_module": "all" if key_settings.modules is None else "some",
        "modules": list(key_settings.modules or ()),
        "expiry": "keep",
        "version": str(Key.objects.get(pk=key.pk).version),
    }
    return client.post(f"/keys/{key.public_id}/edit/", data | other)


def lost(response: Response) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return addresses and modules whose calls would be refused, with their numbers."""
    effect = response.context["effect"].replay.effect
    found: dict[str, Counter[str]] = {"ip_not_allowed": Counter(), "module_not_granted": Counter()}
    for each in effect.refused:
        what = each.used.address if each.after.reason == "ip_not_allowed" else each.before.route.module
        found[each.after.reason][what] += sum(each.used.calls)
    return found["ip_not_allowed"].most_common(), found["module_not_granted"].most_common()


def token(response: Response) -> str:
    """Return what answers for this change are sent with."""
    return str(response.context["effect"].token)


def networks(key: Key) -> set[str]:
    return {str(address.network) for address in key.addresses.all()}


def test_the_first_address_of_a_key_names_the_clients_it_would_cut_off(client: Client, key: Key) -> None:
    answer = save(client, key, addresses="203.0.113.0/24", name="Renamed")

    assert answer.status_code == 409
    assert lost(answer) == ([("198.51.100.7", 3), ("2001:db8::7", 1)], [])
    page = answer.content.decode()
    assert "Would have refused 4 of 5 calls, from 2 addresses, on 2 modules." in page
    assert f"/logs/?range=30d&amp;key_id={key.public_id}&amp;address=198.51.100.7&amp;module=invoices" in page
    # Nothing is saved, and nothing that was typed is lost.
    assert 'value="Renamed"' in page
    assert "203.0.113.0/24</textarea>" in page
    assert networks(key) == set()
    assert events("key.edited") == []


def test_add_them_too_saves_with_them(client: Client, key: Key) -> None:
    accepts = token(save(client, key, addresses="203.0.113.0/24"))
    answer = save(client, key, addresses="203.0.113.0/24", add=accepts)

    assert answer.status_code == 302
    assert networks(key) == {"203.0.113.0/24", "198.51.100.7/32", "2001:db8::7/128"}
    assert len(events("key.edited")) == 1


def test_save_anyway_saves_what_was_typed(client: Client, key: Key) -> None:
    accepts = token(save(client, key, addresses="203.0.113.0/24"))
    # An answer holds for the settings it was given about, and for no others.
    assert save(client, key, addresses="203.0.113.0/25", accepts=accepts).status_code == 409
    assert save(client, key, addresses="203.0.113.0/25", add=accepts).status_code == 409
    assert save(client, key, addresses="203.0.113.0/24", accepts=accepts).status_code == 302
    assert networks(key) == {"203.0.113.0/24"}


def test_modules_that_were_used_are_named_and_can_be_kept(client: Client, key: Key) -> None:
    answer = save(client, key, every_module="some", modules=["payments"])

    assert lost(answer) == ([], [("invoices", 3), ("customers", 2)])
    assert "Invoices" in answer.content.decode()
    accepts = token(answer)
    assert save(client, key, every_module="some", modules=["payments"], add=accepts).status_code == 302
    assert KeySettings.from_key(Key.objects.get(pk=key.pk)).modules == {"payments", "invoices", "customers"}


def test_an_ip_list_that_is_picked_narrows_too(client: Client, key: Key, alice: User) -> None:
    offices = an_ip_list(alice, "198.51.100.0/24", "!2001:db8::/32", name="Offices")

    answer = save(client, key, ip_lists=[str(offices.pk)])
    assert lost(answer) == ([("2001:db8::7", 1), ("203.0.113.9", 1)], [])


def test_what_was_refused_already_is_not_asked_about(client: Client, key: Key) -> None:
    for address in ("198.51.100.7", "203.0.113.9", "2001:db8::7"):
        key.addresses.create(network=address)
    key.addresses.create(network="192.0.2.0/24")
    # Nothing of what was used goes.
    assert save(client, key, addresses="198.51.100.7\n203.0.113.9\n2001:db8::7").status_code == 302
    # Only what goes with this save.
    assert lost(save(client, key, addresses="198.51.100.7\n203.0.113.9")) == ([("2001:db8::7", 1)], [])
    # More is no loss, and neither is another name. What lets more in needs the password, as ever.
    assert save(client, key, name="Another").status_code == 302
    assert save(client, key, addresses="").status_code == 422


def test_the_answer_is_kept_while_the_password_is_asked(client: Client, key: Key) -> None:
    key.addresses.create(network="198.51.100.7")
    typed = {"addresses": "192.0.2.0/24"}
    accepts = token(save(client, key, **typed))
    asks = save(client, key, **typed, accepts=accepts)
    assert asks.status_code == 422
    assert "This change allows more than before" in asks.content.decode()
    assert f'name="accepts" value="{accepts}"' in asks.content.decode()
    assert save(client, key, **typed, accepts=accepts, password=PASSWORD).status_code == 302
    assert networks(key) == {"192.0.2.0/24"}


def test_more_addresses_than_there_is_room_for_are_not_offered(client: Client, key: Key) -> None:
    for n in range(100):
        used(key, f"192.0.2.{n}", "invoices", hours=1)
    answer = save(client, key, addresses="203.0.113.0/24")
    page = answer.content.decode()
    assert len(lost(answer)[0]) == 102
    assert "and 93 more." in page
    assert "Add them too" not in page
    accepts = token(answer)
    assert save(client, key, addresses="203.0.113.0/24", add=accepts).status_code == 409
    assert networks(key) == set()


def test_a_list_that_is_made_with_the_key_narrows_too(client: Client, key: Key) -> None:
    typed = {"new_list": "Offices", "new_list_entries": "198.51.100.0/24"}
    answer = save(client, key, **typed)
    assert lost(answer) == ([("2001:db8::7", 1), ("203.0.113.9", 1)], [])
    accepts = token(answer)
    assert save(client, key, **typed | {"new_list_entries": "192.0.2.1"}, accepts=accepts).status_code == 409
    assert save(client, key, **typed, add=accepts).status_code == 302
    assert networks(key) == {"2001:db8::7/128", "203.0.113.9/32"}


def test_it_is_checked_without_saving(client: Client, key: Key) -> None:
    answer = save(client, key, addresses="203.0.113.0/24", name="Renamed", check="1")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Would have refused 4 of 5 calls" in page
    assert 'value="Renamed"' in page
    assert networks(key) == set()
    # What follows the form is the effect alone.
    live = client.post(
        f"/keys/{key.public_id}/edit/",
        answer.wsgi_request.POST.dict() | {"check": "live"},
        headers={"HX-Request": "true"},
    ).content.decode()
    assert "Would have refused 4 of 5 calls" in live
    assert "<form" not in live
    wrong = save(client, key, addresses="203.0.113.999", check="1")
    assert wrong.status_code == 422
    assert "Would have refused" not in wrong.content.decode()


def test_what_was_seen_is_saved_without_another_question(client: Client, key: Key) -> None:
    accepts = token(save(client, key, addresses="203.0.113.0/24\n198.51.100.0/24", check="1"))
    assert save(client, key, addresses="203.0.113.0/24\n198.51.100.0/24", accepts=accepts).status_code == 302


def test_everything_refused_must_be_confirmed_by_a_box(client: Client, key: Key) -> None:
    answer = save(client, key, addresses="192.0.2.77")
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Every call that is allowed now would be refused: Invoice robot." in page
    assert 'type="checkbox" name="accepts"' in page
    assert save(client, key, addresses="192.0.2.77", accepts="on").status_code == 409
    assert save(client, key, addresses="192.0.2.77", accepts=token(answer)).status_code == 302


def test_to_lock_out_who_called_last_today_must_be_confirmed(client: Client, key: Key) -> None:
    answer = save(client, key, addresses="2001:db8::7\n203.0.113.9")
    assert "198.51.100.7, which used Invoice robot last" in answer.content.decode()
    assert 'type="checkbox" name="accepts"' in answer.content.decode()
    # Who called before is no such case.
    mild = save(client, key, addresses="198.51.100.7")
    assert mild.status_code == 409
    assert 'type="hidden" name="accepts"' in mild.content.decode()


def test_what_would_be_allowed_is_said_too(client: Client, key: Key) -> None:
    key.addresses.create(network="198.51.100.7")
    used(key, "192.0.2.50", "payments", hours=2, reason="ip_not_allowed")
    page = save(client, key, addresses="198.51.100.7\n192.0.2.50", check="1").content.decode()
    assert "Would have allowed 1 call that was refused, from 1 address, on 1 module." in page
    assert "Would be allowed" in page
    assert "The address is not allowed" in page


def test_disabling_has_a_box_of_its_own(client: Client, key: Key) -> None:
    off = {"was_enabled": "on"}
    checked = save(client, key, **off, check="1")
    assert checked.status_code == 200
    assert "Would have refused 5 of 5 calls" in checked.content.decode()
    assert 'name="accepts"' not in checked.content.decode()
    assert save(client, key, **off).status_code == 422
    assert save(client, key, **off, disable="on").status_code == 302
    assert not Key.objects.get(pk=key.pk).enabled


def test_an_expiry_says_from_when_calls_are_refused(client: Client, key: Key) -> None:
    page = save(client, key, expiry="date", expires_on="2099-12-31", check="1").content.decode()
    assert "The key expires on 2099-12-31 23:59 UTC: every call is refused from then on." in page
    assert "No effect on 5 calls." in page


def test_the_dialogs_that_stop_a_key_say_what_they_refuse(client: Client, key: Key, alice: User) -> None:
    sentence = "Would have refused 5 of 5 calls, from 3 addresses, on 2 modules."
    assert sentence in client.get(f"/keys/{key.public_id}/disable/").content.decode()
    bob = a_user(key.account, "Bob")
    Key.objects.filter(pk=key.pk).update(owner=bob)
    assert sentence in client.get(f"/users/{bob.pk}/deactivate/").content.decode()
    User.objects.filter(pk=bob.pk).update(is_active=False)
    reassigned = client.get(f"/keys/{key.public_id}/reassign/").content.decode()
    assert "Would have allowed 5 calls that were refused, from 3 addresses, on 2 modules." in reassigned
    User.objects.filter(pk=bob.pk).update(is_active=True)
    Key.objects.filter(pk=key.pk).update(enabled=False)
    assert "Would have allowed 5 calls" in client.get(f"/keys/{key.public_id}/enable/").content.decode()


def test_support_sees_what_suspending_an_account_refuses(client: Client, key: Key) -> None:
    sam = a_user(None, "Sam", Role.SUPPORT)
    with_totp(sam)
    client.force_login(sam)
    page = client.get(f"/admin/accounts/account/{key.account_id}/suspend/").content.decode()
    assert "Effect on the last 30 days: Would have refused 5 of 5 calls, from 3 addresses, on 2 modules." in page


def test_calls_that_are_summed_and_calls_that_are_not_count_alike(client: Client, key: Key) -> None:
    """The sums of `maintain` up to an hour ago, and the log since."""
    until = NOW - timedelta(hours=3, minutes=30)
    as_owner(
        "INSERT INTO audit_usage (account_id, key_id, api, client_address, credential, route, module, reason,"
        " old_secret, last_seen, calls) SELECT account_id, key_id, api, client_address, credential, rule, module,"
        " reason, false, max(time), count(*) FROM audit_call"
        " WHERE key_id = %s AND time < %s AND time > %s AND reason = ''"
        " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8",
        [key.public_id, until, NOW - timedelta(days=30)],
    )
    as_owner("UPDATE audit_usage_state SET until = %s", [until])
    answer = save(client, key, addresses="203.0.113.0/24")
    assert lost(answer) == ([("198.51.100.7", 3), ("2001:db8::7", 1)], [])
