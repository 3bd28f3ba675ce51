"""The first lines of the overview name what waits for somebody: new networks, failing webhook endpoints, overdue
rotations. Each leads to the page where it is settled."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models import User
from core.permissions import Role
from keys.models import Key
from keys.notices.kinds import Kind
from keys.notices.models import Endpoint, KeyNetwork, Notice
from keys.notices.words import describe_key
from keys.rotation_schedule import Overlap, RotationSchedule
from keys.services import change
from tests.factories.accounts import a_user, an_account
from tests.factories.keys import a_billing_key, confirmed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]
SCHEDULE = RotationSchedule(90, Overlap.WEEK)


def list_lines(client: Client) -> dict[str, str]:
    """Return the first lines of the overview with the pages that they lead to."""
    page = client.get("/").content.decode()
    found = page.partition('id="attention"')[2].partition("</section>")[0]
    return {strip_tags(text): url for url, text in re.findall(r'<li>.*?<a href="([^"]*)">(.*?)</a></li>', found, re.S)}


def use_from_new(key: Key, *networks: str, days_ago: float = 0) -> None:
    """Write down that the key was used from networks that nobody has acknowledged."""
    at = timezone.now() - timedelta(days=days_ago)
    KeyNetwork.objects.bulk_create(KeyNetwork(key=key, network=n, known=False, first_seen_at=at) for n in networks)
    data = {"key": describe_key(key)}
    notice = Notice.objects.create(account=key.account, kind=Kind.KEY_NEW_NETWORK, subject=key.public_id, data=data)
    Notice.objects.filter(pk=notice.pk).update(created_at=at)


def test_new_networks_are_named_until_they_are_acknowledged(client: Client, alice: User) -> None:
    shop, robot, old = (a_billing_key(alice, name=name).key for name in ("Shop", "Robot", "Old"))
    use_from_new(shop, "203.0.113.0/24")
    use_from_new(robot, "198.51.100.0/24", "192.0.2.0/24", days_ago=1)
    use_from_new(old, "192.0.2.0/24", days_ago=31)
    assert list_lines(client) == {
        "Shop was used from a new network.": f"/keys/{shop.public_id}/networks/",
        "Robot was used from 2 new networks.": f"/keys/{robot.public_id}/networks/",
    }
    url = f"/keys/{shop.public_id}/networks/"
    assert client.post(url, {"network": "203.0.113.0/24"}).status_code == 302
    assert list(list_lines(client)) == ["Robot was used from 2 new networks."]
    Key.objects.filter(pk=robot.pk).update(deleted_at=timezone.now())
    assert list_lines(client) == {}


def test_of_many_keys_with_new_networks_some_are_named(client: Client, alice: User) -> None:
    for number in range(5):
        use_from_new(a_billing_key(alice, name=f"Key {number}").key, "203.0.113.0/24", days_ago=number)
    *named, others = list_lines(client).items()
    assert [text for text, _ in named] == [f"Key {number} was used from a new network." for number in range(3)]
    assert others == ("2 more keys were used from new networks.", "/settings/notices/")


def test_failing_endpoints_are_named_by_their_host(client: Client, alice: User) -> None:
    a_billing_key(alice)
    since = timezone.now().replace(microsecond=0) - timedelta(hours=5)
    url = "https://hooks.example.com:8443/in/SecretPath"
    failing = Endpoint.objects.create(account=alice.account, url=url, failing_since=since)
    Endpoint.objects.create(account=alice.account, url="https://fine.example.com/")
    Endpoint.objects.create(account=alice.account, url="https://off.example.com/", enabled=False, failing_since=since)
    Endpoint.objects.create(account=an_account("other"), url="https://other.example.com/", failing_since=since)
    text = f"Notices to hooks.example.com:8443 have failed since {since:%Y-%m-%d %H:%M} UTC."
    assert list_lines(client) == {text: f"/settings/notices/webhooks/{failing.pk}/"}
    # Not for those who may not open the endpoint's page.
    client.force_login(a_user(alice.account, "Rita", Role.ACCOUNT_READER))
    may_open = client.get(f"/settings/notices/webhooks/{failing.pk}/").status_code == 200
    assert bool(list_lines(client)) == may_open


def age(key: Key, days: float) -> None:
    key.secrets.filter(retires_at=None).update(created_at=timezone.now() - timedelta(days=days))


def test_an_overdue_rotation_is_named_with_the_reason(client: Client, alice: User, settings: Any) -> None:
    names = ("Late", "Due", "Off", "Held")
    made = {name: a_billing_key(alice, name=name, scheduled_rotation=SCHEDULE).key for name in names}
    held = made["Held"]
    by = confirmed(alice, "key.change", held.public_id)
    change(key=held, secret=held.secrets.get().pk, overlap=Overlap.WEEK, by=by)
    for name, days in (("Late", 92), ("Off", 200), ("Held", 100)):
        age(made[name], days)
    # maintain does it within an hour.
    age(made["Due"], 90 + 1 / 24)
    Key.objects.filter(pk=made["Off"].pk).update(enabled=False)
    lines = list_lines(client)
    since = {days: f"{timezone.now() - timedelta(days=days):%Y-%m-%d}" for days in (2, 10)}
    (waits, late) = lines
    assert waits.startswith(f"Rotation of Held is overdue since {since[10]}: the old secret works until ")
    assert late == f"Rotation of Late is overdue since {since[2]}: the hourly maintain has not changed it."
    assert list(lines.values()) == [f"/keys/{made[name].public_id}/" for name in ("Held", "Late")]
    settings.SEALING_KEYS = {}
    assert "no sealing key is configured, so nobody could read the new secret." in list(list_lines(client))[1]
