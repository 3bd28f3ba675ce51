"""What a user may see that a short text names: pages, keys, users, IP lists, addresses, calls and events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from django.urls import resolve, reverse

from accounts.filters import UserFilter
from accounts.models import Account, User
from accounts.selectors import list_users
from audit.calls.selectors import get_call
from audit.trail.selectors import get_event, list_events_of_requests
from audit.trail.sentences import format_sentence, get_event_url
from core.authorization import has_permission
from core.lists import ListFilter
from core.permissions import Permission
from core.request_id import get_creation_time
from keys.decision.addresses import BadAddress, Network, format_network, parse_network
from keys.filters import KeyFilter
from keys.ip_lists.filters import IpListFilter
from keys.models import Key
from keys.visibility import get_enabled_apis, get_visible_ip_lists, get_visible_keys

if TYPE_CHECKING:
    from audit.models import Event

MAX_HITS = 6  # of each kind
REQUEST_ID_LENGTH = 36
EVENT_NUMBER = re.compile(r"#?([1-9][0-9]{0,17})")
# Label, and the name of the URL. Who may open a page is asked of its view.
PAGES = (
    ("Overview", "overview"),
    ("API keys", "key-list"),
    ("Add API key", "key-new"),
    ("Export keys", "key-export"),
    ("Unused keys, modules and addresses", "unused"),
    ("IP lists", "ip-list-list"),
    ("New IP list", "ip-list-new"),
    ("API logs", "log-list"),
    ("Access check", "access-check"),
    ("Audit trail", "trail-list"),
    ("Digests", "digest-list"),
    ("Find a leaked key", "key-find"),
    ("Users", "user-list"),
    ("Invite user", "user-invite"),
    ("Settings of the account and phone masking", "settings"),
    ("Profile, password and second factors", "profile"),
)


class Hit(NamedTuple):
    label: str
    url: str
    detail: str = ""


class Group(NamedTuple):
    """The first hits of one kind; `more` is the URL of the list of all, empty if these are all."""

    heading: str
    hits: list[Hit]
    more: str = ""


def search(user: User, account: Account, text: str) -> list[Group]:
    """Return what the text names, of what the user may see in the account, without empty groups."""
    kinds: tuple[Callable[[User, Account, str], Group], ...] = (
        _find_requests,
        _find_addresses,
        _find_keys,
        _find_users,
        _find_ip_lists,
        _find_apis,
        _find_pages,
    )
    return [group for find in kinds if (group := find(user, account, text)).hits]


def _find_keys(user: User, account: Account, text: str) -> Group:
    everyones = has_permission(user, Permission.KEYS_SEE)
    keys = KeyFilter(
        QueryDict(urlencode({"q": text})), get_visible_keys(user), account=account, apis=(), everyones=everyones
    )
    if not keys.is_valid():
        return Group("API keys", [])
    found = [each.key for each in keys.page.keys]
    rows = Key.objects.select_related("api", "owner").defer("api__document").in_bulk(found[:MAX_HITS])
    hits = [_build_key_hit(rows[pk]) for pk in found[:MAX_HITS] if pk in rows]
    return Group("API keys", hits, _get_more("key-list", text, len(found)))


def _build_key_hit(key: Key) -> Hit:
    return Hit(
        key.name,
        reverse("key-detail", args=[key.public_id]),
        f"{key.api.name} · {key.public_id} · {key.owner.nickname}",
    )


def _find_users(user: User, account: Account, text: str) -> Group:
    if not has_permission(user, Permission.USERS_SEE):
        return Group("Users", [])
    people = _filter(UserFilter(QueryDict(urlencode({"q": text})), list_users(account)))
    hits = [Hit(each.nickname, reverse("user-detail", args=[each.pk]), each.email) for each in people]
    return Group("Users", hits[:MAX_HITS], _get_more("user-list", text, len(hits)))


def _find_ip_lists(user: User, account: Account, text: str) -> Group:
    lists = _filter(IpListFilter(QueryDict(urlencode({"q": text})), get_visible_ip_lists(user)))
    hits = [Hit(each.name, reverse("ip-list-detail", args=[each.pk]), each.description) for each in lists]
    return Group("IP lists", hits[:MAX_HITS], _get_more("ip-list-list", text, len(hits)))


def _find_apis(user: User, account: Account, text: str) -> Group:
    apis = get_enabled_apis(user).filter(name__icontains=text)
    return Group("APIs", [Hit(each.name, reverse("api-reference", args=[each.slug])) for each in apis[:MAX_HITS]])


def _find_pages(user: User, account: Account, text: str) -> Group:
    words = text.lower().split()
    named = [(label, reverse(name)) for label, name in PAGES if all(word in label.lower() for word in words)]
    return Group("Pages", [Hit(label, url) for label, url in named if _may_open(user, url)])


def _may_open(user: User, url: str) -> bool:
    permissions: Iterable[Permission] = resolve(url).func.permissions  # type: ignore[attr-defined]
    return all(has_permission(user, permission) for permission in permissions)


def _find_addresses(user: User, account: Account, text: str) -> Group:
    """Find the calls from an address or range, and the keys that have an entry that contains it."""
    try:
        network = parse_network(text)
    except BadAddress:
        return Group("Addresses", [])
    return Group("Addresses", list(_list_address_hits(user, network))[: 2 * MAX_HITS])


def _list_address_hits(user: User, network: Network) -> Iterator[Hit]:
    text = format_network(network)
    if has_permission(user, Permission.LOG_SEE):
        yield Hit(f"Calls from {text}", f"{reverse('log-list')}?{urlencode({'range': '30d', 'address': text})}")
    admitting = get_visible_keys(user).filter(addresses__network__admits=str(network)).distinct()
    for key in admitting.select_related("api", "owner").defer("api__document").order_by("-pk")[:MAX_HITS]:
        yield _build_key_hit(key)._replace(label=f"{key.name} allows {text}")
    for each in get_visible_ip_lists(user).filter(entries__network__admits=str(network)).distinct()[:MAX_HITS]:
        yield Hit(f"{each.name} contains {text}", reverse("ip-list-detail", args=[each.pk]))


def _find_requests(user: User, account: Account, text: str) -> Group:
    """Find the call and the events of a request ID, or the event of a number."""
    return Group("Calls and events", list(_list_request_hits(user, account, text)))


def _list_request_hits(user: User, account: Account, text: str) -> Iterator[Hit]:
    may_see_trail = has_permission(user, Permission.TRAIL_SEE)
    if (number := EVENT_NUMBER.fullmatch(text)) and may_see_trail and (event := get_event(account.pk, int(number[1]))):
        yield _build_event_hit(event)
    request_id = _parse_request_id(text)
    if request_id is None:
        return
    if has_permission(user, Permission.LOG_SEE) and get_call(account.pk, request_id):
        time = get_creation_time(request_id)
        yield Hit(
            f"Call {text}", reverse("log-detail", args=[request_id]), f"{time:%Y-%m-%d %H:%M} UTC" if time else ""
        )
    if may_see_trail:
        yield from map(_build_event_hit, list_events_of_requests(account.pk, [request_id])[:MAX_HITS])


def _build_event_hit(event: Event) -> Hit:
    return Hit(format_sentence(event), get_event_url(event), f"Event {event.number}")


def _parse_request_id(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == REQUEST_ID_LENGTH else None
    except ValueError:
        return None


def _filter(filters: ListFilter) -> list[Any]:
    return list(filters.qs.order_by("pk")[: MAX_HITS + 1]) if filters.is_valid() else []


def _get_more(name: str, text: str, count: int) -> str:
    return f"{reverse(name)}?{urlencode({'q': text})}" if count > MAX_HITS else ""
