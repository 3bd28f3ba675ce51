"""The type of what Django's test client returns, and how two responses may differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # An HttpResponse with `context`, `text` and more, which only the stubs name.
    from django.test.client import _MonkeyPatchedWSGIResponse as Response
else:
    from django.http import HttpResponse as Response

# Every response has a request ID of its own, and Django names the second it was made in.
ITS_OWN = {"X-Request-Id", "Expires"}


def common_headers(response: Response) -> str:
    """Return all headers, without the values that differ between any two responses."""
    return str({name: name in ITS_OWN or value for name, value in response.headers.items()})
