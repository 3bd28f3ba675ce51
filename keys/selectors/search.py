"""Search for keys across all accounts: two bounded scans of the newest keys, then the indexes."""

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
# The newest keys are scanned row by row first. If they hold several matches, a longer scan fills the result; if they
# hold few, matches are rare and the indexes find them.
FIRST_SCAN_LIMIT, SECOND_SCAN_LIMIT = 1_000, 20_000
MIN_FOUND_FOR_SECOND_SCAN = 10
ALL_ACCOUNTS = 0  # the same constant as in the index of keys/sql/search.sql


def search_keys(keys: QuerySet[Key], text: str) -> list[int]:
    """Return the newest MAX_KEYS_FOUND matching keys by primary key.

    A key matches by its name, which must contain every word, the last one as a prefix; by its API ID or the last 4
    characters of it; or by the start of its owner's e-mail.
    """
    named, known = _build_name_condition(text), _build_identity_condition(text)
    seen = _scan_newest(keys, FIRST_SCAN_LIMIT, known | named)
    if MIN_FOUND_FOR_SECOND_SCAN <= len(seen) < MAX_KEYS_FOUND:
        seen = _scan_newest(keys, SECOND_SCAN_LIMIT, known | named)
    return seen if len(seen) == MAX_KEYS_FOUND else _search_by_index(keys, named, known)


def _scan_newest(keys: QuerySet[Key], newest: int, matching: Q) -> list[int]:
    """Return the matches among the `newest` keys; the scan stops at MAX_KEYS_FOUND."""
    looked_at = keys.order_by("-pk").annotate(matches=ExpressionWrapper(matching, BooleanField()))
    sql, params = looked_at.values_list("pk", "matches")[:newest].query.sql_with_params()
    with connection.cursor() as cursor:
        # No outer ORDER BY: the subquery's order is kept, and the scan can stop early.
        cursor.execute(f"SELECT pk FROM ({sql}) AS newest (pk, matches) WHERE matches LIMIT {MAX_KEYS_FOUND}", params)
        return [pk for (pk,) in cursor.fetchall()]


def _search_by_index(keys: QuerySet[Key], *ways: Q) -> list[int]:
    """Return the matches of each condition by its own index.

    The sort expression matches no index, or the planner might scan the primary key and filter.
    """
    order = (F("pk") + 0).desc()
    seen = {pk for way in ways for pk in keys.filter(way).order_by(order).values_list("pk", flat=True)[:MAX_KEYS_FOUND]}
    return sorted(seen, reverse=True)[:MAX_KEYS_FOUND]


def _build_name_condition(text: str) -> Q:
    words: Any = Func(Value(ALL_ACCOUNTS), F("name"), function="key_words")
    query_words = Func(Value(ALL_ACCOUNTS), Value(text), function="key_words_wanted")
    return Q(CombinedExpression(words, "@@", query_words, BooleanField()))


def _build_identity_condition(text: str) -> Q:
    owners = list(User.objects.filter(email__startswith=text.lower()).values_list("pk", flat=True)[:MAX_OWNERS_FOUND])
    found = Q(public_id=text) | Q(owner__in=owners)
    return found | Q(Exact(Right("public_id", 4), text)) if len(text) == 4 else found
