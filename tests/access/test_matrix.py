"""Every route x 7 personas x 2 accounts x 7 methods, against the declared table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie

import pytest
from django.db import transaction
from django.test import Client
from django.urls import get_resolver, reverse

from keys.models import Api
from tests.access.table import METHODS, TABLE, Persona, Row
from tests.access.world import World, a_world
from tests.factories.key_rows import an_api

DOORS = ("/login/", "/login/second-factor/", "/logout/")
OTHERS = sorted({*METHODS} - {"GET", "POST"})
counts: Counter[str] = Counter()


@pytest.fixture
def worlds(db: None) -> tuple[World, World]:
    api = Api.objects.filter(slug="billing").first() or an_api()
    return a_world("acme", api), a_world("globex", api)


@pytest.mark.parametrize("persona", Persona)
def test_each_route_answers_each_person_as_the_table_says(
    persona: Persona, worlds: tuple[World, World], full: bool
) -> None:
    """Ask what `sample` chooses as a person of the first account; with --full everything, and as one of the second."""
    wrong = []
    # The second account's people at the first one's objects is the same again, the other way round.
    for home, away in (worlds, worlds[::-1]) if full else (worlds,):
        client = Client()
        if user := home.people[persona]:
            client.force_login(user)
            # What is stored of a session when it is first used: it would be undone with each request, and made anew.
            client.get(reverse("overview"))
        signed_in = client.cookies.output()
        for row in TABLE:
            for world in (home, away) if row.of else (home,):
                path = reverse(row.route, args=world.objects[row.of].split("/") if row.of else [])
                for method in METHODS if full else sample(row, persona, foreign=world is not home):
                    expected = expectation(row, persona, method, foreign=world is not home)
                    client.cookies = SimpleCookie(signed_in.replace("Set-Cookie: ", ""))
                    answer = ask(client, method, path)
                    counts[answer] += 1
                    if answer != expected:
                        wrong.append(f"{method} {path} as {persona} of {home.account}: {answer}, expected {expected}")
    assert wrong == []


@pytest.mark.quality(9)
def test_it_was_the_whole_table(figure: Callable[[str], None]) -> None:
    """Runs after the matrix, and says what it came to."""
    answers = ", ".join(f"{count} x {answer}" for answer, count in sorted(counts.items()))
    figure(f"{len(TABLE)} routes x {len(Persona)} personas, {counts.total()} requests: {answers}")
    assert counts.keys() <= {"open", "sent on", "signs in first", "403", "404", "405"}


def sample(row: Row, persona: Persona, *, foreign: bool) -> tuple[str, ...]:
    """Return POST, and GET for every other of those whom the route lets in; by turns one of those asks by one method
    that writes and one that reads, and one of those refused by GET and one other. At objects of the other account GET
    and POST, for those whom the route lets in: the rest is refused before the object matters."""
    known = row.open_to | row.sent_on | row.hidden_from
    if foreign:
        return ("GET", "POST") if persona in known else ()
    turn = TABLE.index(row)
    alike = [other for other in Persona if (other in known) == (persona in known)]
    place = (alike.index(persona) + turn) % len(alike)
    if persona not in known:
        return ("POST", "GET", OTHERS[turn % len(OTHERS)]) if place == 0 else ("POST",)
    reads = ("GET",) if place % 2 == 0 else ()
    others = (("DELETE", "PATCH", "PUT")[turn % 3], ("HEAD", "OPTIONS")[turn % 2]) if place == 0 else ()
    return "POST", *reads, *others


def expectation(row: Row, persona: Persona, method: str, *, foreign: bool) -> str:
    """Return what the table says, in the words of `ask`."""
    known = row.open_to | row.sent_on | row.hidden_from
    if persona not in known:
        return "signs in first" if persona == Persona.SIGNED_OUT else "403"
    if method not in row.methods:
        return "405"
    if (
        foreign and not row.for_whoever_knows and not row.numbered_within and persona not in row.for_all_accounts
    ) or persona in row.hidden_from:
        return "404"
    if method == "POST" and row.posted_by is not None and persona not in row.posted_by:
        return "403"
    # After a POST everyone is redirected.
    return "sent on" if persona in row.sent_on and method != "POST" else "open"


def ask(client: Client, method: str, path: str) -> str:
    """Send the request, undo what it did, and say in a word what came back."""
    undone = transaction.atomic()
    # As Django marks the transaction of a test, so that durable ones may be inside.
    undone._from_testcase = True  # type: ignore[attr-defined]
    with undone:
        response = client.generic(method, path)
        if response.streaming:
            list(response)
        transaction.set_rollback(True)
    if response.status_code in (301, 302):
        if response.headers["Location"].startswith("/login/") and path not in DOORS:
            return "signs in first"
        return "open" if method == "POST" else "sent on"
    # 400, 409 and 422 are a page's own answers to a form that was empty here.
    return "open" if response.status_code in (200, 400, 409, 422) else str(response.status_code)


class TestTheTable:
    def test_has_a_row_for_every_route_and_no_other(self) -> None:
        routes = set(every_name(get_resolver().url_patterns))

        assert routes == {row.route for row in TABLE}

    def test_every_view_says_what_it_needs_or_why_it_is_public(self) -> None:
        silent = [
            pattern.name
            for pattern in every_pattern(get_resolver().url_patterns)
            if not (hasattr(pattern.callback, "permissions") or hasattr(pattern.callback, "public"))
        ]

        assert silent == []

    def test_every_route_has_a_name_of_its_own(self) -> None:
        names = [pattern.name for pattern in every_pattern(get_resolver().url_patterns)]

        assert None not in names
        assert len(names) == len(set(names))


def every_pattern(patterns: list) -> Iterator:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from every_pattern(pattern.url_patterns)
        else:
            yield pattern


def every_name(patterns: list, space: str = "") -> Iterator[str]:
    """As `reverse` takes them."""
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from every_name(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else space)
        else:
            yield space + str(pattern.name)
