"""Finding a key in whichever account it is, as quickly among a million as among a thousand."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, F, Func, Q, QuerySet, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Right
from django.db.models.lookups import Exact

from accounts.models import User
from keys.models import Key

MAX_KEYS_FOUND = 100
MAX_OWNERS_FOUND = 20
# It looks among the newest keys one by one, and where they hold more than a few, among more of them. Where even the
# newest hold few, few keys match, and the indexes know which.
FIRST_SCAN_LIMIT, SECOND_SCAN_LIMIT = 1_000, 20_000
MIN_FOUND_FOR_SECOND_SCAN = 10
ALL_ACCOUNTS = 0  # as the index in keys/sql/search.sql has it


def search_keys(keys: QuerySet[Key], text: str) -> list[int]:
    """The newest MAX_KEYS_FOUND keys by: every word of the text in the name, the last as the start of one; exact API
    ID, or the last 4 of it; start of the owner's e-mail."""
    named, known = _build_name_condition(text), _build_identity_condition(text)
    seen = _scan_newest(keys, FIRST_SCAN_LIMIT, known | named)
    if MIN_FOUND_FOR_SECOND_SCAN <= len(seen) < MAX_KEYS_FOUND:
        seen = _scan_newest(keys, SECOND_SCAN_LIMIT, known | named)
    return seen if len(seen) == MAX_KEYS_FOUND else _search_by_index(keys, named, known)


def _scan_newest(keys: QuerySet[Key], newest: int, matching: Q) -> list[int]:
    """It stops where it has seen MAX_KEYS_FOUND."""
    looked_at = keys.order_by("-pk").annotate(matches=ExpressionWrapper(matching, BooleanField()))
    sql, params = looked_at.values_list("pk", "matches")[:newest].query.sql_with_params()
    with connection.cursor() as cursor:
        # Without ORDER BY outside: the rows come in order.
        cursor.execute(f"SELECT pk FROM ({sql}) AS newest (pk, matches) WHERE matches LIMIT {MAX_KEYS_FOUND}", params)
        return [pk for (pk,) in cursor.fetchall()]


def _search_by_index(keys: QuerySet[Key], *ways: Q) -> list[int]:
    """One way at a time, each has its index; by what no index has, or the database may walk along the primary key in
    the hope of meeting some."""
    order = (F("pk") + 0).desc()
    seen = {pk for way in ways for pk in keys.filter(way).order_by(order).values_list("pk", flat=True)[:MAX_KEYS_FOUND]}
    return sorted(seen, reverse=True)[:MAX_KEYS_FOUND]


def _build_name_condition(text: str) -> Q:
    words: Any = Func(Value(ALL_ACCOUNTS), F("name"), function="key_words")
    wanted = Func(Value(ALL_ACCOUNTS), Value(text), function="key_words_wanted")
    return Q(CombinedExpression(words, "@@", wanted, BooleanField()))


def _build_identity_condition(text: str) -> Q:
    owners = list(User.objects.filter(email__startswith=text.lower()).values_list("pk", flat=True)[:MAX_OWNERS_FOUND])
    found = Q(public_id=text) | Q(owner__in=owners)
    return found | Q(Exact(Right("public_id", 4), text)) if len(text) == 4 else found
