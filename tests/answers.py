"""What two answers may be told apart by."""

from __future__ import annotations

from django.http import HttpResponse

# Every answer has a request ID of its own, and Django names the second it was made in.
ITS_OWN = {"X-Request-Id", "Expires"}


def common_headers(response: HttpResponse) -> str:
    """All headers that two equal answers have in common."""
    return str({name: value for name, value in response.headers.items() if name not in ITS_OWN})
