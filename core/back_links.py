"""The way back to a list, as it was, from an action that was opened from one of its rows.

The row's link carries the list's own query, its filters and its page, in `?back=`: never an address, so that nothing in
it can lead elsewhere.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

PARAMETER = "back"
MAX_QUERY_LENGTH = 2000
# Where a list has the actions on the rows that are ticked.
SELECTION_ANCHOR = "chosen"


def encode_list_query(request: HttpRequest) -> str:
    """Return `back=<query>` for the links of the list that this request shows."""
    return urlencode({PARAMETER: request.GET.urlencode()})


def get_list_query(request: HttpRequest) -> str | None:
    """Return the query of the list that the action was opened from; None if it was opened from elsewhere."""
    text = request.GET.get(PARAMETER, request.POST.get(PARAMETER))
    return text if text is not None and len(text) <= MAX_QUERY_LENGTH else None


def get_return_url(request: HttpRequest, listed: str, otherwise: str, place: str = "") -> str:
    """Return the address of the list at the path `listed` as it was, and where on its page the action was: the element
    ID of a row (`format_row_id`), or `SELECTION_ANCHOR`. Of an action from elsewhere return `otherwise`."""
    text = get_list_query(request)
    if text is None:
        return otherwise
    query = QueryDict(text).urlencode()
    return listed + (f"?{query}" if query else "") + (f"#{place}" if place else "")


def format_row_id(kind: str, number: object) -> str:
    """Return the element ID of an object's row in its list."""
    return f"{kind}-{number}"
