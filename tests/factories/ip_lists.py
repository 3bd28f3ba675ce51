"""IP lists, made by the service itself, for tests."""

from __future__ import annotations

from accounts.models import User
from core.actor import Actor
from keys.decision.addresses import parse_network
from keys.ip_lists import services as ip_lists_services
from keys.ip_lists.entries import Entry
from keys.models import IpList, Key, KeyIpList
from tests.factories.accounts import acting
from tests.factories.keys import confirmed


def an_ip_list(user: User, *networks: str, name: str = "Offices", used_by: Key | None = None) -> IpList:
    """Return a list of the user's account, created by that user; a network with "!" before it is not enabled."""
    assert user.account is not None
    entries = [Entry(parse_network(text.lstrip("!")), enabled=not text.startswith("!")) for text in networks]
    made = ip_lists_services.create_list(account=user.account, name=name, entries=entries, by=acting(user))
    if used_by:
        KeyIpList.objects.create(key=used_by, ip_list=made)
    return made


def widening(user: User, ip_list: IpList) -> Actor:
    """Return the user with consent to let more in."""
    return confirmed(user, "ip_list.widen", str(ip_list.pk))
