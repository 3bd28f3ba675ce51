"""Many at once at one IP list: nothing slips past a confirmation, nobody waits in a circle."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User
from core.actor import ConfirmationRequired
from keys import services
from keys.ip_lists import services as ip_lists_services
from keys.ip_lists.entries import Entry
from keys.key_settings import Invalid, KeySettings
from keys.models import IpList, IpListEntry, Key
from tests.factories.accounts import acting
from tests.factories.ip_lists import an_ip_list, widening
from tests.factories.keys import a_billing_key, confirmed, events
from tests.gateways import wait_for_lock

pytestmark = pytest.mark.django_db(transaction=True)


def closing(act: Any) -> Any:
    try:
        return act()
    except Exception as problem:
        return problem
    finally:
        connection.close()


def test_a_key_that_is_just_being_given_the_list_counts_as_using_it(alice: User):
    offices, key = an_ip_list(alice, "203.0.113.7"), a_billing_key(alice).key
    entry, given = Entry(ip_network("192.0.2.1")), replace(KeySettings.from_key(key), ip_lists=frozenset({offices.pk}))

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            services.edit(key=key, version=1, key_settings=given, by=acting(alice))
            adding = pool.submit(
                closing, lambda: ip_lists_services.add_entries(ip_list=offices, entries=[entry], by=acting(alice))
            )
            wait_for_lock()
            assert not adding.done()
        assert isinstance(adding.result(), ConfirmationRequired)
    assert offices.entries.count() == 1


def test_of_parallel_additions_of_one_address_one_wins(alice: User):
    offices, gate = an_ip_list(alice), threading.Barrier(8)

    def add(number: int) -> Any:
        gate.wait()
        entry = Entry(ip_network("192.0.2.1"), f"by {number}")
        return closing(lambda: ip_lists_services.add_entries(ip_list=offices, entries=[entry], by=acting(alice)))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(add, range(8)))

    assert answers.count(1) == 1
    assert sum(isinstance(answer, Invalid) for answer in answers) == 7
    assert len(events("ip_list.entries_added")) == 1


def test_nobody_waits_in_a_circle(alice: User):
    """Keys are given the lists and lose them, while the lists themselves change and others are deleted."""
    lists = [an_ip_list(alice, "203.0.113.7", f"!198.51.100.{n}", name=f"List {n}") for n in range(3)]
    keys = [a_billing_key(alice, name=f"Robot {n}").key for n in range(2)]
    pks = {ip_list.pk: list(ip_list.entries.values_list("pk", flat=True)) for ip_list in lists}

    def give(number: int) -> None:
        """Other lists than it has, or none."""
        key = Key.objects.get(pk=keys[number % 2].pk)
        chosen = frozenset(ip_list.pk for ip_list in reversed(lists[: number % 4]))
        key_settings = replace(KeySettings.from_key(key), ip_lists=chosen)
        services.edit(
            key=key, version=key.version, key_settings=key_settings, by=confirmed(alice, "key.edit", key.public_id)
        )

    def change(number: int) -> Any:
        chosen = lists[number % 3]
        entry = Entry(ip_network(f"10.0.{number}.0/24"))
        return (
            lambda: give(number),
            lambda: ip_lists_services.add_entries(ip_list=chosen, entries=[entry], by=widening(alice, chosen)),
            lambda: ip_lists_services.enable_entries(
                ip_list=chosen, entries=pks[chosen.pk], by=widening(alice, chosen)
            ),
            lambda: ip_lists_services.disable_entries(ip_list=chosen, entries=pks[chosen.pk], by=acting(alice)),
            lambda: ip_lists_services.delete_lists(account=alice.account, lists=[*pks], by=acting(alice)),
        )[number % 5]()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: closing(lambda: change(number)), range(100)))

    wrong = [answer for answer in answers if isinstance(answer, Exception) and not isinstance(answer, EXPECTED)]
    assert wrong == []
    assert IpListEntry.objects.filter(ip_list__in=IpList.objects.all()).count() == IpListEntry.objects.count()


# A list that a key has got, or that is gone; an entry that is there; a key that someone else saved.
EXPECTED = (ip_lists_services.ListInUse, IpList.DoesNotExist, Invalid, services.EditConflict)
