"""No dead link: every address that a page offers a person leads to a page that this person may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import Resolver404, resolve

from accounts.models import User
from core.permissions import Role
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key
from tests.parameters import sampled

pytestmark = pytest.mark.django_db(transaction=True)
MAX_PAGES = 1_000
# Pages of one route, such as those of events, that a sample has.
SAMPLED = 3
# The way back of an action, and the time of a list of calls: a bar of a chart leads to its calls, whose chart has bars
# for ever shorter times.
NOT_COMPARED = {"back", "from", "to", "zone"}


class Offered(HTMLParser):
    """The addresses in a page that its reader can follow, and the files that it loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        wanted = [given.get("hx-get"), given.get("src"), given.get("href")]
        if tag == "form" and (given.get("method") or "get").lower() == "get":
            wanted.append(given.get("action"))
        self.found |= {address for address in wanted if address}


def simplify(address: str) -> str:
    """Return the address as one of several that lead to the same page: without the parameters that say where and when,
    the others sorted."""
    parts = urlsplit(address)
    kept = sorted((name, value) for name, value in parse_qsl(parts.query, True) if name not in NOT_COMPARED)
    return parts._replace(query=urlencode(kept)).geturl()


class Sample:
    """The addresses that say something new: SAMPLED of each route, and each value of each parameter once."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()

    def take(self, address: str) -> bool:
        """Return whether the address belongs to the sample, and count it."""
        parts = urlsplit(address)
        try:
            route = resolve(parts.path).view_name
        except Resolver404:
            route = parts.path
        parameters: list[tuple[str, ...]] = [
            (route, *each) for each in parse_qsl(parts.query, True) if each[0] not in NOT_COMPARED
        ]
        new = any(not self._counts[each] for each in parameters) or (not parameters and self._counts[route,] < SAMPLED)
        self._counts.update(parameters or [(route,)])
        return new


def crawl(client: Client, *, full: bool = True) -> Iterator[tuple[str, str, int]]:
    """Yield of every page that can be reached from the first, or of a sample of them, where it was offered, its
    address, and the status it answered."""
    waiting, seen, sample = [("(start)", "/")], {"/"}, Sample()
    while waiting:
        assert len(seen) < MAX_PAGES, f"the pages offer ever new addresses: {sorted(seen)[-5:]}"
        source, address = waiting.pop()
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        if parts.path.startswith("/static/"):
            yield source, address, 200 if finders.find(parts.path.removeprefix("/static/")) else 404
            continue
        response = client.get(address)
        yield source, address, response.status_code
        if response.status_code in (301, 302):
            targets = {response["Location"]}
        elif response["Content-Type"].startswith("text/html"):
            targets = Offered(response.content.decode()).found
        else:
            continue
        # In order, so that each run has the same sample.
        for target in sorted(targets):
            found, _ = urldefrag(urljoin(address, target))
            if (alike := simplify(found)) not in seen:
                seen.add(alike)
                if not full and not sample.take(found):
                    continue
                waiting.append((address, found))


@pytest.fixture
def people() -> dict[str, User]:
    account = an_account()
    administrator = a_user(account, "alice", Role.ADMINISTRATOR)
    owner = a_user(account, "olga")
    key = a_billing_key(administrator, "203.0.113.0/24", "198.51.100.7").key
    a_billing_key(administrator, owner=owner, name="Olga's", enabled=False)
    an_ip_list(administrator, "203.0.113.0/24", "!2001:db8::/32", name="Offices", used_by=key)
    an_ip_list(administrator, name="Unused")
    a_call(account, key_id=key.public_id, key_name=key.name)
    a_call(account, decision="denied", reason="ip_not_allowed")
    return {
        "Administrator": administrator,
        "Account Reader": a_user(account, "rita", Role.ACCOUNT_READER),
        "Auditor": a_user(account, "arthur", Role.AUDITOR),
        "owner": owner,
        "nobody": a_user(account, "norman"),
    }


@pytest.mark.parametrize(
    "persona", sampled(["Administrator", "Account Reader", "Auditor", "owner", "nobody"], "Administrator", "Auditor")
)
def test_every_link_leads_somewhere(persona: str, people: dict[str, User], full: bool) -> None:
    """With --full to every page, otherwise to a sample of them."""
    client = Client()
    client.force_login(people[persona])
    visited = list(crawl(client, full=full))
    dead = [visit for visit in visited if visit[2] not in (200, 301, 302)]
    assert dead == []
    assert len(visited) > 8


def test_every_link_of_the_sign_in_page_leads_somewhere() -> None:
    assert [visit for visit in crawl(Client()) if visit[2] not in (200, 302)] == []
