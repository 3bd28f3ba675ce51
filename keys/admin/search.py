"""Finding a key in whichever account it is, as quickly among a million as among a thousand."""

from __future__ import annotations

import re
from typing import Any

from django.db.models import BooleanField, Func, Q, QuerySet, Value
from django.db.models.expressions import CombinedExpression, F
from django.db.models.functions import Right
from django.db.models.lookups import Exact

from accounts.models import User
from keys.models import Key

MOST_FOUND = 100
MOST_OWNERS = 100
# Of the newest keys so many are looked at one by one first: a search that many keys match is answered by them.
LOOK = 2_000
ALL_ACCOUNTS = 0  # as the index of migration 0010 has it


def found(keys: QuerySet[Key], text: str) -> list[int]:
    """The newest MOST_FOUND keys, and one more if there are more, by: start of any word of the name, exact API ID, the
    last 4 of it, or start of the owner's e-mail."""
    exact = _by_what_is_exact(text)
    newest = keys.order_by("-pk").values("pk")[:LOOK]
    seen = _newest(Key.objects.filter(exact | _word(text), pk__in=newest))
    if len(seen) > MOST_FOUND:
        return seen
    # Fewer than one in twenty: few enough to gather and sort. By one index each, so that none hides another.
    rows = set(_newest(keys.filter(exact))) | set(_newest(keys.filter(_by_index(text))))
    return sorted(rows, reverse=True)[: MOST_FOUND + 1]


def _newest(keys: QuerySet[Key]) -> list[int]:
    # Sorted by what no index has, or the database may walk along the primary key in the hope of meeting some.
    return list(keys.order_by((F("pk") + 0).desc()).values_list("pk", flat=True)[: MOST_FOUND + 1])


def _by_what_is_exact(text: str) -> Q:
    owners = list(User.objects.filter(email__startswith=text.lower()).values_list("pk", flat=True)[:MOST_OWNERS])
    found = Q(public_id=text) | Q(owner__in=owners)
    return found | Q(Exact(Right("public_id", 4), text)) if len(text) == 4 else found


def _word(text: str) -> Q:
    return Q(name__iregex=rf"(^|[^[:alnum:]]){re.escape(text)}")


def _by_index(text: str) -> Q:
    words: Any = Func(Value(ALL_ACCOUNTS), F("name"), function="key_words")
    wanted = Func(Value(ALL_ACCOUNTS), Value(text), function="key_words_wanted")
    return Q(CombinedExpression(words, "@@", wanted, BooleanField())) & _word(text)
