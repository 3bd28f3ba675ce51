"""What is asked before a change is saved, over the calls of many keys, and pages of many keys, in turn with the bare
page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlencode

from benchmarks.bare_page import BARE
from core.bounded_cache import BoundedCache

# Of many keys, which are old and in use.
PAGES_OF_MANY_KEYS = (
    "/",
    "/keys/?secret=old",
    "/unused/",
    "/unused/modules/",
    "/unused/addresses/",
    "/unused/ip-lists/",
)
# When the process has kept no keys and sums of it, and when an entry of an IP list was changed since.
FIRST, CHANGED = ", first", ", an entry changed"
UNUSED_LIST = "Unused"
_EFFECT = re.compile(b"Would have refused|No effect on")


class MeasuredReplay(NamedTuple):
    """Ratios to the bare view, of each round."""

    name: str
    seconds: float
    samples: list[float]
    processor: list[float]

    @property
    def is_repeated(self) -> bool:
        """Whether it was asked before, and nothing changed since."""
        return not self.name.endswith((FIRST, CHANGED))

    @property
    def row(self) -> tuple[str, str, str, str]:
        return self.name, f"{self.seconds * 1000:.1f}", f"{median(self.samples):.1f}", f"{median(self.processor):.1f}"


def measure_replays(client: Any, account: Any, keys: int, calls: int, rounds: int) -> list[MeasuredReplay]:
    """Measure what forms and the preview of an API ask, each again and for the first time, and the pages of many keys,
    in turn with the bare view."""
    from django.db import connections
    from django.utils import timezone

    from benchmarks.installation import copy_keys
    from benchmarks.usage import make_usage
    from keys.models import IpList, IpListEntry, Key, KeyListing

    copy_keys(keys - Key.objects.count())
    make_usage(account, calls)
    asked = {**_build_forms(client, account), **_build_previews()}
    IpList.objects.create(account=account, name=UNUSED_LIST).entries.create(network="198.51.100.0/24")
    created_at = timezone.now() - timedelta(days=200)
    Key.objects.update(created_at=created_at)
    IpListEntry.objects.update(created_at=created_at)
    KeyListing.objects.update(used_at=timezone.now())
    with connections["maintenance"].cursor() as cursor:
        # As autovacuum does in a running installation; every row was just rewritten.
        cursor.execute("VACUUM ANALYZE")
    pages = {page: (lambda page=page: client.get(page)) for page in PAGES_OF_MANY_KEYS}
    times = _time_in_turn({"bare": lambda: client.get(BARE), **asked, **pages}, asked, rounds)
    floors = times.pop("bare")
    return [
        MeasuredReplay(
            name,
            median(wall for wall, _ in each),
            [mine[0] / bare[0] for mine, bare in zip(each, floors, strict=True)],
            [mine[1] / bare[1] for mine, bare in zip(each, floors, strict=True)],
        )
        for name, each in times.items()
    ]


def _build_forms(client: Any, account: Any) -> dict[str, Callable[[], Any]]:
    """Return what asks as a form does while it is filled in, by name."""
    from benchmarks.usage import make_lists
    from keys.models import Key

    busy, *_, quiet = Key.objects.filter(account=account).order_by("pk")
    lists = make_lists(account)
    settings = {"name": "Shop", "platform": "server", "addresses": "127.0.0.0/24", "every_module": "all"}
    settings |= {"expiry": "keep", "enabled": "on", "was_enabled": "on", "check": "live"}
    entry = {"network": "127.0.0.0/24", "enabled": "on", "check": "live", "stamp": "-"}

    def ask(url: str, data: dict[str, Any]) -> Callable[[], Any]:
        # As htmx sends it.
        form = urlencode(data), "application/x-www-form-urlencoded"
        return lambda: client.post(url, *form, headers={"HX-Request": "true"})

    def edit(key: Any) -> Callable[[], Any]:
        return ask(f"/keys/{key.public_id}/edit/", settings | {"version": key.version})

    def narrow(ip_list: Any) -> Callable[[], Any]:
        return ask(f"/ip-lists/{ip_list.pk}/entries/{ip_list.entries.get().pk}/edit/", entry)

    return {
        "a key with a tenth of the calls": edit(busy),
        "a key with few calls": edit(quiet),
        "an IP list of 100 keys": narrow(lists.of_some),
        "an IP list of all other keys": narrow(lists.of_others),
    }


def _build_previews() -> dict[str, Callable[[], Any]]:
    """Return what shows the effect of a change of the API within its preview, by name: of one that modules decide, and
    of one that paths decide. Both take a route from a module of every key to one that no key has."""
    from django.http import HttpResponse, QueryDict
    from django.template.loader import render_to_string

    from keys.apis.description import Description
    from keys.models import Api
    from keys.selectors.replay import replay_api
    from keys.views.effects import ChangeEffect

    api = Api.objects.get(slug="billing")
    moved, added = deepcopy(api.document), deepcopy(api.document)
    moved["paths"]["/invoices/{invoice_id}"]["get"]["tags"] = ["CDRs"]
    added["paths"]["/invoices/overdue"] = {"get": {"tags": ["CDRs"], "responses": {"200": {"description": "Some."}}}}

    def preview(document: dict[str, Any]) -> Callable[[], HttpResponse]:
        description = Description.from_data(document, api.policy)

        def show() -> HttpResponse:
            effect = ChangeEffect(replay_api(api, description), "", QueryDict(), log="/admin/audit/call/")
            return HttpResponse(render_to_string("admin/keys/effect.html", {"effect": effect}))

        return show

    return {"an API, by modules": preview(moved), "an API, by paths": preview(added)}


def _time_in_turn(
    parts: dict[str, Callable[[], Any]], asked: dict[str, Callable[[], Any]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Return wall and CPU seconds of each part by its name, and of those `asked` again when nothing is kept of them."""
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, ask in _iter_turn(parts, asked):
            began, processor = time.perf_counter(), time.process_time()
            response = ask()
            times.setdefault(name, []).append((time.perf_counter() - began, time.process_time() - processor))
            says_nothing = ask in asked.values() and not _EFFECT.search(response.content)
            if response.status_code != 200 or says_nothing:
                raise SystemExit(f"{name}: {response.status_code} {response.content[:500]!r}")
    return times


def _iter_turn(
    parts: dict[str, Callable[[], Any]], asked: dict[str, Callable[[], Any]]
) -> Iterator[tuple[str, Callable[[], Any]]]:
    from audit.usage import selectors
    from keys.models import IpListEntry
    from keys.selectors import decision_keys

    yield from parts.items()
    for name, ask in asked.items():
        caches: tuple[BoundedCache[Any], ...] = (
            decision_keys._read_for_replay,
            decision_keys._loaded_for_replay,
            selectors._remembered,
        )
        kept = [cache._values.copy() for cache in caches]
        for cache in caches:
            cache._values.clear()
        yield name + FIRST, ask
        for cache, values in zip(caches, kept, strict=True):
            cache._values.update(values)
    for name, ask in asked.items():
        # Of a list that no key uses.
        entry = IpListEntry.objects.get(ip_list__name=UNUSED_LIST)
        entry.enabled = not entry.enabled
        entry.save()
        yield name + CHANGED, ask
