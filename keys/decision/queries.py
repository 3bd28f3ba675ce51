"""Parse the query parameters that routes' conditions name, and detect ambiguous queries. Pure.

The query is parsed as in the signed text: split at `&`, decoded once, and `+` is a plus. Many servers accept more (a
repeated name, `name[]`, `;` as a separator, `+` as a space, `.` for `_`, other case). A call must not be decided as one
report and served as another, so a query is ambiguous where such a reading would matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

# Characters that some servers turn into `_`, and where some cut a name off.
_READ_AS_UNDERSCORE = re.compile(r"[. ]")
_CUT_OFF = re.compile(r"[\[\0].*", re.DOTALL)


def parse_parameters(query: str) -> dict[str, str]:
    """Return names and values, decoded once, of a query given as latin-1 text of the bytes sent."""
    found = {}
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        found[_decode(name)] = _decode(value)
    return found


def is_unambiguous(query: str, conditions: Collection[tuple[str, str]]) -> bool:
    """Return whether no other reading of the query would change which of these conditions it meets.

    Each name must occur at most once and exactly so, and a `+` in its value must not matter.
    """
    names = {_normalize_name(name): name for name, _ in conditions}
    met = set()
    for piece in query.split("&"):
        for part in piece.split(";"):
            raw_name, _, raw_value = part.partition("=")
            name, value = _decode(raw_name), _decode(raw_value)
            loose = _normalize_name(name)
            if loose not in names:
                continue
            if name != names[loose] or loose in met or part != piece:
                return False
            if "+" in raw_value and {(name, value), (name, _decode(raw_value.replace("+", " ")))} & set(conditions):
                return False
            met.add(loose)
    return True


def _normalize_name(name: str) -> str:
    """Return the parameter that some server may take this name for."""
    return _READ_AS_UNDERSCORE.sub("_", _CUT_OFF.sub("", name).replace("+", " ").strip()).casefold()


def _decode(text: str) -> str:
    # Surrogates of invalid UTF-8 match no condition.
    return unquote_to_bytes(text.encode("latin-1")).decode("utf-8", "surrogateescape")
