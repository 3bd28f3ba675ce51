"""What a query says of the parameters that routes' conditions name, if it can be read in one way only. Pure.

Read as in the text that is signed: split at `&`, decoded once, and `+` is a plus. Many servers read more than that (a
repeated name, `name[]`, `;` as a separator, `+` as a space, `.` for `_`, small letters for capitals), and a call must
not be judged as one report and served as another: where such a reading would matter, there is none.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

# What servers are known to turn into `_`, and to cut off.
_READ_AS_UNDERSCORE = re.compile(r"[. ]")
_CUT_OFF = re.compile(r"[\[\0].*", re.DOTALL)


def parse_parameters(query: str) -> dict[str, str]:
    """Names and values, decoded once. `query` as it was sent, in latin-1."""
    found = {}
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        found[_decode(name)] = _decode(value)
    return found


def is_unambiguous(query: str, conditions: Collection[tuple[str, str]]) -> bool:
    """Whether each name of these conditions is there once at most, under that very name, and no reading of its value
    but ours meets one of them."""
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
    """The parameter that some server may take this name for."""
    return _READ_AS_UNDERSCORE.sub("_", _CUT_OFF.sub("", name).replace("+", " ").strip()).casefold()


def _decode(text: str) -> str:
    # What is no UTF-8 meets no condition.
    return unquote_to_bytes(text.encode("latin-1")).decode("utf-8", "surrogateescape")
