"""Links back to a list from an action that was opened from one of its rows.

A row's link carries the list's query, filters and page, in `?back=`, and in `?from=` the name of the list if it is not
the object's own: the finder's results. It never carries a path, so that it cannot lead elsewhere.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict
from django.urls import reverse

PARAMETER = "back"
ORIGIN = "from"
# By the value of ORIGIN, the name of the URL that an action leads back to.
ORIGINS = {"find": "key-find"}
MAX_QUERY_LENGTH = 2000
# Element ID of a list's actions on selected rows.
SELECTION_ANCHOR = "chosen"


def encode_list_query(request: HttpRequest) -> str:
    """Return `back=<query>` for the links of the list that this request shows."""
    return urlencode({PARAMETER: request.GET.urlencode()})


def encode_origin(origin: str, query: str) -> str:
    """Return `back=<query>&from=<origin>` for the links of a list that is not the objects' own; one of ORIGINS."""
    return urlencode({PARAMETER: query, ORIGIN: origin})


def get_list_query(request: HttpRequest) -> str | None:
    """Return the query of the list from which the action was opened; None if it was opened from elsewhere."""
    text = request.GET.get(PARAMETER, request.POST.get(PARAMETER))
    return text if text is not None and len(text) <= MAX_QUERY_LENGTH else None


def get_return_url(request: HttpRequest, listed: str, otherwise: str, place: str = "") -> str:
    """Return the URL of the list at the path `listed`, with the anchor of the action: the element ID of a row
    (`format_row_id`), or SELECTION_ANCHOR. Return `otherwise` for an action that was opened from elsewhere."""
    text = get_list_query(request)
    if text is None:
        return otherwise
    origin = ORIGINS.get(request.GET.get(ORIGIN, ""))
    listed = reverse(origin) if origin else listed
    query = QueryDict(text).urlencode()
    return listed + (f"?{query}" if query else "") + (f"#{place}" if place else "")


def format_row_id(kind: str, number: object) -> str:
    """Return the element ID of an object's row in its list."""
    return f"{kind}-{number}"
