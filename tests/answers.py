"""What two answers may be told apart by."""

from __future__ import annotations

from django.http import HttpResponse

# Every answer has a request ID of its own, and Django names the second it was made in.
ITS_OWN = {"X-Request-Id", "Expires"}


def common_headers(response: HttpResponse) -> str:
    """All headers, and of those that are each answer's own that they are there."""
    return str({name: name in ITS_OWN or value for name, value in response.headers.items()})
