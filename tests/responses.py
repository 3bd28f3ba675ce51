"""The type of what Django's test client returns, its text as a person reads it, and how two responses may differ."""

from __future__ import annotations

import re
from html import unescape
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


def read_page(response: Response) -> str:
    """Return the HTML with its entities decoded, each run of white space as one space, and addresses whole."""
    return re.sub(r"\s+", " ", without_breaks(unescape(response.content.decode())))


def without_breaks(page: str) -> str:
    """Return the HTML without the places at which addresses may be broken into lines."""
    return page.replace("<wbr>", "")


def read_words(response: Response) -> str:
    """Return the text between the tags, with each run of white space as one space."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", without_breaks(response.content.decode()))))
