"""A sealed secret opens in its own place, under its own ring, unchanged; and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from core.sealing import SealBroken, get_sealing_key_number, open_sealed, seal

RING = {1: b"1" * 32, 2: b"2" * 32}
PLACE: dict[str, Any] = {
    "purpose": "token",
    "account": 7,
    "key": "AbCdEfGh1234",
    "secret": "0196f0c5-0000-7000-8000-000000000001",
}
PLAIN = "kw_AbCdEfGh1234_0123456789abcdefghijABCDEFGHIJ01abcdef"


def test_what_was_sealed_opens_in_its_place():
    assert open_sealed(seal(PLAIN, ring=RING, **PLACE), ring=RING, **PLACE) == PLAIN


def test_the_newest_key_seals_and_older_ones_still_open():
    old = seal(PLAIN, ring={1: RING[1]}, **PLACE)
    new = seal(PLAIN, ring=RING, **PLACE)
    assert (get_sealing_key_number(old), get_sealing_key_number(new)) == (1, 2)
    assert open_sealed(old, ring=RING, **PLACE) == PLAIN


def test_two_seals_of_one_secret_share_nothing():
    first, second = (seal(PLAIN, ring=RING, **PLACE) for _ in range(2))
    assert first[5:] != second[5:]
    assert PLAIN.encode() not in first


@pytest.mark.quality(15)
@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("purpose", "signing"),
        ("account", 8),
        ("key", "AbCdEfGh1235"),
        ("secret", "0196f0c5-0000-7000-8000-000000000002"),
    ],
)
def test_a_sealed_form_moved_to_another_place_is_refused(part, other):
    with pytest.raises(SealBroken):
        open_sealed(seal(PLAIN, ring=RING, **PLACE), ring=RING, **(PLACE | {part: other}))


def test_parts_that_read_alike_side_by_side_are_two_places():
    sealed = seal(PLAIN, ring=RING, purpose="token", account=7, key="ab", secret="c")
    with pytest.raises(SealBroken):
        open_sealed(sealed, ring=RING, purpose="token", account=7, key="a", secret="bc")


@pytest.mark.quality(15)
def test_every_flipped_bit_is_refused():
    sealed = seal(PLAIN, ring=RING, **PLACE)
    for position in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[position] ^= 1 << bit
            with pytest.raises(SealBroken):
                open_sealed(bytes(changed), ring=RING, **PLACE)


def test_every_cut_or_lengthened_form_is_refused():
    sealed = seal(PLAIN, ring=RING, **PLACE)
    for changed in [*(sealed[:length] for length in range(len(sealed))), sealed + b"\0"]:
        with pytest.raises(SealBroken):
            open_sealed(changed, ring=RING, **PLACE)


@pytest.mark.parametrize("ring", [{}, {3: RING[2]}, {2: b"x" * 32}])
def test_without_the_right_key_nothing_opens(ring):
    with pytest.raises(SealBroken):
        open_sealed(seal(PLAIN, ring=RING, **PLACE), ring=ring, **PLACE)


def test_a_broken_seal_says_nothing_about_the_secret():
    sealed = bytearray(seal(PLAIN, ring=RING, **PLACE))
    sealed[-1] ^= 1
    with pytest.raises(SealBroken) as broken:
        open_sealed(bytes(sealed), ring=RING, **PLACE)
    assert not str(broken.value)
