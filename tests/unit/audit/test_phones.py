"""Masking of phone numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.phone_masking import Mask

LAST4 = Mask(4, "last")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/leads/447911123456", "/leads/XXXXXXXX3456"),
        ("to=+447911123456", "to=+XXXXXXXX3456"),
        ("to=%2B447911123456", "to=%2BXXXXXXXX3456"),
        ("to=%2b447911123456&x=1", "to=%2bXXXXXXXX3456&x=1"),
        ("q=%20447911123456", "q=%20XXXXXXXX3456"),
        ("1234567,7654321;1111111", "XXX4567,XXX4321;XXX1111"),
        ("123456", "123456"),
        ("1234567", "XXX4567"),
        ("123456789012345", "XXXXXXXXXXX2345"),
        ("1234567890123456", "1234567890123456"),
        ("a1234567", "a1234567"),
        ("1234567a", "1234567a"),
        ("_1234567 1234567_", "_1234567 1234567_"),
        ("-1234567 1234567-", "-1234567 1234567-"),
        ("expires=1700000000", "expires=1700000000"),
        ("a=1&expires=1700000000&b=1700000000", "a=1&expires=1700000000&b=XXXXXX0000"),
        ("noexpires=1700000000", "noexpires=XXXXXX0000"),
        ("", ""),
    ],
)
def test_what_a_phone_number_is(text: str, shown: str):
    assert LAST4.mask(text) == shown


@pytest.mark.parametrize(
    ("mask", "shown"),
    [
        (Mask(0, "last"), "XXXXXXX"),
        (Mask(0, "first"), "XXXXXXX"),
        (Mask(2, "first"), "12XXXXX"),
        (Mask(6, "last"), "X234567"),
        (Mask(7, "last"), "1234567"),
        (Mask(15, "first"), "1234567"),
    ],
)
def test_as_many_digits_stay_as_the_account_says(mask: Mask, shown: str):
    assert mask.mask("1234567") == shown


def test_in_an_export_only_what_is_marked_is_hidden_and_the_marks_go():
    block = b'1234567,"\x01/a,1234567\x02",\x011234567\x02,b\r\n\x01q=1234567\x02\r\n'

    assert LAST4.mask_marked(block) == b'1234567,"/a,XXX4567",XXX4567,b\r\nq=XXX4567\r\n'


PIECES = ["0", "12", "123456", "44791112345", "+", "%2B", "%20", "-", "_", "a", "é", "&", "expires=", "/", "?", ","]


@given(st.lists(st.sampled_from(PIECES), max_size=10), st.integers(0, 16), st.sampled_from(["first", "last"]))
def test_hiding_changes_nothing_but_digits_and_does_so_once(pieces: list[str], digits: int, side: str):
    text, mask = "".join(pieces), Mask(digits, side)
    hidden = mask.mask(text)

    assert len(hidden) == len(text)
    assert all(now == was or (now == "X" and was in "0123456789") for now, was in zip(hidden, text, strict=True))
    assert mask.mask(hidden) == hidden
