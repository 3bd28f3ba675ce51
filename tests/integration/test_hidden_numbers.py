"""Phone numbers that are hidden from a reader, in pages, filters, charts and exports of the API log."""

from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from core.phone_masking import Mask

PIECES = [
    *("0", "12", "123456", "1234567", "44791112345", "123456789012345", "9" * 17),
    *("+", "%", "%2B", "%20", "%A1", "%4", "-", "_", "a", "é", "&", "?", "expires=", "/", ",", "=", "\\"),
]


def hidden(text: str, mask: Mask) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_hide(%s, %s, %s)", [text, mask.digits, mask.side])
        return cursor.fetchone()[0]


class SqlHidesWhatPagesHide(TestCase):
    @settings(max_examples=400, deadline=None)
    @given(
        st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
        st.builds(Mask, st.integers(0, 16), st.sampled_from(["first", "last"])),
    )
    def test_the_two_rules_are_one(self, text: str, mask: Mask) -> None:
        assert hidden(text, mask) == mask.mask(text)


@pytest.mark.django_db
def test_a_long_path_is_hidden_in_no_time() -> None:
    assert hidden("/1234567" * 1000, Mask(0, "last")) == "/XXXXXXX" * 1000
