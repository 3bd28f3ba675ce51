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
_TURNED = re.compile(r"[. ]")
_CUT = re.compile(r"[\[\0].*", re.DOTALL)


def parameters(query: str) -> dict[str, str]:
    """Names and values, decoded once. `query` as it was sent, in latin-1."""
    found = {}
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        found[_decoded(name)] = _decoded(value)
    return found


def readable(query: str, conditions: Collection[tuple[str, str]]) -> bool:
    """Whether each name of these conditions is there once at most, under that very name, and no reading of its value
    but ours meets one of them."""
    names = {_loosely(name): name for name, _ in conditions}
    met = set()
    for piece in query.split("&"):
        for part in piece.split(";"):
            raw_name, _, raw_value = part.partition("=")
            name, value = _decoded(raw_name), _decoded(raw_value)
            loose = _loosely(name)
            if loose not in names:
                continue
            if name != names[loose] or loose in met or part != piece:
                return False
            if "+" in raw_value and {(name, value), (name, _decoded(raw_value.replace("+", " ")))} & set(conditions):
                return False
            met.add(loose)
    return True


def _loosely(name: str) -> str:
    """The parameter that some server may take this name for."""
    return _TURNED.sub("_", _CUT.sub("", name).replace("+", " ").strip()).casefold()


def _decoded(text: str) -> str:
    # What is no UTF-8 meets no condition.
    return unquote_to_bytes(text.encode("latin-1")).decode("utf-8", "surrogateescape")
