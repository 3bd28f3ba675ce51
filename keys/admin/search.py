"""Finding a key in whichever account it is, as quickly among a million as among a thousand."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Right
from django.db.models.lookups import Exact

from accounts.models import User
from keys.models import Key

MOST_FOUND = 100
MOST_OWNERS = 20
# Among so many of the newest keys it looks first, then among more, then among all: where many keys match, enough of
# the newest do, and where they do not, few match.
NEWEST = (1_000, 20_000)
ALL_ACCOUNTS = 0  # as the index of migration 0010 has it


def found(keys: QuerySet[Key], text: str) -> list[int]:
    """The newest MOST_FOUND keys by: every word of the text in the name, the last as the start of one; exact API ID, or
    the last 4 of it; start of the owner's e-mail."""
    ways = (_named(text), _known(text))
    for many in NEWEST:
        if not (oldest := keys.order_by("-pk").values_list("pk", flat=True)[many - 1 : many]):
            break
        seen = _newest(keys.filter(pk__gte=oldest[0]), ways)
        if len(seen) == MOST_FOUND:
            return seen
    return _newest(keys, ways)


def _newest(keys: QuerySet[Key], ways: tuple[Q, ...]) -> list[int]:
    """One way at a time, each has its index; by what no index has, or the database may walk along the primary key in
    the hope of meeting some."""
    order = (F("pk") + 0).desc()
    seen = {pk for way in ways for pk in keys.filter(way).order_by(order).values_list("pk", flat=True)[:MOST_FOUND]}
    return sorted(seen, reverse=True)[:MOST_FOUND]


def _named(text: str) -> Q:
    words: Any = Func(Value(ALL_ACCOUNTS), F("name"), function="key_words")
    wanted = Func(Value(ALL_ACCOUNTS), Value(text), function="key_words_wanted")
    return Q(CombinedExpression(words, "@@", wanted, BooleanField()))


def _known(text: str) -> Q:
    owners = list(User.objects.filter(email__startswith=text.lower()).values_list("pk", flat=True)[:MOST_OWNERS])
    found = Q(public_id=text) | Q(owner__in=owners)
    return found | Q(Exact(Right("public_id", 4), text)) if len(text) == 4 else found
