"""Filters of lists that are saved under a name, and the columns and page sizes of the other lists."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import pytest
from django.test import Client

from accounts.lists import services
from accounts.models import ListSettings, SavedFilter, User
from accounts.services import Invalid
from core.authorization import Denied
from core.columns import find_list
from core.permissions import Role
from tests.factories.accounts import a_saved_filter, a_user, acting, an_account
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.responses import read_words
from tests.trail import since_the_beginning

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed_in")]
DENIED = "decision=denied&range=7d"


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def get_saved(client: Client, page: str = "/logs/") -> list[tuple[str, str]]:
    return re.findall(r'<li><a href="\?([^"]*)">([^<]*)</a>', client.get(page).content.decode())


def save(client: Client, name: str, *, back: str = DENIED, shared: bool = False) -> int:
    data = {"name": name} | ({"shared": "on"} if shared else {})
    return client.post("/lists/log/filters/new/", data, query_params={"back": back}).status_code


def save_as(user: User, name: str) -> None:
    services.save_filter(
        account=user.account,
        user=user,
        columns=find_list("log"),
        name=name,
        query=DENIED,
        shared=True,
        by=acting(user),
    )


def test_a_saved_filter_leads_to_the_list_as_it_was_filtered(client: Client, alice: User) -> None:
    a_call(alice.account)
    assert save(client, "Denied", back=f"{DENIED}&after=x&start=51&colour=red") == 302

    assert get_saved(client) == [("decision=denied&amp;range=7d", "Denied")]
    assert client.get("/logs/?decision=denied&range=7d").status_code == 200
    [event] = since_the_beginning().filter(name="filter.saved")
    assert (event.account_id, event.target) == (alice.account_id, "Denied")
    assert json.loads(event.body)["data"]["filters"] == {"decision": "denied", "range": "7d"}


def test_the_dialog_names_filters_and_values_in_words(client: Client, alice: User) -> None:
    for name, query, words in (
        ("log", DENIED, "Decision Denied Time Last 7 days"),
        ("keys", "status=expires_soon&unused=90", "Status Expires soon Unused for 90 days"),
        ("trail", "kind=key", "Object Key"),
    ):
        page = read_words(client.get(f"/lists/{name}/filters/new/?{urlencode({'back': query})}"))
        assert words in page


def test_a_shared_one_is_seen_by_who_sees_the_list_and_deleted_by_its_user_and_administrators(
    client: Client, alice: User
) -> None:
    bob, carol = (a_user(alice.account, name, Role.ACCOUNT_READER) for name in ("Bob", "Carol"))
    own = sign_in(bob)
    save(own, "Mine")
    save(own, "Ours", shared=True)
    other = sign_in(a_user(an_account("globex"), "Gina", Role.ADMINISTRATOR))

    assert [name for _, name in get_saved(own)] == ["Mine", "Ours"]
    assert [name for _, name in get_saved(sign_in(carol))] == ["Ours"]
    assert get_saved(other) == get_saved(own, "/keys/") == []
    mine, ours = (SavedFilter.objects.get(name=name) for name in ("Mine", "Ours"))
    tries = ((sign_in(carol), mine), (sign_in(carol), ours), (other, ours), (client, mine), (client, ours), (own, mine))
    statuses = [someone.post(f"/lists/log/filters/{row.pk}/delete/").status_code for someone, row in tries]
    assert statuses == [404, 403, 404, 404, 302, 302]
    assert not SavedFilter.objects.exists()
    assert since_the_beginning().filter(name="filter.deleted").count() == 2


@pytest.mark.parametrize(
    ("name", "back", "says"),
    [
        ("Denied", DENIED, "already have a filter with this name"),
        ("Nothing", "", "no filters to save"),
        ("Secret", f"key=kw_0123456789ab_{'a' * 38}", "looks like it contains a secret"),
        ("Odd\u202e", DENIED, "invisible characters"),
        ("", DENIED, "required"),
        ("n" * 81, DENIED, "at most 80"),
    ],
)
def test_what_cannot_be_saved_is_said(client: Client, alice: User, name: str, back: str, says: str) -> None:
    a_saved_filter(alice, "log", shared=True)
    SavedFilter.objects.update(name="denied")
    answer = client.post("/lists/log/filters/new/", {"name": name}, query_params={"back": back})

    assert (answer.status_code, says in answer.content.decode()) == (422, True)
    assert SavedFilter.objects.count() == 1


def test_there_is_a_limit(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_FILTERS", 1)
    a_saved_filter(alice, "log")
    with pytest.raises(Invalid, match="maximum"):
        save_as(alice, "More")


def test_nothing_is_saved_or_deleted_without_its_event(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **fields: object) -> None:
        raise RuntimeError("no event")

    row = a_saved_filter(alice, "log")
    monkeypatch.setattr(services, "record", fail)
    with pytest.raises(RuntimeError):
        services.save_filter(
            account=alice.account,
            user=alice,
            columns=find_list("log"),
            name="More",
            query=DENIED,
            shared=True,
            by=acting(alice),
        )
    with pytest.raises(RuntimeError):
        services.delete_filter(saved=row, columns=find_list("log"), by=acting(alice))
    assert SavedFilter.objects.get() == row


def test_only_who_sees_a_list_arranges_it(alice: User) -> None:
    nina = a_user(alice.account, "Nina")
    with pytest.raises(Denied):
        services.arrange_list(user=nina, columns=find_list("log"), shown=["time"], page_size=50, by=acting(nina))
    assert sign_in(nina).get("/lists/log/columns/").status_code == 403
    assert sign_in(nina).get("/lists/nothing/columns/").status_code == 404


@pytest.mark.parametrize(
    ("name", "page", "columns", "shown"),
    [
        ("log", "/logs/", ["duration", "owner"], ["Time (UTC)", "Duration", "Owner"]),
        ("trail", "/audit/", ["by"], ["Time (UTC)", "Event", "By"]),
        ("users", "/users/", ["created", "keys"], ["Nickname", "Created", "Keys"]),
        ("ip-lists", "/ip-lists/", ["used_by"], ["Select all", "Name", "Used by", "Actions"]),
    ],
)
def test_each_list_shows_the_chosen_columns_in_their_order(
    client: Client, alice: User, name: str, page: str, columns: list[str], shown: list[str]
) -> None:
    a_call(alice.account)
    an_ip_list(alice, "203.0.113.7")
    first = "nickname" if name == "users" else "name" if name == "ip-lists" else "time"
    places = {f"position_{column}": place for place, column in enumerate((first, "event", *columns), 1)}
    assert client.post(f"/lists/{name}/columns/", {"columns": columns, "page_size": 25} | places).status_code == 302

    found = re.findall(r'<th scope="col"(?! hidden).*?</th>', client.get(page).content.decode(), re.DOTALL)
    labels = [re.sub("<[^>]*>", "", cell).strip() for cell in found]
    assert [label for label in labels if label] == [label for label in shown if label != "Select all"]
    assert ListSettings.objects.get(user=alice).page_size == 25
